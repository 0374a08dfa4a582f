"""Meta-actions: what a trajectory does, as named segments on a longitudinal and a lateral axis.

Names are those of Alpamayo-R1 (arXiv 2511.00088, Table 5), thresholds those of NVIDIA's public CoC autolabeler.
Signals are cut where they cross a bound, each piece is classified by its means, short pieces are absorbed by their
longer neighbour and equal neighbours are merged. Legend: B batch, T time, S segments of the whole batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import ConfigError
from .segments import Pieces, Segment, above, bands, centred_mean, listed, settled, starts
from .trajectory import DT_S, wrap_angle

LONGITUDINAL_ACTIONS = (
    "maintain_speed",
    "gentle_acceleration",
    "strong_acceleration",
    "gentle_deceleration",
    "strong_deceleration",
    "stop",
    "reverse",
)
LATERAL_ACTIONS = (
    "go_straight",
    "steer_left",
    "steer_right",
    "sharp_steer_left",
    "sharp_steer_right",
    "reverse_left",
    "reverse_right",
)
NEUTRAL = ("maintain_speed", "go_straight")
"""What a vehicle does when it does nothing new."""


@dataclass(frozen=True)
class MetaActionThresholds:
    """Bounds of the classes and of the cuts.

    Source: NVlabs/alpamayo-coc-autolabeler (commit 288ac28); `slowest_step_m` is ours. Counts of ticks are at 10 Hz
    and are scaled to the period of the poses. Turn rates are heading change per metre travelled, left positive.
    """

    reverse_mps: float = 0.12
    stop_mps: float = 0.12
    strong_mps2: float = 1.4
    gentle_mps2: float = 0.15
    speed_change_mps: float = 0.8
    cut_speed_mps: float = 0.3
    cut_acceleration_mps2: tuple[float, ...] = (0.1, 1.25)
    min_ticks: int = 8
    min_maintain_ticks: int = 12

    turning_reverse_mps: float = 0.1
    reverse_turn_rad_per_m: float = 0.002
    reverse_heading_rad: float = 0.2
    sharp_turn_rad_per_m: float = 0.05
    sharp_heading_rad: float = 0.2
    steer_turn_rad_per_m: float = 0.0015
    steer_heading_rad: float = 0.015
    cut_turn_rad_per_m: tuple[float, ...] = (0.001, 0.05)
    min_lateral_ticks: int = 10

    smoothing_ticks: int = 5
    hysteresis: float = 0.15
    refractory_ticks: int = 3
    slowest_step_m: float = 0.02
    """A turn rate is taken over at least this distance a tick: at a standstill it would be noise over nothing."""


THRESHOLDS = MetaActionThresholds()


class MetaActions(NamedTuple):
    """The segments of one trajectory; on each axis they cover all ticks and no two neighbours are equal."""

    longitudinal: tuple[Segment, ...]
    lateral: tuple[Segment, ...]


def read_meta_actions(
    poses_BT3: np.ndarray, dt_s: float = DT_S, thresholds: MetaActionThresholds = THRESHOLDS
) -> tuple[np.ndarray, np.ndarray]:
    """Names per tick: (longitudinal_BT, lateral_BT), for poses [B, T, 3] (x [m], y [m], yaw [rad]) with any T >= 2.

    The speed at tick 0 is that of tick 1. Moving or turning the world changes nothing. Raises ConfigError for another
    shape, for poses that are not finite and for a period that is not positive.
    """
    signals = _signals(*_steps(_checked(poses_BT3, dt_s)), dt_s, thresholds)
    batch, ticks = signals.speed_BT.shape
    named = []
    for pieces, names in (
        (_longitudinal(signals, dt_s, thresholds), LONGITUDINAL_ACTIONS),
        (_lateral(signals, dt_s, thresholds), LATERAL_ACTIONS),
    ):
        codes = np.repeat(pieces.code_S, pieces.lengths(batch * ticks))
        named.append(np.array(names)[codes].reshape(batch, ticks))
    return named[0], named[1]


def meta_action_segments(
    poses_BT3: np.ndarray, dt_s: float = DT_S, thresholds: MetaActionThresholds = THRESHOLDS
) -> list[MetaActions]:
    """The same reading as `read_meta_actions`, as segments: one `MetaActions` per trajectory."""
    return segments_and_speed(poses_BT3, dt_s, thresholds)[0]


def segments_and_speed(
    poses_BT3: np.ndarray, dt_s: float = DT_S, thresholds: MetaActionThresholds = THRESHOLDS
) -> tuple[list[MetaActions], np.ndarray]:
    """Segments, and the unsmoothed speed along the heading [B, T] in m/s that they rest on.

    The speed is negative in reverse; tick 0 is taken from tick 1.
    """
    along_BT, turn_BT = _steps(_checked(poses_BT3, dt_s))
    signals = _signals(along_BT, turn_BT, dt_s, thresholds)
    batch, ticks = along_BT.shape
    longitudinal = listed(_longitudinal(signals, dt_s, thresholds), LONGITUDINAL_ACTIONS, batch, ticks)
    lateral = listed(_lateral(signals, dt_s, thresholds), LATERAL_ACTIONS, batch, ticks)
    return [MetaActions(*pair) for pair in zip(longitudinal, lateral, strict=True)], along_BT / dt_s


class _Signals(NamedTuple):
    speed_BT: np.ndarray
    acceleration_BT: np.ndarray
    turn_BT: np.ndarray
    """Heading change of a tick [rad], unsmoothed."""
    step_BT: np.ndarray
    """Distance of a tick [m], unsmoothed, never negative."""
    turn_rate_BT: np.ndarray


def _checked(poses_BT3: np.ndarray, dt_s: float) -> np.ndarray:
    poses = np.asarray(poses_BT3, dtype=float)
    if poses.ndim != 3 or poses.shape[1] < 2 or poses.shape[2] != 3:
        raise ConfigError(f"poses of shape {poses.shape}: [B, T, 3] with T >= 2 is needed")
    if not np.isfinite(poses).all():
        raise ConfigError("poses hold NaN or infinity: only finite trajectories have meta-actions")
    if not dt_s > 0.0:
        raise ConfigError(f"dt_s is {dt_s}: a positive period in seconds is needed")
    return poses


def _steps(poses_BT3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance along the heading [m] and heading change [rad] of every tick; the first repeats the second."""
    turn = wrap_angle(np.diff(poses_BT3[..., 2], axis=1))
    heading = poses_BT3[:, :-1, 2] + 0.5 * turn
    move = np.diff(poses_BT3[..., :2], axis=1)
    along = move[..., 0] * np.cos(heading) + move[..., 1] * np.sin(heading)
    return np.concatenate([along[:, :1], along], axis=1), np.concatenate([turn[:, :1], turn], axis=1)


