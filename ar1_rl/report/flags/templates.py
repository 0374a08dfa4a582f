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
"""Traces of other scenes that a group is compared with."""
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_WORD = re.compile(r"[^\W_]+|#")


def templates(history: History, threshold: float) -> Flag:
    """Score: the rise of the share of near-identical traces among pairs from scenes with different reference decisions.

    Where no scene has a reference, among pairs from different scenes.
    """
    begin_G, end_G = shares_alike(history.begin), shares_alike(history.end)
    # A trace takes part in its own group's pairs and in those of others: twice the standard error of independent ones.
    found = rise(begin_G, end_G, widen=2.0)
    if found is None:
        return unmeasured(NAME, threshold, TOO_FEW)
    plain_N = [plain(text) for text in history.end.text_N if text]
    text, count = Counter(plain_N).most_common(1)[0]
    evidence = (
        f"Of two traces for scenes that differ, {found.begin:.1%} were near-identical at the beginning and "
        f"{found.end:.1%} at the end; the commonest makes {count / len(plain_N):.0%} of all: {_short(text)!r}."
    )
    is_it_N = np.array([plain(other or "") == text for other in history.end.text_N], dtype=float)
    return flag(NAME, found.sure, threshold, evidence, history.end.highest(is_it_N))


def shares_alike(window: Window, seed: int = 0) -> np.ndarray:
    """Share [G] of drawn pairs, a trace of the group with one of another scene, that are near-identical."""
    random = np.random.default_rng(seed)
    usable = np.array([i for i, text in enumerate(window.text_N) if text], dtype=int)
    shares_G = np.full(window.groups, np.nan)
    if len(usable) == 0:
        return shares_G
    texts = [plain(window.text_N[i] or "") for i in usable]
    scenes = [window.shown_N[i].scene_id for i in usable]
    references = [window.reference_N[i] for i in usable]
    known = any(reference is not None for reference in references)
    group_U = window.group_N[usable]
    for group in range(window.groups):
        own = np.flatnonzero(group_U == group)
        if len(own) == 0:
            continue
        firsts, seconds = random.choice(own, 4 * PARTNERS), random.integers(len(usable), size=4 * PARTNERS)
        pairs = [
            (a, b)
            for a, b in zip(firsts.tolist(), seconds.tolist(), strict=True)
            if scenes[a] != scenes[b] and (not known or _differ(references[a], references[b]))
        ][:PARTNERS]
        if pairs:
            shares_G[group] = np.mean([near_identical(texts[a], texts[b]) for a, b in pairs])
    return shares_G


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


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
