"""A second deterministic critic that no policy is trained on: causes first, and only those that are there to be seen.

It differs from the embedded `rubric` in every part, so that what one of them overlooks the other may see:

| | rubric | cause first |
|---|---|---|
| reader of decisions | rules | the other one: the trained tagger |
| weight of the causes | the table's columns, 2 to 3 of 5 points | 3 of 5 points |
| causes | F1: omissions and inventions weigh the same | F0.5: an invention weighs four times an omission |
| decisions | near ones count in part | 1 point an axis, named and right with its side; silence earns nothing |
| grounding | none: only the reference is looked at | a point off for each cited cause of which the scene holds none |

Grade = 3 * F0.5(causes) + longitudinal + lateral - ungrounded, within 0 and 5. An axis of which text and reference say
nothing is right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ar1_rl.driving import Completion, Scene
from ar1_rl.driving.claims import Claims
from ar1_rl.driving.decision_text import parse_decisions, parse_decisions_by_rules
from ar1_rl.driving.decisions import Decisions
from ar1_rl.driving.scene import Observation
from ar1_rl.errors import ConfigError

from ..base import BatchReward, Needs
from ..score import Score

CAUSE_POINTS, DECISION_POINTS, UNGROUNDED_POINTS = 3.0, 1.0, 1.0
HIGHEST = CAUSE_POINTS + 2 * DECISION_POINTS
PRECISION_BETA = 0.5
"""Of F-beta: below 1 precision weighs more."""

READERS: Mapping[str, Callable[[str], Claims]] = {"tagger": parse_decisions, "rules": parse_decisions_by_rules}

VEHICLES = ("car", "truck", "bus", "motorcycle", "bicycle")
ON_SIGHT: Mapping[str, Callable[[Observation], bool | None]] = {
    **{
        name: lambda seen: _any_agent(seen, VEHICLES)
        for name in ("lead_vehicle", "cut_in_vehicle", "slow_vehicle", "parked_vehicle", "oncoming_vehicle")
    },
    **{name: lambda seen: _any_agent(seen, VEHICLES) for name in ("adjacent_vehicle", "cross_traffic")},
    "pedestrian": lambda seen: _any_agent(seen, ("pedestrian",)),
    "cyclist": lambda seen: _any_agent(seen, ("bicycle", "motorcycle")),
    "red_light": lambda seen: _any_light(seen, "red"),
    "yellow_light": lambda seen: _any_light(seen, "yellow"),
    "green_light": lambda seen: _any_light(seen, "green"),
    "stop_sign": lambda seen: _any_control(seen, "stop_sign"),
    "yield_sign": lambda seen: _any_control(seen, "yield_sign"),
    "route_turn": lambda seen: _route(seen, ("left", "right")),
    "route_lane": lambda seen: _route(seen, ("lane_left", "lane_right")),
    "route_end": lambda seen: _route(seen, ("stop_ahead",)),
}
"""Component -> whether the scene up to t0 holds any; None where its source cannot tell. Others are never ungrounded."""


@dataclass(frozen=True)
class CauseFirstCritic(BatchReward):
    """Grade 0 to 5 of the reasoning against the scene's reference trace and the scene; no reference, no grade."""

    reader: Literal["tagger", "rules"] = "tagger"
    """Who reads the text."""
    name: str = "critic_held_out"
    needs: ClassVar[Needs] = "text"
    value_range: ClassVar[tuple[float, float]] = (0.0, HIGHEST)

    def __post_init__(self) -> None:
        if self.reader not in READERS:
            raise ConfigError(f"critic reader: got {self.reader!r}, allowed {', '.join(READERS)}")

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score completions, each in the scene of the same position."""
        return [self._score(c.reasoning, scene) for c, scene in zip(completions, scenes, strict=True)]

    def _score(self, reasoning: str | None, scene: Scene) -> Score:
        reference = scene.reference
        if reference is None:
            return Score(None, why="cause first: the scene has no reference trace")
        if not reasoning:
            return Score(0.0, why="cause first: no reasoning")
        said = READERS[self.reader](reasoning)
        causes = cause_score(said.components, [component.name for component in reference.components])
        axes = decision_points(said, reference.decisions)
        ungrounded = [name for name in said.components if is_there(name, scene.observation) is False]
        value = CAUSE_POINTS * causes + sum(axes) - UNGROUNDED_POINTS * len(ungrounded)
        parts = {
            "causes_f05": causes,
            "longitudinal": axes[0],
            "lateral": axes[1],
            "ungrounded": float(len(ungrounded)),
        }
        why = f"cause first: causes {causes:.2f}, longitudinal {axes[0]:.0f}, lateral {axes[1]:.0f}"
        return Score(
            min(max(value, 0.0), HIGHEST), parts, why + (f", not there: {', '.join(ungrounded)}" if ungrounded else "")
        )


def cause_score(said: Collection[str], right: Collection[str]) -> float:
    """F-beta of the named components against the reference's; 1 where both name none, 0 where one side does."""
    said, right = set(said), set(right)
    if not said or not right:
        return float(not said and not right)
    hits, weight = len(said & right), PRECISION_BETA**2
    return (1.0 + weight) * hits / (weight * len(right) + len(said))


def decision_points(said: Claims, right: Decisions) -> tuple[float, float]:
    """Points for the longitudinal and the lateral decision."""
    lateral = said.lateral == right.lateral and (right.side is None or said.side == right.side)
    return DECISION_POINTS * (said.longitudinal == right.longitudinal), DECISION_POINTS * lateral


def is_there(component: str, seen: Observation) -> bool | None:
    """Whether the scene up to t0 holds what a component names; None where nobody can tell."""
    look = ON_SIGHT.get(component)
    return None if look is None else look(seen)


def _any_agent(seen: Observation, kinds: Collection[str]) -> bool | None:
    return None if seen.agents is None else any(agent.kind in kinds for agent in seen.agents)


def _any_light(seen: Observation, state: str) -> bool | None:
    if seen.controls is None:
        return None
    lights = [control for control in seen.controls if control.kind == "traffic_light"]
    return any(control.states_T and control.states_T[-1] == state for control in lights)


def _any_control(seen: Observation, kind: str) -> bool | None:
    return None if seen.controls is None else any(control.kind == kind for control in seen.controls)


def _route(seen: Observation, routes: Collection[str]) -> bool | None:
    return None if seen.route == "unknown" else seen.route in routes
