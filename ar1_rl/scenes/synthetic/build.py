"""From a world and its drive to a `Scene`: everything placed in the ego frame at t0.

Legend: T scene clock, A agents, N points of a line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...driving.scene import SCENE_STEPS, Agent, ChainOfCausation, Control, Scene, observe
from ...driving.trajectory import HISTORY_STEPS, to_frame
from .expert import Drive, drive, unicycle_poses
from .lane_map import map_area, map_lanes
from .road import RoadLine
from .sentences import sentence
from .world import EGO_LENGTH_M, EGO_WIDTH_M, TIMES_T, Actor, Signal, World

SOURCE = "synthetic"


@dataclass(frozen=True, eq=False)
class DrivenWorld:
    """A world, what the expert drove in it, and both in the ego frame at t0."""

    world: World
    drive: Drive
    poses_T3: np.ndarray
    """[80, 3] of the ego vehicle."""
    line: RoadLine


def drive_world(world: World) -> DrivenWorld:
    """Let the expert drive the world; a pure function."""
    curvature_N = world.road.curvature_N()
    driven = drive(world, curvature_N)
    line = RoadLine.lay_out(curvature_N)
    start_3 = line.place(driven.s_T[:1], driven.d_T[:1])[0]
    start_3[2] += driven.start_heading
    poses_T3 = unicycle_poses(start_3, driven)
    origin_3 = poses_T3[HISTORY_STEPS - 1].copy()
    return DrivenWorld(world, driven, to_frame(poses_T3, origin_3), line.seen_from(origin_3))


def to_scene(driven: DrivenWorld, scene_id: str, wording_choice: int) -> Scene:
    """The scene that a driven world is. `wording_choice` picks the sentence."""
    world, line = driven.world, driven.line
    lanes = map_lanes(world, line)
    agents = _agents(world.actors, line)
    controls = tuple(_control(signal, line) for signal in world.signals)
    cause = world.cause
    annotation = ChainOfCausation(
        decisions=cause.decisions,
        components=cause.components,
        text=sentence(cause.wording, cause.side, wording_choice),
        labeller=SOURCE,
    )
    return Scene(
        id=scene_id,
        source=SOURCE,
        episode=scene_id,
        t0_us=0,
        observation=observe(
            history_T3=driven.poses_T3[:HISTORY_STEPS],
            route=world.route,
            lanes=lanes,
            agents=agents,
            controls=controls,
        ),
        future_T3=driven.poses_T3[HISTORY_STEPS:],
        agents=agents,
        lanes=lanes,
        drivable_area=map_area(world, line),
        controls=controls,
        annotations=(annotation,),
        kind=world.kind,
        ego_size_m=(EGO_LENGTH_M, EGO_WIDTH_M),
    )


def _agents(actors: tuple[Actor, ...], line: RoadLine) -> tuple[Agent, ...]:
    """Nearest first, so that the order says nothing about who matters."""
    if not actors:
        return ()
    tracks = [actor.road_track() for actor in actors]
    s_AT, d_AT = (np.array(values) for values in zip(*tracks, strict=True))
    poses_AT3 = line.place(s_AT, d_AT)
    for poses_T3, actor, s_T, d_T in zip(poses_AT3, actors, s_AT, d_AT, strict=True):
        poses_T3[:, 2] += actor.yaw_rad
        if actor.shift_m:
            # Backward differences: the yaw at t0 must not tell where the actor is next.
            across_T, along_T = (np.diff(values, prepend=2 * values[0] - values[1]) for values in (d_T, s_T))
            poses_T3[:, 2] += np.arctan2(across_T, along_T)
    poses_AT3[..., 2] = np.remainder(poses_AT3[..., 2] + math.pi, 2 * math.pi) - math.pi
    now_A3 = poses_AT3[:, HISTORY_STEPS - 1]
    nearest = np.argsort(np.hypot(now_A3[:, 0], now_A3[:, 1]), kind="stable")
    return tuple(
        Agent(
            track_id=actors[i].element_id,
            kind=actors[i].kind,
            length_m=actors[i].length_m,
            width_m=actors[i].width_m,
            poses_T3=poses_AT3[i],
        )
        for i in nearest
    )


def _control(signal: Signal, line: RoadLine) -> Control:
    states: tuple[str, ...] = ()
    if signal.state_before:
        before = int(np.searchsorted(TIMES_T, signal.changed_s))
        states = (signal.state_before,) * before + (signal.state,) * (SCENE_STEPS - before)
    elif signal.state:
        states = (signal.state,) * SCENE_STEPS
    return Control(
        control_id=signal.element_id,
        kind=signal.kind,
        position_2=line.place(np.array(signal.s_m), np.array(0.0))[:2],
        lane_id="lane_ego",
        states_T=states,
    )
