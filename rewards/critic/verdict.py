"""From a critic's reply to its grade. The last verdict counts, and only a grade that was on offer is one.

A verdict is a JSON object with the criteria of the rubric as keys, or lines `grade: N`, one for each criterion. What a
critic thinks aloud before `</think>` is no verdict, and neither is what it quotes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ar1_rl.errors import ConfigError

from .expected import expected_grade
from .locate import find_verdict
from .rubric import Rubric

__all__ = [
    "REPLY_MODES",
    "ReplyMode",
    "Verdict",
    "expected_grade",
    "read_verdict",
    "response_format",
]

ReplyMode = Literal["json_schema", "choice", "none"]
"""What the server can hold a reply to: a JSON schema, one of some texts (then there is no reason), or nothing."""

REPLY_MODES: tuple[ReplyMode, ...] = ("json_schema", "choice", "none")
MOST_CHOICES = 256
"""Texts that a choice may be made among; a rubric whose criteria have more combinations needs another mode."""


@dataclass(frozen=True)
class Verdict:
    """What a critic decided: the rubric's value, the critic's own words, and the grade of every criterion."""

    grade: float
    reason: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)


def read_verdict(reply: str, rubric: Rubric) -> Verdict:
    """The last verdict of a reply.

    Raises CriticError where there is none, with the `cause`: NoVerdict (nothing that looks like one), NotJson (an
    object that cannot be read), WrongGrade (a grade that was not on offer), Ambiguous (several grades in one).
    """
    found = find_verdict(reply, rubric)
    parts = {name: place.grade for name, place in found.places.items()}
    return Verdict(rubric.combine(parts), found.reason, parts)


def response_format(rubric: Rubric, mode: ReplyMode, reason_characters: int | None = None) -> dict[str, Any]:
    """Arguments of `chat.completions.create` that hold the reply to the rubric's form; the reason before the grade.

    `choice` is vLLM's own (`structured_outputs`, formerly guided_choice). With `reason_characters` the schema bounds
    the reason, which keeps small critics from never coming to an end; not every hosted server takes such a bound.
    """
    if mode == "none":
        return {}
    if mode == "choice":
        return {"extra_body": {"structured_outputs": {"choice": _choices(rubric)}}}
    if mode == "json_schema":
        schema = {"name": "verdict", "strict": True, "schema": _schema(rubric, reason_characters)}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    raise ConfigError(f"reply mode: got {mode!r}, allowed are {', '.join(REPLY_MODES)}")


def _schema(rubric: Rubric, reason_characters: int | None) -> dict[str, Any]:
    reason: dict[str, Any] = {"type": "string"}
    if reason_characters is not None:
        reason["maxLength"] = reason_characters
    properties: dict[str, Any] = {"reason": reason}
    for criterion in rubric.criteria:
        whole = all(grade == int(grade) for grade in criterion.grades)
        grades = [int(grade) if whole else grade for grade in criterion.grades]
        properties[criterion.name] = {"type": "integer" if whole else "number", "enum": grades}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _choices(rubric: Rubric) -> list[str]:
    count = math.prod(len(criterion.choices) for criterion in rubric.criteria)
    if count > MOST_CHOICES:
        raise ConfigError(
            f"reply mode 'choice': rubric {rubric.name!r} has {count} combinations of grades, at most {MOST_CHOICES} "
            "can be offered; use 'json_schema' or 'none'"
        )
    lines = [[f"{criterion.name}: {choice.text}" for choice in criterion.choices] for criterion in rubric.criteria]
    return ["\n".join(combination) for combination in itertools.product(*lines)]
