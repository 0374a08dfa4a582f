"""What a trajectory does, as a small record: meta-action segments, speeds, and its offset from the lane.

A pure function of poses and lanes. In the lane frame following a curve is not steering, and a lane change or a nudge
is told from a bend. Without lanes the frame is the straight line through t0, which holds only where the heading comes
back: `Motion.on_map` says which reading it is. Legend: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .decisions import Side
from .lane_frame import LanePath, LaneReading, follow
from .meta_actions import THRESHOLDS, MetaActions, MetaActionThresholds, segments_and_speed
from .segments import Segment
from .trajectory import DT_S, wrap_angle


@dataclass(frozen=True)
class MotionThresholds:
    """Bounds of the lateral reading."""

    offset_m: float = 0.3
    """An excursion from the lane begins here: own choice, above the 0.2 m of the CoC autolabeler's slight shift."""
    lateral_mps: float = 0.2
    """Slower than this to the side is a drift, no action [own choice: a 0.4 m nudge in 2.3 s peaks at 0.33 m/s] ..."""
    drift_m: float = 0.75
    """... unless it leads this far: there a 2.0 m wide vehicle leaves a 3.5 m wide lane."""
    window_ticks: int = 5
    """The speed to the side is a mean over this many ticks, as the meta-actions are smoothed."""
    default_lane_width_m: float = 3.5
    """Where no lane is known: the usual width of an urban lane."""


MOTION_THRESHOLDS = MotionThresholds()


class Motion(NamedTuple):
    """The facts about one trajectory that decisions are compared with. Distances in m, speeds in m/s, angles in rad.

    An excursion is measured from the band between the centre line and where the ego was at t0, so that moving back to
    the centre is none. `side` is the side of the first excursion; `peak_m` and `end_m` count to that side.
    """

    longitudinal: tuple[Segment, ...]
    lateral: tuple[Segment, ...]
    dt_s: float
    start_mps: float
    end_mps: float
    slowest_mps: float
    distance_m: float
    heading_rad: float
    """Heading change over the horizon, left positive."""
    sharpest_rad_per_m: float
    """Largest mean turn rate of a lateral segment, as a magnitude."""
    on_map: bool
    path_turn: Side | None
    """The way the followed path turns at a junction."""
    path_heading_rad: float
    """Heading change against the path: 0 for one who follows it."""
    facility: bool
    """A merge or split of the path was driven over."""
    lane_width_m: float
    start_m: float
    """Offset at t0, left positive."""
    start_yaw_rad: float
    """Heading against the lane at t0."""
    side: Side | None
    peak_m: float
    end_m: float
    recentred_m: float
    """How much nearer the lane's centre the trajectory ends than it began."""
    shift_m: float
    """Net change of the offset, left positive."""


def read_motions(
    poses_BT3: np.ndarray,
    choices: Sequence[Sequence[LanePath]],
    dt_s: float = DT_S,
    thresholds: MotionThresholds = MOTION_THRESHOLDS,
    actions_by: MetaActionThresholds = THRESHOLDS,
) -> list[Motion]:
    """The motion of every trajectory; `choices` are its possible paths (`lane_paths`), empty where none are known."""
    actions, speed_BT = segments_and_speed(poses_BT3, dt_s, actions_by)
    on_map = np.array([len(paths) > 0 for paths in choices], dtype=bool)
    reading, paths = _in_frames(poses_BT3, choices, on_map)
    s_range = zip(paths, reading.s_BT.min(axis=1).tolist(), reading.s_BT.max(axis=1).tolist(), strict=True)
    columns: dict[str, Sequence[Any]] = {
        "longitudinal": [action.longitudinal for action in actions],
        "lateral": [action.lateral for action in actions],
        "dt_s": [dt_s] * len(paths),
        "start_mps": speed_BT[:, 0].tolist(),
        "end_mps": speed_BT[:, -1].tolist(),
        "slowest_mps": np.abs(speed_BT).min(axis=1).tolist(),
        "distance_m": (np.abs(speed_BT[:, 1:]).sum(axis=1) * dt_s).tolist(),
        "heading_rad": wrap_free(poses_BT3[..., 2]).tolist(),
        "sharpest_rad_per_m": _sharpest(actions, poses_BT3, speed_BT * dt_s).tolist(),
        "on_map": on_map.tolist(),
        "path_turn": [None if path is None else path.turn for path in paths],
        "path_heading_rad": wrap_free(reading.yaw_BT).tolist(),
        "facility": [path is not None and any(low < s < high for s in path.facility_s) for path, low, high in s_range],
        "lane_width_m": [thresholds.default_lane_width_m if path is None else path.width_m for path in paths],
        **_offsets(reading, dt_s, thresholds),
    }
    return [Motion(*row) for row in zip(*(columns[name] for name in Motion._fields), strict=True)]


def wrap_free(yaw_BT: np.ndarray) -> np.ndarray:
    """Total heading change [rad] along each row, full circles kept."""
    return wrap_angle(np.diff(yaw_BT, axis=1)).sum(axis=1)


