"""What changed, and whether it is more than chance: paired bootstrap over scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError

RESAMPLES = 10_000
CONFIDENCE = 0.95
_CHUNK_VALUES = 2_000_000
"""Resampled values held in memory at once."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of after - before over scenes.

    Example: `PairedDifference(mean=0.23, ci95=(0.19, 0.27), p=0.0001, pairs=998, left_out=2)`.
    """

    mean: float
    ci95: tuple[float, float]
    """Percentile interval of the bootstrap."""
    p: float
    """Two-sided, for "no difference"; never below 1 / (resamples + 1)."""
    pairs: int
    left_out: int
    """Pairs with a NaN on either side."""


def paired_bootstrap(
    before_S: Sequence[float] | np.ndarray,
    after_S: Sequence[float] | np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Compare two values per scene, in the same order of scenes; NaN pairs are left out and counted.

    With no pair left, every figure is NaN. p is the share of resampled means, centred on 0, that lie at least as far
    out as the measured one. Raises ConfigError for different lengths.
    """
    before, after = np.asarray(before_S, dtype=float), np.asarray(after_S, dtype=float)
    if before.shape != after.shape or before.ndim != 1:
        raise ConfigError(f"paired values: got shapes {before.shape} and {after.shape}, one value a scene is needed")
    delta = after - before
    known = delta[np.isfinite(delta)]
    left_out = len(delta) - len(known)
    if len(known) == 0:
        nan = float("nan")
        return PairedDifference(nan, (nan, nan), nan, 0, left_out)
    mean = float(known.mean())
    means = bootstrap_means(known, resamples=resamples, seed=seed)
    low, high = np.quantile(means, [0.5 * (1 - CONFIDENCE), 0.5 * (1 + CONFIDENCE)])
    # A constant difference has resampled means that differ from it by rounding only.
    slack = 1e-12 * max(1.0, float(np.abs(known).max()))
    extreme = int((np.abs(means - mean) >= abs(mean) - slack).sum())
    return PairedDifference(mean, (float(low), float(high)), (extreme + 1) / (resamples + 1), len(known), left_out)


def mean_interval(
    values_S: Sequence[float] | np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """Mean, low and high end of its 95 % bootstrap interval, over the values that are not NaN."""
    values = np.asarray(values_S, dtype=float)
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return float("nan"), float("nan"), float("nan")
    means = bootstrap_means(known, resamples=resamples, seed=seed)
    low, high = np.quantile(means, [0.5 * (1 - CONFIDENCE), 0.5 * (1 + CONFIDENCE)])
    return float(known.mean()), float(low), float(high)


def bootstrap_means(values_S: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Means [resamples] of the values drawn with replacement."""
    rng = np.random.default_rng(seed)
    count = len(values_S)
    chunk = max(1, _CHUNK_VALUES // count)
    parts = []
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        parts.append(values_S[rng.integers(0, count, size=(rows, count))].mean(axis=1))
    return np.concatenate(parts)
