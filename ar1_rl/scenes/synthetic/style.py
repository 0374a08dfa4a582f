"""How the expert drives: the bounds and habits of its speed and its path."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExpertStyle:
    """How the expert drives. Bounds on jerk and acceleration stay inside nuPlan's comfort limits."""

    headway_s: float = 1.0
    standstill_gap_m: float = 2.5
    comfortable_braking_mps2: float = 3.0
    hardest_braking_mps2: float = 3.8
    jerk_mps3: float = 3.8
    easing_jerk_mps3: float = 2.0
    """At the end of a braking manoeuvre, where the deceleration fades out."""
    speed_gain_per_s: float = 0.8
    zone_slack_mps: float = 0.3
    """So close to a zone's speed, that speed is held."""
    slowing_mps2: float = 0.9
    """The most it takes to come down to a lower set speed."""
    line_margin_m: float = 0.8
    """Between front bumper and stop line."""
    crossing_margin_m: float = 3.0
    """Between front bumper and a crossing road user."""
    crossing_clear_m: float = 2.4
    """A crossing road user is past when it is this far from the lane centre."""
    follower_length_m: float = 5.0
    follower_time_s: float = 0.6
    """Errors of the path follower fade over this distance, or this time at speed."""
    late_braking_mps2: float = 1.7
    """Before the destination it brakes no sooner than this suffices."""


STYLE = ExpertStyle()
