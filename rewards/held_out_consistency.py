"""Consistency by a rule that no policy is trained on: other bounds for what a trajectory does and for what it must.

A policy trained against a rule may learn the rule's bounds instead of driving: brake to just below half of its speed,
shift by just a lane change's 0.5 m. So every bound below is stricter than the one that training uses, by more than a
little, and none of the experts' drives on the embedded benchmark falls behind it (a test holds that): what meets the
usual bound and misses this one was at the edge. Bounds that are physics or a source's definition stay.
"""

from __future__ import annotations

from dataclasses import replace

from ar1_rl.driving.carrying_out import THRESHOLDS as CARRYING_OUT
from ar1_rl.driving.meta_actions import THRESHOLDS as META_ACTIONS
from ar1_rl.driving.motion import MOTION_THRESHOLDS

from .consistency import Consistency, Extractor, Mode

STRICTER_META_ACTIONS = replace(
    META_ACTIONS,
    gentle_mps2=0.25,  # a change of speed must be felt: 0.15 m/s² is below what a passenger notices
    speed_change_mps=1.2,  # ... and amount to something: half as much again
)

STRICTER_MOTION = replace(
    MOTION_THRESHOLDS,
    offset_m=0.2,  # an excursion begins at the CoC autolabeler's "slight shift": keeping a lane is keeping it closer
    drift_m=0.5,  # slow drifts count before a wheel is on the line
)

STRICTER_CARRYING_OUT = replace(
    CARRYING_OUT,
    first_action_s=2.5,
    stopping_mps=2.0,  # a stop that is not over at the horizon must be nearly over
    stopping_share=0.4,
    lane_change_net_m=1.5,  # nearly half a lane, not half a metre
    lane_change_peak_m=1.75,
    returned_share=0.4,  # back means more nearly back
    pull_over_m=1.0,
    abort_m=0.4,
    recentring_m=0.5,
    turn_heading_rad=0.5,  # 29 instead of 20 degrees
    blind_turn_heading_rad=0.7,
    sharp_rad_per_m=0.04,
)


def held_out_consistency(extractor: Extractor, mode: Mode = "strict") -> Consistency:
    """The held-out rule, with the text read by `extractor`: name the reader that training does not use."""
    return Consistency(
        mode=mode,
        extractor=extractor,
        action_thresholds=STRICTER_META_ACTIONS,
        motion_thresholds=STRICTER_MOTION,
        thresholds=STRICTER_CARRYING_OUT,
        name="consistency_held_out",
    )
