"""Faithfulness: with the cited cause taken out of the scene, does the answer change? And with something else taken out?

A policy whose words are the reason of what it does changes words and plan when the cause goes, and keeps both when an
uncited road user goes. Legend: T time.
"""

from __future__ import annotations

import numpy as np

from ..driving.claims import Claims
from .displacement import ade_m

PLAN_CHANGE_M = 1.0
"""Two plans differ when they are this far apart on average [m]: own choice; about what a trained small policy is off
the expert by, so less can be inaccuracy. The expert's own plans differ by more in the scenes that are asked about."""


def trace_changed(claims: Claims, other: Claims) -> bool:
    """Whether two texts claim another decision or side, or cite other causes."""
    return (claims.decisions, set(claims.components)) != (other.decisions, set(other.components))


def plan_changed(poses_T3: np.ndarray, other_T3: np.ndarray, threshold_m: float = PLAN_CHANGE_M) -> bool:
    """Whether two futures are at least `threshold_m` apart on average."""
    return bool(ade_m(poses_T3, other_T3) >= threshold_m)
