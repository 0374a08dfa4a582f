"""What most worlds have in common: a road, vehicles of usual sizes, and things that are there but do not matter."""

from __future__ import annotations

from typing import Any

from ..draw import Draw
from ..road import Road
from ..world import EGO_LENGTH_M, Actor, Layout, Signal

SIZES_M = {
    "car": ((4.0, 5.0), (1.75, 2.0)),
    "truck": ((7.0, 11.0), (2.3, 2.55)),
    "bus": ((10.0, 12.5), (2.45, 2.55)),
    "pedestrian": ((0.5, 0.7), (0.5, 0.7)),
    "bicycle": ((1.6, 1.9), (0.5, 0.7)),
}
"""Ranges of length and width."""

SPEED_LIMITS_MPS = (8.3, 11.1, 13.9, 16.7, 19.4, 22.2, 25.0)
"""30 to 90 km/h."""

STRAIGHT_SHARE = 0.5
GENTLE_CURVATURE_PER_M = 0.004
"""At most: a curve of 250 m radius."""
GENTLE_LATERAL_MPS2 = 0.7
"""At most: what a gentle curve asks of a vehicle at speed."""


def gentle_road(draw: Draw, speed_mps: float) -> Road:
    """Straight, or of one small curvature all along, which can be driven at this speed."""
    if draw.chance(STRAIGHT_SHARE):
        return Road()
    largest = min(GENTLE_CURVATURE_PER_M, GENTLE_LATERAL_MPS2 / max(speed_mps, 1.0) ** 2)
    return Road(((0.0, draw.uniform(-largest, largest)),))


def layout(draw: Draw, left: tuple[int, ...] = (0, 1), right: tuple[int, ...] = (0, 1), **fields: Any) -> Layout:
    """Lanes: the numbers of lanes to the left and right of the ego lane are drawn from `left` and `right`."""
    lanes_left = draw.pick(left)
    return Layout(
        **{
            "lane_width_m": draw.uniform(3.3, 3.9),
            "lanes_left": lanes_left,
            "lanes_right": draw.pick(right),
            "oncoming": draw.chance(0.7 if lanes_left == 0 else 0.4),
            "shoulder_m": draw.uniform(2.4, 3.0) if draw.chance(0.4) else draw.uniform(0.6, 1.4),
            **fields,
        }
    )


def speed_limit(speed_mps: float) -> float:
    """The least usual limit that allows a speed."""
    return next((limit for limit in SPEED_LIMITS_MPS if limit >= speed_mps - 0.3), SPEED_LIMITS_MPS[-1])


def vehicle(draw: Draw, kind: str, **fields: Any) -> Actor:
    """An actor of a usual size for its kind."""
    (length_low, length_high), (width_low, width_high) = SIZES_M[kind]
    return Actor(
        element_id=draw.label(kind),
        kind=kind,
        length_m=draw.uniform(length_low, length_high),
        width_m=draw.uniform(width_low, width_high),
        **fields,
    )


def distractors(
    draw: Draw, lanes: Layout, speed_mps: float, *, left: bool = True, right: bool = True, verge: bool = True
) -> tuple[Actor, ...]:
    """Road users that do not matter. `left`, `right` and `verge` say which sides may be populated."""
    width = lanes.lane_width_m
    found = []
    if left and lanes.lanes_left and draw.chance(0.5):
        found.append(_beside(draw, width, speed_mps))
    if right and lanes.lanes_right and draw.chance(0.5):
        found.append(_beside(draw, -width, speed_mps))
    if left and lanes.oncoming and draw.chance(0.4):
        across = width * (lanes.lanes_left + 1)
        found.append(
            vehicle(draw, "car", s_m=draw.uniform(20, 90), d_m=across, speed_mps=-draw.uniform(6, 14), yaw_rad=3.14159)
        )
    edge = -width * (0.5 + lanes.lanes_right)
    if verge and lanes.shoulder_m > 2.3 and draw.chance(0.5):
        car = vehicle(draw, "car", s_m=draw.uniform(12, 70))
        found.append(_moved(car, edge - draw.uniform(0.25, 0.4) - car.width_m / 2))
    if verge and draw.chance(0.25):
        walk = draw.pick((-1.3, 0.0, 0.0, 1.3))
        person = vehicle(draw, "pedestrian", s_m=draw.uniform(8, 60), speed_mps=walk)
        found.append(_moved(person, edge - lanes.shoulder_m - draw.uniform(0.8, 2.0)))
    return tuple(found)


def green_light(draw: Draw, chance: float = 0.2) -> tuple[Signal, ...]:
    """Now and then a light ahead that is green."""
    if not draw.chance(chance):
        return ()
    return (Signal(draw.label("control"), "traffic_light", draw.uniform(18, 70), state="green"),)


def _beside(draw: Draw, d_m: float, speed_mps: float) -> Actor:
    kind = "truck" if draw.chance(0.15) else "car"
    return vehicle(draw, kind, s_m=draw.uniform(-18, 45), d_m=d_m, speed_mps=speed_mps * draw.uniform(0.85, 1.15))


def _moved(actor: Actor, d_m: float) -> Actor:
    return Actor(**{**vars(actor), "d_m": d_m})


def front_gap(actor_length_m: float, gap_m: float) -> float:
    """Where the centre of an actor is whose rear is `gap_m` ahead of the ego vehicle's front at t0."""
    return EGO_LENGTH_M / 2 + gap_m + actor_length_m / 2


def reaction(draw: Draw) -> float:
    """Time from t0 to the expert's first action [s]."""
    return draw.uniform(0.3, 0.8)


def steady(draw: Draw) -> float:
    """Acceleration of a history in which nothing happens [m/s²]."""
    return draw.uniform(-0.12, 0.12) if draw.chance(0.5) else 0.0
