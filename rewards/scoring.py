"""The scores of a batch, asked for while it is still being written. Who writes it, and how, is not known here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import RewardError

from .asking import Portion, Unit, can_judge, desk_for, shown, siblings_of, unit_of
from .calling import BackgroundLoop
from .score import Score
from .terms import Term

if TYPE_CHECKING:
    from .mix import MixedScore

Judged = tuple[Term, Portion, list[Score]]
"""A term, the rows it was asked about in their order, and its scores of them."""


class ScoringSession:
    """One batch of a mix: told row by row what is there, and asked once for the scores.

    `text_ready` and `ready` return at once and never raise: what goes wrong is told by `finish`, where all ranks of a
    run meet. A row may be told of in any order, and of its text not at all; the scores are the same.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        scenes: Sequence[Scene],
        loop: BackgroundLoop,
        mixed: Callable[[Sequence[Completion], Sequence[Scene], Sequence[Judged]], list[MixedScore]],
        patience_s: float,
    ) -> None:
        self.scenes = list(scenes)
        self._mixed = mixed
        self._patience_s = patience_s
        self._completions: list[Completion | None] = [None] * len(self.scenes)
        self._terms = [_TermOfBatch(term, self.scenes, loop) for term in terms]
        self._fault: Exception | None = None

    @property
    def listens(self) -> bool:
        """Whether any reward can use being told of a row before all of them are there."""
        return any(term.unit != "batch" for term in self._terms)

    def text_ready(self, row: int, completion: Completion) -> None:
        """The reasoning of a row is closed; `completion` is its text part, or all of it."""
        self._tell([row], [completion], whole=False)

    def ready(self, row: int, completion: Completion) -> None:
        """A row is whole."""
        self.all_ready([row], [completion])

    def all_ready(self, rows: Sequence[int], completions: Sequence[Completion]) -> None:
        """Rows are whole."""
        for row, completion in zip(rows, completions, strict=True):
            self._completions[row] = completion
        self._tell(rows, completions, whole=True)

    def finish(self, completions: Sequence[Completion] | None = None) -> list[MixedScore]:
        """The mixed scores of all rows, in order, once they are there; the one place that waits.

        Raises what any reward raised, RewardError where a row is missing or not one of `completions`, if they are
        given, and StallError where a reward has stopped answering.
        """
        try:
            if self._fault is not None:
                raise self._fault
            whole = [completion for completion in self._completions if completion is not None]
            if len(whole) != len(self.scenes):
                raise RewardError(f"{len(whole)} of {len(self.scenes)} completions are there; all must be")
            if completions is not None and any(a is not b for a, b in zip(whole, completions, strict=True)):
                raise RewardError("these are not the completions that the session was told of")
            # What computes does so while the others are waited for.
            for term in sorted(self._terms, key=lambda term: term.desk.waits):
                term.collect(self._patience_s)
            return self._mixed(whole, self.scenes, [term.judged() for term in self._terms])
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Give up what has not been answered."""
        for term in self._terms:
            term.desk.cancel()

    def _tell(self, rows: Sequence[int], completions: Sequence[Completion], *, whole: bool) -> None:
        try:
            for term in self._terms:
                term.tell(rows, completions, whole=whole)
        except Exception as error:
            self._fault = self._fault or error


class _TermOfBatch:
    """One term in one batch: which rows it can be asked about, and which of its units are there."""

    def __init__(self, term: Term, scenes: Sequence[Scene], loop: BackgroundLoop) -> None:
        self.term = term
        self.unit = unit_of(term)
        self.desk = desk_for(term, loop)
        self._scenes = scenes
        self._shown: dict[int, Completion | None] = {}
        """Rows that are there, as the term sees them; None where it cannot be asked."""
        self._units = _units(self.unit, scenes)
        self._unit_of = {row: number for number, rows in enumerate(self._units) for row in rows}
        self._missing = [len(rows) for rows in self._units]
        self._scores: dict[int, Score] = {}

    def tell(self, rows: Sequence[int], completions: Sequence[Completion], *, whole: bool) -> None:
        """Take note of rows, and ask about the units that they complete."""
        if not whole and (self.term.needs != "text" or self.unit == "batch"):
            return
        complete = []
        for row, completion in zip(rows, completions, strict=True):
            if row in self._shown:
                continue
            judgeable = not whole or can_judge(self.term, completion)
            self._shown[row] = shown(self.term, completion) if judgeable else None
            unit = self._unit_of[row]
            self._missing[unit] -= 1
            if not self._missing[unit]:
                complete.append(unit)
        asked = self._asked([row for unit in complete for row in self._units[unit]])
        if asked.rows:
            self.desk.ask(asked)

    def collect(self, patience_s: float) -> None:
        """Wait for the scores."""
        self._scores = self.desk.scores(patience_s)

    def judged(self) -> Judged:
        """The rows that were asked about, in their order, and their scores."""
        asked = self._asked(range(len(self._scenes)))
        return self.term, asked, [self._scores[row] for row in asked.rows]

    def _asked(self, rows: Sequence[int]) -> Portion:
        there = {row: completion for row in rows if (completion := self._shown[row]) is not None}
        return Portion(list(there), list(there.values()), [self._scenes[row] for row in there])


def _units(unit: Unit, scenes: Sequence[Scene]) -> Sequence[Sequence[int]]:
    """Rows that are asked about together."""
    if unit == "batch":
        return [range(len(scenes))]
    if unit == "completion":
        return [[row] for row in range(len(scenes))]
    return siblings_of(scenes)
