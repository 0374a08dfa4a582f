"""What lies flat on the road: its surface, lane lines, stop lines and crosswalks. Legend: N points of a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..driving.scene import Control, Lane
from .shapes import Colour

SEEN_FROM_M, SEEN_TO_M = -8.0, 110.0
"""Stretch of the lane lines that is painted, along the ego's x axis."""
LINE_WIDTH_M = 0.22
DASH_M, GAP_M = 3.0, 6.0
STOP_LINE_M = 0.6
CROSSWALK_M, STRIPE_M = 3.0, 0.5
DEFAULT_WIDTH_M = 3.6

ASPHALT: Colour = (84, 84, 90)
WHITE_LINE: Colour = (236, 236, 236)
YELLOW_LINE: Colour = (222, 176, 52)

Flat = tuple[np.ndarray, Colour]
"""A polygon [N, 2] in the rig frame at t0, and its colour."""


def ground(
    lanes: Sequence[Lane], controls: Sequence[Control], drivable_area: Sequence[np.ndarray] | None
) -> list[Flat]:
    """Everything flat, in the order in which it is painted."""
    surfaces = [_strip(lane.centerline_N2, -lane.width_m / 2, lane.width_m / 2) for lane in lanes]
    flats = [(polygon, ASPHALT) for polygon in (surfaces if drivable_area is None else drivable_area)]
    for lane in lanes_with_lines(lanes):
        flats += _lines(lane)
    for control in controls:
        flats += _markings(control, lanes)
    return flats


def lanes_with_lines(lanes: Sequence[Lane]) -> list[Lane]:
    """All lanes but those inside a junction."""
    by_name = {lane.lane_id: lane for lane in lanes}
    inside: set[str] = set()
    for lane in lanes:
        following = [name for name in lane.successor_ids if name in by_name]
        if any(by_name[name].turn for name in following):
            inside.update(following)
    return [lane for lane in lanes if lane.lane_id not in inside and lane.turn is None]


def place_of(control: Control, lanes: Sequence[Lane]) -> tuple[np.ndarray, float]:
    """Pose [3] of a control in driving direction, and the width of its lane [m]."""
    lane = next((lane for lane in lanes if lane.lane_id == control.lane_id), None)
    if lane is None or len(lane.centerline_N2) < 2:
        return np.array([*control.position_2, 0.0]), DEFAULT_WIDTH_M
    nearest = int(np.argmin(np.square(lane.centerline_N2 - control.position_2).sum(axis=1)))
    first = min(nearest, len(lane.centerline_N2) - 2)
    dx, dy = lane.centerline_N2[first + 1] - lane.centerline_N2[first]
    return np.array([*control.position_2, np.arctan2(dy, dx)]), lane.width_m


def beside(pose_3: np.ndarray, ahead_m: float, left_m: float) -> np.ndarray:
    """The pose [3] that lies so far ahead and to the left of another, heading like it."""
    x, y, yaw = pose_3
    cos, sin = np.cos(yaw), np.sin(yaw)
    return np.array([x + cos * ahead_m - sin * left_m, y + sin * ahead_m + cos * left_m, yaw])


def _markings(control: Control, lanes: Sequence[Lane]) -> list[Flat]:
    pose_3, width_m = place_of(control, lanes)
    half = width_m / 2
    if control.kind in ("traffic_light", "stop_sign"):
        return [(_rectangle(pose_3, (0.0, STOP_LINE_M), (-half, half)), WHITE_LINE)]
    if control.kind == "crosswalk":
        along = (-CROSSWALK_M / 2, CROSSWALK_M / 2)
        starts = np.arange(-half, half - STRIPE_M / 2, 2 * STRIPE_M).tolist()
        return [(_rectangle(pose_3, along, (start, start + STRIPE_M)), WHITE_LINE) for start in starts]
    return []


def _lines(lane: Lane) -> list[Flat]:
    """The line to the right, dashed towards a neighbour lane, else solid; and a yellow one to the left.

    Not towards a neighbour lane on the left: that line is the neighbour's right one.
    """
    half, line = lane.width_m / 2, LINE_WIDTH_M / 2
    ahead_N2 = _ahead(lane.centerline_N2)
    if len(ahead_N2) < 2:
        return []
    flats: list[Flat] = []
    if lane.right_id is None:
        flats.append((_strip(ahead_N2, -half - line, -half + line), WHITE_LINE))
    else:
        flats += [(dash_42, WHITE_LINE) for dash_42 in _dashes(lane.centerline_N2, -half)]
    if lane.left_id is None:
        flats.append((_strip(ahead_N2, half - line, half + line), YELLOW_LINE))
    return flats


def _ahead(line_N2: np.ndarray) -> np.ndarray:
    """The points in the painted stretch, and the next one on either side, so that the line reaches its ends."""
    inside = np.flatnonzero((line_N2[:, 0] > SEEN_FROM_M) & (line_N2[:, 0] < SEEN_TO_M))
    return line_N2[max(inside[0] - 1, 0) : inside[-1] + 2] if len(inside) else line_N2[:0]


def _dashes(line_N2: np.ndarray, offset_m: float) -> np.ndarray:
    """Dashes [n, 4, 2] beside a line; they begin where the line does, so they stay where they are on the road."""
    step_N = np.hypot(*np.diff(line_N2, axis=0).T)
    along_N = np.concatenate([[0.0], np.cumsum(step_N)])
    starts_n = np.arange(0.0, along_N[-1] - DASH_M, DASH_M + GAP_M)
    ends_n2 = np.stack([starts_n, starts_n + DASH_M], axis=1)
    normals_N2 = _normals(line_N2)
    points, normals = (
        np.stack([np.interp(ends_n2, along_N, values_N2[:, i]) for i in (0, 1)], axis=-1)
        for values_N2 in (line_N2, normals_N2)
    )
    right, left = (points + (offset_m + side * LINE_WIDTH_M / 2) * normals for side in (-1.0, 1.0))
    dashes_n42 = np.concatenate([right, left[:, ::-1]], axis=1)
    x_n = points[:, 0, 0]
    return dashes_n42[(x_n > SEEN_FROM_M) & (x_n < SEEN_TO_M)]


def _normals(line_N2: np.ndarray) -> np.ndarray:
    """Unit vectors [N, 2] to the left."""
    along_N2 = np.gradient(line_N2, axis=0)
    along_N2 = along_N2 / np.maximum(np.hypot(along_N2[:, :1], along_N2[:, 1:]), 1e-9)
    return np.stack([-along_N2[:, 1], along_N2[:, 0]], axis=-1)


def _strip(line_N2: np.ndarray, right_m: float, left_m: float) -> np.ndarray:
    """Polygon [2 N, 2] between two offsets to the left of a line."""
    normals_N2 = _normals(line_N2)
    return np.concatenate([line_N2 + right_m * normals_N2, (line_N2 + left_m * normals_N2)[::-1]])


def _rectangle(pose_3: np.ndarray, along: tuple[float, float], across: tuple[float, float]) -> np.ndarray:
    corners = ((along[0], across[0]), (along[1], across[0]), (along[1], across[1]), (along[0], across[1]))
    return np.array([beside(pose_3, ahead, left)[:2] for ahead, left in corners])
