"""Kinds in which something stands in the lane."""

from __future__ import annotations

from dataclasses import replace

from ....driving.scene import CriticalComponent
from ..draw import Draw
from ..world import EGO_LENGTH_M, EGO_WIDTH_M, Cause, Move, World
from .common import distractors, gentle_road, layout, reaction, speed_limit, steady, vehicle

INSIDE_M = (0.5, 0.7)
"""Offset of a nudge within the lane."""
BEYOND_M = (0.35, 1.1)
"""How far a nudge out of the lane takes the ego vehicle's side beyond the lane's edge."""
CLEARANCE_M = (0.75, 1.0)
"""Between the sides of the two vehicles at the nudge's peak."""


def parked_car(draw: Draw) -> World:
    """A parked vehicle reaches into the lane: a little (nudge within the lane) or much (nudge over the line)."""
    inside = draw.chance(0.5)
    side = 1.0 if draw.chance(0.7) else -1.0
    speed = draw.uniform(5.0, 12.0) if inside else draw.uniform(7.5, 12.0)
    lanes = layout(
        draw,
        left=(1,) if side > 0 and not inside else (0,),
        right=(1,) if side < 0 and not inside else (0,),
        lane_width_m=draw.uniform(3.6, 3.9) if inside else draw.uniform(3.3, 3.7),
        left_shoulder_m=2.2 if side < 0 else 0.5,
        shoulder_m=draw.uniform(1.0, 2.6),
        oncoming=False,
    )
    # `edge` is where the vehicle's near side lies, seen from the lane centre toward it (negative: away from us).
    room = lanes.lane_width_m / 2 - EGO_WIDTH_M / 2
    offset = draw.uniform(*INSIDE_M) if inside else room + draw.uniform(*BEYOND_M)
    edge = offset - EGO_WIDTH_M / 2 - draw.uniform(*CLEARANCE_M)
    delay = reaction(draw)
    swing = max(speed * (draw.uniform(1.9, 2.5) if inside else draw.uniform(2.3, 2.8)), 7.0)
    obstacle = vehicle(draw, "truck" if draw.chance(0.15) else "car", s_m=0.0)
    rear = speed * delay + swing * draw.uniform(0.9, 1.1) + EGO_LENGTH_M / 2
    obstacle = replace(obstacle, s_m=rear + obstacle.length_m / 2, d_m=side * (edge - obstacle.width_m / 2))
    back = rear + obstacle.length_m + EGO_LENGTH_M / 2 + 0.5
    cited = CriticalComponent(name="parked_vehicle", element_id=obstacle.element_id, uncertainty="low")
    return World(
        kind="parked_car",
        cause=Cause("parked_inside" if inside else "parked_beyond", (cited,), "left" if side > 0 else "right"),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=delay,
        history_acceleration_mps2=steady(draw),
        actors=(obstacle, *distractors(draw, lanes, speed, left=side < 0, right=side > 0, verge=False)),
        moves=(Move(speed * delay, swing, side * offset), Move(back, swing, 0.0)),
    )
