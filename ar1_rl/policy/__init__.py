"""Policies: the vocabulary they share, a tiny one trained from scratch, and any Hugging Face causal LM."""
