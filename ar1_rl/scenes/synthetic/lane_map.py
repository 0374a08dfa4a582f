"""The map of a synthetic world, in the frame of a laid-out road: its lanes and its drivable area."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...driving.scene import Lane
from .road import RoadLine, grid_index
from .world import Layout, World

MAP_START_M, MAP_END_M = -40.0, 180.0
"""Stretch of road that the map describes."""
SPACING, BEND_SPACING = 6, 2
"""Grid points from one point of a line to the next, on gentle roads and where the road bends."""
CROSSING_M = 45.0
"""Length of the road straight on, past the begin of a turn."""
OVERLAP_M = 1.0
"""How far that road reaches back, so that no seam is left."""


def map_lanes(world: World, line: RoadLine) -> tuple[Lane, ...]:
    """All lanes in driving direction: the ego lane and its continuations first, then its neighbours."""
    layout = world.layout
    left = [f"lane_left_{i + 1}" for i in range(layout.lanes_left)]
    right = [f"lane_right_{i + 1}" for i in range(layout.lanes_right)]
    row = [*reversed(right), "lane_ego", *left]
    offsets = {name: (place - len(right)) * layout.lane_width_m for place, name in enumerate(row)}

    def lane(name: str, start: float, end: float) -> Lane:
        place = row.index(name) if name in row else None
        return Lane(
            lane_id=name,
            centerline_N2=line.parallel(offsets.get(name, 0.0), _rows(world, start, end)),
            width_m=layout.lane_width_m,
            speed_limit_mps=world.speed_limit_mps,
            left_id=row[place + 1] if place is not None and place + 1 < len(row) else None,
            right_id=row[place - 1] if place else None,
        )

    beside = tuple(lane(name, MAP_START_M, MAP_END_M) for name in (*left, *right))
    if layout.turn is not None:
        return (*_junction(world, line, lane("lane_ego", MAP_START_M, layout.turn[0])), *beside)
    end = MAP_END_M if layout.lane_end_m is None else layout.lane_end_m
    return (lane("lane_ego", MAP_START_M, end), *beside)


def map_area(world: World, line: RoadLine) -> tuple[np.ndarray, ...]:
    """Polygons [N, 2] of all lanes, oncoming ones included, and the shoulders."""
    layout = world.layout
    right, left = _edges(layout)
    if layout.lane_end_m is not None:
        half = layout.lane_width_m / 2
        beyond = (half, left) if layout.lanes_left else (right, -half)
        return (
            _strip(line, (right, left), _rows(world, MAP_START_M, layout.lane_end_m)),
            _strip(line, beyond, _rows(world, MAP_START_M, MAP_END_M)),
        )
    whole = _strip(line, (right, left), _rows(world, MAP_START_M, MAP_END_M))
    if layout.turn is None:
        return (whole,)
    corners = ((-OVERLAP_M, right), (CROSSING_M, right), (CROSSING_M, left), (-OVERLAP_M, left))
    return (whole, _straight_on(line, layout.turn[0], corners))


def _junction(world: World, line: RoadLine, approach: Lane) -> tuple[Lane, ...]:
    """The approach, and the two ways to go on from it."""
    assert world.layout.turn is not None
    begin, end, side = world.layout.turn

    def onward(name: str, centerline_N2: np.ndarray) -> Lane:
        return replace(approach, lane_id=name, centerline_N2=centerline_N2, left_id=None, right_id=None)

    turning = onward("lane_turn", line.parallel(0.0, _rows(world, begin, end)))
    return (
        replace(approach, successor_ids=("lane_turn", "lane_through")),
        replace(turning, turn=side, successor_ids=("lane_exit",)),
        onward("lane_exit", line.parallel(0.0, _rows(world, end, MAP_END_M))),
        onward("lane_through", _straight_on(line, begin, ((0.0, 0.0), (CROSSING_M, 0.0)))),
    )


def _edges(layout: Layout) -> tuple[float, float]:
    width = layout.lane_width_m
    right = -width * (0.5 + layout.lanes_right) - layout.shoulder_m
    return right, width * (0.5 + layout.lanes_left + layout.oncoming) + layout.left_shoulder_m


def _rows(world: World, start: float, end: float) -> slice:
    spacing = SPACING if len(world.road.knots) == 1 else BEND_SPACING
    return slice(grid_index(start), grid_index(end) + 1, spacing)


def _strip(line: RoadLine, offsets: tuple[float, float], rows: slice) -> np.ndarray:
    right, left = offsets
    return np.concatenate([line.parallel(right, rows), line.parallel(left, rows)[::-1]])


def _straight_on(line: RoadLine, start: float, corners: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Points given ahead and to the left of where the road is at `start`."""
    x, y, yaw = line.poses_N3[grid_index(start)]
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([(x + cos * u - sin * w, y + sin * u + cos * w) for u, w in corners])
