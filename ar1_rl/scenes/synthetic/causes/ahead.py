"""Kinds in which a vehicle ahead sets the speed."""

from __future__ import annotations

import math
from dataclasses import replace

from ....driving.scene import CriticalComponent
from ..draw import Draw
from ..speed_plan import following_distance
from ..style import STYLE
from ..world import EGO_LENGTH_M, Actor, Cause, World
from .common import distractors, front_gap, gentle_road, green_light, layout, reaction, speed_limit, steady, vehicle

EXPERT_GAIN_MPS2 = 1.2
"""`World.acceleration_mps2` of these kinds."""
REACTION_S = 0.5


def lead_slower(draw: Draw) -> World:
    """The vehicle ahead drives steadily and slower; there is no free lane to pass it."""
    speed = draw.uniform(8.0, 20.0)
    kind = draw.pick(("car", "car", "car", "car", "bicycle" if speed < 12 else "car", "truck"))
    lead_speed = speed * draw.uniform(0.4, 0.72)
    gap = _gap_for(draw.uniform(1.3, 2.5), speed, lead_speed)
    lead = vehicle(draw, kind, s_m=0.0, speed_mps=lead_speed, role="lead")
    lead = replace(lead, s_m=front_gap(lead.length_m, gap))
    return _following(draw, "lead_slower", lead, speed, left=(0, 0, 1) if kind == "car" else (0,))


def lead_braking(draw: Draw) -> World:
    """The vehicle ahead drove like the ego vehicle and has begun to brake."""
    speed = draw.uniform(7.0, 18.0)
    lead = vehicle(
        draw,
        draw.pick(("car", "car", "car", "truck")),
        s_m=0.0,
        speed_mps=speed,
        role="lead",
        acceleration_mps2=-draw.uniform(1.5, 2.8),
        acceleration_start_s=-draw.uniform(0.3, 0.8),
        final_speed_mps=speed * draw.uniform(0.15, 0.5),
    )
    # The script gives the speed before braking; the gap is the one at t0.
    lead = replace(lead, s_m=front_gap(lead.length_m, 4.0 + speed * draw.uniform(1.1, 1.7)))
    return _following(draw, "lead_braking", lead, speed, left=(0, 0, 1))


def cut_in(draw: Draw) -> World:
    """A vehicle from a neighbour lane is moving in ahead, slower than the ego vehicle."""
    speed = draw.uniform(8.0, 18.0)
    side = draw.pick((-1.0, 1.0))
    lanes = layout(draw, left=(1,) if side > 0 else (0, 1), right=(1,) if side < 0 else (0,))
    lead_speed = speed - draw.uniform(2.0, 4.5)
    lead = vehicle(
        draw,
        draw.pick(("car", "car", "car", "truck")),
        s_m=0.0,
        d_m=side * lanes.lane_width_m,
        speed_mps=lead_speed,
        role="lead",
        shift_m=-side * lanes.lane_width_m,
        shift_start_s=-draw.uniform(0.5, 0.9),
        shift_duration_s=draw.uniform(2.2, 3.0),
    )
    lead = replace(lead, s_m=front_gap(lead.length_m, _gap_for(draw.uniform(1.5, 2.9), speed, lead_speed)))
    others = distractors(draw, lanes, speed, left=side < 0, right=side > 0)
    return World(
        kind="cut_in",
        cause=Cause("cut_in", (_cited("cut_in_vehicle", lead),)),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=draw.uniform(0.3, 0.5),
        history_acceleration_mps2=steady(draw),
        actors=(lead, *others),
        signals=green_light(draw, 0.1),
    )


def _following(draw: Draw, kind: str, lead: Actor, speed: float, left: tuple[int, ...]) -> World:
    lanes = layout(draw, left=left)
    others = distractors(draw, lanes, speed, left=False)
    if lanes.lanes_left:
        others += (_blocker(draw, lanes.lane_width_m, speed),)
    return World(
        kind=kind,
        cause=Cause(kind, (_cited("lead_vehicle", lead),)),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=reaction(draw),
        history_acceleration_mps2=steady(draw),
        actors=(lead, *others),
        signals=green_light(draw, 0.15),
    )


def _blocker(draw: Draw, d_m: float, speed: float) -> Actor:
    s = draw.uniform(-EGO_LENGTH_M, EGO_LENGTH_M)
    return vehicle(draw, "car", s_m=s, d_m=d_m, speed_mps=speed * draw.uniform(0.9, 1.05))


def _gap_for(braking_mps2: float, speed: float, lead_speed: float) -> float:
    """The gap at t0 at which the expert, once it reacts, wants this deceleration."""
    wanted = following_distance(speed, lead_speed, EXPERT_GAIN_MPS2, STYLE)
    return wanted * math.sqrt(EXPERT_GAIN_MPS2 / braking_mps2) + REACTION_S * (speed - lead_speed)


def _cited(name: str, actor: Actor) -> CriticalComponent:
    return CriticalComponent(name=name, element_id=actor.element_id, uncertainty="low")
