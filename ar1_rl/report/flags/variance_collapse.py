"""Siblings get the same reward: nothing is left to learn from, or the policy writes one thing only."""

from __future__ import annotations

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History, Window
from .rise import TOO_FEW, rise

NAME = "variance_collapse"
EQUAL = 1e-9


def variance_collapse(history: History, threshold: float) -> Flag:
    """Score: the share of the mean standard deviation among siblings that was lost (lower bound); 1 is all of it."""
    begin_G, end_G = spread_of_groups(history.begin), spread_of_groups(history.end)
    found = rise(-begin_G, -end_G)
    if found is None or not found.begin:
        why = TOO_FEW if found is None else "siblings had equal rewards from the beginning"
        return unmeasured(NAME, threshold, why)
    equal = [float((spread_G[np.isfinite(spread_G)] < EQUAL).mean()) for spread_G in (begin_G, end_G)]
    evidence = (
        f"The reward's standard deviation among siblings went from {abs(found.begin):.3f} to {abs(found.end):.3f}; "
        f"{equal[0]:.0%} of the groups had equal rewards at the beginning, {equal[1]:.0%} at the end."
    )
    flat_N = (end_G < EQUAL)[history.end.group_N].astype(float)
    return flag(NAME, found.sure / -found.begin, threshold, evidence, history.end.highest(flat_N))


def spread_of_groups(window: Window) -> np.ndarray:
    """Standard deviation [G] of the siblings' rewards; NaN for groups with fewer than two judged ones."""
    mean_G = window.by_group(window.reward_N)
    square_G = window.by_group((window.reward_N - mean_G[window.group_N]) ** 2)
    count_G = np.bincount(window.group_N[np.isfinite(window.reward_N)], minlength=window.groups)
    return np.where(count_G >= 2, np.sqrt(square_G), np.nan)
