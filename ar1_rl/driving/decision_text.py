"""Text -> claims: the driving decisions a trace announces, the causes it cites, and the words each rests on.

Decisions are read by a small trained tagger (`tagger`), or by rules (`language`), which know far fewer wordings and are
a second opinion. Causes are read by rules (`cause_rules`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from .cause_rules import COMPONENT_RULES
from .cause_text import cited, with_route
from .claims import Claim, Claims, Evidence, first_action_of, first_actions
from .language.plain import Places, normalised
from .language.readings import Reading, read
from .phrase_rule import RuleBook
from .tagger.reading import tagged_claims

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
    found = [_with_extent(claim, plain) for claim in _in_time(tagged_claims(text), text)]
    return _with_causes(found, text, plain)


@lru_cache(maxsize=CACHED_TEXTS)
def parse_decisions_by_rules(text: str) -> Claims:
    """The same by rules alone: exact where a text is worded as they know it, silent on much else."""
    plain = normalised(text)
    spoken, places = plain.replace("-", " "), Places(text, plain)
    found = [_claim(places, reading) for reading in read(spoken)]
    if not any(claim.counts for claim in found):
        found = [_claim(places, reading) for reading in read(spoken, bare=True)] or found
    return _with_causes([_with_extent(claim, plain) for claim in found], text, plain)


def _with_causes(found: Sequence[Claim], text: str, plain: str) -> Claims:
    places, lateral = Places(text, plain), first_actions(found).lateral
    causes = with_route(plain, cited(plain, _CAUSES.fitting(plain)["causes"]), lateral)
    evidence = tuple(Evidence(cause.name, *places.of(cause.start, cause.end)) for cause in causes)
    return first_actions(found, tuple(dict.fromkeys(item.what for item in evidence)), evidence)


_IN_LANE = re.compile(
    r"\b(?:within|inside|in|without leaving|staying in|of) (?:the |our |my |its |ego |current )*lane\b"
    r"|\bin-lane\b|\bmarkings\b|\bcross\w* the line\b"
)


def _with_extent(claim: Claim, plain: str) -> Claim:
    stated = claim.name != "in_lane_nudge" or _IN_LANE.search(plain) is not None
    return claim if stated else claim._replace(extent_stated=False)


_THEN = re.compile(r"\b(?:then|before|until|afterwards?|after (?:that|which)|once|when|followed by|prior to)\b")
_AFTER = re.compile(r"\b(?:after|once|having)\b")


def _in_time(claims: Sequence[Claim], text: str) -> list[Claim]:
    """Which of the first actions of the two axes is to come before the other, where the text says so."""
    longitudinal, lateral = first_action_of(claims, "longitudinal"), first_action_of(claims, "lateral")
    if longitudinal is None or lateral is None:
        return list(claims)
    changed: dict[Claim, Claim] = {}
    if longitudinal.end <= lateral.start:
        if _AFTER.search(text[: longitudinal.start].lower()):
            changed[longitudinal] = longitudinal._replace(order=-1)
        elif _THEN.search(text[longitudinal.end : lateral.start].lower()):
            changed[lateral] = lateral._replace(follows=True)
    elif _AFTER.search(text[lateral.end : longitudinal.start].lower()):
        changed[longitudinal] = longitudinal._replace(order=-1)
    return [changed.get(claim, claim) for claim in claims]


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
    )
