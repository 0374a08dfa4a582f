"""When a motion carries out a lateral decision: one condition for each, and the thresholds of the whole comparison.

A side of None stands for either. Without a map a condition is read off the straight line through t0, see `motion.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .decisions import Side
from .motion import Motion


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


def turned(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Turned at a junction: along a turning lane, or tighter than a bend."""
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


def kept(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Kept the lane: no excursion, no turn, at most a short way back to the centre."""
    recentred = motion.on_map and motion.recentred_m >= t.recentring_m
    return _excursion(motion, t) is None and not recentred and not turned(motion, None, t)


def changed_lane(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Shifted to the side as far as a lane change, and neither came back nor came to rest."""
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


def nudged_out(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Went to the side past the lane's edge, and back or less than half a lane."""
    out = _excursion(motion, t)
    if out is None or side not in (None, out) or turned(motion, None, t):
        return False
    half = 0.5 * motion.lane_width_m
    return half - t.ego_half_width_m <= _reach(motion) and (_returned(motion, t) or _reach(motion) < half)


def nudged_in(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Went to the side within the lane."""
    out = _excursion(motion, t)
    if out is None or side not in (None, out) or turned(motion, None, t):
        return False
    return _reach(motion) < 0.5 * motion.lane_width_m - t.ego_half_width_m


def merged(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Drove over a merge or split of its path, or changed lanes."""
    return motion.facility or changed_lane(motion, side, t)


def pulled_over(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Shifted to the side and slowed down."""
    out = _excursion(motion, t)
    slower = motion.end_mps <= max(t.stopped_mps, t.stopping_share * motion.start_mps)
    return slower and any(name == out and sign * motion.shift_m >= t.pull_over_m for name, sign in _sides(side))


def aborted(motion: Motion, side: Side | None, t: CarryingOutThresholds) -> bool:
    """Back from where the manoeuvre to `side` had led."""
    out = _excursion(motion, t)
    for name, sign in _sides(side):
        begun = sign * motion.start_m >= t.abort_start_m or sign * motion.start_yaw_rad >= t.abort_start_rad
        went_back = out == name and _returned(motion, t)
        came_back = out is None and sign * motion.shift_m <= -t.abort_m
        other: Side = "right" if name == "left" else "left"
        from_beyond = motion.on_map and side is not None and changed_lane(motion, other, t)
        if (begun and (went_back or came_back)) or from_beyond:
            return True
    return False
