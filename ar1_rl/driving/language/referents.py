"""What words refer back to: the lane that "it" stands for, the side that was named before."""
# ruff: noqa: E501  one pattern a line

from __future__ import annotations

import re

from ..decisions import Side
from .acts import Act
from .sides import side_of

_THERE = re.compile(
    r"(?<=\b)(?:in(?:to)?|onto|on|to|enter|leave|take|use|join|^) (?P<it>it|there|that one|that lane|this lane)\b"
)
_PLACE = re.compile(
    r"\b(?:(?:left|right|adjacent|next|neighbou?ring|passing|fast|slow|other)(?: hand)? )?(?:lane|shoulder|kerb|curb|parking (?:bay|space|spot)|lay ?by|bus bay|exit|ramp|off ramp"
    r"|slip road|roundabout|driveway|side street|car park|fork)\b(?: on (?:the|our) (?:left|right)\b)?"
)
_WANTED_LANE = re.compile(
    r"\b(?:need|needs|want|for|to|reach|into|be in) (?:the |our |be in the )(left|right)(?: \w+)? lane\b"
)
_ROUTE = re.compile(
    r"\b(?:route|navigation|nav|way|road|arrow|directions?|sign|satnav|itinerary)\b[^.;]*?\b(left|right)\b|\b(?:un)?protected (left|right)\b"
    r"|\b(?:street|road|driveway|entrance|junction|turning|exit|alley) on the (left|right)\b"
)
_GIVEN_UP = re.compile(
    r"\b(?:left|right) (?:hand )?(?:lane ?)?(?:change|merge|move|overtake|shift|nudge|man(?:eu|oeu)\w+)\b"
    r"|\b(?:lane ?change|merge|move|overtak\w+|shift|nudge|man(?:eu|oeu)\w+|changing|moving|merging)\b(?:(?! and\b| return| back\b)[^.;,]){0,30}?\b(?:to|into|onto|over|on|toward) (?:the )?(?:left|right)\b"
    r"|\b(?:over|across|past|in|into) (?:the|our) (?:left|right) (?:lane )?(?:line|marking|lane)\b|\b(?:changing|moving|merging|drifting|shifting) (?:left|right)\b"
)
_SIGNALLED = re.compile(
    r"\b(?:signal|indicate|blink|indicator|blinker|signalling|indicating|signaling)(?: to the| on)? (left|right)\b|\b(left|right) (?:indicator|blinker|signal) on\b"
)
_GAP_LANE = re.compile(
    r"\b(?:gap|slot|opening|hole|space|room) (?:\w+ )?(?:in|on) the (left|right)(?: hand)?(?: lane)?\b|\b(left|right) (?:hand )?lane for (?:a|an|the) (?:gap|slot|opening|hole|space)\b"
)
_PASSED_ON = re.compile(r"\b(?:overtak\w+|pass\w*)(?: [\w']+){0,4}? on the (left|right)\b")
_KERB = re.compile(
    r"\b(?:kerb|curb|shoulder|side|bay|lay by) on the (left|right)\b|\b(left|right) (?:kerb|curb|shoulder)\b"
)
_LEFT_LANE = re.compile(r"^ (?:the )?\w+ (?:hand )?lane")


def with_antecedent(spoken: str, act: Act) -> str:
    """The arguments of an act with the place that "it" or "there" stands for, where one was named."""
    there = _THERE.search(f"{act.verb}{act.arguments}")
    if there is None:
        return act.arguments
    places = [match.group() for match in _PLACE.finditer(spoken, 0, act.start)]
    if not places:
        return act.arguments
    start, end = there.start("it") - len(act.verb), there.end("it") - len(act.verb)
    return f"{act.arguments[:start]}the {places[-1]}{act.arguments[end:]}"


def side_of_act(name: str, arguments: str, spoken: str, act: Act) -> Side | None:
    """The side of a lateral decision, in the words of the act, else of what it refers back to."""
    leaves = act.verb in ("vacate", "leave", "clear") and name == "lane_change"
    side = side_of(_LEFT_LANE.sub("", arguments) if leaves else arguments)
    if side is not None:
        return side
    if name == "lateral_abort":
        return _side_in(_GIVEN_UP.search(spoken))
    before = spoken[: act.start]
    if name == "turn":
        return _side_in(_ROUTE.search(before))
    referred = None
    if name == "lane_change":
        that_lane = re.search(r"\b(?:that|this) lane\b", arguments)
        mentions = list(re.finditer(r"\b(?:left|right)\b", before)) if that_lane else []
        referred = _WANTED_LANE.search(before) or (mentions[-1] if mentions else None)
    elif name == "pull_over":
        referred = _KERB.search(before)
    if referred is None and name in ("lane_change", "pull_over", "merge_split", "in_lane_nudge"):
        referred = _SIGNALLED.search(before) or _GAP_LANE.search(before)
    if referred is None and name == "lane_change":
        referred = _PASSED_ON.search(before)
    return _side_in(referred)


def side_of_gap(spoken: str, before: int) -> Side | None:
    """The side on which a gap was named before a position."""
    return _side_in(_GAP_LANE.search(spoken, 0, before))


def names_gap_side(spoken: str, before: int) -> bool:
    """Whether a gap was named on a side before a position."""
    return _GAP_LANE.search(spoken, 0, before) is not None


def _side_in(match: re.Match[str] | None) -> Side | None:
    if match is None:
        return None
    return "left" if "left" in match.group() and "right" not in match.group() else "right"
