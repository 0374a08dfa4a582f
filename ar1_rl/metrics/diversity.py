"""Diversity of the samples of one scene: of their words, and of their trajectories. Legend: K samples, T time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

from .displacement import ade_m


def trace_diversity(texts_K: Sequence[str]) -> float:
    """Mean over pairs of texts of 1 - Jaccard index of their word pairs: 0 all equal, 1 nothing shared.

    Word pairs, because in a small vocabulary almost all words are shared. NaN for fewer than two texts.
    """
    sets = [_word_pairs(text) for text in texts_K]
    distances = [_distance(a, b) for a, b in combinations(sets, 2)]
    return float(np.mean(distances)) if distances else float("nan")


def trajectory_diversity_m(poses_KT3: np.ndarray) -> float:
    """Mean over pairs of trajectories of their average distance [m]; NaN poses (undecodable) are left out.

    The average pairwise distance (APD) of Yuan and Kitani (arXiv 2003.08386), in metres a
    tick. NaN for fewer than two trajectories.
    """
    known = poses_KT3[np.isfinite(poses_KT3).all(axis=(1, 2))]
    if len(known) < 2:
        return float("nan")
    first, second = np.triu_indices(len(known), k=1)
    return float(ade_m(known[first], known[second]).mean())


def _word_pairs(text: str) -> frozenset[tuple[str, str]]:
    words = ["", *text.lower().split(), ""]
    return frozenset(pairwise(words))


def _distance(a: frozenset[tuple[str, str]], b: frozenset[tuple[str, str]]) -> float:
    return 1.0 - len(a & b) / len(a | b)
