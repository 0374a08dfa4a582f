"""How the terms of a mix are asked about a batch that is still being written.

A term is asked about a unit as soon as all of it is there: one completion, all siblings of a scene, or the whole batch.

| reward | unit | asked |
|---|---|---|
| async | completion, or siblings | on the event loop, all at once |
| waits for someone else and has `open_batch` | completion | on a thread, which does not wait for the answers |
| sync without a batched form, and waits or needs only the text | completion, or siblings | on a thread, one by one |
| waits, with a batched form | batch | on a thread |
| anything else: it computes | batch | by whoever wants the scores |

One with state is asked about the whole batch in its order, since what it says may depend on what it was asked before,
unless it has `open_batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import StallError

from .calling import CALLER_FAULTS, BackgroundLoop, Siblings, Worker, call_async_reward, call_reward
from .score import Score
from .terms import Term

Unit = Literal["completion", "siblings", "batch"]
"""What a term is asked about at once."""


def unit_of(term: Term) -> Unit:
    """How much has to be there before a term is asked."""
    if term.is_open:
        return "completion"
    early = term.is_async or (not term.is_batched and (term.waits or term.needs == "text"))
    if not early or term.has_state:
        return "batch"
    return "siblings" if term.per_group else "completion"


def sees_text_only(term: Term) -> bool:
    """Whether a term is shown only the text: if that is all it needs, and it has no batched form."""
    return term.needs == "text" and not term.is_batched


def shown(term: Term, completion: Completion) -> Completion:
    """What a term gets to see of a completion, whenever it is asked."""
    return completion.text_part() if sees_text_only(term) else completion


def can_judge(term: Term, completion: Completion) -> bool:
    """Whether a whole completion has what a term needs."""
    return term.needs == "text" or completion.trajectory is not None


def siblings_of(scenes: Sequence[Scene]) -> Siblings:
    """Rows with the same scene id."""
    by_scene: dict[str, list[int]] = {}
    for row, scene in enumerate(scenes):
        by_scene.setdefault(scene.id, []).append(row)
    return list(by_scene.values())


@dataclass(frozen=True)
class Portion:
    """Rows of a batch that a term is asked about together."""

    rows: Sequence[int]
    completions: Sequence[Completion]
    """As they are shown to the term."""
    scenes: Sequence[Scene]

    @property
    def siblings(self) -> Siblings:
        """Positions of the completions of each scene."""
        return siblings_of(self.scenes)

    def parts(self, unit: Unit) -> list[Portion]:
        """The same unit by unit."""
        if unit == "batch":
            return [self]
        units = self.siblings if unit == "siblings" else [[position] for position in range(len(self.rows))]
        return [Portion(*([values[i] for i in positions] for values in self._columns)) for positions in units]

    @property
    def _columns(self) -> tuple[Sequence[Any], ...]:
        return self.rows, self.completions, self.scenes


class OpenBatch(Protocol):
    """A batch that is asked about as it comes; a reward that waits offers one as `open_batch()`."""

    def ask(self, rows: Sequence[Any], completions: Sequence[Completion], scenes: Sequence[Scene]) -> None:
        """Ask about some rows, without waiting for the answers."""
        ...

    def finish(self) -> dict[Any, Score]:
        """The scores of all rows, once they are there."""
        ...

    def cancel(self) -> None:
        """Give up what has not been answered."""
        ...


class Desk:
    """Where one term is asked about one batch. This one keeps everything until its scores are wanted."""

    waits = False

    def __init__(self, term: Term) -> None:
        self.term = term
        self.asked: list[Portion] = []

    def ask(self, asked: Portion) -> None:
        """Ask about some rows; does not wait and does not raise."""
        self.asked.append(asked)

    def scores(self, patience_s: float) -> dict[int, Score]:
        """By row, waited for. StallError when nothing comes for `patience_s`."""
        return {row: score for asked in self.asked for row, score in _by_row(asked, _call(self.term, asked))}

    def cancel(self) -> None:
        """Give up what has not been answered."""


class _Waiting(Desk):
    """Asks at once; the answers come by themselves."""

    waits = True

    def __init__(self, term: Term) -> None:
        super().__init__(term)
        self._answers: list[Future[list[Score]]] = []

    def ask(self, asked: Portion) -> None:
        super().ask(asked)
        self._answers.append(self._submit(asked))

    def scores(self, patience_s: float) -> dict[int, Score]:
        _wait_for(self._answers, self.term.name, patience_s)
        answered = zip(self.asked, self._answers, strict=True)
        return {row: score for asked, answer in answered for row, score in _by_row(asked, answer.result())}

    def cancel(self) -> None:
        for answer in self._answers:
            answer.cancel()

    def _submit(self, asked: Portion) -> Future[list[Score]]:
        raise NotImplementedError


class _OnLoop(_Waiting):
    def __init__(self, term: Term, loop: BackgroundLoop) -> None:
        super().__init__(term)
        self._loop = loop

    def _submit(self, asked: Portion) -> Future[list[Score]]:
        return self._loop.submit(call_async_reward(self.term, asked.completions, asked.scenes, asked.siblings))


class _OnThread(_Waiting):
    def __init__(self, term: Term) -> None:
        super().__init__(term)
        self._worker = Worker(f"reward-{term.name}")

    def ask(self, asked: Portion) -> None:
        # One by one, so that it shows how far the thread has come.
        for part in asked.parts(unit_of(self.term)):
            super().ask(part)

    def scores(self, patience_s: float) -> dict[int, Score]:
        self._worker.close()
        return super().scores(patience_s)

    def cancel(self) -> None:
        super().cancel()
        self._worker.close()

    def _submit(self, asked: Portion) -> Future[list[Score]]:
        return self._worker.submit(lambda: _call(self.term, asked))


class _Opened(Desk):
    """Hands rows over to the reward, those together that have come in the meantime."""

    waits = True

    def __init__(self, term: Term) -> None:
        super().__init__(term)
        self._worker = Worker(f"reward-{term.name}")
        self._batch: OpenBatch | None = None
        self._handed = 0
        self._over: list[Future[None]] = []

    def ask(self, asked: Portion) -> None:
        super().ask(asked)
        self._over.append(self._worker.submit(self._hand_over))

    def scores(self, patience_s: float) -> dict[int, Score]:
        self._worker.close()
        try:
            _wait_for(self._over, self.term.name, patience_s)
            return {} if self._batch is None else self._batch.finish()
        except (StallError, *CALLER_FAULTS):
            raise
        except Exception:
            # As with a batched form that fails: called again in parts, only those fail that must.
            self.cancel()
            return super().scores(patience_s)

    def cancel(self) -> None:
        for over in self._over:
            over.cancel()
        self._worker.close()
        if self._batch is not None:
            self._batch.cancel()

    def _hand_over(self) -> None:
        if self._batch is None:
            self._batch = self.term.inner.open_batch()
        new = self.asked[self._handed :]
        self._handed += len(new)
        rows = [row for asked in new for row in asked.rows]
        if rows:
            completions = [completion for asked in new for completion in asked.completions]
            self._batch.ask(rows, completions, [scene for asked in new for scene in asked.scenes])


def desk_for(term: Term, loop: BackgroundLoop) -> Desk:
    """Where a term is asked about a new batch."""
    if term.is_async:
        return _OnLoop(term, loop)
    if term.is_open:
        return _Opened(term)
    if term.waits or unit_of(term) != "batch":
        return _OnThread(term)
    return Desk(term)


def _call(term: Term, asked: Portion) -> list[Score]:
    return call_reward(term, asked.completions, asked.scenes, asked.siblings)


def _by_row(asked: Portion, scores: Sequence[Score]) -> list[tuple[int, Score]]:
    return list(zip(asked.rows, scores, strict=True))


def _wait_for(answers: Sequence[Future[Any]], name: str, patience_s: float) -> None:
    """Until all are there; raises what the first that failed raises, and StallError when none comes in that time."""
    waiting = set(answers)
    while waiting:
        done, waiting = wait(waiting, timeout=patience_s, return_when=FIRST_COMPLETED)
        for answer in done:
            answer.result()
        if not done:
            raise StallError(
                f"reward {name!r}: no answer for {patience_s:g} s, {len(waiting)} of {len(answers)} calls are still "
                "under way. Give the reward a timeout of its own, or it more time by rewards.stall_s"
            )
