"""From a world and its drive to a `Scene`: everything placed in the ego frame at t0.

Legend: T scene clock, A agents, N points of a line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...driving.scene import SCENE_STEPS, Agent, ChainOfCausation, Control, Lane, Scene, observe
from ...driving.trajectory import HISTORY_STEPS, to_frame
from .expert import Drive, drive, unicycle_poses
from .road import ROAD_END_M, RoadLine, grid_index
from .sentences import sentence
from .world import EGO_LENGTH_M, EGO_WIDTH_M, TIMES_T, Actor, Layout, Signal, World

SOURCE = "synthetic"
MAP_START_M, MAP_END_M = -40.0, 180.0
"""Stretch of road that the map describes."""
SPACING, BEND_SPACING = 6, 2
"""Grid points from one point of a line to the next, on gentle roads and where the road bends."""
CROSSING_M = 45.0
"""Length of the road straight on, past the begin of a turn."""


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
    lanes = _lanes(world, line)
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
        drivable_area=_drivable_area(world.layout, line, _spacing(world)),
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
            poses_T3[:, 2] += np.arctan2(np.gradient(d_T), np.gradient(s_T))
    poses_AT3[..., 2] = np.remainder(poses_AT3[..., 2] + math.pi, 2 * math.pi) - math.pi
    nearest = np.argsort(np.hypot(poses_AT3[:, HISTORY_STEPS - 1, 0], poses_AT3[:, HISTORY_STEPS - 1, 1]), kind="stable")
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
        before = int((TIMES_T < signal.changed_s).sum())
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


def _spacing(world: World) -> int:
    return SPACING if len(world.road.knots) == 1 else BEND_SPACING


def _lanes(world: World, line: RoadLine) -> tuple[Lane, ...]:
    layout, step = world.layout, _spacing(world)
    width = layout.lane_width_m

    def lane(name: str, offset: float, start: float = MAP_START_M, end: float = MAP_END_M, **fields) -> Lane:
        rows = slice(grid_index(start), grid_index(end) + 1, step)
        return Lane(
            lane_id=name,
            centerline_N2=line.parallel(offset, rows),
            width_m=width,
            speed_limit_mps=world.speed_limit_mps,
            **fields,
        )

    left = [f"lane_left_{i + 1}" for i in range(layout.lanes_left)]
    right = [f"lane_right_{i + 1}" for i in range(layout.lanes_right)]
    beside = {"left_id": left[0] if left else None, "right_id": right[0] if right else None}
    if layout.turn is not None:
        begin, end, side = layout.turn
        lanes = [
            lane("lane_ego", 0.0, end=begin, successor_ids=("lane_turn", "lane_through"), **beside),
            lane("lane_turn", 0.0, start=begin, end=end, turn=side, successor_ids=("lane_exit",)),
            lane("lane_exit", 0.0, start=end),
            Lane(
                lane_id="lane_through",
                centerline_N2=_straight_on(line, begin, ((0.0, 0.0), (CROSSING_M, 0.0))),
                width_m=width,
                speed_limit_mps=world.speed_limit_mps,
            ),
        ]
    elif layout.lane_end_m is not None:
        lanes = [lane("lane_ego", 0.0, end=layout.lane_end_m, **beside)]
    else:
        lanes = [lane("lane_ego", 0.0, **beside)]
    row = [*reversed(right), "lane_ego", *left]
    for names, sign in ((left, 1.0), (right, -1.0)):
        for i, name in enumerate(names):
            place = row.index(name)
            lanes.append(
                lane(
                    name,
                    sign * (i + 1) * width,
                    left_id=row[place + 1] if place + 1 < len(row) else None,
                    right_id=row[place - 1] if place else None,
                )
            )
    return tuple(lanes)


def _drivable_area(layout: Layout, line: RoadLine, step: int) -> tuple[np.ndarray, ...]:
    width = layout.lane_width_m
    right = -width * (0.5 + layout.lanes_right) - layout.shoulder_m
    left = width * (0.5 + layout.lanes_left + layout.oncoming) + layout.left_shoulder_m
    if layout.lane_end_m is not None:
        remaining = (width / 2, left) if layout.lanes_left else (right, -width / 2)
        return (
            _strip(line, right, left, MAP_START_M, layout.lane_end_m, step),
            _strip(line, *remaining, MAP_START_M, MAP_END_M, step),
        )
    whole = _strip(line, right, left, MAP_START_M, min(MAP_END_M, ROAD_END_M), step)
    if layout.turn is None:
        return (whole,)
    corners = ((-1.0, right), (CROSSING_M, right), (CROSSING_M, left), (-1.0, left))
    return (whole, _straight_on(line, layout.turn[0], corners))


def _straight_on(line: RoadLine, start: float, corners: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Points given ahead and to the left of where the road is at `start`."""
    x, y, yaw = line.poses_N3[grid_index(start)]
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([(x + cos * u - sin * w, y + sin * u + cos * w) for u, w in corners])


def _strip(line: RoadLine, right: float, left: float, start: float, end: float, step: int) -> np.ndarray:
    rows = slice(grid_index(start), grid_index(end) + 1, step)
    return np.concatenate([line.parallel(right, rows), line.parallel(left, rows)[::-1]])
