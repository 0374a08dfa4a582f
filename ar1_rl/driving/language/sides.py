"""The side to which a lateral action goes: in the words of the action, not the place of somebody else."""

# ruff: noqa: E501  patterns on one line

from __future__ import annotations

import re

from ..decisions import Side

_WORD = re.compile(r"\b(left|right(?! away))(?:wards?|most)?\b(?! (?:of way|turn signal|indicator|signal)\b)")
_DIRECT = re.compile(
    r"^(?: (?:a|the|an|next|first|second|third|over|back|out|off|in|up|only|slightly|gently|hard|sharp|further|more|just|now|well|tight|"
    r"close|wide|again|one|lanes?|bit|little|touch|notch|tad|\w+ly|smooth|quick|full|our|whole))*$"
)
_TARGET = re.compile(
    r"^(?: hand| most)?(?: (?:side|half|edge|part|third|portion))?(?: (?:travel|turn|turning|exit|passing|overtaking|lane|hard|slip|bike|hand|center|centre))*"
    r" (?:lanes?|lines?|markings?|turn|turning|exit|fork|branch|ramp|shoulder|curb|kerb|side|half|part|edge|third|bay|verge|boundary|portion|stripe|road|street|of (?:the |our |my |its )*lane)\b"
)
_OTHERS = re.compile(
    r"\b(?:around|round|past|for|from|behind|with|by|avoid|avoiding|dodge|clear|of|pass|passing|overtake|alongside|to|than|let|since|because)"
    r" (?!it |them |him |her )(?:(?!into|onto|lane\b|line\b|lanes\b)[\w']+ ){1,7}(?:in|on|at|from|along|off) (?:the|our|its|my|their)(?: far)? $"
)
_TOWARD = re.compile(r"\b(?:to|toward|towards) (?:the|our|its|my)(?: \w+)? $")
_ON = re.compile(
    r"\b(?:on|from|at|along|off|by|near|beyond|in)(?: (?:the|our|its|my|their|his|her))(?: (?:far|near|opposite|other))? $"
)
_PLACED = re.compile(
    r"(?:^(?: (?:over|in|off|up|aside|out|around|round|away|back|here|safely|\w+ly))*"
    r"|\b(?:lanes?|lines?|markings?|exit|ramp|fork|branch|shoulder|curb|kerb|side|bay|one|street|lay by|spot|space|verge|change|it|roadside|turn|road|lane line))"
    r" (?:on|at|along) (?:the|our|its|my) $"
)
_WITH = re.compile(r"^ with (?:the )?(?:traffic|flow|cars|stream|vehicles)[\w ]* on (?:the|our) $")
_STATED = re.compile(
    r"\b(?:is|are|has|have|was|were|turns|turning|signals|signalling|signaling|indicates|indicating|goes|coming|comes|and|or|immediate) $"
)
_AWAY = re.compile(r"\baway from (?:[\w']+ ){1,6}?(?:on|to|at|from) (?:the|our|its) (?:far |near )?(left|right)\b")
_OPPOSITE: dict[str, Side] = {"left": "right", "right": "left"}


def side_of(words: str) -> Side | None:
    """The side that an action goes to; `words` are what follows its verb, or stands in for it."""
    away = _AWAY.search(words)
    for match in _WORD.finditer(words):
        before, behind = words[: match.start()], words[match.end() :]
        if away is not None and match.start() >= away.start():
            break
        if _DIRECT.match(before.rstrip()) or _goes_there(before, behind):
            return _as_side(match.group(1))
    return _OPPOSITE[away.group(1)] if away else None


def _goes_there(before: str, behind: str) -> bool:
    if _TARGET.match(behind):
        return not _OTHERS.search(before) and not re.search(r"\bfrom (?:the|our|its) $", before)
    if _ON.search(before):
        return bool(_PLACED.search(before) or _WITH.search(before))
    if _TOWARD.search(before):
        return True
    return not _STATED.search(before) and not re.search(r"\b(?:for|past|around|by|of|behind) (?:[\w']+ ){1,4}$", before)


def _as_side(word: str) -> Side:
    return "left" if word == "left" else "right"
