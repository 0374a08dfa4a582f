"""The same words for scenes that ask for different decisions."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History, Window
from .rise import TOO_FEW, rise

NAME = "templates"
SAME = 0.8
"""Jaccard index of the pairs of neighbouring words from which two traces are near-identical: one word of a sentence of
twenty may differ."""
PARTNERS = 64
"""Traces of other scenes that those of a group are compared with."""
TEMPLATE_SHARE = 0.05
"""Of those: a trace that is near-identical to so many is a template."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_WORD = re.compile(r"[^\W_]+|#")


def templates(history: History, threshold: float) -> Flag:
    """Score: the rise of the share of templates among traces (lower bound).

    A template is a trace near-identical to TEMPLATE_SHARE of the traces of scenes with other reference decisions; where
    no scene has a reference, to those of other scenes.
    """
    begin_N, end_N = commonness(history.begin), commonness(history.end)
    found = rise(history.begin.by_group(_is_template(begin_N)), history.end.by_group(_is_template(end_N)))
    if found is None:
        return unmeasured(NAME, threshold, TOO_FEW)
    text, count = Counter(plain(text) for text in history.end.text_N if text).most_common(1)[0]
    evidence = (
        f"Traces that scenes with other decisions share went from {found.begin:.1%} to {found.end:.1%}; "
        f"the commonest makes {count / sum(map(bool, history.end.text_N)):.0%} of all: {_short(text)!r}."
    )
    return flag(NAME, found.sure, threshold, evidence, history.end.highest(end_N))


def commonness(window: Window, seed: int = 0) -> np.ndarray:
    """Of PARTNERS traces drawn from scenes that ask for something else, the share near-identical to each [N]."""
    random = np.random.default_rng(seed)
    texts = [plain(text or "") for text in window.text_N]
    scenes = [shown.scene_id for shown in window.shown_N]
    known = any(reference is not None for reference in window.reference_N)
    usable_N = np.array([bool(text) for text in texts], dtype=bool)
    shares_N = np.full(len(texts), np.nan)
    if not usable_N.any():
        return shares_N
    usable = np.flatnonzero(usable_N)
    for group in range(window.groups):
        own = np.flatnonzero((window.group_N == group) & usable_N).tolist()
        if not own:
            continue
        first = own[0]
        drawn = random.choice(usable, 4 * PARTNERS).tolist()
        others = [
            texts[i]
            for i in drawn
            if scenes[i] != scenes[first] and (not known or _differ(window.reference_N[i], window.reference_N[first]))
        ][:PARTNERS]
        if others:
            counted = Counter(others)
            for i in own:
                alike = sum(n for text, n in counted.items() if near_identical(texts[i], text))
                shares_N[i] = alike / len(others)
    return shares_N


def plain(text: str) -> str:
    """Small letters, words only, every number the same."""
    return " ".join(_WORD.findall(_NUMBER.sub("#", text.lower())))


@lru_cache(maxsize=65_536)
def near_identical(one: str, other: str) -> bool:
    """Whether two plain texts share SAME of their pairs of neighbouring words."""
    if one == other:
        return True
    a, b = _neighbours(one), _neighbours(other)
    return len(a & b) >= SAME * len(a | b) > 0


@lru_cache(maxsize=65_536)
def _neighbours(text: str) -> frozenset[tuple[str, str]]:
    words = text.split()
    return frozenset(pairwise(words))


def _is_template(commonness_N: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(commonness_N), commonness_N >= TEMPLATE_SHARE, np.nan)


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
