"""Kinds in which the ego vehicle changes its lane, or thinks better of it."""

from __future__ import annotations

from dataclasses import replace

from ....driving.decisions import Side
from ....driving.scene import CriticalComponent
from ..draw import Draw
from ..world import EGO_LENGTH_M, Actor, Cause, Move, World
from .common import distractors, front_gap, gentle_road, green_light, layout, reaction, speed_limit, steady, vehicle

FAR_BESIDE_SHARE = 0.4


def slow_truck(draw: Draw) -> World:
    """A slow truck or bus ahead, far below the limit, and a free lane to its left."""
    speed = draw.uniform(6.0, 13.0)
    gain = draw.uniform(4.0, 7.0)
    lanes = layout(draw, left=(1,), oncoming=draw.chance(0.5))
    truck = vehicle(draw, "bus" if draw.chance(0.3) else "truck", s_m=0.0, speed_mps=speed - draw.uniform(0.0, 1.0))
    truck = replace(truck, s_m=front_gap(truck.length_m, draw.uniform(0.6, 1.2) * speed + 5.0))
    delay = reaction(draw)
    cited = CriticalComponent(name="slow_vehicle", element_id=truck.element_id, uncertainty="low")
    others = distractors(draw, lanes, speed, left=False) + _far_beside(draw, lanes.lane_width_m, speed + gain)
    return World(
        kind="slow_truck",
        cause=Cause("slow_truck", (cited,), "left"),
        speed_mps=speed,
        set_speed_mps=speed + gain,
        speed_limit_mps=speed_limit(speed + gain),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=delay,
        acceleration_mps2=draw.uniform(1.0, 1.35),
        actors=(truck, *others),
        moves=(Move(speed * delay, (speed + 1.5) * draw.uniform(3.6, 4.3), lanes.lane_width_m),),
    )


def route_lane_change(draw: Draw) -> World:
    """The route needs a neighbour lane; now and then a vehicle beside has to be let past first."""
    blocked = draw.chance(0.4)
    speed = draw.uniform(8.0, 20.0)
    side = draw.pick((-1.0, 1.0))
    name: Side = "left" if side > 0 else "right"
    lanes = layout(draw, left=(1,) if side > 0 else (0, 1), right=(1,) if side < 0 else (0, 1))
    delay = reaction(draw)
    cited = [CriticalComponent(name="route_lane", element_id=f"lane_{name}_1")]
    others = distractors(draw, lanes, speed, left=side < 0, right=side > 0)
    begin, duration, set_speed = speed * delay, draw.uniform(3.2, 4.2), speed
    if not blocked:
        others += _far_beside(draw, side * lanes.lane_width_m, speed)
    else:
        beside = vehicle(draw, "car", s_m=draw.uniform(1.0, 6.0), d_m=side * lanes.lane_width_m)
        beside = replace(beside, speed_mps=speed + draw.uniform(0.3, 1.2))
        others = (beside, *others)
        cited.append(CriticalComponent(name="adjacent_vehicle", element_id=beside.element_id, uncertainty="low"))
        set_speed = speed - draw.uniform(2.2, 3.0)
        begin = speed * draw.uniform(2.0, 2.4)
        duration = draw.uniform(3.0, 3.4)
    return World(
        kind="route_lane_change",
        cause=Cause("blocked_lane_change" if blocked else "route_lane_change", tuple(cited), name),
        speed_mps=speed,
        set_speed_mps=set_speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=delay,
        history_acceleration_mps2=steady(draw),
        route="lane_left" if side > 0 else "lane_right",
        actors=others,
        moves=(Move(begin, speed * duration, side * lanes.lane_width_m),),
    )


def merge(draw: Draw) -> World:
    """The ego lane ends ahead; the neighbour lane is free."""
    speed = draw.uniform(8.0, 20.0)
    side = 1.0 if draw.chance(0.7) else -1.0
    lanes = layout(draw, left=(1,) if side > 0 else (0,), right=(1,) if side < 0 else (0,), oncoming=False)
    delay = reaction(draw)
    length = speed * draw.uniform(3.3, 4.2)
    lanes = replace(lanes, lane_end_m=speed * delay + length + draw.uniform(4.0, 20.0))
    ending = CriticalComponent(name="ending_lane", element_id="lane_ego")
    return World(
        kind="merge",
        cause=Cause("merge", (ending,), "left" if side > 0 else "right"),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=delay,
        history_acceleration_mps2=steady(draw),
        actors=(
            *distractors(draw, lanes, speed, left=side < 0, right=side > 0, verge=side < 0),
            *_far_beside(draw, side * lanes.lane_width_m, speed),
        ),
        signals=green_light(draw, 0.1),
        moves=(Move(speed * delay, length, side * lanes.lane_width_m),),
    )


def aborted_lane_change(draw: Draw) -> World:
    """A lane change has begun, and a faster vehicle comes up in the lane it was to end in."""
    speed = draw.uniform(8.0, 18.0)
    side = draw.pick((-1.0, 1.0))
    name: Side = "left" if side > 0 else "right"
    lanes = layout(
        draw, left=(1,) if side > 0 else (0,), right=(1,) if side < 0 else (0,), lane_width_m=draw.uniform(3.6, 3.9)
    )
    delay = draw.uniform(0.3, 0.5)
    closing = vehicle(draw, "car", s_m=0.0, d_m=side * lanes.lane_width_m, speed_mps=speed + draw.uniform(2.5, 5.0))
    closing = replace(closing, s_m=-EGO_LENGTH_M - draw.uniform(2.0, 9.0))
    begun = speed * draw.uniform(0.8, 1.0)
    cited = CriticalComponent(name="adjacent_vehicle", element_id=closing.element_id, uncertainty="low")
    return World(
        kind="aborted_lane_change",
        cause=Cause("aborted_lane_change", (cited,), name),
        speed_mps=speed,
        set_speed_mps=speed,
        speed_limit_mps=speed_limit(speed),
        road=gentle_road(draw, speed),
        layout=lanes,
        reaction_s=delay,
        route="lane_left" if side > 0 else "lane_right",
        actors=(closing, *distractors(draw, lanes, speed, left=False, right=False)),
        signals=green_light(draw, 0.1),
        moves=(
            Move(-begun, speed * draw.uniform(5.4, 6.2), side * lanes.lane_width_m),
            Move(speed * delay, speed * draw.uniform(3.4, 4.0), 0.0),
        ),
    )


def _far_beside(draw: Draw, d_m: float, speed: float) -> tuple[Actor, ...]:
    """Now and then a vehicle in the lane that will be taken, far enough ahead or behind to be left alone."""
    form = draw.unit()
    if form > FAR_BESIDE_SHARE:
        return ()
    ahead = form < FAR_BESIDE_SHARE / 2
    s = draw.uniform(35, 55) if ahead else -draw.uniform(28, 45)
    pace = draw.uniform(1.0, 1.15) if ahead else draw.uniform(0.8, 0.98)
    return (vehicle(draw, "car", s_m=s, d_m=d_m, speed_mps=speed * pace),)
