"""Trajectories as tokens and back: controls on a grid, written `<i5><i1999>...`.

Two presets: `alpamayo` has the token layout of NVIDIA's public Alpamayo models (NVlabs/alpamayo, NVlabs/alpamayo1.5:
discrete trajectory tokenizer, delta tokenizer, normalisation of the released configs), `compact` is for small policies.
Legend: B batch, K tokens of a future, H tokens of a history.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ar1_rl.errors import DecodeError, SceneError

from .dynamics import (
    Smoothing,
    check_poses,
    estimate_speed,
    fit_history,
    fit_local_motion,
    integrate,
    to_start_frame,
    unwrapped,
)
from .quantisation import Grid, HeldControls, Tracking
from .trajectory import DT_S, FUTURE_STEPS, HISTORY_STEPS

_TOKEN = re.compile(r"<i(0|[1-9][0-9]{0,8})>")


@dataclass(frozen=True)
class PositionHistory:
    """History as the differences of consecutive positions: x, y, z interleaved, a zero pose put in front."""

    grids: tuple[Grid, Grid, Grid]

    @property
    def tokens(self) -> int:
        """Tokens of one history."""
        return 3 * HISTORY_STEPS

    def encode(self, history_B16x3: np.ndarray, smoothing: Smoothing) -> np.ndarray:
        """Ids [B, 48] from poses in the frame of the last one; z is zero."""
        del smoothing
        moves_B16x2 = np.diff(history_B16x3[..., :2], axis=1, prepend=0.0)
        moves_B16x3 = np.concatenate([moves_B16x2, np.zeros_like(moves_B16x2[..., :1])], axis=-1)
        ids = [grid.nearest(moves_B16x3[..., axis]) for axis, grid in enumerate(self.grids)]
        return np.stack(ids, axis=-1).reshape(len(history_B16x3), self.tokens)


@dataclass(frozen=True)
class StateHistory:
    """History as the state it led to: speed [m/s] now and at the start, acceleration, curvature."""

    speed: Grid
    acceleration: Grid
    curvature: Grid
    window_steps: int = 5
    """Steps before t0 over which acceleration and curvature are taken."""

    @property
    def tokens(self) -> int:
        """Tokens of one history."""
        return 4

    def encode(self, history_B16x3: np.ndarray, smoothing: Smoothing) -> np.ndarray:
        """Ids [B, 4] from poses in the frame of the last one."""
        speed_BT = fit_history(history_B16x3, DT_S, smoothing)
        window_s = self.window_steps * DT_S
        recent_BT = speed_BT[:, -self.window_steps - 1 :]
        acceleration_B = (recent_BT[:, -1] - recent_BT[:, 0]) / window_s
        yaw_BT = unwrapped(history_B16x3[..., 2], axis=1)
        way_B = recent_BT[:, 1:].sum(axis=1) * DT_S
        turn_B = yaw_BT[:, -1] - yaw_BT[:, -self.window_steps - 1]
        curvature_B = turn_B * way_B / (way_B**2 + Tracking().standing_m ** 2)
        ids = (
            self.speed.nearest(speed_BT[:, -1]),
            self.speed.nearest(speed_BT[:, 0]),
            self.acceleration.nearest(acceleration_B),
            self.curvature.nearest(curvature_B),
        )
        return np.stack(ids, axis=-1)


@dataclass(frozen=True)
class TrajectoryCodec:
    """Futures of 64 poses and histories of 16 poses as token ids, batched.

    Example: `codec = TrajectoryCodec.compact(); tokens_BK = codec.encode(history_B16x3, future_B64x3)`.
    """

    name: str
    bins: int
    """Ids 0 ... bins - 1 are future tokens."""
    history_bins: int
    """Ids bins ... bins + history_bins - 1 are history tokens."""
    tokens_per_future: int
    tokens_per_history: int
    acceleration: Grid
    curvature: Grid
    history: PositionHistory | StateHistory
    smoothing: Smoothing = field(default_factory=Smoothing)
    precision: Literal["float32", "float64"] = "float64"
    """What poses are rounded to before they are encoded."""
    tracking: Tracking | None = None
    """How held controls follow the reference; None where every step has controls of its own."""

    @classmethod
    def alpamayo(cls) -> TrajectoryCodec:
        """3,000 bins over ten standard deviations, one pair of controls a step, history as 48 differences."""
        bins, history_bins = 3000, 1000
        return cls(
            name="alpamayo",
            precision="float32",
            bins=bins,
            history_bins=history_bins,
            tokens_per_future=2 * FUTURE_STEPS,
            tokens_per_history=3 * HISTORY_STEPS,
            acceleration=Grid(bins, centre=0.02902694707164455, reach=10 * 0.6810426736454882),
            curvature=Grid(bins, centre=0.0002692167976330542, reach=10 * 0.026148280660833106),
            history=PositionHistory(
                (Grid(history_bins, 0.0, 4.0), Grid(history_bins, 0.0, 4.0), Grid(history_bins, 0.0, 10.0))
            ),
        )

    @classmethod
    def compact(cls) -> TrajectoryCodec:
        """97 bins, finer near zero, controls held for 4 steps, history as 4 numbers."""
        bins, history_bins = 97, 81
        return cls(
            name="compact",
            bins=bins,
            history_bins=history_bins,
            tokens_per_future=2 * FUTURE_STEPS // 4,
            tokens_per_history=4,
            acceleration=Grid(bins, centre=0.0, reach=8.0, sharpness=3.0),
            curvature=Grid(bins, centre=0.0, reach=0.2, sharpness=5.0),
            history=StateHistory(
                speed=Grid(history_bins, centre=20.0, reach=20.0),
                acceleration=Grid(history_bins, centre=0.0, reach=6.0),
                curvature=Grid(history_bins, centre=0.0, reach=0.2, sharpness=5.0),
            ),
            tracking=Tracking(),
        )

    @property
    def vocabulary_size(self) -> int:
        """Number of trajectory token ids, of futures and histories together."""
        return self.bins + self.history_bins

    @property
    def hold_steps(self) -> int:
        """Steps for which one pair of controls holds."""
        return 2 * FUTURE_STEPS // self.tokens_per_future

    def encode(self, history_B16x3: np.ndarray, future_B64x3: np.ndarray) -> np.ndarray:
        """Ids [B, K], acceleration and curvature interleaved. Raises SceneError for wrong shapes or NaN.

        Poses may be in any frame that both arrays share: only motion relative to the last history pose counts.
        """
        history = check_poses(history_B16x3, "history", HISTORY_STEPS)
        future = check_poses(future_B64x3, "future", FUTURE_STEPS)
        if len(history) != len(future):
            raise SceneError(f"got {len(history)} histories and {len(future)} futures, wants as many of each")
        future = to_start_frame(future, history[:, -1])
        motion = fit_local_motion(self._local(history), future.astype(self.precision), DT_S, self.smoothing)
        if self.tracking is None:
            ids = (
                self.acceleration.nearest(motion.controls_BT2[..., 0]),
                self.curvature.nearest(motion.controls_BT2[..., 1]),
            )
            return np.stack(ids, axis=-1).reshape(len(history), self.tokens_per_future)
        held = HeldControls(self.acceleration, self.curvature, self.hold_steps, self.tracking, DT_S)
        return held.choose(future, motion).reshape(len(history), self.tokens_per_future)

    def decode(self, tokens_BK: np.ndarray, history_B16x3: np.ndarray) -> np.ndarray:
        """Poses [B, 64, 3] in the frame of the history, yaw unwrapped; the speed at t0 comes from the history.

        Raises DecodeError for a wrong count or an id that is no future token.
        """
        tokens = self._checked(tokens_BK)
        history = check_poses(history_B16x3, "history", HISTORY_STEPS)
        if len(tokens) != len(history):
            raise DecodeError(f"got {len(tokens)} token rows for {len(history)} histories, wants as many of each")
        pairs = tokens.reshape(len(tokens), self.tokens_per_future // 2, 2)
        controls = np.stack([self.acceleration.levels[pairs[..., 0]], self.curvature.levels[pairs[..., 1]]], axis=-1)
        controls = np.repeat(controls, self.hold_steps, axis=1)
        return integrate(controls, estimate_speed(self._local(history), DT_S, self.smoothing), DT_S, history[:, -1])

    def encode_history(self, history_B16x3: np.ndarray) -> np.ndarray:
        """Ids [B, H], offset by `bins`."""
        history = check_poses(history_B16x3, "history", HISTORY_STEPS)
        return self.history.encode(self._local(history), self.smoothing) + self.bins

    def to_text(self, tokens: Sequence[int] | np.ndarray) -> str:
        """`<i5><i1999>...`; raises DecodeError for an id outside the vocabulary."""
        ids = _integers(tokens, "tokens")
        _check_range(ids, self.vocabulary_size, "trajectory")
        return "".join(f"<i{token}>" for token in ids.ravel())

    def from_text(self, text: str) -> np.ndarray:
        """Ids from `<i5><i1999>...`; raises DecodeError on anything else in the text, spaces too."""
        ids, position = [], 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise DecodeError(
                    f"{text[position : position + 20]!r} at character {position} is no trajectory token <iN>"
                )
            ids.append(int(match[1]))
            position = match.end()
        tokens = np.array(ids, dtype=np.int64)
        _check_range(tokens, self.vocabulary_size, "trajectory")
        return tokens

    def _local(self, history: np.ndarray) -> np.ndarray:
        return to_start_frame(history, history[:, -1]).astype(self.precision)

    def _checked(self, tokens_BK: np.ndarray) -> np.ndarray:
        tokens = _integers(tokens_BK, "tokens")
        if tokens.ndim != 2 or tokens.shape[1] != self.tokens_per_future:
            raise DecodeError(
                f"got tokens of shape {tokens.shape}, wants [batch, {self.tokens_per_future}] for {self.name!r}"
            )
        _check_range(tokens, self.bins, "future")
        return tokens


def _integers(tokens: Sequence[int] | np.ndarray, name: str) -> np.ndarray:
    try:
        array = np.asarray(tokens)
    except ValueError as error:
        raise DecodeError(f"{name}: rows of different lengths") from error
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise DecodeError(f"{name}: got {array.dtype} values, wants integers")
    return array.astype(np.int64)


def _check_range(tokens: np.ndarray, count: int, kind: str) -> None:
    foreign = tokens[(tokens < 0) | (tokens >= count)]
    if foreign.size:
        raise DecodeError(f"ids {foreign[:4].tolist()} are no {kind} tokens, allowed are 0 to {count - 1}")
