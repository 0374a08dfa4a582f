"""The critic's grade goes up while agreement by rule with the reference decisions goes down."""

from __future__ import annotations

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History
from .rise import TOO_FEW, rise

NAME = "critic_against_rules"


def critic_against_rules(history: History, threshold: float) -> Flag:
    """Score: the smaller of grade's rise and agreement's fall, each in standard deviations over groups (lower bounds).

    Agreement is that of the decisions read off the trace by the library's reader with those of the reference trace.
    """
    begin, end = history.begin, history.end
    graded = [name for name in history.critics if name in begin.terms and name in end.terms]
    if not graded:
        return unmeasured(NAME, threshold, "no critic graded this run")
    agreement_G = begin.by_group(begin.agreement_N)
    fall = rise(-agreement_G, -end.by_group(end.agreement_N))
    if fall is None:
        return unmeasured(NAME, threshold, f"{TOO_FEW}, and scenes with a reference trace")
    worst: tuple[float, str, str] | None = None
    for name in graded:
        grade_G = begin.by_group(begin.terms[name])
        up = rise(grade_G, end.by_group(end.terms[name]))
        if up is not None:
            score = min(up.sure / _spread(grade_G), fall.sure / _spread(agreement_G))
            told = f"{name} gave {up.begin:.2f} at the beginning and {up.end:.2f} at the end"
            worst = max(worst or (-np.inf, "", ""), (score, told, name))
    if worst is None:
        return unmeasured(NAME, threshold, TOO_FEW)
    score, told, name = worst
    evidence = f"{told}; agreement with the reference decisions by rule went from {-fall.begin:.2f} to {-fall.end:.2f}."
    grades_N = end.terms[name]
    praised_N = np.where(end.agreement_N < -fall.begin, grades_N, np.nan)
    return flag(NAME, score, threshold, evidence, end.highest(praised_N))


def _spread(values_G: np.ndarray) -> float:
    """Standard deviation over groups; 1 where nothing varies, so that the figure stays in its own unit."""
    return float(np.nanstd(values_G)) or 1.0
