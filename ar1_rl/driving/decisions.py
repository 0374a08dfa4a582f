"""The closed sets of a Chain-of-Causation: driving decisions, and the components that cause them.

Source: Alpamayo-R1 (arXiv 2511.00088), section 4, Tables 1 to 3. At most one longitudinal and one lateral decision;
each is the first action after the critical moment. The component names are ours: the paper's groups are open-ended,
and a rule-based critic needs a closed list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError

LONGITUDINAL_DECISIONS = (
    "set_speed_tracking",
    "lead_obstacle_following",
    "speed_adaptation",
    "gap_searching",
    "passing_acceleration",
    "yield",
    "stop",
)

LATERAL_DECISIONS = (
    "lane_keeping",
    "merge_split",
    "out_of_lane_nudge",
    "in_lane_nudge",
    "lane_change",
    "pull_over",
    "turn",
    "lateral_abort",
)

SIDED_DECISIONS = (
    "merge_split",
    "out_of_lane_nudge",
    "in_lane_nudge",
    "lane_change",
    "pull_over",
    "turn",
    "lateral_abort",
)
"""Lateral decisions that go to a side."""

Side = Literal["left", "right"]

COMPONENT_GROUPS = {
    "lead_vehicle": "critical_object",
    "cut_in_vehicle": "critical_object",
    "slow_vehicle": "critical_object",
    "parked_vehicle": "critical_object",
    "oncoming_vehicle": "critical_object",
    "adjacent_vehicle": "critical_object",
    "cross_traffic": "critical_object",
    "pedestrian": "critical_object",
    "cyclist": "critical_object",
    "red_light": "traffic_light",
    "yellow_light": "traffic_light",
    "green_light": "traffic_light",
    "stop_sign": "sign_control",
    "yield_sign": "sign_control",
    "construction": "road_event",
    "speed_bump": "road_event",
    "curve": "road_event",
    "ending_lane": "lane",
    "clear_lane": "lane",
    "route_turn": "routing_intent",
    "route_lane": "routing_intent",
    "route_end": "routing_intent",
    "bad_weather": "odd_constraint",
}
"""Critical component -> its group of Table 2. "clear_lane" is the cause "nothing is in the way"."""


@dataclass(frozen=True)
class Decisions:
    """What a text says the ego vehicle will do, or what a reference says it should.

    Example: `Decisions(longitudinal="yield", lateral="lane_keeping", side=None)`.
    """

    longitudinal: str | None = None
    lateral: str | None = None
    side: Side | None = None

    def __post_init__(self) -> None:
        if self.longitudinal is not None and self.longitudinal not in LONGITUDINAL_DECISIONS:
            raise ConfigError(f"longitudinal decision: got {self.longitudinal!r}, allowed {LONGITUDINAL_DECISIONS}")
        if self.lateral is not None and self.lateral not in LATERAL_DECISIONS:
            raise ConfigError(f"lateral decision: got {self.lateral!r}, allowed {LATERAL_DECISIONS}")
        if self.side is not None and self.lateral not in SIDED_DECISIONS:
            raise ConfigError(
                f"side {self.side!r} with lateral decision {self.lateral!r}: only {SIDED_DECISIONS} have one"
            )
