"""Which motions carry out which decision: the versioned table, and the comparison of claims with a motion.

The paper compares text and trajectory on both axes and does not print its table; this one is ours, documented in
docs/consistency.md. An axis on which the text claims nothing is not free: it implies the unremarkable motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .claims import Claims
from .decisions import Side
from .lateral_conditions import (
    THRESHOLDS,
    CarryingOutThresholds,
    aborted,
    changed_lane,
    kept,
    merged,
    nudged_in,
    nudged_out,
    pulled_over,
    turned,
)
from .motion import Motion

__all__ = [
    "LATERAL_TABLE",
    "LONGITUDINAL_TABLE",
    "TABLE_VERSION",
    "THRESHOLDS",
    "Agreement",
    "CarryingOutThresholds",
    "LateralRow",
    "LongitudinalRow",
    "Match",
    "compare",
    "describe_lateral",
    "first_action",
    "match_lateral",
    "match_longitudinal",
]

TABLE_VERSION = 2
"""Grows with every change of a row or of a threshold."""


class Match(NamedTuple):
    """Credit on one axis: 1 carried out, 0.5 a gentle neighbour (graded only), 0 not; and why in one line."""

    credit: float
    why: str


class Agreement(NamedTuple):
    """Claims against a motion: `strict` is 1.0 iff both axes match, `graded` the mean credit, None without a claim."""

    longitudinal: Match
    lateral: Match
    strict: float
    graded: float | None


@dataclass(frozen=True)
class LongitudinalRow:
    """A decision is carried out when the first action is one of `actions`."""

    actions: tuple[str, ...]
    standstill: bool = False
    """The vehicle must also stand, or be about to (see the thresholds)."""


@dataclass(frozen=True)
class LateralRow:
    """A decision is carried out when `holds(motion, side, thresholds)`; `neighbours` earn half in graded mode."""

    holds: Callable[[Motion, Side | None, CarryingOutThresholds], bool]
    condition: str
    neighbours: tuple[str, ...] = ()
    implied_actions: tuple[str, ...] = field(default=("maintain_speed", "gentle_acceleration", "gentle_deceleration"))
    """First actions that pass when the text claims nothing longitudinal."""


LONGITUDINAL_TABLE = {
    "set_speed_tracking": LongitudinalRow(("maintain_speed", "gentle_acceleration")),
    "lead_obstacle_following": LongitudinalRow(
        ("maintain_speed", "gentle_deceleration", "strong_deceleration", "stop")
    ),
    "speed_adaptation": LongitudinalRow(("gentle_deceleration", "strong_deceleration")),
    "gap_searching": LongitudinalRow(("maintain_speed", "gentle_acceleration", "gentle_deceleration")),
    "passing_acceleration": LongitudinalRow(("gentle_acceleration", "strong_acceleration")),
    "yield": LongitudinalRow(("gentle_deceleration", "strong_deceleration", "stop")),
    "stop": LongitudinalRow(("gentle_deceleration", "strong_deceleration", "stop"), standstill=True),
}
"""Strong acceleration also passes wherever gentle does when the vehicle sets off (see `launch_mps`)."""

_SLOWING = ("maintain_speed", "gentle_acceleration", "gentle_deceleration", "strong_deceleration", "stop")
_NEXT_TO = {
    "strong_deceleration": ("gentle_deceleration",),
    "gentle_deceleration": ("strong_deceleration", "maintain_speed", "stop"),
    "maintain_speed": ("gentle_deceleration", "gentle_acceleration"),
    "gentle_acceleration": ("maintain_speed", "strong_acceleration"),
}
"""Gentle first actions, and those one step away from them."""


def compare(claims: Claims, motion: Motion, thresholds: CarryingOutThresholds = THRESHOLDS) -> Agreement:
    """Whether a motion carries out what a text claims, per axis; a text without any claim matches nothing."""
    if claims.longitudinal is None and claims.lateral is None:
        nothing = Match(0.0, "no decision claimed")
        return Agreement(nothing, nothing, 0.0, None)
    longitudinal = match_longitudinal(claims, motion, thresholds)
    lateral = match_lateral(claims, motion, thresholds)
    strict = 1.0 if longitudinal.credit == lateral.credit == 1.0 else 0.0
    return Agreement(longitudinal, lateral, strict, 0.5 * (longitudinal.credit + lateral.credit))


def match_longitudinal(claims: Claims, motion: Motion, thresholds: CarryingOutThresholds = THRESHOLDS) -> Match:
    """The longitudinal axis; without a claim on it, what the lateral decision implies."""
    if claims.longitudinal is not None:
        row, label = LONGITUDINAL_TABLE[claims.longitudinal], claims.longitudinal
    else:
        lateral = LATERAL_TABLE[claims.lateral or "lane_keeping"]
        row, label = LongitudinalRow(lateral.implied_actions), "no longitudinal claim"
    action = first_action(motion, "maintain_speed" in row.actions, thresholds)
    launch = action == "strong_acceleration" and motion.start_mps < thresholds.launch_mps
    allowed = action in row.actions or (launch and "gentle_acceleration" in row.actions)
    if allowed and (not row.standstill or _comes_to_rest(motion, thresholds)):
        return Match(1.0, f"{label}: {action}")
    if allowed:
        return Match(0.5, f"{label}: {action}, but ends at {motion.end_mps:.1f} m/s")
    near = any(other in row.actions for other in _NEXT_TO.get(action, ())) and not row.standstill
    return Match(0.5 if near else 0.0, f"{label}: {action} does not carry it out")


def match_lateral(claims: Claims, motion: Motion, thresholds: CarryingOutThresholds = THRESHOLDS) -> Match:
    """The lateral axis; without a claim on it the lane is to be kept."""
    decision = claims.lateral or "lane_keeping"
    label = decision if claims.lateral else "no lateral claim (lane_keeping)"
    label = f"{label} {claims.side}" if claims.side else label
    did = describe_lateral(motion)
    decisions = [decision]
    if decision == "in_lane_nudge" and not claims.extent_stated:
        decisions.append("out_of_lane_nudge")
    if claims.after_stop:
        decisions.append("lane_keeping")
    if any(LATERAL_TABLE[name].holds(motion, claims.side, thresholds) for name in decisions):
        return Match(1.0, f"{label}: {did}")
    neighbours = LATERAL_TABLE[decision].neighbours
    near = any(LATERAL_TABLE[name].holds(motion, claims.side, thresholds) for name in neighbours)
    return Match(0.5 if near else 0.0, f"{label}: {did} does not carry it out")


def first_action(motion: Motion, holding_counts: bool, thresholds: CarryingOutThresholds = THRESHOLDS) -> str:
    """The first longitudinal meta-action that is an answer to the scene.

    A short standstill at the start is skipped. Where holding the speed is an answer (`holding_counts`), it is the
    first action if it lasts; otherwise the first segment that changes the speed counts, whenever it begins.
    """
    segments = motion.longitudinal
    start, end, name = segments[0]
    if name == "stop" and len(segments) > 1 and (end - start) * motion.dt_s < thresholds.pause_s:
        segments = segments[1:]
        start, end, name = segments[0]
    if name != "maintain_speed":
        return name
    if holding_counts and (end - start) * motion.dt_s >= thresholds.first_action_s:
        return name
    return next((segment.name for segment in segments if segment.name != "maintain_speed"), name)


def describe_lateral(motion: Motion) -> str:
    """The lateral facts in a few words, for `why`."""
    steered = ", ".join(segment.name for segment in motion.lateral)
    place = "lane frame" if motion.on_map else "no lane"
    moved = "in its lane"
    if motion.side is not None:
        moved = f"{motion.peak_m:.1f} m {motion.side}, {motion.end_m:.1f} m at the end"
    return f"{moved}, heading {motion.heading_rad:+.2f} rad ({place}; {steered})"


def _comes_to_rest(motion: Motion, t: CarryingOutThresholds) -> bool:
    if motion.slowest_mps <= t.stopped_mps:
        return True
    braking = motion.longitudinal[-1].name in ("gentle_deceleration", "strong_deceleration")
    return braking and motion.end_mps <= min(t.stopping_mps, t.stopping_share * motion.start_mps)


LATERAL_TABLE = {
    "lane_keeping": LateralRow(
        kept,
        "no excursion from the lane, no turn at a junction, at most a short way back to the centre",
        neighbours=("in_lane_nudge",),
    ),
    "merge_split": LateralRow(
        merged,
        "drives over a merge or split of its path, or changes lanes to the side",
        implied_actions=("maintain_speed", "gentle_acceleration", "strong_acceleration", "gentle_deceleration"),
    ),
    "out_of_lane_nudge": LateralRow(
        nudged_out,
        "excursion to the side past the lane's edge, and back or less than half a lane",
        neighbours=("in_lane_nudge", "lane_change"),
    ),
    "in_lane_nudge": LateralRow(
        nudged_in,
        "excursion to the side within the lane",
        neighbours=("out_of_lane_nudge", "lane_keeping"),
    ),
    "lane_change": LateralRow(
        changed_lane,
        "net shift and peak to the side as a lane change, not taken back, and moving on at the end",
        neighbours=("out_of_lane_nudge",),
        implied_actions=("maintain_speed", "gentle_acceleration", "strong_acceleration", "gentle_deceleration"),
    ),
    "pull_over": LateralRow(
        pulled_over, "shift to the side, and at most half of the first speed at the end", implied_actions=_SLOWING
    ),
    "turn": LateralRow(
        turned, "heading change to the side, along a turning lane or tighter than a bend", implied_actions=_SLOWING
    ),
    "lateral_abort": LateralRow(
        aborted, "starts off to the side and goes back the other way", implied_actions=_SLOWING
    ),
}
