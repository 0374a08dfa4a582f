"""Asking all terms of a mix about a batch: each about the rows it can judge, and what waits beside what computes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ar1_rl.driving import Completion, Scene

from .calling import BackgroundLoop, call_async_reward, call_reward
from .score import Score
from .terms import Term


class Request:
    """The rows a term can be asked about, and the way back to all rows."""

    def __init__(self, term: Term, completions: Sequence[Completion], scenes: Sequence[Scene]) -> None:
        self.term = term
        self.total = len(completions)
        self.rows = [i for i, c in enumerate(completions) if term.needs == "text" or c.trajectory is not None]
        asked = [scenes[i] for i in self.rows]
        siblings: dict[str, list[int]] = {}
        for position, scene in enumerate(asked):
            siblings.setdefault(scene.id, []).append(position)
        self.arguments = term, [completions[i] for i in self.rows], asked, list(siblings.values())

    def spread(self, scores: list[Score]) -> list[Score]:
        """A score for every row of the batch, from those of the rows that were asked about."""
        everything = [Score(None, why="not asked: no trajectory could be decoded")] * self.total
        for row, score in zip(self.rows, scores, strict=True):
            everything[row] = score
        return everything


def ask_all(requests: Sequence[Request], loop: BackgroundLoop) -> list[tuple[Request, list[Score]]]:
    """The scores of every request, in the order of the requests."""
    waiting = [r for r in requests if r.term.waits and not r.term.is_async]
    answers: dict[str, list[Score]] = {}
    with ThreadPoolExecutor(max(1, len(waiting))) as pool:
        started = {r.term.name: pool.submit(call_reward, *r.arguments) for r in waiting}
        for r in requests:
            if r.term.is_async:
                started[r.term.name] = loop.submit(call_async_reward(*r.arguments))
        for r in requests:
            if r.term.name not in started:
                answers[r.term.name] = call_reward(*r.arguments)
        answers |= {name: future.result() for name, future in started.items()}
    return [(r, answers[r.term.name]) for r in requests]
