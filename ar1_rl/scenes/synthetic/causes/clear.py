"""The kind in which nothing calls for an action."""

from __future__ import annotations

from dataclasses import replace

from ..draw import Draw
from ..world import CLEAR, RESUME, Signal, World
from .common import distractors, front_gap, gentle_road, green_light, layout, reaction, speed_limit, steady, vehicle


def clear_road(draw: Draw) -> World:
    """Keep the set speed, reach it, or set off at a light that has become green.

    The set speed lies just below the limit, so what is ahead can be told from speed and limit.
    """
    form = draw.unit()
    if form < 0.1:
        return _light_became_green(draw)
    gain = draw.uniform(2.5, 5.0) if form < 0.35 else 0.0
    limit = speed_limit(gain + draw.uniform(3.0, 20.0))
    set_speed = draw.uniform(0.92, 1.0) * limit
    speed = set_speed - gain
    lanes = layout(draw, left=(0, 1, 2), right=(0, 1))
    others = distractors(draw, lanes, speed)
    if draw.chance(0.3):
        far = vehicle(draw, "car", s_m=0.0, speed_mps=set_speed + draw.uniform(0.0, 3.0))
        others += (replace(far, s_m=front_gap(far.length_m, draw.uniform(2.5, 3.5) * set_speed + 5.0)),)
    return World(
        kind="clear_road",
        cause=RESUME if gain else CLEAR,
        speed_mps=speed,
        set_speed_mps=set_speed,
        speed_limit_mps=limit,
        road=gentle_road(draw, set_speed),
        layout=lanes,
        reaction_s=reaction(draw),
        history_acceleration_mps2=steady(draw),
        actors=others,
        signals=green_light(draw, 0.35),
    )


def _light_became_green(draw: Draw) -> World:
    limit = draw.pick((8.3, 11.1, 13.9))
    lanes = layout(draw)
    light = Signal(
        draw.label("control"),
        "traffic_light",
        draw.uniform(3.0, 4.0),
        state="green",
        state_before="red",
        changed_s=-draw.uniform(0.1, 0.9),
    )
    return World(
        kind="clear_road",
        cause=RESUME,
        speed_mps=0.0,
        set_speed_mps=limit,
        speed_limit_mps=limit,
        road=gentle_road(draw, limit),
        layout=lanes,
        reaction_s=reaction(draw),
        actors=distractors(draw, lanes, 6.0),
        signals=(light,),
    )
