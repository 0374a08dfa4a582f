"""What is read off a critic's grades; pure functions on arrays. NaN is a question that got no grade.

Legend: Q questions, P pairs of predictions of one ladder, R repeats. Grades are shares of the critic's range: 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95
SAME = 1e-9
"""Grades closer than this are equal."""


class Estimate(NamedTuple):
    """A mean over `size` values with its 95 % interval; all NaN where there is no value."""

    mean: float
    low: float
    high: float
    size: int


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every two predictions of a ladder whose order is known, and whether the critic has it right."""

    right_P: np.ndarray
    """1 right, 0.5 a tie, 0 wrong."""
    ladder_P: np.ndarray
    worse_kind_P: np.ndarray
    """Kind of the prediction that should get less."""


def order_pairs(grade_Q: np.ndarray, rank_Q: Sequence[int], kind_Q: Sequence[str], ladder_Q: Sequence[int]) -> Pairs:
    """Pairs of one ladder and different ranks of which both have a grade."""
    right, ladders, kinds = [], [], []
    rows_by_ladder: dict[int, list[int]] = {}
    for row, ladder in enumerate(ladder_Q):
        rows_by_ladder.setdefault(ladder, []).append(row)
    for ladder, rows in rows_by_ladder.items():
        for a, b in combinations(rows, 2):
            better, worse = (a, b) if rank_Q[a] < rank_Q[b] else (b, a)
            lead = grade_Q[better] - grade_Q[worse]
            if rank_Q[a] == rank_Q[b] or np.isnan(lead):
                continue
            right.append(0.5 if abs(lead) < SAME else float(lead > 0))
            ladders.append(ladder)
            kinds.append(kind_Q[worse])
    return Pairs(np.array(right), np.array(ladders, dtype=int), np.array(kinds, dtype=object))


def clustered_mean(value_P: np.ndarray, cluster_P: np.ndarray, *, seed: int = 0) -> Estimate:
    """Mean with a bootstrap interval over clusters: the predictions of one reference are not independent."""
    known_P = np.isfinite(value_P)
    value_P, cluster_P = value_P[known_P], cluster_P[known_P]
    if len(value_P) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    number_P = np.unique(cluster_P, return_inverse=True)[1]
    sums, counts = np.bincount(number_P, weights=value_P), np.bincount(number_P)
    drawn = np.random.default_rng(seed).integers(0, len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.5 * (1 - CONFIDENCE), 0.5 * (1 + CONFIDENCE)])
    return Estimate(float(value_P.mean()), float(low), float(high), len(value_P))


def retest(grade_RQ: np.ndarray) -> tuple[float, float, int]:
    """Share of questions with R equal grades, standard deviation within a question, number of questions.

    Questions that were not graded every time are left out; NaN where none is left or R is 1.
    """
    grade_RQ = grade_RQ[:, np.isfinite(grade_RQ).all(axis=0)]
    repeats, questions = grade_RQ.shape
    if repeats < 2 or questions == 0:
        return float("nan"), float("nan"), questions
    equal_Q = np.ptp(grade_RQ, axis=0) < SAME
    return float(equal_Q.mean()), float(np.sqrt(grade_RQ.var(axis=0, ddof=1).mean())), questions


def lifted(plain_Q: np.ndarray, attacked_Q: np.ndarray, by: float) -> tuple[float, int]:
    """Share of attacks after which the grade is more than `by` higher, and their number; NaN where none has both."""
    gain_Q = attacked_Q - plain_Q
    gain_Q = gain_Q[np.isfinite(gain_Q)]
    return (float((gain_Q > by).mean()), len(gain_Q)) if len(gain_Q) else (float("nan"), 0)
