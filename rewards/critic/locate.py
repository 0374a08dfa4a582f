"""Where in a critic's reply its verdict stands, and which grades it gives.

Offsets are kept, so that the probabilities of a grade's tokens can be looked up (`expected.py`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ar1_rl.errors import CriticError

from .rubric import Criterion, Rubric
from .written_grade import Place, read_written, wrong_grade

MOST_BRACES = 64
"""Opening braces at which an object is looked for, from the last one backwards."""
SHOWN_CHARACTERS = 80
"""Of a reply without a verdict, this much is told, from its end."""

_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/think\]|◁/think▷", re.IGNORECASE)
_THOUGHT_BEGINS = re.compile(r"<(?:think|thinking|thought|reasoning)>|\[think\]|◁think▷", re.IGNORECASE)
_FENCE = re.compile(r"^```\w*|```$")
_QUOTES = "\"'“”„‟«»‹›‘’「」"


@dataclass(frozen=True)
class Found:
    """The verdict of a reply: a grade per criterion, and the critic's words about it."""

    places: Mapping[str, Place]
    reason: str


@dataclass(frozen=True)
class _Line:
    """One `grade: ...`, good or not."""

    start: int
    criterion: str
    grade: Place | CriticError


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys as they stand, twice if they do."""


@dataclass(frozen=True)
class _Object:
    """A JSON object with a criterion among its keys."""

    start: int
    end: int
    pairs: _Pairs


def find_verdict(reply: str, rubric: Rubric) -> Found:
    """The last verdict of a reply; CriticError with a cause where there is none (see `verdict.read_verdict`)."""
    text = _without_thought(_fold(reply))
    objects = list(_objects(text, rubric))
    lines = [line for line in _lines(text, rubric) if not any(o.start <= line.start < o.end for o in objects)]
    if objects and (not lines or objects[-1].start > lines[-1].start):
        return _of_object(text, objects[-1], rubric)
    if lines:
        return _of_lines(text, lines, rubric)
    end = text[-SHOWN_CHARACTERS:].strip()
    if "{" in text and any(f'"{criterion.name}"' in text for criterion in rubric.criteria):
        raise CriticError(f"the reply holds no JSON object that can be read: {end!r}", cause="NotJson")
    names = " or ".join(f"'{criterion.name}: N'" for criterion in rubric.criteria)
    raise CriticError(f"the reply has no line {names}: {end!r}", cause="NoVerdict")


def _fold(text: str) -> str:
    """Full-width figures and colons become plain ones; every character keeps its place."""
    if text.isascii():
        return text
    return "".join(folded if len(folded := unicodedata.normalize("NFKC", c)) == 1 else c for c in text)


def _without_thought(text: str) -> str:
    """A blank line in place of what was thought aloud; a thought without an end hides all that follows.

    A reply that is one object from its beginning, or from the end of a thought, is taken as that: what its strings say
    of thoughts is quoted.
    """
    ends = _outside_quotations(_THOUGHT_ENDS, text)
    for begin in (0, *(match.end() for match in ends)):
        if _is_one_object(text[begin:]):
            return _blank(begin) + text[begin:]
    begin = ends[-1].end() if ends else 0
    opened = _outside_quotations(_THOUGHT_BEGINS, text, begin)
    if opened and (closed := list(_THOUGHT_ENDS.finditer(text, opened[0].end()))):
        # Only a thought that ends in a line which it quotes comes here.
        begin = closed[-1].end()
        opened = _outside_quotations(_THOUGHT_BEGINS, text, begin)
    return _blank(begin) + text[begin : opened[0].start() if opened else None]


def _outside_quotations(marker: re.Pattern[str], text: str, begin: int = 0) -> list[re.Match[str]]:
    return [match for match in marker.finditer(text, begin) if not _is_in_quoted_line(text, match.start())]


def _blank(characters: int) -> str:
    return " " * (characters - 1) + "\n" if characters else ""


def _is_in_quoted_line(text: str, place: int) -> bool:
    return text[text.rfind("\n", 0, place) + 1 : place].lstrip().startswith(">")


def _is_one_object(text: str) -> bool:
    whole = _FENCE.sub("", text.strip()).strip()
    if not (whole.startswith("{") and whole.endswith("}")):
        return False
    try:
        json.loads(whole)
    except (ValueError, RecursionError):
        return False
    return True


# JSON objects


def _objects(text: str, rubric: Rubric) -> Iterator[_Object]:
    """Every object that has a criterion among its keys and is not quoted, in order."""
    names = {criterion.name for criterion in rubric.criteria}
    decoder = json.JSONDecoder(object_pairs_hook=_Pairs)
    done = 0
    for brace in [match.start() for match in re.finditer("{", text)][-MOST_BRACES:]:
        if brace < done:
            continue
        try:
            pairs, end = decoder.raw_decode(text, brace)
        except (ValueError, RecursionError):
            continue
        if not names.isdisjoint(key for key, _ in pairs):
            done = end
            if not _is_quoted_object(text, brace, end):
                yield _Object(brace, end, pairs)


def _is_quoted_object(text: str, start: int, end: int) -> bool:
    """Whether an object stands in the middle of a sentence, in quotes, or in a line that begins with `>`."""
    before = text[text.rfind("\n", 0, start) + 1 : start]
    if _is_in_quoted_line(text, start) or before.endswith(tuple(_QUOTES)):
        return True
    return bool(re.search(r"\w", before) and re.search(r"\w", text[end:]))


def _of_object(text: str, found: _Object, rubric: Rubric) -> Found:
    places = {criterion.name: _place_in(text, found, criterion) for criterion in rubric.criteria}
    reason = dict(found.pairs).get("reason")
    return Found(places, (reason if isinstance(reason, str) else text[: found.start].removesuffix("```json")).strip())


def _place_in(text: str, found: _Object, criterion: Criterion) -> Place:
    values = [value for key, value in found.pairs if key == criterion.name]
    if not values:
        raise CriticError(f"the verdict has no {criterion.name!r}, only {_keys(found)}", cause="NoVerdict")
    if any(value != values[0] for value in values[1:]):
        raise CriticError(f"the verdict has {criterion.name!r} several times: {values}", cause="Ambiguous")
    keys = list(re.finditer(rf'"{criterion.name}"\s*:\s*"?', text[found.start : found.end]))
    start = found.start + keys[0].end() if len(keys) == 1 else None
    value = values[0]
    if isinstance(value, str):
        written = read_written(value, 0, len(value), criterion)
        if isinstance(written, Place):
            return Place(written.grade, start)
        raise written or wrong_grade(value, criterion)
    if isinstance(value, bool) or value not in criterion.grades:
        raise wrong_grade(json.dumps(value), criterion)
    return Place(float(value), start)


def _keys(found: _Object) -> str:
    return ", ".join(key for key, _ in found.pairs)


# Lines


@lru_cache(maxsize=64)
def _line_of(name: str) -> re.Pattern[str]:
    label = re.escape(name).replace("_", "[ _-]")
    return re.compile(
        rf"""(?:^(?P<lead>[^\w\n>]{{0,16}})|[.!?;)][ \t]+(?P<inner>[*_`"']*))
             (?:(?:my|the|final|overall|total)[ \t]+){{0,3}}
             (?P<open>[*_`"']*){label}(?![^\W_])(?:[ \t]*\([^()\n]{{0,24}}\))?(?P<close>[*_`"']*)[ \t]*
             (?:[:=]|->|→|is\b)(?P<value>[^\n]*)""",
        re.IGNORECASE | re.MULTILINE | re.VERBOSE,
    )


def _lines(text: str, rubric: Rubric) -> list[_Line]:
    """Every line or sentence that says a grade and is not quoted, in order."""
    found = []
    for criterion in rubric.criteria:
        for match in _line_of(criterion.name).finditer(text):
            grade = None if _is_quoted_line(text, match) else read_written(text, *match.span("value"), criterion)
            if grade is not None:
                found.append(_Line(match.start(), criterion.name, grade))
    return sorted(found, key=lambda line: line.start)


def _is_quoted_line(text: str, match: re.Match[str]) -> bool:
    if match["lead"] is None:
        before = text[text.rfind("\n", 0, match.start() + 1) + 1 : match.start() + 1]
        if before.lstrip().startswith(">") or before.count('"') % 2 or before.count("“") > before.count("”"):
            return True
    opened = (match["lead"] or "") + (match["inner"] or "") + match["open"]
    return any(quote in opened for quote in _QUOTES) and not any(quote in match["close"] for quote in _QUOTES)


def _of_lines(text: str, lines: list[_Line], rubric: Rubric) -> Found:
    last = {line.criterion: line for line in lines}
    places = {}
    for criterion in rubric.criteria:
        line = last.get(criterion.name)
        if line is None:
            raise CriticError(f"the reply has no line '{criterion.name}: N', only {', '.join(last)}", cause="NoVerdict")
        if isinstance(line.grade, CriticError):
            raise line.grade
        places[criterion.name] = line.grade
    return Found(places, text[: min(line.start for line in last.values())].strip())
