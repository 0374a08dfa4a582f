"""Text -> claims: the driving decisions a trace announces, the causes it cites, and the words each rests on.

Rule-based. `acts.py` finds what the ego does, `longitudinal_frames.py` and `lateral_frames.py` say which decision a verb
with its arguments names, `purposes.py` what slowing and stopping are for, `sides.py` where a lateral action goes.
"""

# ruff: noqa: E501  patterns on one line

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .acts import UNKNOWN, Act, Segment, find_acts
from .cause_rules import COMPONENT_RULES
from .cause_text import cited, with_route
from .claims import Axis, Claim, Claims, Evidence, first_actions
from .decisions import SIDED_DECISIONS, Side
from .frames import AMOUNT, SPEED
from .lateral_frames import LATERAL
from .longitudinal_frames import LONGITUDINAL
from .maneuver_nouns import named
from .phrase_rule import RuleBook
from .plain_text import Places, normalised
from .purposes import purpose, sentence_around
from .sides import side_of

CACHED_TEXTS = 65_536
"""Policies repeat themselves: parsed texts kept in memory, about 1 kB each."""

_CAUSES = RuleBook(causes=COMPONENT_RULES)


def parse_claims(text: str) -> tuple[Claim, ...]:
    """Every ego decision that a reasoning text names, in reading order, negated and hedged ones included."""
    return parse_decisions(text).found


@lru_cache(maxsize=CACHED_TEXTS)
def parse_decisions(text: str) -> Claims:
    """The first action per axis; any text is legal, and one that says nothing readable has no claims."""
    plain = normalised(text)
    spoken = plain.replace("-", " ")
    places = Places(text, plain)
    found = _found(spoken, places, bare=False)
    if not any(claim.counts for claim in found):
        found = _found(spoken, places, bare=True) or found
    claims = first_actions(found)
    causes = with_route(plain, cited(plain, _CAUSES.fitting(plain)["causes"]), claims.lateral)
    evidence = tuple(Evidence(cause.name, *places.of(cause.start, cause.end)) for cause in causes)
    return first_actions(found, tuple(dict.fromkeys(item.what for item in evidence)), evidence)


def _found(spoken: str, places: Places, bare: bool) -> list[Claim]:
    acts, segments = find_acts(spoken, bare)
    read: list[_Reading] = []
    for act in acts:
        around = (
            bool(read)
            and read[-1].name in ("in_lane_nudge", "out_of_lane_nudge")
            and spoken.endswith(" to ", 0, act.start)
        )
        read += _read(spoken, act, around)
    taken = [(reading.start, reading.end) for reading in read if reading.axis == "lateral"]
    read += _of_nouns(spoken, acts, segments, taken)
    return [_claim(places, reading) for reading in _refined(sorted(read, key=lambda reading: reading.start))]


_EXACT = ("lane_change", "merge_split", "pull_over")
"""What a mere move to a side may be for."""


def _refined(readings: list[_Reading]) -> list[_Reading]:
    """Readings that later words make more exact: the side of a manoeuvre, how far a nudge goes, what a return is for."""
    counted = [reading for reading in readings if reading.axis == "lateral" and not (reading.negated or reading.hedged)]
    if len(counted) < 2:
        return readings
    first, second = counted[:2]
    names = [reading.name for reading in counted]
    if first.name == second.name and first.side is None and second.side is not None:
        exact = first._replace(side=second.side)
    elif (
        first.name == "in_lane_nudge"
        and second.name == "out_of_lane_nudge"
        and not second.follows
        and (first.side is None or second.side in (None, first.side))
    ):
        exact = first._replace(name="out_of_lane_nudge", side=second.side or first.side)
    elif first.vague and second.name in _EXACT and second.side in (None, first.side) and not second.follows:
        exact = first._replace(name=second.name)
    elif first.name == "lane_change" and first.side is None and second.name == "in_lane_nudge" and second.vague:
        exact = first._replace(side=second.side)
    elif first.name == "lane_keeping" and "lateral_abort" in names and first.returns:
        exact = first._replace(order=1)
    else:
        return readings
    return [exact if reading is first else reading for reading in readings]


class _Reading(NamedTuple):
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


