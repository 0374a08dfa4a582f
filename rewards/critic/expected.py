"""The expected grade: not the one grade that a critic wrote, but the mean over those it might have written.

A small critic that wavers between 3 and 4 writes one of them; the probabilities of both are in the logprobs of the
token that holds the grade.
"""

from __future__ import annotations

import codecs
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ar1_rl.errors import CriticError

from .locate import find_verdict
from .rubric import Criterion, Rubric

MIN_MASS = 0.8
"""Of the probability at the grade's place, this much must lie on grades; else the critic was about to say otherwise."""
_AROUND = " \t\n:=\"'*_`,.}/"


def expected_grade(token_logprobs: Sequence[Any], rubric: Rubric, min_mass: float = MIN_MASS) -> float | None:
    """The rubric's value with every criterion's grade replaced by its expectation.

    `token_logprobs` is `choices[0].logprobs.content` of a chat completion with `top_logprobs`, as objects or as JSON.
    The probabilities of the tokens that are grades are renormalised. None where that cannot be told: no verdict, a
    grade of several tokens, or less than `min_mass` of the probability on grades.
    """
    if not all(isinstance(_get(entry, "token"), str) for entry in token_logprobs):
        return None
    text, starts = _text(token_logprobs)
    try:
        places = find_verdict(text, rubric).places
    except CriticError:
        return None
    parts = {}
    for criterion in rubric.criteria:
        start = places[criterion.name].start
        if start is None or _is_ambiguous(criterion):
            return None
        index = max(i for i, begin in enumerate(starts) if begin <= start)
        expected = _expected(token_logprobs[index], criterion, min_mass)
        if expected is None:
            return None
        parts[criterion.name] = expected
    return rubric.combine(parts)


def of_reply(token_logprobs: Sequence[Any], reply: str) -> list[Any]:
    """The tokens up to the end of the reply: a server may tell those after it as well, such as the end of the turn."""
    if not all(isinstance(_get(entry, "token"), str) for entry in token_logprobs):
        return list(token_logprobs)
    text, starts = _text(token_logprobs)
    begin = text.rfind(reply)
    end = len(text) if begin < 0 else begin + len(reply)
    return [entry for entry, start in zip(token_logprobs, starts, strict=True) if start < end]


def _text(token_logprobs: Sequence[Any]) -> tuple[str, list[int]]:
    """The reply, and where in it each token begins; a character may be spread over several tokens."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, starts = "", []
    for entry in token_logprobs:
        starts.append(len(text))
        text += decoder.decode(_bytes(entry))
    return text, starts


def _bytes(entry: Any) -> bytes:
    given = _get(entry, "bytes")
    if isinstance(given, Sequence) and all(isinstance(n, int) and 0 <= n < 256 for n in given):
        return bytes(given)
    return bytes(_get(entry, "token").encode(errors="replace"))


def _is_ambiguous(criterion: Criterion) -> bool:
    """Whether one grade begins another, so that its token may be half a grade: 1 and 10, 4 and 4.5."""
    written = [choice.text for choice in criterion.choices]
    return any(a != b and b.startswith(a) for a in written for b in written)


def _expected(entry: Any, criterion: Criterion, min_mass: float) -> float | None:
    grades = {choice.text: choice.grade for choice in criterion.choices}
    mass: dict[float, float] = {}
    for token, probability in _probabilities(entry):
        grade = grades.get(token.strip(_AROUND))
        if grade is not None:
            mass[grade] = mass.get(grade, 0.0) + probability
    total = sum(mass.values())
    if not total or total < min_mass:
        return None
    mean = sum(grade * share for grade, share in mass.items()) / total
    # Rounding may lead a hair beyond the ends.
    return min(max(mean, criterion.grades[0]), criterion.grades[-1])


def _probabilities(entry: Any) -> Iterator[tuple[str, float]]:
    """The tokens that might have stood here, each once, and their probabilities."""
    seen = set()
    for candidate in (entry, *(_get(entry, "top_logprobs") or ())):
        token, logprob = _get(candidate, "token"), _get(candidate, "logprob")
        is_number = isinstance(logprob, int | float) and not math.isnan(logprob)
        if isinstance(token, str) and token not in seen and is_number:
            seen.add(token)
            yield token, math.exp(min(logprob, 0.0))


def _get(entry: Any, name: str) -> Any:
    return entry.get(name) if isinstance(entry, Mapping) else getattr(entry, name, None)
