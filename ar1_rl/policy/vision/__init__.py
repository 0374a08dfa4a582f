"""Policies that see: a small vision-language architecture of our own, and the vision-language models of others."""