def _in_frames(
    poses_BT3: np.ndarray, choices: Sequence[Sequence[LanePath]], on_map: np.ndarray
) -> tuple[LaneReading, list[LanePath | None]]:
    """Lane frames where there are lanes; elsewhere the straight line through the first pose."""
    if on_map.all() and len(on_map):
        along_paths, chosen_paths = follow(poses_BT3, choices)
        return along_paths, list(chosen_paths)
    reading = LaneReading(*np.empty((3, *poses_BT3.shape[:2])))
    paths: list[LanePath | None] = [None] * len(poses_BT3)
    rows = np.flatnonzero(on_map)
    if len(rows):
        followed, chosen = follow(poses_BT3[rows], [choices[row] for row in rows])
        for target, source in zip(reading, followed, strict=True):
            target[rows] = source
        for row, path in zip(rows, chosen, strict=True):
            paths[row] = path
    for target, source in zip(reading, _in_start_frame(poses_BT3[~on_map]), strict=True):
        target[~on_map] = source
    return reading, paths


def _in_start_frame(poses_BT3: np.ndarray) -> LaneReading:
    """The reading against the straight line through the first pose."""
    x_B1, y_B1, yaw_B1 = np.moveaxis(poses_BT3[:, :1], -1, 0)
    cos, sin = np.cos(yaw_B1), np.sin(yaw_B1)
    dx, dy = poses_BT3[..., 0] - x_B1, poses_BT3[..., 1] - y_B1
    return LaneReading(cos * dx + sin * dy, -sin * dx + cos * dy, wrap_angle(poses_BT3[..., 2] - yaw_B1))


def _offsets(reading: LaneReading, dt_s: float, thresholds: MotionThresholds) -> dict[str, list[Any]]:
    """The fields of `Motion` that are read off the offset from the path, by name."""
    d_BT = reading.d_BT
    start_B1 = d_BT[:, :1]
    low, high = np.minimum(start_B1, 0.0), np.maximum(start_B1, 0.0)
    beyond_BT = d_BT - np.clip(d_BT, low, high)
    sign_B = _first_side(beyond_BT, d_BT, dt_s, thresholds)
    toward_B = np.where(sign_B == 0.0, np.sign(beyond_BT.max(axis=1) + beyond_BT.min(axis=1)), sign_B)
    sided_BT = beyond_BT * toward_B[:, None]
    end_B1 = np.clip(d_BT[:, -1:], low, high)
    return {
        "start_m": d_BT[:, 0].tolist(),
        "start_yaw_rad": reading.yaw_BT[:, 0].tolist(),
        "side": [None if sign == 0.0 else "left" if sign > 0.0 else "right" for sign in sign_B.tolist()],
        "peak_m": sided_BT.max(axis=1).tolist(),
        "end_m": sided_BT[:, -1].tolist(),
        "recentred_m": (np.abs(start_B1) - np.abs(end_B1))[:, 0].tolist(),
        "shift_m": (d_BT[:, -1] - d_BT[:, 0]).tolist(),
    }


def _first_side(beyond_BT: np.ndarray, d_BT: np.ndarray, dt_s: float, thresholds: MotionThresholds) -> np.ndarray:
    """Side of the first excursion, +1 left, -1 right, 0 where there is none."""
    ticks = d_BT.shape[1]
    window = min(thresholds.window_ticks, ticks - 1)
    sideways_BT = (d_BT[:, window:] - d_BT[:, :-window]) / (window * dt_s)
    begins = []
    for sign in (1.0, -1.0):
        quick_B = (sign * sideways_BT).max(axis=1) >= thresholds.lateral_mps
        bound_B = np.where(quick_B, thresholds.offset_m, thresholds.drift_m)
        out_BT = np.round(sign * beyond_BT, 9) >= bound_B[:, None]
        begins.append(np.where(out_BT.any(axis=1), out_BT.argmax(axis=1), ticks))
    return np.sign(begins[1] - begins[0]).astype(float)


def _sharpest(actions: Sequence[MetaActions], poses_BT3: np.ndarray, step_BT: np.ndarray) -> np.ndarray:
    """Largest mean turn rate [rad/m] of the segments in which the vehicle moves at least a metre."""
    turned = np.zeros(poses_BT3.shape[:2])
    np.cumsum(wrap_angle(np.diff(poses_BT3[..., 2], axis=1)), axis=1, out=turned[:, 1:])
    driven = np.cumsum(np.abs(step_BT), axis=1)
    sharpest = np.zeros(len(poses_BT3))
    steered = [(i, s.start, s.end - 1) for i, a in enumerate(actions) for s in a.lateral if s.name != "go_straight"]
    if steered:
        row_S, first_S, last_S = np.array(steered).T
        distance_S = driven[row_S, last_S] - driven[row_S, first_S]
        turn_S = np.abs(turned[row_S, last_S] - turned[row_S, first_S])
        far = distance_S >= 1.0
        np.maximum.at(sharpest, row_S[far], turn_S[far] / distance_S[far])
    return sharpest
