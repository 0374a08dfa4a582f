"""A rubric: the criteria that a critic judges by, each with its choices from worst to best, and their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_RUBRIC = "paper"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A grade on offer, and what earns it. Example: 4, "behaviour agrees; the causes mostly do."."""

    grade: float
    description: str

    @property
    def text(self) -> str:
        """The grade as a critic writes it: `4`, `4.5`."""
        return grade_text(self.grade)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A question about the prediction, and the grades that may answer it, in rising order."""

    name: str
    """The word before the grade in the critic's reply."""
    question: str
    choices: tuple[Choice, ...]
    weight: float = 1.0

    @property
    def grades(self) -> tuple[float, ...]:
        """The grades on offer, from worst to best."""
        return tuple(choice.grade for choice in self.choices)

    @property
    def allowed(self) -> str:
        """The grades on offer, for messages and prompts."""
        return ", ".join(choice.text for choice in self.choices)


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """Criteria and their weights; the value is the weighted mean of their grades."""

    name: str
    criteria: tuple[Criterion, ...]

    @property
    def value_range(self) -> tuple[float, float]:
        """The worst and the best value."""
        worst = self.combine({criterion.name: criterion.grades[0] for criterion in self.criteria})
        return worst, self.combine({criterion.name: criterion.grades[-1] for criterion in self.criteria})

    def combine(self, parts: Mapping[str, float]) -> float:
        """The value of a verdict: the mean of one grade per criterion, weighted."""
        total = sum(criterion.weight for criterion in self.criteria)
        return sum(criterion.weight * parts[criterion.name] for criterion in self.criteria) / total


def grade_text(grade: float) -> str:
    """A grade as it is written: 4.0 is `4`, 4.5 is `4.5`."""
    return str(int(grade)) if grade == int(grade) else repr(grade)


def load_rubric(name_or_path: str | Path = DEFAULT_RUBRIC) -> Rubric:
    """A shipped rubric by its name, or one's own by the path of its YAML file; ConfigError lists every fault."""
    # pydantic takes longer to import than all of the rewards together.
    from .rubric_file import read_rubric

    return read_rubric(name_or_path)
