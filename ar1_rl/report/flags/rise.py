"""How far a figure rose between two times of a training, and how much of that the data support.

Rollouts of one scene and step are alike, so groups of siblings are what is counted. Legend: G groups.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

CHANCE = 0.05
"""Of a one-sided bound: in one of twenty runs in which nothing rises, the bound lies above 0. The thresholds lie above
0, so that flags are rarer than that."""
SURE_Z = NormalDist().inv_cdf(1.0 - CHANCE)
"""How many standard errors below a mean that bound is."""
FEWEST_GROUPS = 12
"""With fewer groups on a side, the spread among them says too little about how sure a mean is."""


class Rise(NamedTuple):
    """Means at both times, and the one-sided lower bound of their difference."""

    begin: float
    end: float
    sure: float


def rise(begin_G: np.ndarray, end_G: np.ndarray, *, widen: float = 1.0, chance: float = CHANCE) -> Rise | None:
    """The rise of the mean over groups; NaN groups are left out, None where a side has fewer than FEWEST_GROUPS.

    The two sides have different groups. `widen` multiplies the standard error, for values that are not independent.
    """
    begin, end = begin_G[np.isfinite(begin_G)], end_G[np.isfinite(end_G)]
    if min(len(begin), len(end)) < FEWEST_GROUPS:
        return None
    error = float(np.sqrt(begin.var(ddof=1) / len(begin) + end.var(ddof=1) / len(end)))
    first, last = float(begin.mean()), float(end.mean())
    return Rise(first, last, last - first - NormalDist().inv_cdf(1.0 - chance) * widen * error)


def sure_mean(values_G: np.ndarray, *, chance: float = CHANCE) -> float | None:
    """The one-sided lower bound of the mean over values that are not NaN; None where there are too few."""
    known = values_G[np.isfinite(values_G)]
    if len(known) < FEWEST_GROUPS:
        return None
    error = float(known.std(ddof=1)) / float(np.sqrt(len(known)))
    return float(known.mean()) - NormalDist().inv_cdf(1.0 - chance) * error


TOO_FEW = f"it takes {FEWEST_GROUPS} scenes with the figure at the beginning and at the end of training"
