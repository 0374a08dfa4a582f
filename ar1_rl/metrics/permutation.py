"""Is a difference more than chance? Sign flips: were there no difference, every unit's could as well be its opposite.

Legend: U units (scenes, or the episodes they come from), M metrics, R flips.
"""

from __future__ import annotations

import numpy as np

RESAMPLES = 10_000
_CHUNK_VALUES = 2_000_000
"""Signs held in memory at once."""
_SLACK = 1e-9
"""Sums that differ by less, relative to what is summed, are equal but for rounding."""


def sign_flip_p(sums_UM: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Two-sided p [M] for "no difference", of the summed differences of each unit.

    The paired permutation test (Fisher 1935; scipy's `permutation_test` with `permutation_type="samples"`). Exact where
    all differences but those of 0 are of one size, as they are of a metric of 0 and 1 (then it is McNemar's exact
    test), and where all flips are at most `resamples`; else `resamples` flips are drawn, p counts the measured one
    among them (Phipson and Smyth 2010), and is never below 1 / (resamples + 1). No difference anywhere: 1.
    """
    p_M = np.ones(sums_UM.shape[1])
    drawn = []
    for m, sums_U in enumerate(sums_UM.T):
        moved = sums_U[np.abs(sums_U) > _SLACK * np.abs(sums_U).max(initial=0.0)]
        if len(moved) == 0:
            continue
        if np.ptp(np.abs(moved)) <= _SLACK * np.abs(moved).max():
            p_M[m] = _fair_coins_p(int((moved > 0).sum()), len(moved))
        elif 2 ** len(moved) <= resamples:
            every = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
            p_M[m] = float(_as_extreme(every, moved[:, None]).mean())
        else:
            drawn.append(m)
    if drawn:
        p_M[drawn] = _drawn_p(sums_UM[:, drawn], resamples, seed)
    return p_M


def _drawn_p(sums_UM: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """The metrics of a unit flip together."""
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK_VALUES // len(sums_UM))
    extreme_M = np.zeros(sums_UM.shape[1])
    for start in range(0, resamples, rows):
        flips_RU = rng.integers(0, 2, size=(min(rows, resamples - start), len(sums_UM)), dtype=np.int8)
        extreme_M += _as_extreme(flips_RU, sums_UM).sum(axis=0)
    return (extreme_M + 1) / (resamples + 1)


def _as_extreme(flips_RU: np.ndarray, sums_UM: np.ndarray) -> np.ndarray:
    """Whether the total [R, M] is at least as far from 0 as the measured one when units of a 1 change their sign."""
    total_M = sums_UM.sum(axis=0)
    flipped_RM = total_M - 2.0 * (flips_RU.astype(float) @ sums_UM)
    slack_M = _SLACK * np.abs(sums_UM).sum(axis=0)
    return np.abs(flipped_RM) >= np.abs(total_M) - slack_M


def _fair_coins_p(heads: int, coins: int) -> float:
    """Two-sided binomial p of a fair coin, in whole numbers."""
    ways, tail = 1, 0
    for few in range(min(heads, coins - heads) + 1):
        tail += ways
        ways = ways * (coins - few) // (few + 1)
    return min(1.0, 2 * tail / 2**coins)
