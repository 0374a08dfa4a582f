"""From what a question came to, to a score. The same reply gives the same score, now and when it is replayed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ar1_rl.errors import CriticError

from ..score import Score
from .asking import Asked
from .expected import expected_grade, of_reply
from .rubric import Rubric
from .verdict import Verdict, read_verdict

WHY_CHARACTERS = 200
"""Of a critic's reason, this much goes into the score's why; the whole reply is in the record."""


def grade_reply(asked: Asked, rubric: Rubric, expected: bool) -> Score:
    """The score; with `expected`, the grade's expectation where the reply has usable logprobs.

    The record says which of the two it was, and has all that `asking.recorded` needs to grade it again.
    """
    record = {**asked.record, "rubric": rubric.name, "reply": asked.reply, "expected_grade": False}
    if asked.failure is not None or asked.reply is None:
        return _failed(record, asked.failure or "NoReply", asked.why)
    try:
        verdict = read_verdict(asked.reply, rubric)
    except CriticError as error:
        return _failed(record, error.cause, str(error))
    value, logprobs = verdict.grade, None
    if expected and asked.logprobs is not None:
        logprobs = slim_logprobs(of_reply(asked.logprobs, asked.reply), rubric)
        mean = expected_grade(logprobs, rubric)
        if mean is not None:
            value, record["expected_grade"] = mean, True
            record["logprobs"] = logprobs
    return _offered(value, verdict, record, rubric)


def slim_logprobs(logprobs: Sequence[Any], rubric: Rubric) -> list[dict[str, Any]]:
    """Logprobs without the alternatives to tokens that hold no grade: the same expectation in a tenth of the space."""
    grades = {choice.text for criterion in rubric.criteria for choice in criterion.choices}
    slim = [_slim(entry, grades) for entry in logprobs if isinstance(entry, Mapping) and "token" in entry]
    whole = list(logprobs)
    same = len(slim) == len(whole) and expected_grade(slim, rubric) == expected_grade(whole, rubric)
    return slim if same else whole


def _slim(entry: Mapping[str, Any], grades: set[str]) -> dict[str, Any]:
    kept = {"token": entry["token"], "logprob": entry.get("logprob")}
    if entry.get("bytes") is not None and bytes(entry["bytes"]) != str(entry["token"]).encode(errors="replace"):
        kept["bytes"] = entry["bytes"]
    if any(grade in str(entry["token"]) for grade in grades):
        kept["top_logprobs"] = [
            {"token": top.get("token"), "logprob": top.get("logprob")} for top in entry.get("top_logprobs") or ()
        ]
    return kept


def _offered(value: float, verdict: Verdict, record: dict[str, Any], rubric: Rubric) -> Score:
    low, high = rubric.value_range
    if not (math.isfinite(value) and low <= value <= high):
        return _failed(record, "WrongGrade", f"the grade {value} is not within {low:g} to {high:g}")
    return Score(float(value), dict(verdict.parts), verdict.reason.strip()[:WHY_CHARACTERS], record)


def _failed(record: dict[str, Any], cause: str, why: str) -> Score:
    return Score(None, why=why, record={**record, "failure": cause, "why": why}, failure=cause)
