"""Trajectories seen from a lane: s [m] along its centre line, d [m] to its left, yaw [rad] relative to it.

The lane is the one the ego stands in at t0, continued through its successors. At a junction there is one path per way
to go, and a trajectory is read against the path it follows best. Legend: B batch, T time, N points, P paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from .scene import Lane
from .trajectory import wrap_angle

STEP_M = 1.0
"""Spacing of a path's points [m]: the chord of a 10 m radius then errs by 12 mm."""
REACH_M = 200.0
"""Length of a path ahead [m]: 6.4 s at 31 m/s. Beyond its ends a path goes on straight."""
OUTSIDE_LANE_M = 0.5
"""The ego still belongs to a lane when its centre is this far [m] outside."""
ALONG_LANE_RAD = 0.8
"""It belongs to lanes whose direction differs by less than this [rad], half a right angle."""
SAME_DISTANCE_M = 0.3
"""Lanes and paths whose distances differ by less than this [m] lie on each other: the route decides."""
FOOT_ITERATIONS = 6
"""Most steps of the foot point search; it takes two or three on roads with radii over 10 m."""
SEARCH_STRIDE = 8
"""It starts from the nearest of every eighth point."""

Turn = Literal["left", "right"]


@dataclass(frozen=True, eq=False)
class LanePath:
    """A centre line of chained lanes, at points STEP_M apart, through the lane of the ego at t0."""

    lane_ids: tuple[str, ...]
    points_N2: np.ndarray
    width_m: float
    """Of the first lane."""
    turn: Turn | None
    """The way it turns at a junction."""
    facility_s: tuple[float, ...] = ()
    """Where it joins or leaves another road: s [m] of merges and splits."""

    @cached_property
    def segments_S6(self) -> np.ndarray:
        """Per segment: begin x, y; direction x, y; heading at the begin, and its change up to the end.

        A vertex points half-way between its two segments; the first and the last segment are straight at the ends.
        """
        step = np.diff(self.points_N2, axis=0)
        unit = step / np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-12)[:, None]
        along = np.arctan2(unit[:, 1], unit[:, 0])
        half = np.zeros(len(along) + 1)
        half[1:-1] = 0.5 * wrap_angle(np.diff(along))
        return np.column_stack([self.points_N2[:-1], unit, along - half[:-1], half[:-1] + half[1:]])


class LaneReading(NamedTuple):
    """Where trajectories are in the frame of a path, all [B, T]."""

    s_BT: np.ndarray
    d_BT: np.ndarray
    yaw_BT: np.ndarray


@lru_cache(maxsize=1024)
def lane_paths(lanes: tuple[Lane, ...] | None, route: str = "unknown") -> tuple[LanePath, ...]:
    """The paths that start in the ego's lane (ego at the origin, heading +x), the one on the route first.

    Empty where the scene has no lanes or the ego is in none of them.
    """
    if not lanes:
        return ()
    by_id = {lane.lane_id: lane for lane in lanes}
    distances = zip(lanes, _distances_to_origin(lanes).tolist(), strict=True)
    near = [(lane, distance_m) for lane, distance_m in distances if distance_m <= 0.5 * lane.width_m + OUTSIDE_LANE_M]
    if not near:
        return ()
    closest_m = min(distance_m for _, distance_m in near)
    starts = [lane for lane, distance_m in near if distance_m <= closest_m + SAME_DISTANCE_M]
    turns: set[Turn] = {lane.turn for lane in lanes if lane.turn is not None}
    chains: dict[tuple[str, ...], list[Lane]] = {}
    for start in starts:
        for wanted in (None, *sorted(turns)):
            chain = _chain(start, by_id, wanted)
            chains.setdefault(tuple(lane.lane_id for lane in chain), chain)
    paths = [_path(chain, lanes) for chain in chains.values()]
    on_route = route if route in ("left", "right") else None
    return tuple(sorted(paths, key=lambda path: (path.turn != on_route, path.turn is not None)))


