"""From acts to readings: what a verb with its arguments names on each axis, made more exact by what stands around it."""
# ruff: noqa: E501  one pattern a line

from __future__ import annotations

import re
from typing import NamedTuple

from ..claims import Axis
from ..decisions import SIDED_DECISIONS, Side
from .acts import UNKNOWN, Act, find_acts
from .frames import AMOUNT, SPEED
from .grammar import words
from .lateral_frames import LATERAL
from .longitudinal_frames import LONGITUDINAL
from .nouns import named
from .purposes import purpose, sentence_around
from .referents import names_gap_side, side_of_act, side_of_gap, with_antecedent
from .sides import side_of


class Reading(NamedTuple):
    """A decision that a text names; positions are those of the plain text."""

    axis: Axis
    name: str
    side: Side | None
    start: int
    end: int
    negated: bool
    hedged: bool
    order: int
    follows: bool = False
    returns: bool = False
    """Goes back to where it was."""
    vague: bool = False
    """Only moves to a side ("move left"): what for may be told behind it."""


def read(spoken: str, bare: bool = False) -> list[Reading]:
    """Everything that a plain text names, in reading order; `bare` as in `find_acts`."""
    acts, segments = find_acts(spoken, bare)
    readings: list[Reading] = []
    for act in acts:
        around = bool(readings) and readings[-1].name in _NUDGES and spoken.endswith(" to ", 0, act.start)
        readings += _read_act(spoken, act, around)
    taken = [(reading.start, reading.end) for reading in readings if reading.axis == "lateral"]
    for noun in named(spoken, acts, segments):
        if noun.axis == "longitudinal":
            name = purpose(noun.decision, spoken, noun.start, noun.end, "")
            readings.append(Reading("longitudinal", name, None, *noun[2:]))
        elif not any(start < noun.end and noun.start < end for start, end in taken):
            side = side_of(f" {spoken[noun.start : noun.end]}") if noun.decision in SIDED_DECISIONS else None
            if side is None and noun.decision in ("lane_change", "merge_split"):
                side = side_of_gap(spoken, noun.start)
            readings.append(Reading("lateral", noun.decision, side, *noun[2:]))
    return _refined(sorted(readings, key=lambda reading: reading.start))


_NUDGES = ("in_lane_nudge", "out_of_lane_nudge")
_EXACT = ("lane_change", "merge_split", "pull_over")
"""What a mere move to a side may be for."""


def _refined(readings: list[Reading]) -> list[Reading]:
    """Later words tell the side of a manoeuvre, how far a nudge goes, what a return is for."""
    lateral = [one for one in readings if one.axis == "lateral" and not (one.negated or one.hedged)]
    if len(lateral) < 2:
        return readings
    first, second = lateral[:2]
    if first.name == second.name and first.side is None and second.side is not None:
        exact = first._replace(side=second.side)
    elif _goes_out(first, second):
        exact = first._replace(name="out_of_lane_nudge", side=second.side or first.side)
    elif first.vague and second.name in _EXACT and second.side in (None, first.side) and not second.follows:
        exact = first._replace(name=second.name)
    elif first.name == "lane_change" and first.side is None and second.vague:
        exact = first._replace(side=second.side)
    elif first.name == "lane_keeping" and first.returns and any(one.name == "lateral_abort" for one in lateral):
        exact = first._replace(order=1)
    else:
        return readings
    return [exact if one is first else one for one in readings]


def _goes_out(first: Reading, second: Reading) -> bool:
    """Whether a nudge is told to leave the lane."""
    nudged = first.name == "in_lane_nudge" and second.name == "out_of_lane_nudge" and not second.follows
    return nudged and (first.side is None or second.side in (None, first.side))


_MOVING = words(
    "accelerate approach bear branch brake come creep cross cruise cut decelerate dip divert draw drift"
    " drive drop ease edge encroach enter exit fall follow get glide go head hug inch join keep lean leave"
    " maneuver merge move navigate nudge position proceed pull push put retreat return ride roll run shift"
    " sidle skirt slide slip slot slow speed squeeze stay steer step stray sweep swerve swing switch take"
    " tuck travel turn veer weave"
)
"""Verbs that move the ego about: what is said behind them counts whatever the verb."""
_PACE = re.compile(rf"\b(?:at|with) (?:an? |the |our )?(?:\w+ )?(?:{SPEED}\b|{AMOUNT} ?(?:km/h|kph|mph|m/s|kmh)|\d+$)")
_IN_MOTION = re.compile(
    r"\b(?:slow\w*|moving|cycl\w+|bicycle|bike|rider|tractor|moped|scooter|jogger|horse\w*|tram|crawl\w*|rolling|carriage)\b"
)
"""Who is passed in motion; a nudge to get past anyone else goes round something that stands."""
_ONLY_AFTER = re.compile(
    r"(?: \w+){0,2} only (?:after|once|when) [^.;]*\b\w+\b[^.;]*\b(?:crossed|passed|cleared|gone (?:by|past))\b"
)
_ITS_SPEED = re.compile(rf"^ (?:the |our |any )?{SPEED}\b")


def _read_act(spoken: str, act: Act, around: bool) -> list[Reading]:
    """What a verb with its arguments names, at most one decision per axis."""
    arguments = with_antecedent(spoken, act) + act.manner
    if act.negated and act.verb in ("change", "lose", "vary") and _ITS_SPEED.search(arguments):
        return [_reading("longitudinal", "set_speed_tracking", None, act, act.tail)._replace(negated=False)]
    along = _read_longitudinal(spoken, act, arguments, around)
    across = _read_lateral(spoken, act, arguments, along is not None)
    if across is not None and across.name == "lateral_abort":
        along = None
    return [one for one in (along, across) if one is not None]


