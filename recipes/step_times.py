"""How long the parts of a training step take: rollouts, rewards, update."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TrainerCallback

ROLLOUTS, REWARDS, UPDATE = "rollouts", "rewards", "update"
PREFIX = "seconds/"


class StepTimes:
    """Seconds by part since they were last taken.

    With overlap, rewards are asked during the rollouts: `rewards` is then the wait for those that are not there yet.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._part: str | None = None
        self._since = 0.0
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def begin(self, part: str | None) -> None:
        """From now on time goes to `part`, or to none."""
        now = self._clock()
        if self._part is not None:
            self._seconds[self._part] += now - self._since
        self._part, self._since = part, now

    def take(self) -> dict[str, float]:
        """`seconds/<part>` of a step that has ended."""
        self.begin(None)
        taken = {f"{PREFIX}{part}": round(seconds, 3) for part, seconds in self._seconds.items()}
        self._seconds.clear()
        return taken

    def callback(self) -> TrainerCallback:
        """A step whose rollouts are there is all update."""
        from transformers import TrainerCallback

        times = self

        class Begins(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                times.begin(UPDATE)

        return Begins()
