"""Asking any reward for grades of texts: sync or async, per sample or per group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ar1_rl.errors import ConfigError

from ..mix import Mix
from ..terms import Term
from .check_pairs import Question

AT_ONCE = 64
"""Questions handed over in one call; between two calls the progress moves on."""


class Asker:
    """Asks one reward through a mix of its own, and counts what failed."""

    def __init__(
        self,
        reward: Any,
        value_range: tuple[float, float] | None = None,
        on_answers: Callable[[int], None] | None = None,
    ) -> None:
        """Raises ConfigError for a reward that needs a trajectory, or whose range spans nothing."""
        if getattr(reward, "needs", "text") == "trajectory":
            name = getattr(reward, "name", reward)
            raise ConfigError(f"{name!r} needs a trajectory; only what grades text can be checked")
        self.term = Term(reward=reward, needs="text", value_range=value_range, weight=0.0)
        low, high = self.term.range
        if not low < high or not np.isfinite([low, high]).all():
            raise ConfigError(
                f"{self.term.name!r}: value_range ({low}, {high}), allowed is a finite one from low to high"
            )
        self._mix = Mix([self.term])
        self._on_answers = on_answers
        self.failures: Counter[str] = Counter()

    def grades(self, questions: Sequence[Question]) -> np.ndarray:
        """Grades [Q] as shares of the range, NaN where there is none. RewardError for a value outside the range."""
        low, high = self.term.range
        values: list[float] = []
        for part in _parts(questions):
            mixed = self._mix.score([q.completion() for q in part], [q.scene() for q in part])
            scores = [m.scores[self.term.name] for m in mixed]
            self.failures.update(score.failure for score in scores if score.failure is not None)
            values += [float("nan") if s.value is None else (s.value - low) / (high - low) for s in scores]
            if self._on_answers is not None:
                self._on_answers(len(part))
        return np.array(values, dtype=float)


def _parts(questions: Sequence[Question]) -> Iterator[Sequence[Question]]:
    """About AT_ONCE questions at a time; the predictions of one ladder stay together, siblings to a group reward."""
    start = 0
    while start < len(questions):
        stop = min(start + AT_ONCE, len(questions))
        while stop < len(questions) and questions[stop].ladder == questions[stop - 1].ladder:
            stop += 1
        yield questions[start:stop]
        start = stop
