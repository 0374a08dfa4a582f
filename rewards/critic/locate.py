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

MOST_BRACES = 64
"""Opening braces at which an object is looked for, from the last one backwards."""
MOST_WORDS_OF_A_GRADE = 3
"""After `grade:`, more words than these without a figure are prose and no verdict: `Causes: all are named`."""

_THOUGHT_ENDS = re.compile(r"</(?:think|thinking|thought|reasoning)>|\[/think\]|◁/think▷", re.IGNORECASE)
_THOUGHT_BEGINS = re.compile(r"<(?:think|thinking|thought|reasoning)>|\[think\]|◁think▷", re.IGNORECASE)
_QUOTES = "\"'“”„‟«»‹›‘’「」"
_FIGURE = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_OUT_OF = re.compile(r"\s*(?:/|out\s+of|of|von|sur|de)\s*(\d+(?:\.\d+)?)", re.IGNORECASE)
_HEDGE = re.compile(r"\W*(?:or|and|to|till|maybe|perhaps|possibly|minus|plus|oder|bis|ou|o)\b|\s*[?~±]", re.IGNORECASE)
_ALONE = re.compile(r"\s*([-+]?\d+(?:[.,]\d+)?(?:\s*/\s*\d+)?)[\s.*_`]*(?:\n|$)")


@dataclass(frozen=True)
class Place:
    """A grade and where its first figure stands in the reply; None where that cannot be told."""

    grade: float
    start: int | None


@dataclass(frozen=True)
class Found:
    """The verdict of a reply: a grade per criterion, and the words before it."""

    places: Mapping[str, Place]
    reason: str


