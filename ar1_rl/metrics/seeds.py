"""What a few training runs say about the next one: the t-interval over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class OverSeeds:
    """The mean of one value a seed; interval and p are NaN with fewer than two seeds."""

    mean: float
    ci95: tuple[float, float]
    """Student's t-interval."""
    p: float
    """Two-sided, of the one-sample t-test for a mean of 0."""
    seeds: int


def over_seeds(values_N: Sequence[float] | np.ndarray) -> OverSeeds:
    """Mean, 95 % t-interval and p of the values that are not NaN, one a seed; taken as normal over seeds."""
    values = np.asarray(values_N, dtype=float)
    known = values[np.isfinite(values)]
    nan = float("nan")
    if len(known) < 2:
        return OverSeeds(float(known[0]) if len(known) else nan, (nan, nan), nan, len(known))
    mean, freedom = float(known.mean()), len(known) - 1
    error = float(known.std(ddof=1)) / math.sqrt(len(known))
    if error <= 1e-12 * abs(mean) or error == 0.0:
        return OverSeeds(mean, (mean, mean), 1.0 if mean == 0.0 else 0.0, len(known))
    reach = t_quantile(CONFIDENCE, freedom) * error
    return OverSeeds(mean, (mean - reach, mean + reach), 1.0 - t_within(abs(mean) / error, freedom), len(known))


def t_within(t: float, freedom: int) -> float:
    """Chance that Student's t with whole degrees of freedom lies within -t … t.

    Finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan2(t, math.sqrt(freedom))
    sin, cos = math.sin(angle), math.cos(angle)
    odd = freedom % 2 == 1
    term = cos if odd else 1.0
    total = 0.0
    for power in range(1 if odd else 0, freedom - 1, 2):
        total += term
        term *= cos * cos * (power + 1) / (power + 2)
    return 2.0 / math.pi * (angle + sin * total) if odd else sin * total


def t_quantile(confidence: float, freedom: int) -> float:
    """The t with `t_within(t, freedom) == confidence`."""
    low, high = 0.0, 1.0
    while t_within(high, freedom) < confidence:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if t_within(middle, freedom) < confidence else (low, middle)
    return high
