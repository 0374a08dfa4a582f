"""Rubric files: YAML, strictly checked, all faults at once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pydantic import Field, field_validator

from ar1_rl.config import ConfigModel, load_config
from ar1_rl.errors import ConfigError

from .rubric import Choice, Criterion, Rubric

RESERVED_NAME = "reason"
"""What the critic's own words are called in its reply."""


class ChoiceModel(ConfigModel):
    """One line of `choices`."""

    grade: float = Field(allow_inf_nan=False)
    description: str = Field(min_length=1)


class CriterionModel(ConfigModel):
    """One entry of `criteria`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    question: str = Field(min_length=1)
    choices: tuple[ChoiceModel, ...] = Field(min_length=2, strict=False)
    weight: float = Field(default=1.0, gt=0, allow_inf_nan=False)

    @field_validator("name")
    @classmethod
    def _not_the_reason(cls, name: str) -> str:
        if name == RESERVED_NAME:
            raise ValueError(f"{RESERVED_NAME!r} is what the critic's own words are called; choose another name")
        return name

    @field_validator("choices")
    @classmethod
    def _worst_to_best(cls, choices: tuple[ChoiceModel, ...]) -> tuple[ChoiceModel, ...]:
        grades = [choice.grade for choice in choices]
        if any(not lower < higher for lower, higher in itertools.pairwise(grades)):
            raise ValueError(f"grades must rise from worst to best, got {grades}")
        return choices


class RubricModel(ConfigModel):
    """A whole file."""

    name: str = Field(min_length=1)
    criteria: tuple[CriterionModel, ...] = Field(min_length=1, strict=False)

    @field_validator("criteria")
    @classmethod
    def _different_names(cls, criteria: tuple[CriterionModel, ...]) -> tuple[CriterionModel, ...]:
        names = [criterion.name for criterion in criteria]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names given twice: {', '.join(twice)}")
        return criteria


def shipped() -> Sequence[str]:
    """Names of the rubrics that come with the library."""
    folder = resources.files(__package__).joinpath("rubrics")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def read_rubric(name_or_path: str | Path) -> Rubric:
    """See `rubric.load_rubric`."""
    if str(name_or_path) in shipped():
        source = resources.files(__package__).joinpath(f"rubrics/{name_or_path}.yaml")
        with resources.as_file(source) as path:
            model = load_config(RubricModel, path)
    elif Path(name_or_path).is_file():
        model = load_config(RubricModel, Path(name_or_path))
    else:
        raise ConfigError(
            f"rubric: got {str(name_or_path)!r}, allowed are {', '.join(shipped())} and the path of a YAML file"
        )
    return Rubric(name=model.name, criteria=tuple(_criterion(criterion) for criterion in model.criteria))


def _criterion(model: CriterionModel) -> Criterion:
    choices = tuple(Choice(grade=c.grade, description=c.description) for c in model.choices)
    return Criterion(name=model.name, question=model.question, choices=choices, weight=model.weight)
