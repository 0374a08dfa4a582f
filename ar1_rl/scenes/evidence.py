"""What an observation shows up to t0 that can cause a decision: vehicles ahead, people crossing, parked cars, curves.

A cause found here was visible. Positions are along and across the path that the ego follows: the lane path, or without
a map the curve on which the ego has been driving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ar1_rl.driving.decisions import Side
from ar1_rl.driving.lane_frame import STEP_M, LanePath, to_lane_frame
from ar1_rl.driving.scene import Observation
from ar1_rl.driving.trajectory import wrap_angle

from .sightings import Sighting

VEHICLES = ("car", "truck", "bus", "motorcycle")
WALKING_OR_RIDING = ("pedestrian", "bicycle")


@dataclass(frozen=True)
class EvidenceThresholds:
    """When something counts as a cause. Own choices, in the ranges that drivers' handbooks give, unless stated."""

    certain_s: float = 1.0
    """What was seen for less is named with high uncertainty."""
    lead_headway_s: float = 3.0
    lead_gap_m: float = 12.0
    """A vehicle ahead sets the speed up to the larger of the gap and the headway."""
    clear_headway_s: float = 5.0
    clear_gap_m: float = 30.0
    """The lane is clear when nothing is nearer than the larger of the two."""
    same_way_rad: float = 0.8
    slow_mps: float = 2.0
    braking_mps2: float = 0.8
    closing_mps: float = 0.8
    parked_mps: float = 0.3
    moving_mps: float = 0.8
    """Across the path: a slow walk."""
    crossing_ahead_s: float = 4.0
    crossing_ahead_m: float = 15.0
    """Who crosses is a cause up to the larger of the two."""
    crossing_side_m: float = 6.0
    on_path_m: float = 1.5
    traffic_ahead_m: float = 40.0
    traffic_side_m: float = 20.0
    beside_m: float = 4.0
    """From the path to the centre of a vehicle that one keeps away from."""
    curve_ahead_s: float = 4.0
    curve_ahead_m: float = 15.0
    curve_heading_rad: float = 0.35
    """Heading change of the path ahead that makes a curve of it."""
    curve_per_m: float = 0.01
    """Without a map: curvature driven up to t0, a radius of 100 m."""


THRESHOLDS = EvidenceThresholds()


def lead(seen: Sequence[Sighting], path: LanePath) -> Sighting | None:
    """The nearest vehicle or rider ahead on the path that goes its way."""
    half_m = 0.5 * path.width_m
    ahead = [
        s
        for s in seen
        if s.agent.kind in (*VEHICLES, "bicycle")
        and s.ahead_m > -0.5 * s.agent.length_m
        and abs(s.side_m) < half_m
        and abs(s.yaw_rad) < THRESHOLDS.same_way_rad
    ]
    return min(ahead, key=lambda s: s.ahead_m, default=None)


def is_near(sighting: Sighting, speed_mps: float) -> bool:
    """Near enough to set the ego's speed."""
    return sighting.ahead_m <= max(THRESHOLDS.lead_gap_m, THRESHOLDS.lead_headway_s * speed_mps)


def is_slow(sighting: Sighting, speed_mps: float) -> bool:
    """Slow enough to be worth passing."""
    return sighting.along_mps < speed_mps - THRESHOLDS.slow_mps


def is_closing(sighting: Sighting, speed_mps: float) -> bool:
    """The ego comes nearer."""
    return sighting.along_mps < speed_mps - THRESHOLDS.closing_mps


def is_braking(sighting: Sighting) -> bool:
    """It brakes more than rolling out does."""
    return sighting.braking_mps2 >= THRESHOLDS.braking_mps2


def is_certain(sighting: Sighting) -> bool:
    """In view for long enough to be sure of it."""
    return sighting.seen_s >= THRESHOLDS.certain_s


def cuts_in(sighting: Sighting, path: LanePath) -> bool:
    """It was in a neighbour lane when first seen and has moved in."""
    return 0.5 * path.width_m < abs(sighting.was_side_m) < 1.5 * path.width_m


def is_clear(seen: Sequence[Sighting], path: LanePath, speed_mps: float) -> bool:
    """No one of any kind stands or moves on the path ahead."""
    limit_m = max(THRESHOLDS.clear_gap_m, THRESHOLDS.clear_headway_s * speed_mps)
    half_m = 0.5 * path.width_m
    return not any(abs(s.side_m) < half_m and -s.agent.length_m < s.ahead_m < limit_m for s in seen)


