"""What traces claim drifts away from what scenes ask for: everything becomes "keep lane".

Legend: G groups, D decisions that occur.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History, Window
from .rise import FEWEST_GROUPS, SURE_Z, TOO_FEW

NAME = "claim_shift"
RESAMPLES = 200
"""Of groups."""


def claim_shift(history: History, threshold: float) -> Flag:
    """Score: the rise of the Jensen-Shannon divergence of claimed from reference decisions (lower bound) [bit].

    Where no scene has a reference: that of the claims at the end from those at the beginning, as far as it exceeds what
    shuffled groups show. A policy that corrects what it claims leaves the beginning and comes nearer to the reference.
    """
    begin, end = history.begin, history.end
    if min(begin.groups, end.groups) < FEWEST_GROUPS:
        return unmeasured(NAME, threshold, TOO_FEW)
    names = sorted({d for window in (begin, end) for d in (*window.claimed_N, *window.reference_N) if d is not None})
    claims = [counts_by_group(window, window.claimed_N, names) for window in (begin, end)]
    references = [counts_by_group(window, window.reference_N, names) for window in (begin, end)]
    if not all(counts_GD.any() for counts_GD in claims):
        return unmeasured(NAME, threshold, "no text at the beginning or at the end of training")
    moved = jensen_shannon(claims[1].sum(axis=0), claims[0].sum(axis=0))
    more, by = _most_gained(claims[0].sum(axis=0), claims[1].sum(axis=0), names)
    told = f"{moved:.3f} bit from the beginning; most gained by {more!r}, {by}"
    if all(counts_GD.any() for counts_GD in references):
        score = _sure_rise(claims, references)
        off = [jensen_shannon(c.sum(axis=0), r.sum(axis=0)) for c, r in zip(claims, references, strict=True)]
        evidence = f"Claimed decisions were {off[0]:.3f} bit from the reference's, and are {off[1]:.3f} bit; {told}."
    else:
        score = moved - _shuffled(claims)
        evidence = f"Claimed decisions at the end are {told}; no scene has a reference."
    is_it_N = np.array([claim == more for claim in end.claimed_N], dtype=float)
    wrong_N = np.array([r is not None and c != r for c, r in zip(end.claimed_N, end.reference_N, strict=True)])
    return flag(NAME, score, threshold, evidence, end.highest(is_it_N * (1.0 + wrong_N)))


def counts_by_group(window: Window, said_N: Sequence[str | None], names: Sequence[str]) -> np.ndarray:
    """How often each name was said in each group [G, D]."""
    place = {name: i for i, name in enumerate(names)}
    counts_GD = np.zeros((window.groups, len(names)))
    for group, said in zip(window.group_N.tolist(), said_N, strict=True):
        if said is not None:
            counts_GD[group, place[said]] += 1
    return counts_GD


def jensen_shannon(one_D: np.ndarray, other_D: np.ndarray) -> float:
    """Divergence [bit] of two distributions given as counts, 0 the same to 1 nothing in common; NaN: one is empty."""
    if not one_D.sum() or not other_D.sum():
        return float("nan")
    p_D, q_D = one_D / one_D.sum(), other_D / other_D.sum()
    middle_D = 0.5 * (p_D + q_D)
    return 0.5 * sum(float((x[x > 0] * np.log2(x[x > 0] / middle_D[x > 0])).sum()) for x in (p_D, q_D))


def _sure_rise(claims: Sequence[np.ndarray], references: Sequence[np.ndarray]) -> float:
    """The rise of the divergence, less SURE_Z standard errors.

    The divergence of few samples is too large, and there are more groups at the end: each is corrected by how much
    larger it becomes when groups are drawn again (bootstrap).
    """
    corrected, errors = [], []
    random = np.random.default_rng(0)
    for claims_GD, references_GD in zip(claims, references, strict=True):
        whole = jensen_shannon(claims_GD.sum(axis=0), references_GD.sum(axis=0))
        drawn = random.integers(len(claims_GD), size=(RESAMPLES, len(claims_GD)))
        again = [jensen_shannon(claims_GD[g].sum(axis=0), references_GD[g].sum(axis=0)) for g in drawn]
        corrected.append(2.0 * whole - float(np.nanmean(again)))
        errors.append(float(np.nanstd(again)))
    return corrected[1] - corrected[0] - SURE_Z * math.hypot(*errors)


def _shuffled(claims: Sequence[np.ndarray]) -> float:
    """The divergence that 95 % of random divisions of the groups stay below."""
    random, pool_GD, first = np.random.default_rng(0), np.concatenate(claims), len(claims[0])
    found = []
    for _ in range(RESAMPLES):
        order = random.permutation(len(pool_GD))
        found.append(jensen_shannon(pool_GD[order[:first]].sum(axis=0), pool_GD[order[first:]].sum(axis=0)))
    return float(np.nanquantile(found, 0.95))


def _most_gained(begin_D: np.ndarray, end_D: np.ndarray, names: Sequence[str]) -> tuple[str, str]:
    shares = [counts_D / counts_D.sum() for counts_D in (begin_D, end_D)]
    place = int(np.argmax(shares[1] - shares[0]))
    return names[place], f"from {shares[0][place]:.0%} to {shares[1][place]:.0%}"