def _read(spoken: str, act: Act, around: bool) -> list[_Reading]:
    """What a verb with its arguments names, at most one decision per axis."""
    readings = []
    arguments = _with_antecedent(spoken, act) + act.manner
    lateral = next(LATERAL.decide(act.verb, arguments), None)
    if lateral is None and act.verb in MOVING:
        lateral = next(LATERAL.decide(UNKNOWN, arguments), None)
        if lateral is not None and lateral[0] == "lane_keeping" and " back " not in arguments:
            lateral = None
    unfinished = _unfinished(act)
    if unfinished:
        lateral = ("lateral_abort", unfinished)
    for decision, match in LONGITUDINAL.decide(act.verb, arguments):
        name = purpose(decision, spoken, act.start, act.end, act.arguments)
        if around and name == "passing_acceleration" and act.verb != "overtake" and not _MOVING.search(arguments):
            name = ""
        if name:
            readings.append(_reading("longitudinal", name, None, act, match))
            break
    if not readings and act.verb in MOVING:
        pace = _PACE.search(arguments)
        if pace is not None:
            readings.append(_reading("longitudinal", "set_speed_tracking", None, act, pace))
    if (
        act.negated
        and act.verb in ("change", "lose", "vary")
        and re.search(rf"^ (?:the |our |any )?{SPEED}\b", arguments)
    ):
        return [_Reading("longitudinal", "set_speed_tracking", None, act.start, act.end, False, act.hedged, act.order)]
    if not readings and _ONLY_AFTER.match(spoken, act.end):
        readings.append(_Reading("longitudinal", "yield", None, act.start, act.end, act.negated, act.hedged, 0))
    if (
        lateral is None
        and act.verb in ("move", "slide", "slip", "tuck", "get", "cut", "drop")
        and _IN_THERE.fullmatch(arguments)
    ):
        back = _GAP_LANE.search(spoken, 0, act.start)
        if back is not None:
            readings.append(
                _Reading(
                    "lateral", "lane_change", _named_side(back), act.start, act.tail, act.negated, act.hedged, act.order
                )
            )
    if lateral is not None and lateral[0]:
        name = lateral[0]
        if (
            name in ("in_lane_nudge", "turn")
            and act.verb in _BEARING
            and "roundabout" not in arguments
            and _FORK.search(spoken, *sentence_around(spoken, act.start))
        ):
            name = "merge_split"
        if name == "lane_keeping" and _TURNED_DOWN.search(spoken):
            name = "lateral_abort"
        if (
            name == "turn"
            and act.verb in ("go", "head", "pull")
            and _BARE_SIDE.fullmatch(arguments)
            and _lanes_only(spoken, act)
        ):
            name = "lane_change"
        if name == "lateral_abort":
            readings.clear()
        if (
            name == "in_lane_nudge"
            and act.verb in ("leave", "give")
            and (readings or _BY_BRAKING.match(spoken, act.tail))
        ):
            return readings
        side = _side(name, arguments, spoken, act) if name in SIDED_DECISIONS else None
        reading = _reading("lateral", name, side, act, lateral[1])
        readings.append(reading._replace(negated=False) if unfinished else reading)
    return readings


_MOVING = re.compile(
    r"\b(?:slow\w*|moving|cycl\w+|bicycle|bike|rider|tractor|moped|scooter|jogger|horse\w*|tram|crawl\w*|rolling|carriage)\b"
)
"""Who is passed in motion; a nudge to get past anyone else goes round something that stands."""
_BY_BRAKING = re.compile(
    r" ?by (?:\w+ )?(?:brak|slow|eas|decelerat|reduc|lift|dropp|fall)\w*ing\b| ?by (?:\w+ )?(?:braking|slowing|easing|falling back)\b"
)
_IN_THERE = re.compile(r" (?:in|over|across|into it|in there|there|over there)")
_BARE_SIDE = re.compile(r" (?:to the )?(?:left|right)")
_JUNCTION = re.compile(
    r"\b(?:junction|intersection|corner|crossroads|lights?|signal|street|road|route|navigation|roundabout|driveway|turn)\b"
)


def _lanes_only(spoken: str, act: Act) -> bool:
    """Whether "go left" is said of lanes and not of a junction."""
    low, high = sentence_around(spoken, act.start)
    return " lane" in spoken[low:high] and not _JUNCTION.search(spoken, low, high)


