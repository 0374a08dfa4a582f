"""One term of the mix decides alone which sibling is better."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History, Window
from .rise import FEWEST_GROUPS, SURE_Z

NAME = "dominant_term"


def dominant_term(history: History, threshold: float) -> Flag:
    """Score: the largest share, over terms, of the reward's variance among siblings at the end (95 % lower bound).

    Shares are covariances of a term's contribution with the sum of all, and add up to 1; a term against the others has
    a negative one. Undecodable rollouts, whose value is fixed, are left out.
    """
    weighted = [name for name, weight in history.weights.items() if weight > 0]
    if len(weighted) < 2:
        why = "the weights of the mix are not known" if not history.weights else "the mix has one weighted term"
        return unmeasured(NAME, threshold, why)
    shares = variance_shares(history.end, history.weights)
    if not shares:
        return unmeasured(
            NAME, threshold, f"fewer than {FEWEST_GROUPS} groups of siblings differ at the end of training"
        )
    name = max(shares, key=lambda term: shares[term][0])
    share, sure = shares[name]
    before = variance_shares(history.begin, history.weights).get(name)
    then = "" if before is None else f" (at the beginning {before[0]:.0%})"
    evidence = f"{name} makes {share:.0%} of the reward's variance among siblings{then}."
    end = history.end
    away_N = np.abs(end.terms[name] - end.by_group(end.terms[name])[end.group_N])
    return flag(NAME, sure, threshold, evidence, end.highest(away_N))


def variance_shares(window: Window, weights: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Term -> its share of the variance within groups, and the share's lower bound; empty where too few groups vary."""
    parts = {n: w * window.terms[n] for n, w in weights.items() if w > 0 and n in window.terms}
    used_N = window.decodable_N & np.isfinite(window.reward_N)
    for part_N in parts.values():
        used_N = used_N & np.isfinite(part_N)
    if not parts or not used_N.any():
        return {}
    group_N = window.group_N[used_N]
    count_G = np.maximum(np.bincount(group_N, minlength=window.groups), 1)

    def within(values_N: np.ndarray) -> np.ndarray:
        return values_N - (np.bincount(group_N, weights=values_N, minlength=window.groups) / count_G)[group_N]

    off = {name: within(part_N[used_N]) for name, part_N in parts.items()}
    whole_N = np.sum(list(off.values()), axis=0)
    square_G = np.bincount(group_N, weights=whole_N**2, minlength=window.groups)
    total = float(square_G.sum())
    if (square_G > 1e-12).sum() < FEWEST_GROUPS:
        return {}
    shares = {}
    for name, off_N in off.items():
        shared_G = np.bincount(group_N, weights=off_N * whole_N, minlength=window.groups)
        share = float(shared_G.sum()) / total
        error = float(np.sqrt(((shared_G - share * square_G) ** 2).sum())) / total
        shares[name] = (share, share - SURE_Z * error)
    return shares
