"""The causes that a text cites: its critical components, and the words that name them."""

from __future__ import annotations

import re
from typing import NamedTuple

from .phrase_rule import PhraseRule


class Cause(NamedTuple):
    """A component and where the (normalised) text names it."""

    name: str
    start: int
    end: int


_WITHOUT = re.compile(
    r"\b(?:no|not|without|never|is free of|is clear of|any|isn't|neither)(?: (?!but\b|and\b)\w+){0,3} ?$"
)
EXCLUDES = {
    "slow_vehicle": ("lead_vehicle", "adjacent_vehicle"),
    "parked_vehicle": ("lead_vehicle",),
    "cut_in_vehicle": ("adjacent_vehicle", "cross_traffic", "lead_vehicle"),
    "oncoming_vehicle": ("lead_vehicle", "cross_traffic"),
    "lead_vehicle": ("adjacent_vehicle",),
    "route_lane": ("route_turn",),
}
"""Where the words of a component overlap those of the others, they are not about them."""


def cited(plain: str, rules: list[PhraseRule]) -> list[Cause]:
    """The causes that a text cites, in reading order; denied ones are none."""
    found: list[Cause] = []
    for rule in rules:
        for match in rule.pattern.finditer(plain):
            sentence = max(plain.rfind(mark, 0, match.start()) for mark in ".;,")
            if rule.name == "clear_lane" or not _WITHOUT.search(plain, sentence + 1, match.start()):
                found.append(Cause(rule.name, match.start(), match.end()))
                break
    dropped = {
        other.name
        for item in found
        for other in found
        if other.name in EXCLUDES.get(item.name, ()) and item.start < other.end and other.start < item.end
    }
    return sorted((item for item in found if item.name not in dropped), key=lambda item: item.start)


_ROUTE = re.compile(r"\b(?:route|navigation|directions|itinerary)\b")
_ROUTE_FOR = {"turn": "route_turn", "lane_change": "route_lane", "merge_split": "route_lane", "pull_over": "route_end"}


def with_route(plain: str, causes: list[Cause], lateral: str | None) -> list[Cause]:
    """A bare "because of the route" is named after what it makes the ego do."""
    match = _ROUTE.search(plain)
    if match is None or lateral not in _ROUTE_FOR or any(item.name.startswith("route_") for item in causes):
        return causes
    return [*causes, Cause(_ROUTE_FOR[lateral], match.start(), match.end())]
