"""Frames: a verb with certain arguments names a decision. The shape of the data, and the words that rules share.

A frame holds where its pattern is found in the arguments of one of its verbs; `^` is the end of the verb. The first
frame that holds counts, so special ones come first.
"""

# ruff: noqa: E501  patterns on one line

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

VEHICLE = r"(?:vehicles?|cars?|trucks?|lorr(?:y|ies)|bus(?:es)?|vans?|minivans?|campervans?|motorhomes?|rvs?|coach(?:es)?|tractors?|motorcycles?|motorbikes?|mopeds?|scooters?|taxis?|cabs?|suvs?|jeeps?|pick ?ups?|sedans?|saloons?|estate|hatchbacks?|hatch|coupe|convertible|limousine|limo|tankers?|trailers?|semi ?trailers?|semis?|rigs?|eighteen wheeler|caravans?|campers?|minibus(?:es)?|shuttle|convoys?|transporters?|wagons?|harvesters?|combine|diggers?|mixers?|sweepers?|snow ?plou?ws?|loaders?|dust ?carts?|horse ?box|floats?|drivers?|machines?|rickshaws?|quads?|articulated|juggernaut|hearse|unit)\b"
SPEED = r"(?:speed|pace|velocity|tempo|momentum|cruise|cruising|km/h|kph|mph|m/s|kmh)"
AMOUNT = r"(?:\d+(?:\.\d+)?(?! ?(?:m|metres?|meters?|cm|s|seconds?|cars?|degrees|%|more|wheels|lanes?)\b)|limit)"
"""A speed in figures, or the limit."""
GAP = r"(?:gaps?|slots?|openings?|holes?|spaces?|windows?)"
LANE = r"lanes?"
FACILITY = (
    r"(?:highway|motorway|freeway|expressway|interstate|autobahn|(?:dual |main )?carriageway|main ?(?:road|line|lane|flow|stream)"
    r"|mainline|(?:on |off |exit |entry |access )?ramps?|slip ?road|fork|split|diverge|branch|(?:deceleration|acceleration|exit|merge|auxiliary) lane"
    r"|bypass|connector|link road|ring road|through (?:lane|traffic)|traffic (?:flow|stream)|flow|stream|interchange|collector)"
)
ROADSIDE = (
    r"(?:shoulder|kerb|curb|kerbside|curbside|road ?side|lay ?by|pull ?out bay|parking (?:bay|space|spot|place|slot|area|lane)|bus (?:bay|stop bay|stop)"
    r"|loading (?:bay|zone)|emergency (?:bay|lane)|breakdown (?:bay|lane)|rest area|turnout|turn out|(?:drop off|pick ?up) (?:point|zone|area|spot|bay)|stopping bay"
    r"|(?<!on the )(?<!at the )(?:the|one|this|that|left|right|far|near|hand) (?:road )?side(?: of the (?:road|street|carriageway))?(?! (?:street|road|lane|of (?:the |our |my )?lane))|side of the (?:road|street|carriageway)|verge|edge of the (?:road|street))"
)
LINE = (
    r"(?:(?:cent(?:er|re)|median|middle|dividing|lane|edge|solid|dashed|broken|white|yellow|double)? ?(?:lines?|markings?|divider|stripes?|boundary)"
    r"|centerline|centreline|lane edge|edge of (?:the|our) lane)"
)
SIDE = r"(?:left|right)"
MANEUVER = (
    r"(?:lane ?changes?|changes?|changing|merges?|merging|moves?|moving|man(?:eu|oeu)vers?|manoeuvres?|overtakes?|overtaking|pass|passing|nudges?|nudging|shifts?"
    r"|shifting|swaps?|pull ?outs?|pulling out|swerve|attempts?|slide|cutting|sidestep|drift|switch|transfer)"
)


class Frame(NamedTuple):
    """`decision` is named by any of `verbs` whose arguments hold `pattern`."""

    decision: str
    verbs: tuple[str, ...]
    source: str


def frame(decision: str, verbs: str, source: str) -> Frame:
    """A frame with its verbs in one string."""
    return Frame(decision, tuple(verbs.split()), source)


CACHED_PHRASES = 16_384
"""Texts are made of phrases that come again: verbs with arguments, kept with what they name."""


class FrameBook:
    """Frames by verb."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self._by_verb: dict[str, list[Frame]] = {}
        for one in frames:
            for verb in one.verbs:
                self._by_verb.setdefault(verb, []).append(one)
        self._next = lru_cache(CACHED_PHRASES)(self._find)

    def decide(self, verb: str, arguments: str) -> Iterator[tuple[str, re.Match[str]]]:
        """Decisions of the frames that hold, the first first, and what they hold on; a frame without a name ends it."""
        found = self._next(verb, arguments, 0)
        while found is not None:
            place, decision, match = found
            yield decision, match
            found = self._next(verb, arguments, place + 1)

    def _find(self, verb: str, arguments: str, first: int) -> tuple[int, str, re.Match[str]] | None:
        frames = self._by_verb.get(verb, [])
        for place in range(first, len(frames)):
            match = _compiled(frames[place].source).search(arguments)
            if match:
                return (place, frames[place].decision, match) if frames[place].decision else None
        return None


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source)
