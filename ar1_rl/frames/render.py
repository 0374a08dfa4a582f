"""Camera frames of a world that is known by its lanes, agents and controls up to t0, and by nothing else.

`render` is given an observation, in which there is nothing of after t0, and the surface of the road, which does not
change with time: so no frame can show what was yet to come, and no label.
Legend: C cameras, T times, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..driving.camera import FRONT_CAMERAS, mounted
from ..driving.camera_frames import CameraFrames
from ..driving.scene import Agent, Lane, Observation
from ..driving.trajectory import DT_S
from .bodies import cone, road_user, stop_sign, traffic_light, yield_sign
from .config import FramesConfig
from .ground import beside, ground, place_of
from .paint import FlatWorld, Painter, Standing

BRAKING_MPS2 = 0.6
"""Brake lights are on from this deceleration: more than the motor's drag."""
BRAKING_TICKS = 2
"""Over which the deceleration is taken: it is seen from the last two changes of speed before a frame."""

LIGHT_BEYOND_LINE_M = 5.0
"""A light hangs so far beyond its stop line, so that the first vehicle in the queue sees it."""
LIGHT_BESIDE_LANE_M = 0.3
"""Right of its lane's right edge."""
SIGN_BESIDE_ROAD_M = 0.9
"""Right of the right edge of the rightmost lane."""
CONES = 4
CLOSED_BEFORE_M = 20.0
"""A lane that ends so much earlier than its neighbour is closed by cones."""


def render(
    observation: Observation, drivable_area: Sequence[np.ndarray] | None, config: FramesConfig | None = None
) -> CameraFrames:
    """What the cameras of a config see of a world; by default front_wide and front_tele, 4 frames of 96 x 64 each."""
    config = config or FramesConfig()
    cameras = mounted(config.cameras or FRONT_CAMERAS, config.width_px, config.height_px)
    painters = [Painter(camera) for camera in cameras]
    lanes, controls = observation.lanes or (), observation.controls or ()
    flat = FlatWorld(ground(lanes, controls, drivable_area))
    cones = [Standing(cone(), pose_3) for pose_3 in _cones(lanes)]
    images_CTHW3 = np.empty((len(cameras), config.count, config.height_px, config.width_px, 3), dtype=np.uint8)
    for place, tick in enumerate(config.ticks_T.tolist()):
        bodies = [*cones, *_signals(observation, tick), *_road_users(observation, tick)]
        for number, painter in enumerate(painters):
            images_CTHW3[number, place] = painter.paint(flat, bodies, observation.history_T3[tick])
    return CameraFrames(cameras=cameras, times_s_T=config.times_s_T, images_CTHW3=images_CTHW3)


def brakes(poses_T3: np.ndarray, tick: int) -> bool:
    """Whether an agent's brake lights are on at a tick: it has slowed down over the ticks up to then."""
    if tick < BRAKING_TICKS + 1:
        return False
    seen_T2 = poses_T3[tick - BRAKING_TICKS - 1 : tick + 1, :2]
    speed_T = np.hypot(*np.diff(seen_T2, axis=0).T) / DT_S
    return bool(speed_T[0] - speed_T[-1] > BRAKING_MPS2 * DT_S * BRAKING_TICKS)


def _road_users(observation: Observation, tick: int) -> list[Standing]:
    return [_standing(agent, tick) for agent in observation.agents or () if np.isfinite(agent.poses_T3[tick]).all()]


def _standing(agent: Agent, tick: int) -> Standing:
    braking = brakes(agent.poses_T3, tick)
    body = road_user(agent.kind, agent.length_m, agent.width_m, agent.track_id, braking=braking)
    return Standing(body, agent.poses_T3[tick])


def _signals(observation: Observation, tick: int) -> list[Standing]:
    standing = []
    lanes = observation.lanes or ()
    for control in observation.controls or ():
        pose_3, width_m = place_of(control, lanes)
        if control.kind == "traffic_light":
            state = control.states_T[tick] if control.states_T else "unknown"
            at_3 = beside(pose_3, LIGHT_BEYOND_LINE_M, -width_m / 2 - LIGHT_BESIDE_LANE_M)
            standing.append(Standing(traffic_light(state), at_3))
        elif control.kind in ("stop_sign", "yield_sign"):
            sign = stop_sign() if control.kind == "stop_sign" else yield_sign()
            edge_m = width_m * (0.5 + _lanes_to_the_right(control.lane_id, lanes))
            standing.append(Standing(sign, beside(pose_3, 0.0, -edge_m - SIGN_BESIDE_ROAD_M)))
    return standing


def _lanes_to_the_right(lane_id: str | None, lanes: Sequence[Lane]) -> int:
    right_of = {lane.lane_id: lane.right_id for lane in lanes}
    name, count = right_of.get(lane_id or ""), 0
    while name is not None and count < len(lanes):
        name, count = right_of.get(name), count + 1
    return count


def _cones(lanes: Sequence[Lane]) -> list[np.ndarray]:
    """Poses of the cones across the end of lanes that end before their neighbours do."""
    by_name = {lane.lane_id: lane for lane in lanes}
    poses = []
    for lane in lanes:
        beside_it = [by_name[name] for name in (lane.left_id, lane.right_id) if name in by_name]
        line_N2 = lane.centerline_N2
        if lane.successor_ids or not beside_it or len(line_N2) < 2:
            continue
        if all(_length_m(other) - _length_m(lane) > CLOSED_BEFORE_M for other in beside_it):
            dx, dy = line_N2[-1] - line_N2[-2]
            end_3 = np.array([*line_N2[-1], np.arctan2(dy, dx)])
            poses += [beside(end_3, 0.0, across) for across in np.linspace(-0.4, 0.4, CONES) * lane.width_m]
    return poses


def _length_m(lane: Lane) -> float:
    return float(np.hypot(*np.diff(lane.centerline_N2, axis=0).T).sum())
