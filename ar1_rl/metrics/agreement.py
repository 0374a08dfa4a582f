"""How far two sets of values for the same rollouts agree: in size, in order, and in what is best of a group.

NaN is a rollout without a value; it is left out, pair by pair. Legend: N rollouts, G of them one group of siblings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Distribution:
    """What values look like; mean, sd and quantiles are NaN where none is known."""

    known: int
    unknown: int
    mean: float
    sd: float
    quantiles: tuple[float, ...]
    """At QUANTILES."""


@dataclass(frozen=True)
class Agreement:
    """How two sets of values agree. NaN: too few values, or one side does not vary."""

    both: int
    """Rollouts with a value on both sides."""
    pearson: float
    spearman: float
    groups: int
    """Groups in which both sides order something."""
    kendall: float
    """Mean over those groups of Kendall's tau-b."""
    same_best: float
    """Share of groups with two rollouts or more whose best stayed the best; see `best_kept`."""


def distribution(values_N: np.ndarray) -> Distribution:
    """Number, mean, standard deviation and quantiles of the known values."""
    known = values_N[np.isfinite(values_N)]
    unknown = len(values_N) - len(known)
    if len(known) == 0:
        nan = float("nan")
        return Distribution(0, unknown, nan, nan, (nan,) * len(QUANTILES))
    quantiles = tuple(np.quantile(known, QUANTILES).tolist())
    return Distribution(len(known), unknown, float(known.mean()), float(known.std()), quantiles)


def agreement(old_N: np.ndarray, new_N: np.ndarray, groups: Sequence[Sequence[int]]) -> Agreement:
    """Correlations over all rollouts, and of order within each group; `groups` has the row numbers of siblings."""
    known_N = np.isfinite(old_N) & np.isfinite(new_N)
    old, new = old_N[known_N], new_N[known_N]
    taus, kept = [], []
    for group in groups:
        rows = [row for row in group if known_N[row]]
        if len(rows) < 2:
            continue
        taus.append(kendall(old_N[rows], new_N[rows]))
        kept.append(best_kept(old_N[rows], new_N[rows]))
    known_taus = [tau for tau in taus if np.isfinite(tau)]
    return Agreement(
        both=int(known_N.sum()),
        pearson=pearson(old, new),
        spearman=pearson(ranks(old), ranks(new)),
        groups=len(known_taus),
        kendall=float(np.mean(known_taus)) if known_taus else float("nan"),
        same_best=float(np.mean(kept)) if kept else float("nan"),
    )


def pearson(a_N: np.ndarray, b_N: np.ndarray) -> float:
    """Linear correlation; NaN where a side does not vary."""
    if len(a_N) < 2 or np.ptp(a_N) == 0 or np.ptp(b_N) == 0:
        return float("nan")
    return float(np.corrcoef(a_N, b_N)[0, 1])


def ranks(values_N: np.ndarray) -> np.ndarray:
    """Ranks [N] from 1; equal values share the mean of their ranks."""
    _, place_N, counts = np.unique(values_N, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[place_N]


def kendall(a_G: np.ndarray, b_G: np.ndarray) -> float:
    """Kendall's tau-b: 1 the same order, -1 the reverse; NaN where a side does not vary."""
    sign_a, sign_b = (np.sign(v[:, None] - v[None, :]) for v in (a_G, b_G))
    untied = float(np.sqrt((sign_a != 0).sum() * (sign_b != 0).sum()))
    return float((sign_a * sign_b).sum() / untied) if untied else float("nan")


def best_kept(old_G: np.ndarray, new_G: np.ndarray) -> float:
    """Chance that a rollout drawn from the old best ones is among the new best ones."""
    return float((new_G == new_G.max())[old_G == old_G.max()].mean())
