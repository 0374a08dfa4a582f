"""What is checked, in one shape: a reward as the mix would call it, or a whole mix."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ar1_rl.driving import Completion, Scene

from ..asking import Portion, can_judge
from ..calling import BackgroundLoop, call_async_reward, call_reward
from ..mix import NOT_ASKED, Mix
from ..score import Score
from ..terms import Term

ANY_VALUE = (-float("inf"), float("inf"))


class TermSubject:
    """A reward, called as in training except that any value may come back and every exception is kept."""

    is_mix = False

    def __init__(self, term: Term) -> None:
        self.term = term
        self.name = term.name
        self.value_range = term.range
        self.keeps_groups = bool(term.per_group)
        self.one_by_one = False
        """Await async calls one after another, for one that cannot bear several at once."""
        self._open = replace(term, value_range=ANY_VALUE, on_failure="abstain", failure_value=None, gate=None)
        self._state = copy.deepcopy(term.inner.state_dict()) if term.has_state else None
        self._loop = BackgroundLoop()

    def ask(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """A score for each; those that may not be asked (undecodable, trajectory needed) are None."""
        self.reset()
        rows = [row for row, completion in enumerate(completions) if can_judge(self._open, completion)]
        asked = Portion(rows, [completions[row] for row in rows], [scenes[row] for row in rows])
        everything = [NOT_ASKED] * len(completions)
        for row, score in zip(asked.rows, self._call(asked), strict=True):
            everything[row] = score
        return everything

    def reset(self) -> None:
        """Bring a reward with state back to where it started, so that answers can be compared."""
        if self._state is not None:
            self.term.inner.load_state_dict(copy.deepcopy(self._state))

    def _call(self, asked: Portion) -> list[Score]:
        term, completions, scenes, siblings = self._open, asked.completions, asked.scenes, asked.siblings
        if not term.is_async:
            return call_reward(term, completions, scenes, siblings)
        if not self.one_by_one:
            return self._loop.submit(call_async_reward(term, completions, scenes, siblings)).result()
        scores = [Score(None)] * len(completions)
        for rows in siblings if term.per_group else [[row] for row in range(len(completions))]:
            part = [completions[i] for i in rows], [scenes[i] for i in rows], [list(range(len(rows)))]
            for row, score in zip(rows, self._loop.submit(call_async_reward(term, *part)).result(), strict=True):
                scores[row] = score
        return scores


class MixSubject:
    """A mix; its own counters and its rewards' state are left as they are."""

    is_mix = True
    keeps_groups = True
    one_by_one = False

    def __init__(self, mix: Mix) -> None:
        self.name = "mix"
        self.value_range = (mix.undecodable_value, mix.highest)
        self._mix = Mix(
            [replace(t, on_failure="abstain") if t.on_failure == "raise" else t for t in mix.terms],
            gate_value=mix.gate_value,
            undecodable_value=mix.undecodable_value,
        )
        self._state: dict[str, Any] = copy.deepcopy(self._mix.state_dict())

    def ask(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """The mixed value of each; its parts are the values of the terms."""
        self.reset()
        return [
            Score(m.value, {name: s.value for name, s in m.scores.items() if s.value is not None}, m.why)
            for m in self._mix.score(completions, scenes)
        ]

    def reset(self) -> None:
        """Bring rewards with state back to where they started."""
        self._mix.load_state_dict(copy.deepcopy(self._state))


Subject = TermSubject | MixSubject

ROUNDING = 1e-6
"""Of the width of the range: differences below it come from the order of floating-point sums."""


def tolerance(subject: Subject) -> float:
    """Difference of two values that counts as none."""
    low, high = subject.value_range
    width = high - low
    return ROUNDING * max(1.0, width) if np.isfinite(width) else ROUNDING


def same(one: float | None, other: float | None, within: float) -> bool:
    """Whether two values agree; None agrees with None only."""
    if one is None or other is None:
        return one is other
    return abs(one - other) <= within
