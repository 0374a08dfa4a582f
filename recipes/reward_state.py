"""What the rewards of a run keep beside TRL's checkpoints, and how too many failures of a judge end the run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ar1_rl.errors import RunError
from rewards.composite import CompositeReward


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


def save_state(reward: CompositeReward, checkpoint: Path, rank: int) -> None:
    """Write the state of the rewards, whole or not at all."""
    path = state_file(checkpoint, rank)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(reward.state_dict(), indent=2))
    os.replace(partial, path)


def load_state(reward: CompositeReward, checkpoint: Path, rank: int) -> None:
    """Bring the state back; RunError where a checkpoint lacks what a reward with state needs."""
    path = state_file(checkpoint, rank)
    if path.exists():
        reward.load_state_dict(json.loads(path.read_text()))
        return
    with_state = [term.name for term in reward.mix.terms if term.has_state]
    if with_state:
        raise RunError(
            f"{checkpoint} has no {path.name}, and {', '.join(with_state)} would start from nothing; resume from an "
            "earlier checkpoint, with as many ranks as it was written by"
        )


def reward_callback(reward: CompositeReward, failures: FailureStop, resume_from: Path | None) -> Any:
    """Saves with every checkpoint, restores when training begins, and ends training after the step that told so."""
    from transformers import TrainerCallback

    class RewardState(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if resume_from is not None:
                load_state(reward, resume_from, args.process_index)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            if failures.message is not None:
                control.should_training_stop = control.should_save = True
            return control

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            save_state(reward, Path(args.output_dir) / f"checkpoint-{state.global_step}", args.process_index)

    return RewardState()
