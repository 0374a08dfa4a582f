"""Kinds in which the ego vehicle stops or gives way."""

from __future__ import annotations

from dataclasses import replace

from ....driving.scene import CriticalComponent
from ..draw import Draw
from ..style import STYLE
from ..world import EGO_LENGTH_M, Cause, Move, Signal, World
from .common import distractors, gentle_road, green_light, layout, reaction, speed_limit, steady, vehicle

LONGEST_BRAKING_S = 4.2
"""So that the vehicle stands for some ticks before the horizon ends."""

INWARD_M = 0.1
"""From the middle of the shoulder toward the road, where the ego vehicle stands at its destination."""


def red_light(draw: Draw) -> World:
    """The light ahead is red, or has just become red; now and then the ego vehicle already waits there."""
    if draw.chance(0.12):
        return _at_line(draw, "red_light", 0.0, EGO_LENGTH_M / 2 + draw.uniform(0.6, 1.6), 0.5)
    speed, line, delay = _approach(draw, 4.0, 13.0)
    return _at_line(draw, "red_light", speed, line, delay)


def stop_sign(draw: Draw) -> World:
    """A stop sign ahead."""
    speed, line, delay = _approach(draw, 4.0, 11.5)
    return _at_line(draw, "stop_sign", speed, line, delay)


def crossing_pedestrian(draw: Draw) -> World:
    """A pedestrian walks toward the road, and would be in the lane when the ego vehicle gets there."""
    speed = draw.uniform(5.0, 12.5)
    side = draw.pick((-1.0, -1.0, 1.0))
    lanes = layout(draw, left=(0,), oncoming=draw.chance(0.6), right=(0,))
    arrival = draw.uniform(2.9, 4.0)
    walk = draw.uniform(1.1, 1.7)
    person = vehicle(
        draw,
        "pedestrian",
        s_m=speed * arrival,
        d_m=side * (walk * arrival + draw.uniform(-0.4, 0.8)),
        lateral_mps=-side * walk,
        role="crossing",
        yaw_rad=-side * 1.5708,
    )
    cited = CriticalComponent(name="pedestrian", element_id=person.element_id, uncertainty="low")
    return World(
        kind="crossing_pedestrian",
        cause=Cause("crossing_pedestrian", (cited,)),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=draw.uniform(0.3, 0.6),
        history_acceleration_mps2=steady(draw),
        actors=(person, *distractors(draw, lanes, speed, verge=False)),
        signals=green_light(draw, 0.15),
    )


def pull_over(draw: Draw) -> World:
    """The route ends here: stop on the shoulder to the right."""
    speed = draw.uniform(5.0, 7.5)
    lanes = layout(draw, left=(0, 1), right=(0,), shoulder_m=draw.uniform(2.6, 3.1))
    delay = reaction(draw)
    target = INWARD_M - (lanes.lane_width_m + lanes.shoulder_m) / 2
    length = speed * (draw.uniform(1.1, 1.4) + speed / (2 * STYLE.late_braking_mps2))
    return World(
        kind="pull_over",
        cause=Cause("pull_over", (CriticalComponent(name="route_end"),), "right"),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=delay,
        history_acceleration_mps2=steady(draw),
        route="stop_ahead",
        actors=distractors(draw, lanes, speed, verge=False),
        signals=green_light(draw, 0.1),
        moves=(Move(speed * delay, length - 0.5, target),),
        destination_m=speed * delay + length,
    )


def _approach(draw: Draw, slowest: float, fastest: float) -> tuple[float, float, float]:
    """Speed, stop line and reaction time of a comfortable stop within the horizon."""
    speed = draw.uniform(slowest, fastest)
    delay = reaction(draw)
    braking = draw.uniform(max(1.3, speed / LONGEST_BRAKING_S), 3.1)
    front = EGO_LENGTH_M / 2 + STYLE.line_margin_m
    delayed = delay + braking / (2 * STYLE.jerk_mps3)
    return speed, speed * delayed + speed**2 / (2 * braking) + front, delay


def _at_line(draw: Draw, kind: str, speed: float, line: float, delay: float) -> World:
    signal = Signal(draw.label("control"), "stop_sign" if kind == "stop_sign" else "traffic_light", line)
    if kind == "red_light":
        just_now = speed > 0.0 and draw.chance(0.4)
        signal = replace(
            signal,
            state="red",
            state_before="yellow" if just_now else "",
            changed_s=-draw.uniform(0.2, 1.2),
        )
    lanes = layout(draw)
    return World(
        kind=kind,
        cause=Cause(kind, (CriticalComponent(name=kind, element_id=signal.element_id),)),
        speed_mps=speed,
        set_speed_mps=max(speed, 6.0),
        speed_limit_mps=speed_limit(max(speed, 8.0)),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=delay,
        history_acceleration_mps2=steady(draw) if speed else 0.0,
        actors=distractors(draw, lanes, max(speed, 5.0)),
        signals=(signal,),
    )