def _signals(along: np.ndarray, turn: np.ndarray, dt_s: float, thresholds: MetaActionThresholds) -> _Signals:
    width = _ticks(thresholds.smoothing_ticks, dt_s)
    speed = centred_mean(along / dt_s, width)
    distance = np.abs(along)
    floor = thresholds.slowest_step_m
    turn_rate = centred_mean(turn, width) / np.maximum(centred_mean(distance, width), floor)
    acceleration = np.gradient(speed, dt_s, axis=1)
    return _Signals(*(np.round(signal, 9) for signal in (speed, acceleration, turn, distance, turn_rate)))


def _ticks(ticks_at_10_hz: int, dt_s: float) -> int:
    return max(1, round(ticks_at_10_hz * DT_S / dt_s))


def _longitudinal(signals: _Signals, dt_s: float, thresholds: MetaActionThresholds) -> Pieces:
    t = thresholds
    bands_BT = 8 * bands(signals.speed_BT, (t.cut_speed_mps,), t.hysteresis)
    bands_BT += bands(signals.acceleration_BT, t.cut_acceleration_mps2, t.hysteresis)
    start_S = starts(bands_BT, _ticks(t.refractory_ticks, dt_s))
    length_S = np.diff(start_S, append=bands_BT.size)
    speed = np.add.reduceat(signals.speed_BT.ravel(), start_S) / length_S
    acceleration = np.add.reduceat(signals.acceleration_BT.ravel(), start_S) / length_S
    change = np.round(acceleration * length_S * dt_s, 9)
    up, down = change >= t.speed_change_mps, change <= -t.speed_change_mps
    names = ("reverse", "stop", "strong_acceleration", "gentle_acceleration", "strong_deceleration")
    conditions = [
        speed <= -t.reverse_mps,
        speed <= t.stop_mps,
        up & (acceleration >= t.strong_mps2),
        up & (acceleration >= t.gentle_mps2),
        down & (acceleration <= -t.strong_mps2),
        down & (acceleration <= -t.gentle_mps2),
    ]
    codes = [LONGITUDINAL_ACTIONS.index(name) for name in (*names, "gentle_deceleration")]
    shortest = np.full(len(LONGITUDINAL_ACTIONS), _ticks(t.min_ticks, dt_s))
    shortest[LONGITUDINAL_ACTIONS.index("maintain_speed")] = _ticks(t.min_maintain_ticks, dt_s)
    return settled(Pieces(start_S, np.select(conditions, codes, default=0)), bands_BT.shape, shortest)


def _lateral(signals: _Signals, dt_s: float, thresholds: MetaActionThresholds) -> Pieces:
    t = thresholds
    bands_BT = 8 * bands(signals.turn_rate_BT, t.cut_turn_rad_per_m, t.hysteresis)
    bands_BT += above(signals.speed_BT, -t.turning_reverse_mps, t.hysteresis)
    start_S = starts(bands_BT, _ticks(t.refractory_ticks, dt_s))
    length_S = np.diff(start_S, append=bands_BT.size)
    speed = np.add.reduceat(signals.speed_BT.ravel(), start_S) / length_S
    heading = np.round(np.add.reduceat(signals.turn_BT.ravel(), start_S), 9)
    distance = np.add.reduceat(signals.step_BT.ravel(), start_S)
    rate = heading / np.maximum(distance, t.slowest_step_m * length_S)
    backwards = speed <= -t.turning_reverse_mps
    conditions, codes = [], []
    for name, rate_bound, heading_bound, where in (
        ("reverse", t.reverse_turn_rad_per_m, t.reverse_heading_rad, backwards),
        ("sharp_steer", t.sharp_turn_rad_per_m, t.sharp_heading_rad, ~backwards),
        ("steer", t.steer_turn_rad_per_m, t.steer_heading_rad, ~backwards),
    ):
        for side, sign in (("left", 1.0), ("right", -1.0)):
            conditions.append(where & (sign * rate >= rate_bound) & (sign * heading >= heading_bound))
            codes.append(LATERAL_ACTIONS.index(f"{name}_{side}"))
    shortest = np.full(len(LATERAL_ACTIONS), _ticks(t.min_lateral_ticks, dt_s))
    return settled(Pieces(start_S, np.select(conditions, codes, default=0)), bands_BT.shape, shortest)
