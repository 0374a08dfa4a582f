"""Stability: do the samples of one scene say the same? Legend: K samples of a scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence


def pairwise_agreement(claims_K: Sequence[Hashable | None]) -> float:
    """Chance that two different samples claim the same; None, a sample without a text, agrees with nothing.

    1 where all agree; NaN for fewer than two samples.
    """
    count = len(claims_K)
    if count < 2:
        return float("nan")
    sizes = Counter(claim for claim in claims_K if claim is not None).values()
    return sum(size * (size - 1) for size in sizes) / (count * (count - 1))
