"""A grade as critics write it: `4`, `**4/5**`, `4 (both yield)`; and what looks like one and is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ar1_rl.errors import CriticError

from .rubric import Criterion

MOST_WORDS = 3
"""After `grade:`, more words than these without a figure are prose and no verdict: `Causes: all are named`."""
SHOWN_CHARACTERS = 40
"""Of a wrong grade, this much is told."""

_MARKUP = " \t*_`\"'(["
_FIGURE = re.compile(r"[-+]?[0-9]{1,9}(?:[.,][0-9]{1,9})?(?!\d)")
_ALONE = re.compile(r"\s*([-+]?[0-9]{1,9}(?:[.,][0-9]{1,9})?(?:\s*/\s*[0-9]{1,9})?)[\s.*_`]*(?:\n|$)")
_OUT_OF = re.compile(r"\s*(?:/|out\s+of|of|von|sur|de)\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)", re.IGNORECASE)
_HEDGE = re.compile(r"\W*(?:or|and|to|till|maybe|perhaps|possibly|minus|plus|oder|bis|ou|o)\b|\s*[?~±]", re.IGNORECASE)
_AFTER = re.compile(r"[\s.,;:!)\]}|*_`\"'—–(]")


@dataclass(frozen=True)
class Place:
    """A grade and where its first figure stands in the reply; None where that cannot be told."""

    grade: float
    start: int | None


def read_written(text: str, start: int, end: int, criterion: Criterion) -> Place | CriticError | None:
    """The grade in `text[start:end]`, why there is none, or None where the words are prose and no verdict.

    Where nothing stands there, a grade alone on the next line counts.
    """
    start += len(text[start:end]) - len(text[start:end].lstrip(_MARKUP))
    if not text[start:end].strip(_MARKUP + ".:)]"):
        alone = _ALONE.match(text, end)
        if alone is None:
            return wrong_grade("", criterion)
        start, end = alone.span(1)
    value = text[start:end]
    figure = _FIGURE.match(value)
    if figure is None:
        return _without_figure(value, criterion)
    rest = value[figure.end() :]
    best = _OUT_OF.match(rest)
    if best:
        if float(best[1]) != criterion.grades[-1]:
            return wrong_grade(value, criterion)
        rest = rest[best.end() :]
    if re.search(r"\d", rest) or _HEDGE.match(rest):
        return _several(value, criterion)
    grade = float(figure[0].replace(",", "."))
    if grade not in criterion.grades or (rest and not _AFTER.match(rest)):
        return wrong_grade(value, criterion)
    return Place(grade, start)


def wrong_grade(written: str, criterion: Criterion) -> CriticError:
    """A grade that was not on offer."""
    got = written.strip()[:SHOWN_CHARACTERS]
    return CriticError(
        f"{criterion.name} {got!r} was not on offer, allowed are {criterion.allowed}", cause="WrongGrade"
    )


def _without_figure(value: str, criterion: Criterion) -> CriticError | None:
    if re.search(r"\d", value):
        return _several(value, criterion)
    return None if len(value.split()) > MOST_WORDS else wrong_grade(value, criterion)


def _several(value: str, criterion: Criterion) -> CriticError:
    return CriticError(f"'{criterion.name}: {value[:SHOWN_CHARACTERS]}' is no single grade", cause="Ambiguous")
