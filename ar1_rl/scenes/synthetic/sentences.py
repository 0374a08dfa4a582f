"""Reference sentences: a decision for each axis and its cause, in a small vocabulary.

A sentence is one frame, filled with one phrase for each axis and one for the cause. Phrases are chosen by an integer,
so that the same world always says the same thing.
"""

from __future__ import annotations

from ...driving.decisions import SIDED_DECISIONS, Decisions, Side

DECIDED = {
    "clear_road": ("set_speed_tracking", "lane_keeping"),
    "resume_speed": ("set_speed_tracking", "lane_keeping"),
    "lead_slower": ("lead_obstacle_following", "lane_keeping"),
    "lead_braking": ("lead_obstacle_following", "lane_keeping"),
    "cut_in": ("lead_obstacle_following", "lane_keeping"),
    "red_light": ("stop", "lane_keeping"),
    "stop_sign": ("stop", "lane_keeping"),
    "crossing_pedestrian": ("yield", "lane_keeping"),
    "parked_inside": ("set_speed_tracking", "in_lane_nudge"),
    "parked_beyond": ("set_speed_tracking", "out_of_lane_nudge"),
    "slow_truck": ("passing_acceleration", "lane_change"),
    "sharp_curve": ("speed_adaptation", "lane_keeping"),
    "turn": ("speed_adaptation", "turn"),
    "route_lane_change": ("set_speed_tracking", "lane_change"),
    "blocked_lane_change": ("gap_searching", "lane_change"),
    "merge": ("set_speed_tracking", "merge_split"),
    "pull_over": ("stop", "pull_over"),
    "aborted_lane_change": ("set_speed_tracking", "lateral_abort"),
}
"""Wording of a cause -> the longitudinal and lateral decision that follow from it."""

FRAMES = (
    "{longitudinal} and {lateral} because {cause}",
    "{lateral} and {longitudinal} because {cause}",
    "{longitudinal} and {lateral} since {cause}",
    "{cause} so {longitudinal} and {lateral}",
    "{cause} so {lateral} and {longitudinal}",
    "{lateral} and {longitudinal} since {cause}",
)

_FOLLOW = ("keep distance to the lead vehicle", "follow the lead vehicle", "slow down behind the lead vehicle")
_STOP = ("stop at the line", "brake to a stop", "slow to a stop")

LONGITUDINAL = {
    "set_speed_tracking": ("keep the set speed", "hold the current speed", "keep a steady speed", "maintain speed"),
    "lead_obstacle_following": _FOLLOW,
    "speed_adaptation": ("adapt speed", "reduce speed", "slow down"),
    "gap_searching": ("find a gap", "seek a gap", "search for a gap"),
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

_PARKED = ("a parked vehicle blocks the way", "a parked car is ahead", "there is a parked car")

CAUSES = {
    "clear_road": ("the lane ahead is clear", "the lane is clear", "the lane ahead is free"),
    "resume_speed": ("the lane ahead is clear", "the lane is clear", "the lane ahead is free"),
    "lead_slower": ("the vehicle ahead is slower", "the lead vehicle is slow", "the car ahead drives slowly"),
    "lead_braking": ("the vehicle ahead brakes", "the lead vehicle is braking", "the car ahead is braking"),
    "cut_in": ("a vehicle cuts in", "a car is cutting in", "another vehicle cuts in ahead"),
    "red_light": ("the light is red", "the traffic light ahead is red", "there is a red light"),
    "stop_sign": ("there is a stop sign", "a stop sign is ahead", "the stop sign is ahead"),
    "crossing_pedestrian": ("a pedestrian is crossing", "a pedestrian crosses ahead", "a pedestrian enters the road"),
    "parked_inside": _PARKED,
    "parked_beyond": _PARKED,
    "slow_truck": ("a slow truck is ahead", "the truck ahead is slow", "there is a slow vehicle ahead"),
    "speed_bump": ("a speed bump is ahead", "there is a speed bump"),
    "lead_stands": ("the lead vehicle has stopped", "the vehicle ahead has stopped"),
    "sharp_curve": ("a sharp curve is ahead", "the curve ahead is sharp", "there is a sharp curve"),
    "turn": ("the route turns here", "the route turns at the junction", "the route needs this turn"),
    "route_lane_change": ("the route needs that lane", "the route needs the other lane", "the route goes on there"),
    "blocked_lane_change": (
        "a car beside blocks the route",
        "a car beside is on the route",
        "a vehicle beside blocks the route",
    ),
    "merge": ("the lane ends", "the lane ends ahead", "the current lane is ending"),
    "pull_over": ("the route ends here", "the destination is here", "this is the destination"),
    "aborted_lane_change": ("a car comes up beside", "a fast car is beside", "another vehicle is beside"),
}


MOST_WORDS = 16
"""A longer sentence is passed over for another."""


def decisions_of(wording: str, side: Side | None = None) -> Decisions:
    """The decisions that go with a wording; `side` is dropped where they have none."""
    longitudinal, lateral = DECIDED[wording]
    return Decisions(longitudinal, lateral, side if lateral in SIDED_DECISIONS else None)


def sentence(wording: str, side: Side | None, choice: int, cause: str | None = None) -> str:
    """The sentence for a wording; any non-negative `choice` is valid.

    `cause` is the wording whose cause is named instead of the right one: for wrong labels.
    """
    while len((text := _filled(wording, side, choice, cause or wording)).split()) > MOST_WORDS:
        choice += 1
    return text


def _filled(wording: str, side: Side | None, choice: int, cause: str) -> str:
    longitudinal, lateral = DECIDED[wording]
    picked = {}
    for name, phrases in (
        ("longitudinal", LONGITUDINAL_OF_WORDING.get(wording) or LONGITUDINAL[longitudinal]),
        ("lateral", LATERAL[lateral]),
        ("cause", CAUSES[cause]),
    ):
        choice, index = divmod(choice, len(phrases))
        picked[name] = phrases[index].format(side=side)
    return FRAMES[choice % len(FRAMES)].format(**picked)
