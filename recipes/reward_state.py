"""What the rewards of a run keep beside TRL's checkpoints, and how too many failures of a judge end the run."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ar1_rl.errors import RunError
from rewards.composite import CompositeReward

from .whole_files import write_whole


class FailureStop:
    """Told by the reward on every rank at once that too many judgements failed; the step is finished and saved."""

    def __init__(self) -> None:
        self.message: str | None = None

    def tell(self, message: str) -> None:
        """Remember the first message."""
        self.message = self.message or message

    def check(self) -> None:
        """Raise RunError if the run had to stop."""
        if self.message is not None:
            raise RunError(f"stopped: {self.message}. Every step so far is saved; go on with --resume")


def state_file(checkpoint: Path, rank: int) -> Path:
    """Where a rank keeps the state of its rewards."""
    return checkpoint / f"rewards-rank{rank:03d}.json"


@dataclass(frozen=True)
class RewardState:
    """The part of a checkpoint that belongs to the rewards."""

    reward: CompositeReward

    def save(self, checkpoint: Path, rank: int) -> None:
        """Write the state of the rewards."""
        path = state_file(checkpoint, rank)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(self.reward.state_dict(), indent=2))

    def load(self, checkpoint: Path, rank: int) -> None:
        """Bring the state back; RunError where a checkpoint lacks what a reward with state needs."""
        path = state_file(checkpoint, rank)
        if path.exists():
            self.reward.load_state_dict(json.loads(path.read_text()))
            return
        with_state = [term.name for term in self.reward.mix.terms if term.has_state]
        if with_state:
            raise RunError(
                f"{checkpoint} has no {path.name}, and {', '.join(with_state)} would start from nothing; resume from "
                "an earlier checkpoint, with as many ranks as it was written by"
            )


def failure_callback(failures: FailureStop, window: int) -> Any:
    """Ends training, saved, once too many judgements failed: at the end of a window of that many updates."""
    from transformers import TrainerCallback

    class Failures(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            if failures.message is not None and state.global_step % window == 0:
                control.should_training_stop = control.should_save = True
            return control

    return Failures()
