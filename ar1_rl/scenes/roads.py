"""Road geometry that log sources share: centre lines from boundaries, lanes ahead of the ego, crosswalks on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ar1_rl.driving.scene import Control, Lane
from ar1_rl.driving.trajectory import points_to_frame, wrap_angle

from .logs import Crosswalk, TrafficLight

_TIME_TOLERANCE_S = 1e-6
POINT_SPACING_M = 2.0
"""Distance between centre line points: a 20 m radius deviates 2.5 cm from its chord."""
ON_LANE_HEADING_RAD = np.pi / 4
"""The ego drives along a lane when their headings differ by less."""
TURN_RAD = np.pi / 6
"""A lane inside a junction that bends by more is a turn."""


def resample_line(line_N2: np.ndarray, count: int) -> np.ndarray:
    """`count` points at even distances along a line."""
    arc_N = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line_N2, axis=0), axis=1))])
    arc_M = np.linspace(0.0, arc_N[-1], count)
    return np.column_stack([np.interp(arc_M, arc_N, line_N2[:, axis]) for axis in range(2)])


def line_length_m(line_N2: np.ndarray) -> float:
    """Length of a line."""
    return float(np.linalg.norm(np.diff(line_N2, axis=0), axis=1).sum())


def centerline(left_N2: np.ndarray, right_M2: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre line [K, 2] half way between two boundaries, and the mean width [m]."""
    length_m = max(line_length_m(left_N2), line_length_m(right_M2))
    count = max(2, int(np.ceil(length_m / POINT_SPACING_M)) + 1)
    left_K2, right_K2 = resample_line(left_N2, count), resample_line(right_M2, count)
    return (left_K2 + right_K2) / 2.0, float(np.linalg.norm(left_K2 - right_K2, axis=1).mean())


def bend_rad(line_N2: np.ndarray) -> float:
    """Heading at the end of a line less that at its start; positive to the left."""
    steps = np.diff(line_N2, axis=0)
    steps = steps[np.linalg.norm(steps, axis=1) > 0.0]
    if len(steps) < 2:
        return 0.0
    return float(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))[[0, -1]] @ [-1.0, 1.0])


def lanes_at_origin(lanes: Sequence[Lane]) -> list[Lane]:
    """Lanes that the ego at the origin of the frame, heading along x, drives on (several inside a junction)."""
    found = []
    for lane in lanes:
        start_K2, step_K2 = lane.centerline_N2[:-1], np.diff(lane.centerline_N2, axis=0)
        square_K = np.maximum((step_K2**2).sum(axis=1), 1e-12)
        along_K = np.clip(-(start_K2 * step_K2).sum(axis=1) / square_K, 0.0, 1.0)
        distance_K = np.linalg.norm(start_K2 + along_K[:, None] * step_K2, axis=1)
        k = int(distance_K.argmin())
        heading = np.arctan2(step_K2[k, 1], step_K2[k, 0])
        if distance_K[k] <= lane.width_m / 2.0 and abs(wrap_angle(heading)) < ON_LANE_HEADING_RAD:
            found.append(lane)
    return found


def lanes_ahead(lanes: Sequence[Lane], range_m: float) -> dict[str, float]:
    """Id of every lane that the ego can reach -> driving distance [m] to its start (negative: it is on it)."""
    by_id = {lane.lane_id: lane for lane in lanes}
    distances: dict[str, float] = {}
    queue = []
    for lane in lanes_at_origin(lanes):
        nearest = int(np.linalg.norm(lane.centerline_N2, axis=1).argmin())
        queue.append((-line_length_m(lane.centerline_N2[: nearest + 1]), lane.lane_id))
    while queue:
        queue.sort()
        distance, lane_id = queue.pop(0)
        if lane_id in distances or lane_id not in by_id or distance > range_m:
            continue
        distances[lane_id] = distance
        lane = by_id[lane_id]
        queue += [(distance + line_length_m(lane.centerline_N2), follower) for follower in lane.successor_ids]
    return distances


