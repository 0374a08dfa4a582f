"""Reference sentences: a decision for each axis and its cause, in a small vocabulary.

A sentence is one frame, filled with one phrase for each axis and one for the cause. Phrases are chosen by an integer,
so that the same world always says the same thing.
"""

from __future__ import annotations

from ...driving.decisions import Decisions

FRAMES = (
    "{longitudinal} and {lateral} because {cause}",
    "{lateral} and {longitudinal} because {cause}",
    "{longitudinal} and {lateral} since {cause}",
    "{cause} so {longitudinal} and {lateral}",
    "{cause} so {lateral} and {longitudinal}",
    "since {cause} {longitudinal} and {lateral}",
)

_FOLLOW = ("keep distance to the lead vehicle", "follow the lead vehicle", "slow down behind the lead vehicle")
_STOP = ("stop at the line", "brake to a stop", "slow to a stop")

LONGITUDINAL = {
    "set_speed_tracking": ("keep the set speed", "hold the current speed", "keep a steady speed", "maintain speed"),
    "lead_obstacle_following": _FOLLOW,
    "speed_adaptation": ("adapt speed", "reduce speed", "slow down"),
    "gap_searching": ("search for a gap", "look for a gap", "wait for a gap"),
    "passing_acceleration": ("accelerate to pass", "speed up to pass", "accelerate to overtake"),
    "yield": ("yield", "slow down to yield", "give way"),
    "stop": _STOP,
}

LONGITUDINAL_OF_WORDING = {
    "resume_speed": ("accelerate to the set speed", "speed up to the set speed", "resume the set speed"),
    "cut_in": ("keep distance", "keep a safe distance", "slow down to keep distance"),
    "pull_over": ("stop", "brake to a stop", "slow to a stop"),
}
"""Where a cause wants other words for the decision than usual."""

LATERAL = {
    "lane_keeping": ("stay in lane", "keep the lane", "stay in the current lane", "keep to the lane"),
    "merge_split": ("merge {side}", "merge to the {side}", "merge into the {side} lane"),
    "out_of_lane_nudge": ("nudge {side} out of the lane", "nudge {side} over the line"),
    "in_lane_nudge": ("nudge {side} within the lane", "nudge {side} inside the lane"),
    "lane_change": ("change lanes {side}", "change to the {side} lane", "make a {side} lane change"),
    "pull_over": ("pull over to the {side}", "pull over on the {side}", "pull over {side}"),
    "turn": ("turn {side}", "make a {side} turn"),
    "lateral_abort": ("abort the {side} lane change", "abort the lane change to the {side}"),
}

CAUSES = {
    "clear_road": ("the lane ahead is clear", "the lane is clear", "the lane ahead is free"),
    "resume_speed": ("the lane ahead is clear", "the lane is clear", "the lane ahead is free"),
    "lead_slower": ("it is slower", "it drives slowly", "the vehicle ahead is slower", "the lead is slow"),
    "lead_braking": ("it is braking", "it brakes", "the vehicle ahead brakes", "the lead brakes"),
    "cut_in": ("a vehicle cuts in", "a car is cutting in", "another vehicle cuts in ahead"),
    "red_light": ("the light is red", "the traffic light ahead is red", "there is a red light"),
    "stop_sign": ("there is a stop sign", "a stop sign is ahead", "of the stop sign"),
    "crossing_pedestrian": ("a pedestrian is crossing", "a pedestrian crosses ahead", "a pedestrian enters the road"),
    "parked_car": ("a parked vehicle blocks the way", "a parked car is ahead", "there is a parked car"),
    "slow_truck": ("a slow truck is ahead", "the truck ahead is slow", "there is a slow vehicle ahead"),
    "sharp_curve": ("a sharp curve is ahead", "the curve ahead is sharp", "there is a sharp curve"),
    "turn": ("the route turns here", "the route turns at the junction", "of the turn on the route"),
    "route_lane_change": ("the route needs that lane", "the route needs the other lane", "of the route"),
    "blocked_lane_change": ("a car beside blocks the route", "the route is blocked by a car beside"),
    "merge": ("the lane ends", "the lane ends ahead", "the current lane is ending"),
    "pull_over": ("the route ends here", "the destination is here", "this is the destination"),
    "aborted_lane_change": ("a car comes up beside", "a fast car is beside", "another vehicle is beside"),
}


def sentence(wording: str, decisions: Decisions, choice: int) -> str:
    """The sentence for these decisions and the cause named `wording`; any non-negative `choice` is valid."""
    longitudinal = LONGITUDINAL_OF_WORDING.get(wording) or LONGITUDINAL[decisions.longitudinal or ""]
    picked = {}
    for name, phrases in (
        ("longitudinal", longitudinal),
        ("lateral", LATERAL[decisions.lateral or ""]),
        ("cause", CAUSES[wording]),
    ):
        choice, index = divmod(choice, len(phrases))
        picked[name] = phrases[index].format(side=decisions.side)
    return FRAMES[choice % len(FRAMES)].format(**picked)
