"""Validation on the way through GRPO, and the best policy so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ar1_rl.driving import Scene

from .whole_files import write_whole

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from .grpo import PolicyTraining

BEST_FOLDER = "best"
BEST_FILE = "best.json"
"""In a checkpoint, and in the folder of the best policy."""


@dataclass
class BestSoFar:
    """The step after which the validation reward was highest: a part of every checkpoint."""

    step: int = -1
    reward: float | None = None
    """None while nothing could be judged."""

    def offer(self, step: int, reward: float | None) -> bool:
        """Whether the policy after `step` is the best so far; while nothing could be judged, any is."""
        if self.reward is not None and (reward is None or reward <= self.reward):
            return False
        self.step, self.reward = step, reward
        return True

    def as_text(self) -> str:
        """For a file."""
        return json.dumps({"step": self.step, "reward": self.reward})

    def save(self, checkpoint: Path, rank: int) -> None:
        """Write it; all ranks know the same."""
        if rank == 0:
            write_whole(checkpoint / BEST_FILE, self.as_text())

    def load(self, checkpoint: Path, rank: int) -> None:
        """Go on from there."""
        saved = json.loads((checkpoint / BEST_FILE).read_text())
        self.step, self.reward = saved["step"], saved["reward"]

    def is_in(self, folder: Path) -> bool:
        """Whether that policy is the one in `folder`."""
        path = folder / BEST_FILE
        return path.exists() and json.loads(path.read_text())["step"] == self.step


def validation_callback(training: PolicyTraining, scenes: Sequence[Scene], best: BestSoFar) -> TrainerCallback:
    """Validates before the first step, every N steps and after the last one, and keeps the best policy.

    That folder is only replaced once the checkpoint of the same step is sealed: whenever a run dies, it holds the best
    policy up to the last whole checkpoint, or can be written again from that one.
    """
    from transformers import TrainerCallback

    class Validation(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 0:
                self._validate(0)
            self._keep(state.global_step)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % training.config.grpo.evaluate_every == 0 or state.global_step == state.max_steps:
                self._validate(state.global_step)

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self._keep(state.global_step)

        def _validate(self, step: int) -> None:
            figures = training.validate(scenes, step)
            training.folder.append_metrics({"stage": "grpo", "step": step, **figures})
            best.offer(step, figures.get("validation/reward"))

        def _keep(self, step: int) -> None:
            folder = training.folder.checkpoints / BEST_FOLDER
            if best.step == step and training.folder.ranks.any(not best.is_in(folder)):
                training.save(folder, {BEST_FILE: best.as_text()})

    return Validation()