def crosswalk_controls(
    lanes: Sequence[Lane], crosswalks: Sequence[Crosswalk], origin_3: np.ndarray, range_m: float
) -> tuple[Control, ...]:
    """One control for every crosswalk that a lane ahead of the ego runs over, where the nearest such lane enters it.

    `lanes` are in the ego frame, `crosswalks` in the world of `origin_3`. It depends on the map and on the pose at t0
    alone: which of the lanes ahead the ego will take is not known to it.
    """
    by_id = {lane.lane_id: lane for lane in lanes}
    reachable = sorted(lanes_ahead(lanes, range_m).items(), key=lambda item: item[1])
    controls = []
    for crosswalk in crosswalks:
        polygon_N2 = points_to_frame(crosswalk.polygon_N2, origin_3)
        if np.linalg.norm(polygon_N2, axis=1).min() > range_m:
            continue
        for lane_id, distance_m in reachable:
            line_K2 = _dense(by_id[lane_id].centerline_N2)
            inside_K = inside_polygon(line_K2, polygon_N2)
            passed_K = distance_m + np.linspace(0.0, line_length_m(line_K2), len(line_K2)) < 0.0
            hits = np.flatnonzero(inside_K & ~passed_K)
            if len(hits):
                controls.append(
                    Control(
                        control_id=f"crosswalk_{crosswalk.crosswalk_id}",
                        kind="crosswalk",
                        position_2=line_K2[hits[0]],
                        lane_id=lane_id,
                    )
                )
                break
    return tuple(controls)


def light_controls(
    lanes: Sequence[Lane],
    lights: Sequence[TrafficLight],
    origin_3: np.ndarray,
    ticks_s_T: np.ndarray,
    range_m: float,
    max_age_s: float,
) -> tuple[Control, ...]:
    """One control for every traffic light of a lane ahead of the ego whose stop line is not behind it.

    `lanes` are in the ego frame, `lights` in the world of `origin_3`. The state at a tick is the last one seen up to
    then, "unknown" where that is older than `max_age_s`.
    """
    reachable = lanes_ahead(lanes, range_m)
    controls = []
    for light in lights:
        position_2 = points_to_frame(light.position_2[None], origin_3)[0]
        if light.lane_id not in reachable or position_2[0] < 0.0 or np.linalg.norm(position_2) > range_m:
            continue
        last_T = np.searchsorted(light.times_s_N, ticks_s_T + _TIME_TOLERANCE_S, side="right") - 1
        fresh_T = (last_T >= 0) & (ticks_s_T - light.times_s_N[last_T] <= max_age_s)
        states = (light.states_N[last] if fresh else "unknown" for last, fresh in zip(last_T, fresh_T, strict=True))
        controls.append(
            Control(
                control_id=f"light_{light.light_id}",
                kind="traffic_light",
                position_2=position_2,
                lane_id=light.lane_id,
                states_T=tuple(states),
            )
        )
    return tuple(controls)


def clip_ring(ring_N2: np.ndarray, low_2: np.ndarray, high_2: np.ndarray) -> np.ndarray:
    """The part of a ring that lies in a rectangle, as a ring [M, 2] (Sutherland and Hodgman 1974); maybe empty.

    Where several parts are left they hang together by edges on the rectangle's rim, which the even-odd rule ignores.
    """
    for axis in range(2):
        for sign, bound in ((1.0, low_2[axis]), (-1.0, -high_2[axis])):
            next_N2 = np.roll(ring_N2, -1, axis=0)
            depth_N, next_depth_N = (sign * points[:, axis] - bound for points in (ring_N2, next_N2))
            crosses_N = (depth_N >= 0.0) != (next_depth_N >= 0.0)
            share_N = np.divide(depth_N, depth_N - next_depth_N, out=np.zeros_like(depth_N), where=crosses_N)
            both_N22 = np.stack([ring_N2, ring_N2 + share_N[:, None] * (next_N2 - ring_N2)], axis=1)
            ring_N2 = both_N22[np.column_stack([depth_N >= 0.0, crosses_N])]
    return ring_N2


def joined_rings(rings: Sequence[np.ndarray]) -> np.ndarray:
    """One polygon [N, 2] that by the even-odd rule is what lies inside an odd number of the rings: holes stay holes.

    Between the rings it runs to and fro over the same edges, which counts for nothing.
    """
    start = rings[0][:1]
    return np.concatenate([part for ring in rings for part in (ring, ring[:1], start)])


def inside_polygon(points_K2: np.ndarray, polygon_N2: np.ndarray) -> np.ndarray:
    """[K] bool: inside the polygon, by the even-odd rule."""
    x_K1, y_K1 = points_K2[:, :1], points_K2[:, 1:]
    (x0, y0), (x1, y1) = polygon_N2.T, np.roll(polygon_N2, -1, axis=0).T
    straddles_KN = (y0 > y_K1) != (y1 > y_K1)
    slope_N = (x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0)
    return (straddles_KN & (x_K1 < x0 + (y_K1 - y0) * slope_N)).sum(axis=1) % 2 == 1


def _dense(line_N2: np.ndarray) -> np.ndarray:
    """The line with a point at least every half metre, so that no crosswalk slips between two."""
    return resample_line(line_N2, max(2, int(np.ceil(line_length_m(line_N2) / 0.5)) + 1))
