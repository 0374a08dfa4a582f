"""One function per kind of scene: draws a world in which this kind's cause is there to be seen.

`CAUSES` is the whole list. A new kind is a function `Draw -> World`, a row here, a weight in `SyntheticConfig` and
sentences in `sentences.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..draw import Draw
from ..world import World
from .ahead import cut_in, lead_braking, lead_slower
from .clear import clear_road
from .lanes import aborted_lane_change, merge, route_lane_change, slow_truck
from .obstacles import parked_car
from .stopping import crossing_pedestrian, pull_over, red_light, stop_sign
from .turning import sharp_curve, turn

CAUSES: dict[str, Callable[[Draw], World]] = {
    "lead_slower": lead_slower,
    "lead_braking": lead_braking,
    "cut_in": cut_in,
    "red_light": red_light,
    "stop_sign": stop_sign,
    "crossing_pedestrian": crossing_pedestrian,
    "parked_car": parked_car,
    "slow_truck": slow_truck,
    "sharp_curve": sharp_curve,
    "turn": turn,
    "route_lane_change": route_lane_change,
    "merge": merge,
    "pull_over": pull_over,
    "aborted_lane_change": aborted_lane_change,
    "clear_road": clear_road,
}