def follow(poses_BT3: np.ndarray, choices: Sequence[Sequence[LanePath]]) -> tuple[LaneReading, list[LanePath]]:
    """Read every trajectory against the best of its own paths: the smallest mean distance, in doubt the first path.

    `choices` has one non-empty sequence of paths per trajectory; equal ones may be the same object. Works for paths
    that trajectories leave sideways or beyond their ends.
    """
    flat = [path for paths in choices for path in paths]
    if len(flat) == len(choices):
        return to_lane_frame(poses_BT3, flat), flat
    owner = np.repeat(np.arange(len(choices)), [len(paths) for paths in choices])
    reading = to_lane_frame(poses_BT3[owner], flat)
    distance = np.abs(reading.d_BT).mean(axis=1)
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    best = np.minimum.reduceat(distance, first)[owner]
    good_enough = np.flatnonzero(distance <= best + SAME_DISTANCE_M)
    chosen = good_enough[np.unique(owner[good_enough], return_index=True)[1]]
    return LaneReading(*(array[chosen] for array in reading)), [flat[i] for i in chosen]


def to_lane_frame(poses_BT3: np.ndarray, paths: Sequence[LanePath]) -> LaneReading:
    """Poses [B, T, 3] in the frames of B paths, one for each trajectory; s is 0 at the start of the path."""
    unique = list({id(path): path for path in paths}.values())
    index = {id(path): i for i, path in enumerate(unique)}
    table = _Table.of(unique)
    path_B = np.array([index[id(path)] for path in paths])
    first_B1, segments_B1 = table.first_P[path_B][:, None], table.segments_P[path_B][:, None]
    x_BT, y_BT, yaw_BT = np.ascontiguousarray(np.moveaxis(poses_BT3, -1, 0))
    segment_BT = np.zeros(x_BT.shape)
    np.cumsum(np.hypot(np.diff(x_BT, axis=1), np.diff(y_BT, axis=1)) / STEP_M, axis=1, out=segment_BT[:, 1:])
    segment_BT += _nearest(poses_BT3[:, 0, :2], table, first_B1, segments_B1)
    at_BT = np.full(x_BT.shape, -1)
    for _ in range(FOOT_ITERATIONS):
        before_BT, at_BT = at_BT, np.clip(segment_BT.astype(np.int64), 0, segments_B1 - 1)
        moved = np.nonzero(at_BT != before_BT)
        row = (first_B1 + at_BT)[moved]
        along = (x_BT[moved] - table.x_S[row]) * table.ux_S[row] + (y_BT[moved] - table.y_S[row]) * table.uy_S[row]
        segment_BT[moved] = at_BT[moved] + along / STEP_M
    row_BT = first_B1 + at_BT
    d_BT = table.ux_S[row_BT] * (y_BT - table.y_S[row_BT]) - table.uy_S[row_BT] * (x_BT - table.x_S[row_BT])
    path_yaw_BT = table.yaw_S[row_BT] + np.clip(segment_BT - at_BT, 0.0, 1.0) * table.bend_S[row_BT]
    return LaneReading(segment_BT * STEP_M, d_BT, wrap_angle(yaw_BT - path_yaw_BT))


class _Table(NamedTuple):
    """The segments (S) of several paths, one after the other; path p has `segments_P[p]` from `first_P[p]` on."""

    x_S: np.ndarray
    y_S: np.ndarray
    ux_S: np.ndarray
    uy_S: np.ndarray
    yaw_S: np.ndarray
    """Direction of the vertex where a segment begins."""
    bend_S: np.ndarray
    """Change of direction to the vertex where it ends."""
    first_P: np.ndarray
    segments_P: np.ndarray

    @classmethod
    def of(cls, paths: Sequence[LanePath]) -> _Table:
        segments = np.array([len(path.points_N2) - 1 for path in paths])
        columns = np.concatenate([path.segments_S6 for path in paths]).T
        x, y, ux, uy, yaw, bend = np.ascontiguousarray(columns)
        return cls(x, y, ux, uy, yaw, bend, np.cumsum(segments) - segments, segments)