def _read_longitudinal(spoken: str, act: Act, arguments: str, around: bool) -> Reading | None:
    for decision, match in LONGITUDINAL.decide(act.verb, arguments):
        name = purpose(decision, spoken, act.start, act.end, act.arguments)
        stands = around and act.verb != "overtake" and not _IN_MOTION.search(arguments)
        if name and not (stands and name == "passing_acceleration"):
            return _reading("longitudinal", name, None, act, _end(act, match))
    pace = _PACE.search(arguments) if act.verb in _MOVING else None
    if pace is not None:
        return _reading("longitudinal", "set_speed_tracking", None, act, _end(act, pace))
    waits = _ONLY_AFTER.match(spoken, act.end)
    return _reading("longitudinal", "yield", None, act, act.end) if waits else None


_BEGUN = re.compile(r"\b(?:lane change|merge|man(?:eu|oeu)v\w+|overtak\w+|move|nudge|shift|pass)\b")
_IN_THERE = re.compile(r" (?:in|over|across|into it|in there|there|over there)")
_SLIPS_IN = ("move", "slide", "slip", "tuck", "get", "cut", "drop")
_BY_BRAKING = re.compile(r" ?by (?:\w+ )?(?:brak|slow|eas|decelerat|reduc|lift|dropp|fall)\w*\b")


def _read_lateral(spoken: str, act: Act, arguments: str, along: bool) -> Reading | None:
    unfinished = act.verb in ("complete", "finish", "continue") or (act.verb == "go" and "with the" in arguments)
    begun = _BEGUN.search(act.arguments) if act.negated and unfinished else None
    if begun is not None:
        side = side_of_act("lateral_abort", arguments, spoken, act)
        return _reading("lateral", "lateral_abort", side, act, _end(act, begun))._replace(negated=False)
    found = next(LATERAL.decide(act.verb, arguments), None)
    if found is None and act.verb in _MOVING:
        found = next(LATERAL.decide(UNKNOWN, arguments), None)
        if found is not None and found[0] == "lane_keeping" and " back " not in arguments:
            found = None
    if found is None:
        slips_in = act.verb in _SLIPS_IN and _IN_THERE.fullmatch(arguments) and names_gap_side(spoken, act.start)
        return _reading("lateral", "lane_change", side_of_gap(spoken, act.start), act, act.tail) if slips_in else None
    name = _renamed(found[0], spoken, act, arguments)
    braked_for = act.verb in ("leave", "give") and (along or _BY_BRAKING.match(spoken, act.tail))
    if not name or (name == "in_lane_nudge" and braked_for):
        return None
    side = side_of_act(name, arguments, spoken, act) if name in SIDED_DECISIONS else None
    return _reading("lateral", name, side, act, _end(act, found[1]))


_BEARING = ("keep", "bear", "stay", "hold", "go", "take", "veer", "steer")
_FORK = re.compile(
    r"\b(?:forks?|splits?|diverges?|gore|divides?|exit(?! (?:lane|of))|off ramp|slip road|interchange)\b(?!.*\blane\b)"
)
_TURNED_DOWN = re.compile(
    r"\b(?:overtake|overtaking|lane change|merge|pass|man(?:eu|oeu)v\w+|move)\b[^.;]{0,40}\b(?:no longer|not) (?:\w+ )?(?:safe|possible|feasible|an option|on)\b"
)
_BARE_SIDE = re.compile(r" (?:to the )?(?:left|right)")
_JUNCTION = re.compile(
    r"\b(?:junction|intersection|corner|crossroads|lights?|signal|street|road|route|navigation|roundabout|driveway|turn)\b"
)


def _renamed(name: str, spoken: str, act: Act, arguments: str) -> str:
    """What the rest of the sentence makes of it: "keep right" at a fork, "go left" among lanes, a return that gives up."""
    low, high = sentence_around(spoken, act.start)
    bears = name in ("in_lane_nudge", "turn") and act.verb in _BEARING and "roundabout" not in arguments
    if bears and _FORK.search(spoken, low, high):
        return "merge_split"
    if name == "lane_keeping" and _TURNED_DOWN.search(spoken):
        return "lateral_abort"
    goes = name == "turn" and act.verb in ("go", "head", "pull") and _BARE_SIDE.fullmatch(arguments)
    if goes and " lane" in spoken[low:high] and not _JUNCTION.search(spoken, low, high):
        return "lane_change"
    return name


_VAGUE = ("move", "go", "pull", "get", "head", "steer", "draw", "come", "keep")
_RETURNING = ("return", "go", "come", "get", "move", "swing", "pull", "straighten", "stay", "remain")
_PARTICLE = re.compile(r"(?: (?:down|up|off|over|in|out|on|back|aside|away)\b)*")


def _reading(axis: Axis, name: str, side: Side | None, act: Act, end: int) -> Reading:
    vague = name == "in_lane_nudge" and act.verb in _VAGUE and "lane" not in act.arguments
    returns = act.verb in _RETURNING
    return Reading(axis, name, side, act.start, end, act.negated, act.hedged, act.order, act.follows, returns, vague)


def _end(act: Act, match: re.Match[str]) -> int:
    """Where the words of a reading end; of a passive, with its verb."""
    if act.tail - act.end != len(act.arguments):
        return act.end
    particle = _PARTICLE.match(act.arguments)
    return min(act.tail, act.end + (match.end() or (particle.end() if particle else 0)))