_BEARING = ("keep", "bear", "stay", "hold", "go", "take", "veer", "steer")
_FORK = re.compile(
    r"\b(?:forks?|splits?|diverges?|gore|divides?|exit(?! (?:lane|of))|off ramp|slip road|interchange)\b(?!.*\blane\b)"
)
_TURNED_DOWN = re.compile(
    r"\b(?:overtake|overtaking|lane change|merge|pass|man(?:eu|oeu)v\w+|move)\b[^.;]{0,40}\b(?:no longer|not) (?:\w+ )?(?:safe|possible|feasible|an option|on)\b"
)
_THERE = re.compile(
    r"(?<=\b)(?:in(?:to)?|onto|on|to|enter|leave|take|use|join|^) (?P<it>it|there|that one|that lane|this lane)\b"
)
_PLACE = re.compile(
    r"\b(?:(?:left|right|adjacent|next|neighbou?ring|passing|fast|slow|other)(?: hand)? )?(?:lane|shoulder|kerb|curb|parking (?:bay|space|spot)|lay ?by|bus bay|exit|ramp|off ramp"
    r"|slip road|roundabout|driveway|side street|car park|fork)\b(?: on (?:the|our) (?:left|right)\b)?"
)


def _with_antecedent(spoken: str, act: Act) -> str:
    """The arguments with the place that "it" or "there" stands for, where one was named."""
    there = _THERE.search(f"{act.verb}{act.arguments}")
    if there is None:
        return act.arguments
    named_before = [match.group() for match in _PLACE.finditer(spoken, 0, act.start)]
    if not named_before:
        return act.arguments
    start, end = there.start("it") - len(act.verb), there.end("it") - len(act.verb)
    return f"{act.arguments[:start]}the {named_before[-1]}{act.arguments[end:]}"


