"""Sentences for reference traces of real logs, in the small vocabulary and the frames of the synthetic ones.

A sentence is one frame filled with one phrase for each axis and at most one cause. Only sentences are handed out that
the parser (`driving/decision_text.py`) reads back as the same decisions and the same cause.
"""

from __future__ import annotations

from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.decisions import Decisions

WORDS = (6, 16)
"""Least and most words of a sentence."""

FRAMES = (
    "{longitudinal} and {lateral} because {cause}",
    "{lateral} and {longitudinal} because {cause}",
    "{longitudinal} and {lateral} since {cause}",
    "{cause} so {longitudinal} and {lateral}",
    "{cause} so {lateral} and {longitudinal}",
)
FRAMES_WITHOUT_CAUSE = ("{longitudinal} and {lateral}", "{lateral} and {longitudinal}")

LONGITUDINAL = {
    "set_speed_tracking": ("keep the set speed", "hold the current speed", "keep a steady speed", "maintain speed"),
    "lead_obstacle_following": (
        "keep distance to the lead vehicle",
        "follow the lead vehicle",
        "keep distance",
        "keep a safe distance",
    ),
    "speed_adaptation": ("adapt speed", "reduce speed", "slow down"),
    "passing_acceleration": ("accelerate to pass", "speed up to pass", "accelerate to overtake"),
    "yield": ("yield", "slow down to yield", "give way"),
    "stop": ("brake to a stop", "slow to a stop"),
}
RESUMING = ("accelerate to the set speed", "speed up to the set speed", "resume the set speed")
"""Set speed tracking where the speed is still to be reached."""

LATERAL = {
    "lane_keeping": ("stay in lane", "keep the lane", "stay in the current lane", "keep to the lane"),
    "out_of_lane_nudge": ("nudge {side} out of the lane", "nudge {side} over the line"),
    "in_lane_nudge": ("nudge {side} within the lane", "nudge {side} inside the lane"),
    "lane_change": ("change lanes {side}", "change to the {side} lane", "make a {side} lane change"),
    "turn": ("turn {side}", "make a {side} turn"),
}

CAUSES = {
    "clear_lane": ("the lane ahead is clear", "the lane is clear", "the lane ahead is free"),
    "lead_slower": ("the vehicle ahead is slower", "the lead is slow"),
    "lead_braking": ("the vehicle ahead brakes", "the lead brakes"),
    "lead_near": ("there is a vehicle ahead", "a vehicle is ahead"),
    "cut_in_vehicle": ("a vehicle cuts in", "a car is cutting in", "another vehicle cuts in ahead"),
    "slow_vehicle": ("there is a slow vehicle ahead", "a slow truck is ahead"),
    "pedestrian": ("a pedestrian is crossing", "a pedestrian crosses ahead", "a pedestrian enters the road"),
    "cyclist": ("a cyclist is crossing", "a cyclist crosses ahead"),
    "cross_traffic": ("cross traffic is ahead", "there is cross traffic"),
    "oncoming_vehicle": ("an oncoming vehicle is ahead", "there is an oncoming vehicle"),
    "parked_vehicle": ("a parked vehicle blocks the way", "a parked car is ahead", "there is a parked car"),
    "adjacent_vehicle": ("a fast car is beside", "another vehicle is beside"),
    "curve": ("a sharp curve is ahead", "the curve ahead is sharp", "there is a sharp curve"),
}
"""Wording of a cause -> what is said; the component is the wording, "lead_vehicle" for lead_*."""

_TRIES = 24


def component_of(wording: str) -> str:
    """The critical component that a wording names."""
    return "lead_vehicle" if wording.startswith("lead_") else wording


def sentence(decisions: Decisions, wording: str | None, choice: int, speeds_up: bool = False) -> str | None:
    """A sentence for decisions and the cause named `wording` (None: no cause), or None where none reads back.

    Any non-negative `choice` is valid; `speeds_up` tells reaching the set speed from holding it.
    """
    components = () if wording is None else (component_of(wording),)
    for attempt in range(_TRIES):
        text = _filled(decisions, wording, choice + attempt, speeds_up)
        claims = parse_decisions(text)
        short_enough = WORDS[0] <= len(text.split()) <= WORDS[1]
        if short_enough and claims.decisions == decisions and claims.components == components:
            return text
    return None


def _filled(decisions: Decisions, wording: str | None, choice: int, speeds_up: bool) -> str:
    longitudinal, lateral = decisions.longitudinal or "", decisions.lateral or ""
    resuming = speeds_up and longitudinal == "set_speed_tracking"
    picked = {}
    for name, phrases in (
        ("longitudinal", RESUMING if resuming else LONGITUDINAL[longitudinal]),
        ("lateral", LATERAL[lateral]),
        ("cause", ("",) if wording is None else CAUSES[wording]),
        ("frame", FRAMES_WITHOUT_CAUSE if wording is None else FRAMES),
    ):
        choice, index = divmod(choice, len(phrases))
        picked[name] = phrases[index].format(side=decisions.side) if name != "frame" else phrases[index]
    return picked.pop("frame").format(**picked)
