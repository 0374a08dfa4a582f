"""`format`: is the completion whole, with a reasoning trace and a trajectory that decodes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ar1_rl.driving import Completion, Scene

from .base import BatchReward, Needs
from .score import Score


def format_fault(completion: Completion) -> str | None:
    """What is wrong with the form of a completion, or None."""
    if completion.trajectory is None:
        return f"no trajectory: {completion.error}"
    if completion.reasoning is None:
        return "the reasoning is not closed"
    if not completion.reasoning.strip():
        return "the reasoning is empty"
    return None


@dataclass(frozen=True)
class Format(BatchReward):
    """1 for a non-empty reasoning trace with a decodable trajectory, else 0."""

    name: str = "format"
    needs: ClassVar[Needs] = "text"
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score completions; the scenes do not matter."""
        faults = [format_fault(completion) for completion in completions]
        return [Score(1.0, why="well formed") if fault is None else Score(0.0, why=fault) for fault in faults]
