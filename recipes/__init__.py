"""Runs: one short file per kind of run. It wires the other packages and nothing imports it."""
