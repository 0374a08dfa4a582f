"""A batch of rollouts before a critic behind an endpoint: rows -> distinct questions -> answers -> scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ar1_rl.driving import Completion, Scene

from ..score import Score
from .asking import Asked, OpenQuestions, keep
from .cache import ReplyCache
from .cost import Usage
from .questions import Pictures, Question, Questioner

if TYPE_CHECKING:
    from .endpoint import EndpointCritic


class CriticBatch:
    """The rows of one batch, asked about as they come; the same question is asked once (`asking.OpenBatch`)."""

    def __init__(self, critic: EndpointCritic, questioner: Questioner, replies: ReplyCache | None) -> None:
        self._critic, self._questioner, self._replies = critic, questioner, replies
        self._questions = OpenQuestions(critic, replies)
        self._pictures = Pictures()
        self._rows: dict[Any, Question | Score] = {}

    def ask(
        self,
        rows: Sequence[Any],
        completions: Sequence[Completion],
        scenes: Sequence[Scene],
        draws: Sequence[int] | None = None,
    ) -> None:
        """Ask about some rows, which can be put in order; does not wait."""
        asked = self._questioner.ask(completions, scenes, draws or [0] * len(completions), self._pictures)
        self._rows |= dict(zip(rows, asked, strict=True))
        self._questions.ask([row for row in asked if isinstance(row, Question)])

    def finish(self) -> dict[Any, Score]:
        """The scores by row, once all are there. Of the rows that share a question, the first has asked it."""
        asked = self._questions.answers()
        graded = {key: self._critic.grade(one) for key, one in asked.items()}
        if self._replies is not None:
            keep(self._replies, {key: one for key, one in asked.items() if graded[key].value is not None})
        scores: dict[Any, Score] = {}
        met: set[str] = set()
        for row, question in sorted(self._rows.items(), key=lambda item: item[0]):
            if isinstance(question, Score):
                scores[row] = question
                continue
            score = graded[question.key]
            shared = question.key in met
            scores[row] = replace(score, record={**score.record, "shared": True}) if shared else score
            met.add(question.key)
        self._critic.count(self._usage(scores, asked, graded))
        return scores

    def cancel(self) -> None:
        """Give up what has not been answered."""
        self._questions.cancel()

    def _usage(self, scores: Mapping[Any, Score], asked: Mapping[str, Asked], graded: Mapping[str, Score]) -> Usage:
        new = [key for key, one in asked.items() if not one.record["cached"]]
        questions = [score for score in scores.values() if score.record]
        batch = Usage(
            rollouts=len(questions),
            cached=sum(bool(score.record["cached"]) for score in questions),
            failed=sum(graded[key].failure is not None for key in new),
            wall_s=self._questions.wall_s,
        )
        return sum((asked[key].usage for key in new), batch)