_WANTED_LANE = re.compile(
    r"\b(?:need|needs|want|for|to|reach|into|be in) (?:the |our |be in the )(left|right)(?: \w+)? lane\b"
)
_ROUTE = re.compile(
    r"\b(?:route|navigation|nav|way|road|arrow|directions?|sign|satnav|itinerary)\b[^.;]*?\b(left|right)\b|\b(?:un)?protected (left|right)\b"
)
_GIVEN_UP = re.compile(
    r"\b(?:left|right) (?:hand )?(?:lane ?)?(?:change|merge|move|overtake|shift|nudge|man(?:eu|oeu)\w+)\b"
    r"|\b(?:lane ?change|merge|move|overtak\w+|shift|nudge|man(?:eu|oeu)\w+|changing|moving|merging)\b(?:(?! and\b| return| back\b)[^.;,]){0,30}?\b(?:to|into|onto|over|on|toward) (?:the )?(?:left|right)\b"
    r"|\b(?:over|across|past|in|into) (?:the|our) (?:left|right) (?:lane )?(?:line|marking|lane)\b|\b(?:changing|moving|merging|drifting|shifting) (?:left|right)\b"
)
_STREET = re.compile(
    r"\b(?:street|road|driveway|entrance|junction|turning|exit|alley) on the (left|right)\b|\bprotected (left|right)\b"
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
_SIDE_WORD = re.compile(r"\b(left|right)\b")


def _side(name: str, arguments: str, spoken: str, act: Act) -> Side | None:
    """The side in the words of the action, else the one of what it refers back to."""
    left_behind = act.verb in ("vacate", "leave", "clear") and name == "lane_change"
    side = side_of(re.sub(r"^ (?:the )?\w+ (?:hand )?lane", "", arguments) if left_behind else arguments)
    if side is not None:
        return side
    if name == "lateral_abort":
        given_up = _GIVEN_UP.search(spoken)
        return None if given_up is None else "left" if "left" in given_up.group() else "right"
    before = spoken[: act.start]
    back = None
    if name == "lane_change":
        back = _WANTED_LANE.search(before)
        if back is None and re.search(r"\b(?:that|this) lane\b", arguments):
            mentions = list(_SIDE_WORD.finditer(before))
            back = mentions[-1] if mentions else None
    elif name == "turn":
        back = _ROUTE.search(before) or _STREET.search(before)
    elif name == "pull_over":
        back = _KERB.search(before)
    if back is None and name in ("lane_change", "pull_over", "merge_split", "in_lane_nudge"):
        back = _SIGNALLED.search(before) or _GAP_LANE.search(before)
    if back is None and name == "lane_change":
        back = _PASSED_ON.search(before)
    return _named_side(back)


def _named_side(match: re.Match[str] | None) -> Side | None:
    if match is None:
        return None
    return "left" if "left" in match.group() and "right" not in match.group() else "right"


MOVING = frozenset(
    [
        "accelerate",
        "approach",
        "bear",
        "branch",
        "brake",
        "come",
        "creep",
        "cross",
        "cruise",
        "cut",
        "decelerate",
        "dip",
        "divert",
        "draw",
        "drift",
        "drive",
        "drop",
        "ease",
        "edge",
        "encroach",
        "enter",
        "exit",
        "fall",
        "follow",
        "get",
        "glide",
        "go",
        "head",
        "hug",
        "inch",
        "join",
        "keep",
        "lean",
        "leave",
        "maneuver",
        "merge",
        "move",
        "navigate",
        "nudge",
        "position",
        "proceed",
        "pull",
        "push",
        "put",
        "retreat",
        "return",
        "ride",
        "roll",
        "run",
        "shift",
        "sidle",
        "skirt",
        "slide",
        "slip",
        "slot",
        "slow",
        "speed",
        "squeeze",
        "stay",
        "steer",
        "step",
        "stray",
        "sweep",
        "swerve",
        "swing",
        "switch",
        "take",
        "tuck",
        "travel",
        "turn",
        "veer",
        "weave",
    ]
)
"""Verbs that move the ego about: what is said behind them counts whatever the verb."""
_PACE = re.compile(rf"\b(?:at|with) (?:an? |the |our )?(?:\w+ )?(?:{SPEED}\b|{AMOUNT} ?(?:km/h|kph|mph|m/s|kmh)|\d+$)")
_BEGUN = re.compile(r"\b(?:lane change|merge|man(?:eu|oeu)v\w+|overtak\w+|move|nudge|shift|pass)\b")


_ONLY_AFTER = re.compile(
    r"(?: \w+){0,2} only (?:after|once|when) [^.;]*\b(?:they|it|he|she|\w+)\b[^.;]*\b(?:crossed|passed|cleared|gone (?:by|past))\b"
)


def _unfinished(act: Act) -> re.Match[str] | None:
    """Not to complete a manoeuvre is to abort it."""
    unfinished = act.verb in ("complete", "finish", "continue") or (act.verb == "go" and "with the" in act.arguments)
    return _BEGUN.search(act.arguments) if act.negated and unfinished else None


def _reading(axis: Axis, name: str, side: Side | None, act: Act, match: re.Match[str]) -> _Reading:
    passive = act.tail - act.end != len(act.arguments)
    end = act.end if passive else act.end + (match.end() or _particle(act.arguments))
    vague = (
        name == "in_lane_nudge"
        and act.verb in ("move", "go", "pull", "get", "head", "steer", "draw", "come", "keep")
        and "lane" not in act.arguments
    )
    returns = act.verb in ("return", "go", "come", "get", "move", "swing", "pull", "straighten", "stay", "remain")
    return _Reading(axis, name, side, act.start, end, act.negated, act.hedged, act.order, act.follows, returns, vague)


_PARTICLE = re.compile(r"(?: (?:down|up|off|over|in|out|on|back|aside|away)\b)*")


def _particle(arguments: str) -> int:
    """Length of the particle that belongs to a verb, where its frame asks for nothing behind it."""
    match = _PARTICLE.match(arguments)
    return match.end() if match else 0


def _of_nouns(spoken: str, acts: list[Act], segments: list[Segment], taken: list[tuple[int, int]]) -> list[_Reading]:
    readings: list[_Reading] = []
    for noun in named(spoken, acts, segments):
        if noun.axis == "lateral" and any(start < noun.end and noun.start < end for start, end in taken):
            continue
        name = purpose(noun.decision, spoken, noun.start, noun.end, "")
        side = side_of(f" {spoken[noun.start : noun.end]}") if name in SIDED_DECISIONS else None
        if side is None and name in ("lane_change", "merge_split"):
            side = _named_side(_GAP_LANE.search(spoken, 0, noun.start))
        axis: Axis = "lateral" if noun.axis == "lateral" else "longitudinal"
        readings.append(_Reading(axis, name, side, noun.start, noun.end, noun.negated, noun.hedged, noun.order))
    return readings


def _claim(places: Places, reading: _Reading) -> Claim:
    words, start, end = places.of(reading.start, reading.end)
    stated = reading.name != "in_lane_nudge" or bool(_IN_LANE.search(places.plain))
    return Claim(
        reading.axis,
        reading.name,
        reading.side,
        words,
        start,
        end,
        reading.negated,
        reading.hedged,
        reading.order,
        reading.follows,
        stated,
    )


_IN_LANE = re.compile(
    r"\b(?:within|inside|in|without leaving|staying in|of) (?:the |our |my |its |ego |current )*lane\b|\bin-lane\b|\bmarkings\b|\bcross\w* the line\b"
)