def _nearest(points_B2: np.ndarray, table: _Table, first_B1: np.ndarray, segments_B1: np.ndarray) -> np.ndarray:
    """Index [B, 1] of a segment near each position, to start the foot point search from."""
    at = np.minimum(np.arange(0, segments_B1.max(), SEARCH_STRIDE), segments_B1 - 1)
    row = first_B1 + at
    gap = (table.x_S[row] - points_B2[:, :1]) ** 2 + (table.y_S[row] - points_B2[:, 1:]) ** 2
    return np.take_along_axis(at, gap.argmin(axis=1)[:, None], axis=1).astype(float)


def _distances_to_origin(lanes: Sequence[Lane]) -> np.ndarray:
    """Distances [m] of the ego at t0 from centre lines that run its way; infinite where one runs another way."""
    x, y = np.concatenate([lane.centerline_N2 for lane in lanes]).T
    lane_N = np.repeat(np.arange(len(lanes)), [len(lane.centerline_N2) for lane in lanes])
    step_x, step_y = x[1:] - x[:-1], y[1:] - y[:-1]
    square = np.maximum(step_x**2 + step_y**2, 1e-12)
    share = np.minimum(np.maximum(-(x[:-1] * step_x + y[:-1] * step_y) / square, 0.0), 1.0)
    gap = np.hypot(x[:-1] + share * step_x, y[:-1] + share * step_y)
    counts = (lane_N[1:] == lane_N[:-1]) & (np.abs(np.arctan2(step_y, step_x)) < ALONG_LANE_RAD)
    distances = np.full(len(lanes), np.inf)
    np.minimum.at(distances, lane_N[1:][counts], gap[counts])
    return distances


def _chain(start: Lane, by_id: dict[str, Lane], wanted: Turn | None) -> list[Lane]:
    """Lanes from `start` on: at a fork the one that turns the wanted way, else the straightest that does not turn."""
    chain, length = [start], _length(start)
    while length < REACH_M:
        following = [by_id[i] for i in chain[-1].successor_ids if i in by_id]
        following = [lane for lane in following if lane not in chain]
        if not following:
            break
        turned = any(lane.turn is not None for lane in chain)
        preferred = [lane for lane in following if wanted is not None and lane.turn == wanted and not turned]
        through = [lane for lane in following if lane.turn is None]
        chain.append(min(preferred or through or following, key=lambda lane: _bend(chain[-1], lane)))
        length += _length(chain[-1])
    return chain


def _path(chain: list[Lane], lanes: tuple[Lane, ...]) -> LanePath:
    line = np.concatenate([lane.centerline_N2 for lane in chain])
    apart = np.hypot(*np.diff(line, axis=0).T) > 1e-6
    line = np.concatenate([line[:1], line[1:][apart]])
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    even = STEP_M * np.arange(max(2, int(s[-1] / STEP_M) + 1))
    points = np.stack([np.interp(even, s, line[:, 0]), np.interp(even, s, line[:, 1])], axis=1)
    return LanePath(
        lane_ids=tuple(lane.lane_id for lane in chain),
        points_N2=points,
        width_m=chain[0].width_m,
        turn=next((lane.turn for lane in chain if lane.turn is not None), None),
        facility_s=_facilities(chain, lanes),
    )


def _facilities(chain: list[Lane], lanes: tuple[Lane, ...]) -> tuple[float, ...]:
    """Where, s [m], are joints at which lanes that do not turn merge into one or part from one."""
    places, s = [], 0.0
    for lane, following in pairwise(chain):
        s += _length(lane)
        siblings = [other for other in lanes if other.lane_id in lane.successor_ids and other.turn is None]
        rivals = [other for other in lanes if following.lane_id in other.successor_ids and other.turn is None]
        if following.turn is None and (len(siblings) > 1 or len(rivals) > 1):
            places.append(s)
    return tuple(places)


def _length(lane: Lane) -> float:
    return float(np.hypot(*np.diff(lane.centerline_N2, axis=0).T).sum())


def _bend(lane: Lane, following: Lane) -> float:
    """How far [rad] the direction changes from the end of a lane to the end of the next."""
    ends = [one.centerline_N2[-1] - one.centerline_N2[-2] for one in (lane, following)]
    angles = [np.arctan2(end[1], end[0]) for end in ends]
    return float(abs(wrap_angle(angles[1] - angles[0])))
