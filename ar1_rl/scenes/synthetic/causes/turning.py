"""Kinds in which the road bends: a sharp curve, a turn at a junction."""

from __future__ import annotations

import math

from ....driving.decisions import Side
from ....driving.scene import CriticalComponent
from ..draw import Draw
from ..road import Road
from ..style import STYLE
from ..world import Cause, Layout, SpeedZone, World
from .common import distractors, layout, reaction, speed_limit, steady

CURVE_LATERAL_MPS2 = (1.8, 2.4)
"""Lateral acceleration that the expert takes in curves and turns."""


def sharp_curve(draw: Draw) -> World:
    """A curve too sharp for the present speed."""
    side = draw.pick((-1.0, 1.0))
    slow = draw.uniform(5.5, 11.0)
    speed = slow + draw.uniform(3.0, 6.5)
    curvature = draw.uniform(*CURVE_LATERAL_MPS2) / slow**2
    delay = reaction(draw)
    braking = draw.uniform(1.2, 2.4)
    start = speed * (delay + braking / (2 * STYLE.jerk_mps3)) + (speed**2 - slow**2) / (2 * braking)
    ramp = draw.uniform(10.0, 16.0)
    angle = draw.uniform(0.7, 1.3)
    arc = max(angle / curvature - ramp, 10.0)
    road = Road(_bend(start, ramp, arc, side * curvature))
    lanes = layout(draw, left=(0,), right=(0,))
    return World(
        kind="sharp_curve",
        cause=Cause("sharp_curve", (CriticalComponent(name="curve", element_id="lane_ego"),)),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=road,
        layout=lanes,
        reaction_s=delay,
        history_acceleration_mps2=steady(draw),
        actors=distractors(draw, lanes, speed),
        speed_zones=(SpeedZone(start + ramp / 2, slow),),
    )


def turn(draw: Draw) -> World:
    """The route turns at the junction ahead."""
    left = draw.chance(0.5)
    radius = draw.uniform(11.0, 17.0) if left else draw.uniform(9.0, 13.0)
    slow = min(math.sqrt(draw.uniform(*CURVE_LATERAL_MPS2) * radius), 5.8)
    speed = slow + draw.uniform(1.5, 5.0)
    delay = reaction(draw)
    braking = draw.uniform(1.2, 2.4)
    start = speed * (delay + braking / (2 * STYLE.jerk_mps3)) + (speed**2 - slow**2) / (2 * braking)
    ramp = draw.uniform(5.0, 7.0)
    arc = (math.pi / 2) * radius - ramp
    name: Side = "left" if left else "right"
    lanes = Layout(
        lane_width_m=draw.uniform(3.4, 3.9),
        oncoming=draw.chance(0.7),
        shoulder_m=draw.uniform(0.8, 1.4),
        turn=(start, start + 2 * ramp + arc, name),
    )
    return World(
        kind="turn",
        cause=Cause("turn", (CriticalComponent(name="route_turn", element_id="lane_turn"),), name),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=Road(_bend(start, ramp, arc, (1.0 if left else -1.0) / radius)),
        layout=lanes,
        reaction_s=delay,
        history_acceleration_mps2=steady(draw),
        route=name,
        actors=distractors(draw, lanes, speed, left=False),
        speed_zones=(SpeedZone(start + ramp / 2, slow),),
    )


def _bend(start: float, ramp: float, arc: float, curvature: float) -> tuple[tuple[float, float], ...]:
    return (
        (start, 0.0),
        (start + ramp, curvature),
        (start + ramp + arc, curvature),
        (start + 2 * ramp + arc, 0.0),
    )
