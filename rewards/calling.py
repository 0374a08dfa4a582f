"""Calling rewards, whatever their form, and turning what comes back into scores.

Every outcome of a call is a `Score`; one whose `failure` is set stands for an exception or a value that is no number.
What a failure means is decided by the term's policy, in the mix. A broken contract (wrong type, wrong length, out of
range) is a bug of the reward and always raises RewardError.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError, MissingDependencyError, RewardError

from .score import Score
from .terms import Term

RANGE_SLACK = 1e-6
"""Rounding that a value may lie outside its declared range by."""

MESSAGE_CHARACTERS = 200
"""Of an exception's text, this much goes into the score's why."""

CALLER_FAULTS = (ConfigError, MissingDependencyError)
"""Nothing that another try or another scene would mend: raised whatever the failure policy."""

Siblings = Sequence[Sequence[int]]
"""Row numbers of the completions of each scene."""


def call_reward(
    term: Term, completions: Sequence[Completion], scenes: Sequence[Scene], siblings: Siblings
) -> list[Score]:
    """Scores of a sync reward: by group, by its batched form, or one by one."""
    if term.per_group:
        return _call_groups(term, completions, scenes, siblings)
    batched = getattr(term.reward, "score_batch", None)
    if batched is not None:
        try:
            values = list(batched(completions, scenes))
        except CALLER_FAULTS:
            raise
        except Exception:
            # One bad scene fails the whole batch; one by one, only that one fails and is named.
            return [_call_one(term, c, s) for c, s in zip(completions, scenes, strict=True)]
        _check_length(term, values, len(completions))
        return [as_score(value, term, scene) for value, scene in zip(values, scenes, strict=True)]
    return [_call_one(term, c, s) for c, s in zip(completions, scenes, strict=True)]


async def call_async_reward(
    term: Term, completions: Sequence[Completion], scenes: Sequence[Scene], siblings: Siblings
) -> list[Score]:
    """Scores of an async reward; all calls are in flight at once."""
    if term.per_group:
        groups = await asyncio.gather(
            *(term.reward([completions[i] for i in rows], scenes[rows[0]]) for rows in siblings),
            return_exceptions=True,
        )
        return _spread(term, groups, scenes, siblings)
    values = await asyncio.gather(
        *(term.reward(c, s) for c, s in zip(completions, scenes, strict=True)), return_exceptions=True
    )
    return [as_score(value, term, scene) for value, scene in zip(values, scenes, strict=True)]


def as_score(value: Any, term: Term, scene: Scene) -> Score:
    """What a reward returned (or raised) as a Score; RewardError where it broke its contract."""
    if isinstance(value, BaseException):
        if isinstance(value, CALLER_FAULTS) or not isinstance(value, Exception):
            raise value
        if term.on_failure == "raise":
            raise RewardError(f"reward {term.name!r} failed on scene {scene.id!r}: {_told(value)}") from value
        return Score(None, why=f"failed: {_told(value)}", failure=type(value).__name__)
    if value is None:
        return Score(None, why="the reward abstained")
    score = value
    if not isinstance(value, Score):
        if not isinstance(value, int | float | np.integer | np.floating | np.bool_):
            raise RewardError(
                f"reward {term.name!r}, scene {scene.id!r}: returned a {type(value).__name__}, "
                "allowed are a Score, a number or None"
            )
        score = Score(float(value))
    if score.value is None:
        return score
    if not math.isfinite(score.value):
        return Score(None, score.parts, f"failed: the value is {score.value}", score.record, failure="NotFinite")
    low, high = term.range
    if not low - RANGE_SLACK <= score.value <= high + RANGE_SLACK:
        raise RewardError(
            f"reward {term.name!r}, scene {scene.id!r}: value {score.value:g} is outside its range {low:g} to {high:g}"
            "; set `range: [lowest, highest]` on the term, or the attribute `value_range` on the reward"
        )
    return score


class BackgroundLoop:
    """An event loop on its own daemon thread, started at first use and kept: clients stay tied to one loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def submit(self, coroutine: Any) -> Future[Any]:
        """Start a coroutine; the result is awaited with `.result()`."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(self._loop,), name="async-rewards", daemon=True).start()
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Stop the loop and its thread; a coroutine submitted later starts a new one."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None:
            loop.call_soon_threadsafe(loop.stop)


class Worker:
    """A thread of its own that does one job after another; unlike a pool's it keeps no process from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], Any]) -> Future[Any]:
        """Put a job at the end of the line."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: Future[Any] = Future()
        self._jobs.put((job, future))
        return future

    def close(self) -> None:
        """Let the thread end once the line is empty."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, future = entry
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:
                # Whoever waits for the result is told, whatever it is.
                future.set_exception(error)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _call_one(term: Term, completion: Completion, scene: Scene) -> Score:
    try:
        value = term.reward(completion, scene)
    except Exception as error:
        value = error
    return as_score(value, term, scene)


def _call_groups(
    term: Term, completions: Sequence[Completion], scenes: Sequence[Scene], siblings: Siblings
) -> list[Score]:
    groups: list[Any] = []
    for rows in siblings:
        try:
            groups.append(term.reward([completions[i] for i in rows], scenes[rows[0]]))
        except Exception as error:
            groups.append(error)
    return _spread(term, groups, scenes, siblings)


def _spread(term: Term, groups: Sequence[Any], scenes: Sequence[Scene], siblings: Siblings) -> list[Score]:
    scores = [Score(None)] * len(scenes)
    for rows, group in zip(siblings, groups, strict=True):
        values = [group] * len(rows) if isinstance(group, BaseException) else list(group)
        _check_length(term, values, len(rows))
        for row, value in zip(rows, values, strict=True):
            scores[row] = as_score(value, term, scenes[row])
    return scores


def _check_length(term: Term, values: Sequence[Any], expected: int) -> None:
    if len(values) != expected:
        raise RewardError(f"reward {term.name!r}: {len(values)} values for {expected} completions")


def _told(error: Exception) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text[:MESSAGE_CHARACTERS]}" if text else type(error).__name__
