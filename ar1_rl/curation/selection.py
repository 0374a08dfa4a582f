"""Which scenes are kept, by their disagreement and by lot. Legend: S scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

KeptAs = Literal["disagreement", "random"]
NOT_KEPT, DISAGREEMENT, RANDOM = 0, 1, 2
KEPT_AS: dict[int, KeptAs] = {DISAGREEMENT: "disagreement", RANDOM: "random"}


def lots(scene_ids: Sequence[str], seed: int) -> np.ndarray:
    """[S] a number for every scene, uniform over 64 bits; it depends on nothing but its id and the seed."""
    digests = [hashlib.blake2b(f"{seed}|{identity}".encode(), digest_size=8).digest() for identity in scene_ids]
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)


def choose(disagreement_S: np.ndarray, lots_S: np.ndarray, keep: int, random_ratio: float) -> np.ndarray:
    """[S] DISAGREEMENT for the `keep` highest, RANDOM for so many of the others by lot, NOT_KEPT for the rest.

    A scene whose disagreement is NaN is never kept. Equals are told apart by lot, so the order of scenes is of no
    matter.
    """
    eligible = np.flatnonzero(~np.isnan(disagreement_S))
    ranked = eligible[np.lexsort((lots_S[eligible], -disagreement_S[eligible]))]
    highest, others = ranked[:keep], ranked[keep:]
    drawn = others[np.argsort(lots_S[others])][: round(random_ratio * len(highest))]
    kept_S = np.full(len(disagreement_S), NOT_KEPT)
    kept_S[highest], kept_S[drawn] = DISAGREEMENT, RANDOM
    return kept_S
