"""Random numbers for one scene: a thin, fast face over numpy's Generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

_BLOCK = 64
"""Uniform numbers fetched at once: single draws from numpy cost ten times as much."""


class Draw:
    """Uniform numbers and choices; two `Draw` with the same key give the same values in the same order."""

    def __init__(self, key: Sequence[int]) -> None:
        """`key` is the entropy of numpy's default_rng: any number of non-negative integers."""
        self._rng = np.random.default_rng(key)
        self._block: list[float] = []
        self._labels: set[str] = set()

    def unit(self) -> float:
        """A number in [0, 1)."""
        if not self._block:
            self._block = self._rng.random(_BLOCK).tolist()
        return self._block.pop()

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.unit()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.unit() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, each equally likely."""
        return options[int(self.unit() * len(options))]

    def weighted(self, options: Sequence[T], cumulative: Sequence[float]) -> T:
        """One of the options; `cumulative` are their running weights, the last one is the total."""
        aim = self.unit() * cumulative[-1]
        return next(option for option, edge in zip(options, cumulative, strict=True) if aim < edge)

    def label(self, prefix: str) -> str:
        """A name for an element: new within this draw, and saying nothing about the element's part in the scene."""
        while (name := f"{prefix}_{int(self.uniform(100, 1000))}") in self._labels:
            pass
        self._labels.add(name)
        return name
