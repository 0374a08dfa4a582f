"""Which motions carry out which decision: the versioned table, and the comparison of claims with a motion.

The paper compares text and trajectory on both axes and does not print its table; this one is ours, documented in
docs/consistency.md. An axis on which the text claims nothing is not free: it implies the unremarkable motion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from .decision_text import Claims
from .decisions import Side
from .motion import Motion

TABLE_VERSION = 1


@dataclass(frozen=True)
class CarryingOutThresholds:
    """Bounds of the comparison. Sources in brackets; COC is NVlabs/alpamayo-coc-autolabeler (commit 288ac28)."""

    first_action_s: float = 3.0
    """Speed held this long at the start is itself the first action [ours: about half the horizon]."""
    pause_s: float = 2.0
    """A shorter standstill at the start is the time to react, not an action [ours]."""
    launch_mps: float = 5.0
    """Strong acceleration from below this speed is setting off, not passing [ours]."""
    stopped_mps: float = 0.5
    """Standing [ziangwei/Faithful-Alpamayo-1.5: final speed of a stop]."""
    stopping_mps: float = 3.0
    """A braking that is not over at the horizon counts as a stop when it ends below this speed [ours] ..."""
    stopping_share: float = 0.5
    """... and below this share of the first speed; a pull-over slows down to it, too [ours]."""
    lane_change_net_m: float = 0.5
    """[COC]"""
    lane_change_peak_m: float = 1.0
    """[COC]"""
    returned_share: float = 0.5
    """An excursion is over when no more than this share of its peak is left [ours]."""
    ego_half_width_m: float = 1.0
    """Half of the 2.0 m of the default ego box: from here to the lane's edge is what a nudge may use."""
    pull_over_m: float = 0.5
    """[COC: net lateral of a lane change]"""
    abort_m: float = 0.3
    """Way back that an abort needs [ours, as large as the smallest excursion]."""
    abort_start_m: float = 0.15
    """An abort begins off the lane's centre by this, or [ours] ..."""
    abort_start_rad: float = 0.01
    """... with this much heading away from the lane [ours]."""
    recentring_m: float = 0.6
    """A longer way back to the lane's centre is more than lane keeping [ours]."""
    turn_heading_rad: float = 0.35
    """[ziangwei/Faithful-Alpamayo-1.5]"""
    blind_turn_heading_rad: float = 0.6
    """The same without a map, where a bend looks alike [ours]."""
    sharp_rad_per_m: float = 0.03
    """Off the map's turning lanes a turn is at least this tight: a radius of 33 m [ours, junctions are tighter]."""
    straight_heading_rad: float = 0.15
    """Without a map, offsets are read only where the heading comes back to within this [ours]."""


THRESHOLDS = CarryingOutThresholds()


class Match(NamedTuple):
    """Credit on one axis: 1 carried out, 0.5 a gentle neighbour (graded only), 0 not; and why in one line."""

    credit: float
    why: str


class Agreement(NamedTuple):
    """Claims against a motion. `strict` is 1.0 iff both axes match, `graded` the mean credit or None without a claim."""

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
    "lead_obstacle_following": LongitudinalRow(("maintain_speed", "gentle_deceleration", "strong_deceleration", "stop")),
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
    if any(LATERAL_TABLE[name].holds(motion, claims.side, thresholds) for name in decisions):
        return Match(1.0, f"{label}: {did}")
    near = any(LATERAL_TABLE[name].holds(motion, claims.side, thresholds) for name in LATERAL_TABLE[decision].neighbours)
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
    moved = "in its lane" if motion.side is None else f"{motion.peak_m:.1f} m {motion.side}, {motion.end_m:.1f} m at the end"
    return f"{moved}, heading {motion.heading_rad:+.2f} rad ({place}; {steered})"


def _comes_to_rest(motion: Motion, t: CarryingOutThresholds) -> bool:
    if motion.slowest_mps <= t.stopped_mps:
        return True
    braking = motion.longitudinal[-1].name in ("gentle_deceleration", "strong_deceleration")
    return braking and motion.end_mps <= min(t.stopping_mps, t.stopping_share * motion.start_mps)


# Conditions on the lateral axis. A side of None stands for either.


def _sides(side: Side | None) -> tuple[tuple[Side, float], ...]:
    both: tuple[tuple[Side, float], ...] = (("left", 1.0), ("right", -1.0))
    return tuple(pair for pair in both if side in (None, pair[0]))


def _excursion(motion: Motion, t: CarryingOutThresholds) -> Side | None:
    """Side of the first excursion; without a map only one that is steered out of and back, with no net turn."""
    if motion.on_map:
        return motion.side
    steered = {segment.name.rsplit("_", 1)[-1] for segment in motion.lateral}
    straight = abs(motion.heading_rad) <= t.straight_heading_rad
    return motion.side if straight and {"left", "right"} <= steered else None


