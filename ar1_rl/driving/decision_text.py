"""Text -> claims: the driving decisions a trace announces, the causes it cites, and the words each rests on.

Rule-based. A text is cut into clauses; clauses about others and clauses that give a reason claim nothing. On each axis
the first claim counts; what comes after a stop comes after the horizon. Negated claims are none, hedged ones count only
where nothing else was said, and never on the lateral axis. Causes are read from the whole text.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .cause_rules import COMPONENT_RULES
from .cause_text import Cause, cited, with_route
from .claims import Axis, Claim, Claims, Evidence, first_actions
from .clauses import Found, every_claim, split_clauses
from .decision_rules import LATERAL_RULES, LONGITUDINAL_RULES, SLOWING
from .decisions import SIDED_DECISIONS, Side
from .phrase_rule import RuleBook
from .plain_text import Places, normalised

CACHED_TEXTS = 65_536
"""Policies repeat themselves: parsed texts kept in memory, about 1 kB each."""

_BOOK = RuleBook(longitudinal=LONGITUDINAL_RULES, lateral=LATERAL_RULES, causes=COMPONENT_RULES)


def parse_claims(text: str) -> tuple[Claim, ...]:
    """Every ego decision that a reasoning text names, in reading order, negated and hedged ones included."""
    return parse_decisions(text).found


@lru_cache(maxsize=CACHED_TEXTS)
def parse_decisions(text: str) -> Claims:
    """The first action per axis; any text is legal, and one that says nothing readable has no claims."""
    plain = normalised(text)
    clauses = split_clauses(plain)
    rules = _BOOK.fitting(plain)
    causes = cited(plain, rules["causes"])
    longitudinal = every_claim(plain, clauses, rules["longitudinal"])
    lateral = every_claim(plain, clauses, rules["lateral"])
    if not any(not claim.negated for claim in (*longitudinal, *lateral)):
        bare = [clause._replace(kind="main", bare=True) for clause in clauses if clause.kind == "reason"]
        longitudinal += every_claim(plain, bare, rules["longitudinal"])
        lateral += every_claim(plain, bare, rules["lateral"])
    places = Places(text, plain)
    found = [_claim(places, "longitudinal", _longitudinal_name(one, causes), None, one) for one in longitudinal]
    found += [_claim(places, "lateral", one.name, _side(plain, one), one) for one in lateral]
    claims = first_actions(sorted(found, key=lambda claim: claim.start))
    causes = with_route(plain, causes, claims.lateral)
    evidence = tuple(Evidence(cause.name, *places.of(cause.start, cause.end)) for cause in causes)
    return _with_causes(claims, evidence)


def _with_causes(claims: Claims, evidence: tuple[Evidence, ...]) -> Claims:
    components = tuple(dict.fromkeys(item.what for item in evidence))
    return first_actions(claims.found, components, evidence)


def _claim(places: Places, axis: Axis, name: str, side: Side | None, found: Found) -> Claim:
    words, start, end = places.of(found.start, found.end)
    stated = name != "in_lane_nudge" or bool(_IN_LANE.search(places.plain))
    return Claim(axis, name, side, words, start, end, found.negated, found.hedged, found.later, stated)


_IN_LANE = re.compile(r"\b(?:within|inside|in|without leaving|staying in) (?:the |our |my |its |ego |current )*lane\b")

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


def _longitudinal_name(found: Found, causes: list[Cause]) -> str:
    if found.name != SLOWING:
        return found.name
    ranked = sorted(causes, key=lambda cause: (cause.start < found.start, cause.start))
    return _SLOWING_FOR.get(ranked[0].name, "speed_adaptation") if ranked else "speed_adaptation"


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


def _side(plain: str, found: Found) -> Side | None:
    """The side of a lateral claim: in its own words, else behind them, else before; a side given for others' place."""
    if found.name not in SIDED_DECISIONS:
        return None
    inside = _SIDE_WORD.search(plain, found.start, found.end)
    if inside:
        return _as_side(inside.group(1))
    stop = plain.find(" and ", found.end, found.clause_end)
    for match in _SIDE_WORD.finditer(plain, found.end, found.clause_end if stop < 0 else stop):
        place = plain[found.start : match.start()]
        side = _as_side(match.group(1))
        others = found.name.endswith("nudge") and _PLACE.search(place)
        return _OPPOSITE[side] if others else side
    if found.name == "turn" and "u-turn" in plain:
        return "left"
    ahead = _SIDE_WORD.search(plain, max(0, found.start - 12), found.start)
    if ahead is None and found.name == "lane_change":
        ahead = _SIDE_LANE.search(plain, 0, found.start)
    return _as_side(ahead.group(1)) if ahead else None


def _as_side(word: str) -> Side:
    return "left" if word == "left" else "right"
