"""The embedded critic: a deterministic grade of 0 to 5 from parsed decisions and causes. No model, no cost.

It follows the rubric that Alpamayo-R1 gives its critic (section 5.3.2): does the trace name the reference's driving
decision, and does it name the reference's causes? The grade is read off a table:

| behaviour, causes (F1) | all (1) | most (>= 0.6) | some (> 0) | none (0) |
|---|---|---|---|---|
| right: both axes agree                              | 5 | 4 | 3 | 2 |
| roughly right: one agrees, the other is near        | 3 | 3 | 2 | 2 |
| partly right: one agrees or both are near           | 2 | 2 | 2 | 1 |
| wrong: neither agrees, or nothing is decided        | 1 | 1 | 1 | 0 |
| opposite: the contrary of the reference on an axis  | 0 | 0 | 0 | 0 |

"Causes" is the F1 of the named components against the reference's, so naming every cause there is costs precision
and cannot earn a 5. Adding a right cause never lowers F1, adding a wrong one never raises it, and the table falls
from left to right and from top to bottom. Where one axis agrees and the other is opposite, the behaviour is "wrong".

Decisions are read by rules, not by the tagger that the consistency reward asks: the two judge by different readers.

On an axis of which the text says nothing, it agrees if the reference's decision is the default one of that axis
(keep the lane; track the set speed), and otherwise it does not; a text that says nothing on both agrees with nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ar1_rl.driving import Completion, Scene
from ar1_rl.driving.decision_text import parse_decisions_by_rules
from ar1_rl.driving.decisions import SIDED_DECISIONS, Decisions

from ..base import BatchReward, Needs
from ..score import Score

DEFAULT_DECISIONS = ("set_speed_tracking", "lane_keeping")
"""What a driver does who says nothing of an axis."""

NEAR_DECISIONS = frozenset(
    frozenset(pair)
    for pair in (
        ("lead_obstacle_following", "speed_adaptation"),
        ("speed_adaptation", "yield"),
        ("yield", "stop"),
        ("gap_searching", "yield"),
        ("gap_searching", "lead_obstacle_following"),
        ("in_lane_nudge", "out_of_lane_nudge"),
        ("out_of_lane_nudge", "lane_change"),
        ("lane_change", "merge_split"),
    )
)
"""Decisions of one axis that a driver could carry out with much the same motion."""

OPPOSITE_DECISIONS = frozenset(
    frozenset(pair)
    for pair in (
        ("stop", "set_speed_tracking"),
        ("stop", "passing_acceleration"),
        ("yield", "passing_acceleration"),
    )
)
"""Decisions of which one forbids the other. A sided decision to the other side is opposite too."""

BEHAVIOURS = ("opposite", "wrong", "partly right", "roughly right", "right")
CAUSES = ("none", "some", "most", "all")
MOST_CAUSES_F1 = 0.6

GRADES = {
    "right": {"none": 2, "some": 3, "most": 4, "all": 5},
    "roughly right": {"none": 2, "some": 2, "most": 3, "all": 3},
    "partly right": {"none": 1, "some": 2, "most": 2, "all": 2},
    "wrong": {"none": 0, "some": 1, "most": 1, "all": 1},
    "opposite": {"none": 0, "some": 0, "most": 0, "all": 0},
}
"""Behaviour, causes -> grade."""


def grade(
    said: Decisions, said_components: Collection[str], right: Decisions, right_components: Collection[str]
) -> tuple[int, str, float]:
    """Grade 0 to 5, behaviour (of BEHAVIOURS) and F1 of the causes."""
    level = behaviour(said, right)
    f1 = causes_f1(said_components, right_components)
    return GRADES[level][_causes_level(f1)], level, f1


def behaviour(said: Decisions, right: Decisions) -> str:
    """How far the decisions agree, over both axes."""
    if said.longitudinal is None and said.lateral is None:
        return "wrong"
    axes = [_longitudinal(said, right), _lateral(said, right)]
    if "opposite" in axes:
        return "wrong" if "right" in axes else "opposite"
    if axes.count("right") == 2:
        return "right"
    if "right" in axes:
        return "roughly right" if "near" in axes else "partly right"
    return "partly right" if axes.count("near") == 2 else "wrong"


def causes_f1(said: Collection[str], right: Collection[str]) -> float:
    """F1 of the named components; 1 where both name none."""
    said, right = set(said), set(right)
    if not said and not right:
        return 1.0
    return 2.0 * len(said & right) / (len(said) + len(right))


def _longitudinal(said: Decisions, right: Decisions) -> str:
    return _agreement(said.longitudinal, right.longitudinal, DEFAULT_DECISIONS[0])


def _lateral(said: Decisions, right: Decisions) -> str:
    agreement = _agreement(said.lateral, right.lateral, DEFAULT_DECISIONS[1])
    if agreement in ("right", "near") and right.side is not None and said.side != right.side:
        if said.side is not None:
            return "opposite"
        return "near" if agreement == "right" else "wrong"
    return agreement


def _agreement(said: str | None, right: str | None, default: str) -> str:
    if (said or default) == (right or default):
        return "right"
    if said is None or right is None:
        return "wrong"
    pair = frozenset((said, right))
    if pair in NEAR_DECISIONS:
        return "near"
    return "opposite" if pair in OPPOSITE_DECISIONS else "wrong"


def _causes_level(f1: float) -> str:
    if f1 == 1.0:
        return "all"
    if f1 >= MOST_CAUSES_F1:
        return "most"
    return "some" if f1 > 0.0 else "none"


@dataclass(frozen=True)
class RubricCritic(BatchReward):
    """Grade 0 to 5 of the reasoning against the scene's reference trace; no reference, no grade."""

    name: str = "critic"
    needs: ClassVar[Needs] = "text"
    value_range: ClassVar[tuple[float, float]] = (0.0, 5.0)

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score completions; the same text in the same scene is graded once."""
        known: dict[tuple[str | None, int], Score] = {}
        scores = []
        for completion, scene in zip(completions, scenes, strict=True):
            key = completion.reasoning, id(scene)
            if key not in known:
                known[key] = _score(completion.reasoning, scene)
            scores.append(known[key])
        return scores


def _score(reasoning: str | None, scene: Scene) -> Score:
    reference = scene.reference
    if reference is None:
        return Score(None, why="rubric: the scene has no reference trace")
    if not reasoning:
        return Score(0.0, why="rubric: no reasoning")
    said = parse_decisions_by_rules(reasoning)
    side = said.side if said.lateral in SIDED_DECISIONS else None
    value, level, f1 = grade(
        Decisions(longitudinal=said.longitudinal, lateral=said.lateral, side=side),
        said.components,
        reference.decisions,
        [component.name for component in reference.components],
    )
    parts = {"behaviour": float(BEHAVIOURS.index(level)), "causes_f1": f1}
    return Score(float(value), parts, f"rubric: behaviour {level}, causes F1 {f1:.2f}")
