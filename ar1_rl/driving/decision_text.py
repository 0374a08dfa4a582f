"""Text -> claims: the driving decisions a trace announces, the causes it cites, and the words each rests on.

Rule-based. A text is cut into clauses; clauses about others and clauses that give a reason claim nothing. On each axis
the first claim counts; what comes after a stop comes after the horizon. Negated claims are none, hedged ones count only
where nothing else was said, and never on the lateral axis. Causes are read from the whole text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .clauses import Found, first_claim, normalised, split_clauses
from .decision_rules import COMPONENT_RULES, LATERAL_RULES, LONGITUDINAL_RULES, SLOWING, Rule
from .decisions import SIDED_DECISIONS, Decisions, Side

CACHED_TEXTS = 65_536
"""Policies repeat themselves: parsed texts kept in memory, about 1 kB each."""


class Evidence(NamedTuple):
    """The words that a claim rests on. `what` is "longitudinal", "lateral", "side" or the name of a component."""

    what: str
    words: str
    start: int
    """Position in the normalised text (lower case, single spaces, contractions written out)."""


@dataclass(frozen=True)
class Claims:
    """What a text says. Example: `parse_decisions("Nudge left around the parked car.").lateral == "in_lane_nudge"`."""

    longitudinal: str | None = None
    lateral: str | None = None
    side: Side | None = None
    components: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    hedged: bool = False
    """A claim is only tentative ("may have to stop")."""
    extent_stated: bool = True
    """False for a nudge that does not say whether it stays in the lane; it is then called `in_lane_nudge`."""

    @property
    def decisions(self) -> Decisions:
        """The claims as `Decisions`."""
        return Decisions(longitudinal=self.longitudinal, lateral=self.lateral, side=self.side)

    def words(self, what: str) -> str | None:
        """The words that the claim on `what` rests on."""
        return next((item.words for item in self.evidence if item.what == what), None)


@lru_cache(maxsize=CACHED_TEXTS)
def parse_decisions(text: str) -> Claims:
    """The claims of a reasoning text; any text is legal, and one that says nothing readable has no claims."""
    plain = normalised(text)
    clauses = split_clauses(plain)
    rules = _fitting(plain)
    components = _components(plain, rules.components)
    longitudinal = first_claim(plain, clauses, rules.longitudinal)
    lateral = first_claim(plain, clauses, rules.lateral)
    if longitudinal is None and lateral is None:
        bare = [clause._replace(kind="main", bare=True) for clause in clauses if clause.kind == "reason"]
        longitudinal, lateral = first_claim(plain, bare, rules.longitudinal), first_claim(plain, bare, rules.lateral)
    longitudinal_name = _longitudinal_name(plain, longitudinal, components)
    if lateral is not None and (lateral.hedged or _too_late(longitudinal_name, longitudinal, lateral)):
        lateral = None
    side = _side(plain, lateral) if lateral is not None and lateral.name in SIDED_DECISIONS else None
    lateral_name = lateral.name if lateral is not None else None
    components = _with_route(plain, components, lateral_name)
    evidence = [
        Evidence(what, plain[found.start : found.end], found.start)
        for what, found in (("longitudinal", longitudinal), ("lateral", lateral))
        if found is not None
    ]
    if side is not None:
        evidence.append(Evidence("side", side[1], side[2]))
    return Claims(
        longitudinal=longitudinal_name,
        lateral=lateral_name,
        side=side[0] if side is not None else None,
        components=tuple(dict.fromkeys(item.what for item in components)),
        evidence=(*evidence, *components),
        hedged=longitudinal is not None and longitudinal.hedged,
        extent_stated=lateral_name != "in_lane_nudge" or bool(_IN_LANE.search(plain)),
    )


_IN_LANE = re.compile(r"\b(?:within|inside|in|without leaving|staying in) (?:the |our |my |its |ego |current )*lane\b")


_ALL_RULES = (*LONGITUDINAL_RULES, *LATERAL_RULES, *COMPONENT_RULES)


def _bits_by_trigger() -> dict[str, int]:
    bits: dict[str, int] = {}
    for place, rule in enumerate(_ALL_RULES):
        for trigger in rule.triggers:
            bits[trigger] = bits.get(trigger, 0) | 1 << place
    return bits


_TRIGGERED = _bits_by_trigger()
"""Trigger -> bits of the rules that it makes worth trying."""


class _Fitting(NamedTuple):
    longitudinal: list[Rule]
    lateral: list[Rule]
    components: list[Rule]


def _fitting(plain: str) -> _Fitting:
    """The rules whose triggers occur; most texts leave a few of a hundred."""
    bits = 0
    for trigger in [trigger for trigger in _TRIGGERED if trigger in plain]:
        bits |= _TRIGGERED[trigger]
    kept = _Fitting([], [], [])
    while bits:
        lowest = bits & -bits
        place = lowest.bit_length() - 1
        axis = 0 if place < len(LONGITUDINAL_RULES) else 1 if place < len(_ALL_RULES) - len(COMPONENT_RULES) else 2
        kept[axis].append(_ALL_RULES[place])
        bits ^= lowest
    return kept


_SLOWING_FOR = {
    "lead_vehicle": "lead_obstacle_following",
    "slow_vehicle": "lead_obstacle_following",
    "cut_in_vehicle": "lead_obstacle_following",
    "pedestrian": "yield",
    "cyclist": "yield",
    "cross_traffic": "yield",
    "oncoming_vehicle": "yield",
    "yield_sign": "yield",
    "red_light": "stop",
    "yellow_light": "stop",
    "stop_sign": "stop",
}
"""Slowing down is named after its cause; any other cause, or none, makes it speed adaptation."""


def _longitudinal_name(plain: str, found: Found | None, components: list[Evidence]) -> str | None:
    if found is None or found.name != SLOWING:
        return found.name if found is not None else None
    ranked = sorted(components, key=lambda item: (item.start < found.start, item.start))
    return _SLOWING_FOR.get(ranked[0].what, "speed_adaptation") if ranked else "speed_adaptation"


def _too_late(longitudinal_name: str | None, longitudinal: Found | None, lateral: Found) -> bool:
    """A manoeuvre announced for after a stop."""
    return lateral.later and longitudinal_name == "stop" and longitudinal is not None and not longitudinal.later


_SIDE_WORD = re.compile(
    r"\b(left|right)(?:wards?)?\b(?!-of-way)"
    r"(?! (?:of way|away|now|behind|ahead(?! of)|before|after|in front|there|here|next|turn signal))"
)
_SIDE_LANE = re.compile(r"\b(left|right)(?:-hand)? lane\b")
_OPPOSITE: dict[str, Side] = {"left": "right", "right": "left"}
_PLACE = re.compile(
    r"\b(?:around|away from|for|past|passing|pass|avoid|clear of|to|from|of) (?:\w+[ -]){1,7}?"
    r"(?:on|to|along|from) (?:the|our|its|my) $"
)


def _side(plain: str, found: Found) -> tuple[Side, str, int] | None:
    """The side of a lateral claim: in its own words, else behind them, else before; a side given for others' place."""
    inside = _SIDE_WORD.search(plain, found.start, found.end)
    if inside:
        return _as_side(inside.group(1)), inside.group(0), inside.start()
    stop = plain.find(" and ", found.end, found.clause_end)
    for match in _SIDE_WORD.finditer(plain, found.end, found.clause_end if stop < 0 else stop):
        place = plain[found.start : match.start()]
        side = _as_side(match.group(1))
        others = found.name.endswith("nudge") and _PLACE.search(place)
        return (_OPPOSITE[side] if others else side), match.group(0), match.start()
    if found.name == "turn" and "u-turn" in plain:
        at = plain.index("u-turn")
        return "left", "u-turn", at
    ahead = _SIDE_WORD.search(plain, max(0, found.start - 12), found.start)
    if ahead is None and found.name == "lane_change":
        ahead = _SIDE_LANE.search(plain, 0, found.start)
    return (_as_side(ahead.group(1)), ahead.group(0), ahead.start()) if ahead else None