@dataclass(frozen=True)
class _Said:
    """One `grade: ...`, good or not."""

    start: int
    criterion: str
    grade: Place | CriticError


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its keys as they stand, twice if they do."""


def find_verdict(reply: str, rubric: Rubric) -> Found:
    """The last verdict of a reply; CriticError with a cause where there is none (see `verdict.read_verdict`)."""
    text, begin = _without_thought(_fold(reply))
    objects = list(_objects(text, rubric))
    spans = [(start, end) for start, end, _ in objects]
    lines = [said for said in _lines(text, rubric) if not any(start <= said.start < end for start, end in spans)]
    if objects and (not lines or objects[-1][0] > lines[-1].start):
        return _of_object(text, begin, objects[-1], rubric)
    if lines:
        return _of_lines(text, begin, lines, rubric)
    if "{" in text and any(f'"{criterion.name}"' in text for criterion in rubric.criteria):
        raise CriticError(f"the reply holds no JSON object that can be read: {_end(text)!r}", cause="NotJson")
    names = " or ".join(f"'{criterion.name}: N'" for criterion in rubric.criteria)
    raise CriticError(f"the reply has no line {names}: {_end(text)!r}", cause="NoVerdict")


def _fold(text: str) -> str:
    """Full-width figures and colons become plain ones; every character keeps its place."""
    if text.isascii():
        return text
    return "".join(folded if len(folded := unicodedata.normalize("NFKC", c)) == 1 else c for c in text)


def _without_thought(text: str) -> tuple[str, int]:
    """What follows the thinking, and where that begins; a thought without an end leaves what precedes it."""
    begin = max((match.end() for match in _THOUGHT_ENDS.finditer(text)), default=0)
    opened = _THOUGHT_BEGINS.search(text, begin)
    return text[begin : opened.start() if opened else None], begin


def _end(text: str) -> str:
    return text[-80:].strip()


# JSON objects


def _objects(text: str, rubric: Rubric) -> Iterator[tuple[int, int, _Pairs]]:
    """Start, end and pairs of every object that has a criterion among its keys and is not quoted."""
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
        if names.isdisjoint(key for key, _ in pairs):
            continue
        done = end
        if not _is_quoted_object(text, brace, end):
            yield brace, end, pairs


def _is_quoted_object(text: str, start: int, end: int) -> bool:
    before = text[text.rfind("\n", 0, start) + 1 : start]
    if before.lstrip().startswith(">") or before.endswith(tuple(_QUOTES)):
        return True
    stands_alone = not re.search(r"\w", before) or not re.search(r"\w", text[end:])
    return not stands_alone


def _of_object(text: str, begin: int, found: tuple[int, int, _Pairs], rubric: Rubric) -> Found:
    start, end, pairs = found
    places = {}
    for criterion in rubric.criteria:
        values = [value for key, value in pairs if key == criterion.name]
        if not values:
            raise CriticError(f"the verdict has no {criterion.name!r}: {_end(text)!r}", cause="NoVerdict")
        if any(value != values[0] for value in values):
            raise CriticError(f"the verdict has {criterion.name!r} several times: {values}", cause="Ambiguous")
        keys = list(re.finditer(rf'"{criterion.name}"\s*:\s*"?', text[start:end]))
        place = begin + start + keys[0].end() if len(keys) == 1 else None
        places[criterion.name] = Place(_offered_value(values[0], criterion), place)
    said = dict(pairs).get("reason")
    return Found(places, said.strip() if isinstance(said, str) else text[:start].strip().removesuffix("```json"))


def _offered_value(value: object, criterion: Criterion) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _offered(float(value) if abs(value) < 1e9 else float("nan"), str(value)[:20], criterion)
    if isinstance(value, str):
        grade = _grade_of(value, "", criterion)
        if isinstance(grade, CriticError):
            raise grade
        if grade is not None:
            return grade[0]
    raise CriticError(_wrong(str(value)[:40], criterion), cause="WrongGrade")


# Lines


@lru_cache(maxsize=64)
def _line_of(name: str) -> re.Pattern[str]:
    label = re.escape(name).replace("_", "[ _-]")
    return re.compile(
        rf"""(?:^(?P<lead>[^\w\n>]{{0,16}})|[.!?;)][ \t]+(?P<inner>[*_`"]*))
             (?:(?:my|the|final|overall|total)[ \t]+){{0,3}}
             (?P<open>[*_`"']*){label}\b(?P<close>[*_`"']*)[ \t]*
             (?:[:=]|->|→|is\b)(?P<value>[^\n]*)""",
        re.IGNORECASE | re.MULTILINE | re.VERBOSE,
    )


def _lines(text: str, rubric: Rubric) -> list[_Said]:
    """Every line or sentence that says a grade and is not quoted, in order."""
    found = []
    for criterion in rubric.criteria:
        for match in _line_of(criterion.name).finditer(text):
            if _is_quoted_line(text, match):
                continue
            value = match["value"].lstrip(" \t*_`\"'([")
            grade = _grade_of(value, text[match.end() :], criterion)
            if grade is None:
                continue
            if not isinstance(grade, CriticError):
                # A grade on a line of its own stands behind the match.
                at = match.end() - len(value) if value.strip() else match.end()
                grade = Place(grade[0], _FIGURE.search(text, at).start())  # type: ignore[union-attr]
            found.append(_Said(match.start(), criterion.name, grade))
    return sorted(found, key=lambda said: said.start)


def _is_quoted_line(text: str, match: re.Match[str]) -> bool:
    line = text[text.rfind("\n", 0, match.start() + 1) + 1 : match.start()] if match["lead"] is None else ""
    if line.lstrip().startswith(">") or line.count('"') % 2 or line.count("“") > line.count("”"):
        return True
    opened = (match["lead"] or "") + (match["inner"] or "") + match["open"]
    return any(quote in opened for quote in _QUOTES) and not any(quote in match["close"] for quote in _QUOTES)


def _grade_of(value: str, following: str, criterion: Criterion) -> tuple[float] | CriticError | None:
    """The grade that a line gives, why it gives none, or None where it is no verdict but prose."""
    if not value.strip(" \t*_`\"'.:"):
        alone = _ALONE.match(following)
        if alone is None:
            return CriticError(f"no grade after '{criterion.name}'", cause="WrongGrade")
        value = alone[1]
    figure = _FIGURE.match(value)
    if figure is None:
        if re.search(r"\d", value):
            return CriticError(f"'{criterion.name}: {value[:40]}' is no single grade", cause="Ambiguous")
        if len(value.split()) > MOST_WORDS_OF_A_GRADE:
            return None
        return CriticError(_wrong(value[:40], criterion), cause="WrongGrade")
    rest = value[figure.end() :]
    out_of = _OUT_OF.match(rest)
    if out_of:
        if float(out_of[1]) != criterion.grades[-1]:
            return CriticError(_wrong(value[:40], criterion), cause="WrongGrade")
        rest = rest[out_of.end() :]
    if re.search(r"\d", rest) or _HEDGE.match(rest):
        return CriticError(f"'{criterion.name}: {value[:40]}' is no single grade", cause="Ambiguous")
    if rest and not re.match(r"[\s.,;:!)\]}|*_`\"'—–(]", rest):
        return CriticError(_wrong(value[:40], criterion), cause="WrongGrade")
    try:
        return (_offered(float(figure[0].replace(",", ".")), figure[0], criterion),)
    except CriticError as error:
        return error


def _of_lines(text: str, begin: int, lines: list[_Said], rubric: Rubric) -> Found:
    last = {said.criterion: said for said in lines}
    places = {}
    for criterion in rubric.criteria:
        said = last.get(criterion.name)
        if said is None:
            raise CriticError(f"the reply has no line '{criterion.name}: N': {_end(text)!r}", cause="NoVerdict")
        if isinstance(said.grade, CriticError):
            raise said.grade
        at = said.grade.start
        places[criterion.name] = Place(said.grade.grade, None if at is None else begin + at)
    first = min(said.start for said in last.values())
    return Found(places, text[:first].strip())


def _offered(grade: float, written: str, criterion: Criterion) -> float:
    if grade not in criterion.grades:
        raise CriticError(_wrong(written, criterion), cause="WrongGrade")
    return grade


def _wrong(written: str, criterion: Criterion) -> str:
    return f"{criterion.name} {written!r} was not on offer, allowed are {criterion.allowed}"
