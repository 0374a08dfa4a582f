"""Cutting signals into named segments: smoothing, bounds with hysteresis, short pieces absorbed, equal ones merged.

Knows nothing of driving; `meta_actions.py` says what is cut where and what a piece is called. All trajectories of a
batch are cut at once. Legend: B batch, T time, S segments of the whole batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Segment(NamedTuple):
    """Ticks `start` to `end` (exclusive) of one meta-action. Example: `Segment(0, 64, "maintain_speed")`."""

    start: int
    end: int
    name: str


class Pieces(NamedTuple):
    """Segments of all trajectories, one after the other; `start_S` counts ticks over the whole batch."""

    start_S: np.ndarray
    code_S: np.ndarray

    def lengths(self, total: int) -> np.ndarray:
        """Ticks of each, for `total` ticks in the batch."""
        return np.diff(self.start_S, append=total)


def centred_mean(signal_BT: np.ndarray, width: int) -> np.ndarray:
    """Mean over `width` ticks around each one; the window shrinks at the ends."""
    tick = np.arange(signal_BT.shape[1])
    around_TT = (tick[:, None] >= tick - (width - 1) // 2) & (tick[:, None] <= tick + width // 2)
    return signal_BT @ (around_TT / around_TT.sum(axis=0))


def bands(signal_BT: np.ndarray, bounds: tuple[float, ...], hysteresis: float) -> np.ndarray:
    """How many of the bounds +b and -b lie under the signal, each crossed with hysteresis."""
    below = np.zeros(signal_BT.shape, dtype=np.int64)
    for bound in bounds:
        for sign in (1.0, -1.0):
            below += above(signal_BT, sign * bound, hysteresis)
    return below


def above(signal_BT: np.ndarray, bound: float, hysteresis: float) -> np.ndarray:
    """Whether the signal is above `bound`; it must pass the bound by `hysteresis` (a share of it) to change sides."""
    margin = abs(bound) * hysteresis
    up = signal_BT >= bound + margin
    decided = up | (signal_BT <= bound - margin)
    up[:, 0] = signal_BT[:, 0] >= bound if bound > 0.0 else signal_BT[:, 0] > bound
    decided[:, 0] = True
    decided_N = np.flatnonzero(decided)
    return np.repeat(up.ravel()[decided_N], np.diff(decided_N, append=up.size)).reshape(up.shape)


def starts(bands_BT: np.ndarray, refractory_ticks: int) -> np.ndarray:
    """Where segments start, counted over the whole batch: at tick 0 and at changes not too soon after the last."""
    cut_TB = np.ones(bands_BT.shape[::-1], dtype=bool)
    cut_TB[1:] = (bands_BT[:, 1:] != bands_BT[:, :-1]).T
    for tick in range(1, len(cut_TB)):
        cut_TB[tick] &= ~cut_TB[max(0, tick - refractory_ticks + 1) : tick].any(axis=0)
    return np.flatnonzero(cut_TB.T)


def settled(pieces: Pieces, shape: tuple[int, ...], shortest: np.ndarray) -> Pieces:
    """Merge equal neighbours and let the longer neighbour absorb what is too short, the shortest first."""
    batch, ticks = shape
    start, code = pieces
    while True:
        row = start // ticks
        first = np.r_[True, row[1:] != row[:-1]]
        kept = first.copy()
        kept[1:] |= code[1:] != code[:-1]
        start, code, row, first = start[kept], code[kept], row[kept], first[kept]
        length = np.diff(start, append=batch * ticks)
        short = (length < shortest[code]) & (length < ticks)
        if not short.any():
            return Pieces(start, code)
        rank = np.where(short, start % ticks + ticks * length, ticks * (ticks + 1))
        chosen = short & (rank == np.minimum.reduceat(rank, np.flatnonzero(first))[row])
        last = np.r_[first[1:], True]
        before = np.where(first, -1, np.r_[0, length[:-1]])
        after = np.where(last, -1, np.r_[length[1:], 0])
        heir = np.where(before >= after, np.r_[0, code[:-1]], np.r_[code[1:], 0])
        code = np.where(chosen, heir, code)


def listed(pieces: Pieces, names: tuple[str, ...], batch: int, ticks: int) -> list[tuple[Segment, ...]]:
    """Pieces as named segments, one tuple per trajectory; ticks are counted within it."""
    rows: list[list[Segment]] = [[] for _ in range(batch)]
    ends = pieces.start_S + pieces.lengths(batch * ticks)
    for start, end, code in zip(pieces.start_S.tolist(), ends.tolist(), pieces.code_S.tolist(), strict=True):
        row = start // ticks
        rows[row].append(Segment(start - row * ticks, end - row * ticks, names[code]))
    return [tuple(row) for row in rows]
