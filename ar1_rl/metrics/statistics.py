"""What changed, and whether it is more than chance: differences paired by scene, resampled over what is independent.

Legend: S scenes, M metrics, U units that are independent of each other (scenes, or the episodes they are cut from),
R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from .permutation import RESAMPLES, sign_flip_p
from .seeds import CONFIDENCE, t_quantile

_CHUNK_VALUES = 2_000_000
"""Draws held in memory at once."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean of after - before over scenes; NaN throughout where no pair is left.

    Example: `PairedDifference(mean=0.23, ci95=(0.19, 0.27), p=0.0001, pairs=998, left_out=2, ...)`.
    """

    mean: float
    ci95: tuple[float, float]
    """Of the bootstrap; see `bootstrap_interval`."""
    p: float
    """Two-sided, for "no difference", by sign flips; see `sign_flip_p`."""
    p_bootstrap: float
    """The same by the share of resampled means, centred on 0, that lie at least as far out as the measured one."""
    pairs: int
    left_out: int
    """Pairs with a NaN on either side."""
    before: float
    """Mean over the pairs."""
    after: float
    units: int
    """What was resampled: scenes, or episodes, with a pair."""
    moved: int
    """Units whose difference is not 0: with a handful of them nothing can be shown."""


def paired_bootstrap(
    before_S: Sequence[float] | np.ndarray,
    after_S: Sequence[float] | np.ndarray,
    episodes_S: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Compare two values per scene, in the same order of scenes; NaN pairs are left out and counted.

    `episodes_S`: scenes of one episode are resampled and flipped together. Raises ConfigError for different lengths.
    """
    before, after = np.asarray(before_S, dtype=float), np.asarray(after_S, dtype=float)
    if before.shape != after.shape or before.ndim != 1:
        raise ConfigError(f"paired values: got shapes {before.shape} and {after.shape}, one value a scene is needed")
    (difference,) = paired_differences(before[:, None], after[:, None], episodes_S, resamples=resamples, seed=seed)
    return difference


