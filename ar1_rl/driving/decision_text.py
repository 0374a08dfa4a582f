"""Text -> claims: the driving decisions a trace announces, the causes it cites, and the words each rests on.

Rule-based. `language.acts` finds what the ego does, the frames say which decision a verb with its arguments names,
`language.purposes` what slowing and stopping are for, `language.sides` where a lateral action goes.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .cause_rules import COMPONENT_RULES
from .cause_text import cited, with_route
from .claims import Claim, Claims, Evidence, first_actions
from .language.plain import Places, normalised
from .language.readings import Reading, read
from .phrase_rule import RuleBook

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
    spoken, places = plain.replace("-", " "), Places(text, plain)
    found = [_claim(places, reading) for reading in read(spoken)]
    if not any(claim.counts for claim in found):
        found = [_claim(places, reading) for reading in read(spoken, bare=True)] or found
    lateral = first_actions(found).lateral
    causes = with_route(plain, cited(plain, _CAUSES.fitting(plain)["causes"]), lateral)
    evidence = tuple(Evidence(cause.name, *places.of(cause.start, cause.end)) for cause in causes)
    return first_actions(found, tuple(dict.fromkeys(item.what for item in evidence)), evidence)


_IN_LANE = re.compile(
    r"\b(?:within|inside|in|without leaving|staying in|of) (?:the |our |my |its |ego |current )*lane\b"
    r"|\bin-lane\b|\bmarkings\b|\bcross\w* the line\b"
)


def _claim(places: Places, reading: Reading) -> Claim:
    words, start, end = places.of(reading.start, reading.end)
    return Claim(
        axis=reading.axis,
        name=reading.name,
        side=reading.side,
        words=words,
        start=start,
        end=end,
        negated=reading.negated,
        hedged=reading.hedged,
        order=reading.order,
        follows=reading.follows,
        extent_stated=reading.name != "in_lane_nudge" or _IN_LANE.search(places.plain) is not None,
    )