def crossing(seen: Sequence[Sighting], speed_mps: float) -> Sighting | None:
    """The nearest pedestrian or rider ahead who walks toward the path, or is on it across the way."""
    t = THRESHOLDS
    limit_m = max(t.crossing_ahead_m, t.crossing_ahead_s * speed_mps)
    found = [
        s
        for s in seen
        if s.agent.kind in WALKING_OR_RIDING
        and 0.0 < s.ahead_m < limit_m
        and abs(s.side_m) < t.crossing_side_m
        and abs(s.across_mps) >= t.moving_mps
        and (s.side_m * s.across_mps < 0.0 or abs(s.side_m) < t.on_path_m)
        and abs(s.across_mps) > abs(s.along_mps)
    ]
    return min(found, key=lambda s: s.ahead_m, default=None)


def cross_traffic(seen: Sequence[Sighting]) -> Sighting | None:
    """The nearest vehicle ahead that drives across the path, toward it."""
    t = THRESHOLDS
    found = [
        s
        for s in seen
        if s.agent.kind in VEHICLES
        and 0.0 < s.ahead_m < t.traffic_ahead_m
        and abs(s.side_m) < t.traffic_side_m
        and abs(s.across_mps) > max(t.moving_mps, abs(s.along_mps))
        and s.side_m * s.across_mps < 0.0
    ]
    return min(found, key=lambda s: abs(s.side_m), default=None)


def oncoming(seen: Sequence[Sighting]) -> Sighting | None:
    """The nearest vehicle that comes the other way, seen in the ego's own heading at t0."""
    t = THRESHOLDS
    found = []
    for s in seen:
        x, y, yaw = s.agent.poses_T3[-1]
        speed = np.hypot(s.along_mps, s.across_mps)
        other_way = abs(wrap_angle(yaw - np.pi)) < t.same_way_rad
        near = 0.0 < x < t.traffic_ahead_m and abs(y) < t.traffic_side_m
        if s.agent.kind in VEHICLES and other_way and near and speed >= t.moving_mps:
            found.append((float(x), s))
    return min(found, key=lambda pair: pair[0], default=(0.0, None))[1]


def beside(seen: Sequence[Sighting], side: Side, speed_mps: float, parked: bool) -> Sighting | None:
    """The nearest vehicle beside the path ahead on `side`: standing (`parked`) or moving."""
    t = THRESHOLDS
    sign = 1.0 if side == "left" else -1.0
    limit_m = max(t.crossing_ahead_m, t.clear_headway_s * speed_mps)
    found = [
        s
        for s in seen
        if s.agent.kind in VEHICLES
        and -s.agent.length_m < s.ahead_m < limit_m
        and 0.0 < sign * s.side_m < t.beside_m
        and (np.hypot(s.along_mps, s.across_mps) < t.parked_mps) == parked
    ]
    return min(found, key=lambda s: s.ahead_m, default=None)


def curve(observation: Observation, path: LanePath, speed_mps: float) -> tuple[bool, str | None]:
    """Whether the path bends ahead, and the lane in which it bends most (None without a map)."""
    t = THRESHOLDS
    if not path.lane_ids:
        return bool(np.abs(_bends(path.points_N2[:3])).max() / STEP_M >= t.curve_per_m), None
    ego_m = float(to_lane_frame(np.zeros((1, 1, 3)), [path]).s_BT[0, 0])
    reach_m = max(t.curve_ahead_m, t.curve_ahead_s * speed_mps)
    first, last = (int(np.clip(m / STEP_M, 0, len(path.points_N2) - 1)) for m in (ego_m, ego_m + reach_m))
    points_N2 = path.points_N2[first : last + 1]
    bends = _bends(points_N2)
    if len(bends) == 0 or np.ptp(np.concatenate([[0.0], np.cumsum(bends)])) < t.curve_heading_rad:
        return False, None
    sharpest_2 = points_N2[int(np.abs(bends).argmax()) + 1]
    lanes = [lane for lane in observation.lanes or () if lane.lane_id in path.lane_ids]
    nearest = min(lanes, key=lambda lane: np.linalg.norm(lane.centerline_N2 - sharpest_2, axis=1).min(), default=None)
    return True, None if nearest is None else nearest.lane_id


def _bends(points_N2: np.ndarray) -> np.ndarray:
    """Change of direction [rad] at every inner point of a line."""
    steps = np.diff(points_N2, axis=0)
    return wrap_angle(np.diff(np.arctan2(steps[:, 1], steps[:, 0])))