def paired_differences(
    before_SM: np.ndarray,
    after_SM: np.ndarray,
    episodes_S: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[PairedDifference]:
    """`paired_bootstrap` of many metrics at once, with the same draws for all that know the same scenes."""
    before_SM, after_SM = np.asarray(before_SM, dtype=float), np.asarray(after_SM, dtype=float)
    delta_SM = after_SM - before_SM
    known_SM = np.isfinite(delta_SM)
    sums_UM = unit_sums(np.where(known_SM, delta_SM, 0.0), episodes_S)
    counts_UM = unit_sums(known_SM.astype(float), episodes_S)
    p_M = sign_flip_p(sums_UM, resamples=resamples, seed=seed)
    resampled = dict(_resampled_means(sums_UM, counts_UM, resamples, seed))
    nan = float("nan")
    found = []
    for m, known_S in enumerate(known_SM.T):
        left_out = int((~known_S).sum())
        if m not in resampled:
            found.append(PairedDifference(nan, (nan, nan), nan, nan, 0, left_out, nan, nan, 0, 0))
            continue
        known_U = counts_UM[:, m] > 0
        sums_U, counts_U, means_R = sums_UM[known_U, m], counts_UM[known_U, m], resampled[m]
        mean = float(sums_U.sum() / counts_U.sum())
        # A constant difference has resampled means that differ from it by rounding only.
        slack = 1e-12 * max(1.0, float(np.abs(sums_U).max()))
        extreme = int((np.abs(means_R - mean) >= abs(mean) - slack).sum())
        found.append(
            PairedDifference(
                mean=mean,
                ci95=bootstrap_interval(means_R, mean, _standard_error(sums_U, counts_U), len(sums_U)),
                p=float(p_M[m]),
                p_bootstrap=(extreme + 1) / (resamples + 1),
                pairs=len(known_S) - left_out,
                left_out=left_out,
                before=float(before_SM[known_S, m].mean()),
                after=float(after_SM[known_S, m].mean()),
                units=len(sums_U),
                moved=int((np.abs(sums_U) > slack).sum()),
            )
        )
    return found


def mean_interval(
    values_S: Sequence[float] | np.ndarray,
    episodes_S: Sequence[Hashable] | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Mean, low and high end of its 95 % bootstrap interval, over the values that are not NaN.

    The ends are not beyond the smallest and the largest value: a share stays between 0 and 1.
    """
    values = np.asarray(values_S, dtype=float)
    found = paired_bootstrap(np.zeros(len(values)), values, episodes_S, resamples=resamples, seed=seed)
    if found.pairs == 0:
        return found.mean, *found.ci95
    low, high = np.clip(found.ci95, np.nanmin(values), np.nanmax(values))
    return found.mean, float(low), float(high)


def bootstrap_interval(means_R: np.ndarray, mean: float, error: float, units: int) -> tuple[float, float]:
    """Ends of the 95 % interval of a mean over so many units, from its resampled means and its standard error.

    Each end is the outer one of two: that of the percentile bootstrap, its quantiles moved outwards as Student's t is
    from the normal (Hesterberg 2015, "What teachers should know about the bootstrap", section 5.3), and that of
    Student's t-interval. The first alone is too short for heavy tails, the second for events of which few went one way
    only; BCa and studentised intervals are shorter than either when few scenes moved. `recipes.bench.power` has the
    measured coverage. NaN with one unit.
    """
    if units < 2:
        return float("nan"), float("nan")
    reach = t_quantile(CONFIDENCE, units - 1)
    # The share of a normal distribution beyond that reach, on one side.
    outside = 0.5 * math.erfc(reach * math.sqrt(0.5 * units / (units - 1)))
    low, high = np.quantile(means_R, [outside, 1.0 - outside])
    return min(float(low), mean - reach * error), max(float(high), mean + reach * error)


def _standard_error(sums_U: np.ndarray, counts_U: np.ndarray) -> float:
    """Of sum over count, by its linear part; where every count is 1 it is the usual one of a mean. NaN for one unit."""
    units, count = len(sums_U), float(counts_U.sum())
    if units < 2:
        return float("nan")
    off_U = sums_U - sums_U.sum() / count * counts_U
    return float(np.sqrt((off_U**2).sum() * units / (units - 1))) / count


def unit_sums(values_SM: np.ndarray, episodes_S: Sequence[Hashable] | None) -> np.ndarray:
    """Sums [U, M] over the scenes of each episode, in the order in which episodes appear; without any, the values."""
    if episodes_S is None:
        return values_SM
    places: dict[Hashable, int] = {}
    unit_S = np.array([places.setdefault(episode, len(places)) for episode in episodes_S], dtype=np.intp)
    sums_UM = np.zeros((len(places), values_SM.shape[1]))
    np.add.at(sums_UM, unit_S, values_SM)
    return sums_UM


def _resampled_means(
    sums_UM: np.ndarray, counts_UM: np.ndarray, resamples: int, seed: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Metric and means [R] of units drawn with replacement, sum over count; metrics that nobody knows are left out."""
    groups: dict[bytes, list[int]] = {}
    for m, known_U in enumerate((counts_UM > 0).T):
        if known_U.any():
            groups.setdefault(known_U.tobytes(), []).append(m)
    for members in groups.values():
        known_U = counts_UM[:, members[0]] > 0
        table_UN = np.concatenate([sums_UM[known_U][:, members], counts_UM[known_U][:, members]], axis=1)
        totals_RN = np.concatenate([times_RU @ table_UN for times_RU in _times_drawn(len(table_UN), resamples, seed)])
        yield from zip(members, (totals_RN[:, : len(members)] / totals_RN[:, len(members) :]).T, strict=True)


def _times_drawn(units: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each unit was drawn [R, U], in pieces; the same for the same numbers and seed."""
    rng = np.random.default_rng(seed)
    most = max(1, _CHUNK_VALUES // units)
    for start in range(0, resamples, most):
        rows = min(most, resamples - start)
        drawn_RU = rng.integers(0, units, size=(rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(drawn_RU.ravel(), minlength=rows * units).reshape(rows, units).astype(float)
