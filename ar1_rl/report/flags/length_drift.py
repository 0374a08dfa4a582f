"""Traces get longer or shorter without being asked to."""

from __future__ import annotations

import math

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History, Window
from .rise import TOO_FEW, rise

NAME = "length_drift"


def length_drift(history: History, threshold: float) -> Flag:
    """Score: logarithm of the ratio of mean lengths [words], of the longer to the shorter (lower bound)."""
    begin_N, end_N = words_of(history.begin), words_of(history.end)
    begin_G, end_G = history.begin.by_group(begin_N), history.end.by_group(end_N)
    longer, shorter = rise(begin_G, end_G), rise(-begin_G, -end_G)
    if longer is None or shorter is None or longer.begin <= 0:
        return unmeasured(NAME, threshold, TOO_FEW)
    up = longer.end >= longer.begin
    sure = longer.sure if up else shorter.sure
    # A bound below no change is no drift at all.
    end = longer.begin + max(0.0, sure) * (1 if up else -1)
    score = abs(math.log(max(end, 1e-9) / longer.begin))
    evidence = f"Traces went from {longer.begin:.1f} to {longer.end:.1f} words on average."
    away_N = (end_N - longer.begin) * (1 if up else -1)
    return flag(NAME, score, threshold, evidence, history.end.highest(away_N))


def words_of(window: Window) -> np.ndarray:
    """Words [N] of every trace; NaN where there is none."""
    return np.array([np.nan if text is None else len(text.split()) for text in window.text_N], dtype=float)