def _turned(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    for name, sign in _sides(side):
        tight = motion.sharpest_rad_per_m >= t.sharp_rad_per_m
        if not motion.on_map:
            if tight and sign * motion.heading_rad >= t.blind_turn_heading_rad:
                return True
        elif sign * motion.heading_rad >= t.turn_heading_rad:
            off_path = tight and sign * motion.path_heading_rad >= t.turn_heading_rad
            if motion.path_turn == name or off_path:
                return True
    return False


def _kept(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    recentred = motion.on_map and motion.recentred_m >= t.recentring_m
    return _excursion(motion, t) is None and not recentred and not _turned(motion, None, t)


def _changed_lane(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    out = _excursion(motion, t)
    if motion.end_mps <= t.stopped_mps:
        return False
    for name, sign in _sides(side):
        net = sign * motion.shift_m
        if net < t.lane_change_net_m:
            continue
        if out == name and motion.peak_m >= t.lane_change_peak_m and not _returned(motion, t):
            return True
        if motion.on_map and out is None and net >= t.lane_change_peak_m:
            return True
    return False


def _returned(motion: Motion, t: CarryingOutThresholds) -> bool:
    return motion.end_m <= t.returned_share * motion.peak_m


def _reach(motion: Motion) -> float:
    """Largest offset from the centre line [m] on the side of the excursion."""
    sign = 1.0 if motion.side == "left" else -1.0
    return motion.peak_m + max(0.0, sign * motion.start_m)


def _nudged_out(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    out = _excursion(motion, t)
    if out is None or side not in (None, out) or _turned(motion, None, t):
        return False
    half = 0.5 * motion.lane_width_m
    return half - t.ego_half_width_m <= _reach(motion) and (_returned(motion, t) or _reach(motion) < half)


def _nudged_in(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    out = _excursion(motion, t)
    if out is None or side not in (None, out) or _turned(motion, None, t):
        return False
    return _reach(motion) < 0.5 * motion.lane_width_m - t.ego_half_width_m


def _merged(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    return motion.facility or _changed_lane(motion, side, t)


def _pulled_over(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    out = _excursion(motion, t)
    slower = motion.end_mps <= max(t.stopped_mps, t.stopping_share * motion.start_mps)
    return slower and any(name == out and sign * motion.shift_m >= t.pull_over_m for name, sign in _sides(side))


def _aborted(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Back from where the manoeuvre to `side` had led."""
    out = _excursion(motion, t)
    for name, sign in _sides(side):
        begun = sign * motion.start_m >= t.abort_start_m or sign * motion.start_yaw_rad >= t.abort_start_rad
        went_back = out == name and _returned(motion, t)
        came_back = out is None and sign * motion.shift_m <= -t.abort_m
        other = "right" if name == "left" else "left"
        if (begun and (went_back or came_back)) or (motion.on_map and side and _changed_lane(motion, other, t)):
            return True
    return False


LATERAL_TABLE = {
    "lane_keeping": LateralRow(
        _kept,
        "no excursion from the lane, no turn at a junction, at most a short way back to the centre",
        neighbours=("in_lane_nudge",),
    ),
    "merge_split": LateralRow(
        _merged,
        "drives over a merge or split of its path, or changes lanes to the side",
        implied_actions=("maintain_speed", "gentle_acceleration", "strong_acceleration", "gentle_deceleration"),
    ),
    "out_of_lane_nudge": LateralRow(
        _nudged_out,
        "excursion to the side past the lane's edge, and back or less than half a lane",
        neighbours=("in_lane_nudge", "lane_change"),
    ),
    "in_lane_nudge": LateralRow(
        _nudged_in,
        "excursion to the side within the lane",
        neighbours=("out_of_lane_nudge", "lane_keeping"),
    ),
    "lane_change": LateralRow(
        _changed_lane,
        "net shift and peak to the side as a lane change, not taken back, and moving on at the end",
        neighbours=("out_of_lane_nudge",),
        implied_actions=("maintain_speed", "gentle_acceleration", "strong_acceleration", "gentle_deceleration"),
    ),
    "pull_over": LateralRow(_pulled_over, "shift to the side, and at most half of the first speed at the end", implied_actions=_SLOWING),
    "turn": LateralRow(
        _turned, "heading change to the side, along a turning lane or tighter than a bend", implied_actions=_SLOWING
    ),
    "lateral_abort": LateralRow(
        _aborted, "starts off to the side and goes back the other way", implied_actions=_SLOWING
    ),
}
