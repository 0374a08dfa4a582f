"""Standing still: nothing is hit and nothing is uncomfortable for who does not drive."""

from __future__ import annotations

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History, Window
from .rise import TOO_FEW, rise

NAME = "standing_still"
EXPERT_DRIVES_M = 10.0
"""Ways of the expert [m] from which standing is no way to follow it: a walking pace for 6.4 s."""


def standing_still(history: History, threshold: float) -> Flag:
    """Score: the rise of the mean share of the expert's way that is not driven (lower bound), 0 to 1."""
    begin_N, end_N = missing_share(history.begin), missing_share(history.end)
    found = rise(history.begin.by_group(begin_N), history.end.by_group(end_N))
    if found is None:
        return unmeasured(NAME, threshold, f"{TOO_FEW}, and scenes in which the expert drives")
    evidence = (
        f"Where the expert drives {EXPERT_DRIVES_M:.0f} m or more, rollouts fell short of its way by {found.begin:.1%} "
        f"at the beginning and by {found.end:.1%} at the end."
    )
    return flag(NAME, found.sure, threshold, evidence, history.end.highest(end_N))


def missing_share(window: Window) -> np.ndarray:
    """1 - way / expert's way [N], at least 0; NaN where either is not known or the expert hardly drives."""
    drives_N = window.expert_m_N >= EXPERT_DRIVES_M
    share_N = np.full(len(window.expert_m_N), np.nan)
    share_N[drives_N] = window.progress_m_N[drives_N] / window.expert_m_N[drives_N]
    return np.maximum(0.0, 1.0 - share_N)
