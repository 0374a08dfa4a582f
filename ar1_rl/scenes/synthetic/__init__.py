"""Synthetic scenes: the embedded default, generated from a seed, nothing to download.

A cause draws a world, the expert drives it, and the reference chain of causation follows from the cause.
"""

from .generate import SPLITS, SyntheticConfig, generate_scenes

__all__ = ["SPLITS", "SyntheticConfig", "generate_scenes"]