def _as_side(word: str) -> Side:
    return "left" if word == "left" else "right"


_WITHOUT = re.compile(
    r"\b(?:no|not|without|never|is free of|is clear of|any|isn't|neither)(?: (?!but\b|and\b)\w+){0,3} ?$"
)
_EXCLUDES = {
    "slow_vehicle": ("lead_vehicle", "adjacent_vehicle"),
    "parked_vehicle": ("lead_vehicle",),
    "cut_in_vehicle": ("adjacent_vehicle", "cross_traffic", "lead_vehicle"),
    "oncoming_vehicle": ("lead_vehicle", "cross_traffic"),
    "lead_vehicle": ("adjacent_vehicle",),
    "route_lane": ("route_turn",),
}
"""Where the words of a component overlap those of the others, they are not about them."""


def _components(plain: str, rules: list[Rule]) -> list[Evidence]:
    """Causes that the text cites, in reading order; denied ones are none."""
    found: list[Evidence] = []
    for rule in rules:
        for match in rule.pattern.finditer(plain):
            sentence = max(plain.rfind(mark, 0, match.start()) for mark in ".;,")
            if rule.name == "clear_lane" or not _WITHOUT.search(plain, sentence + 1, match.start()):
                found.append(Evidence(rule.name, match.group(0), match.start()))
                break
    dropped = {
        other.what
        for item in found
        for other in found
        if other.what in _EXCLUDES.get(item.what, ()) and _overlap(item, other)
    }
    return sorted((item for item in found if item.what not in dropped), key=lambda item: item.start)


def _overlap(a: Evidence, b: Evidence) -> bool:
    return a.start < b.start + len(b.words) and b.start < a.start + len(a.words)


_ROUTE = re.compile(r"\b(?:route|navigation|directions|itinerary)\b")
_ROUTE_FOR = {"turn": "route_turn", "lane_change": "route_lane", "merge_split": "route_lane", "pull_over": "route_end"}


def _with_route(plain: str, components: list[Evidence], lateral: str | None) -> list[Evidence]:
    """A bare "because of the route" is named after what it makes the ego do."""
    match = _ROUTE.search(plain)
    if match is None or lateral not in _ROUTE_FOR or any(item.what.startswith("route_") for item in components):
        return components
    return [*components, Evidence(_ROUTE_FOR[lateral], match.group(0), match.start())]
