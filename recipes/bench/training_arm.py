"""One GRPO run of a bench, in a process of its own that takes each step when it is told to.

`ours` is the training of `ar1-rl grpo`. `bare` is the TRL script that one would write without it, with the same model,
data, rewards, seed, batch and engine settings: as they come, TRL 1.16 and vLLM 0.31 do not train on a CPU, since the
engine packs its weights and the first weight sync finds none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.driving import Completion, Scene
from ar1_rl.policy.config import codec_by_name
from rewards.composite import CompositeReward
from rollouts.dialogue import Dialogue
from rollouts.prompts import prompt_builder

from ..corpus import load_split
from ..grpo import PolicyTraining, engine_settings, grpo_arguments
from ..run_config import RunConfig
from ..run_folder import RunFolder
from ..stopping import StopFlag

GO = "go"


class Turns:
    """Waits for its turn before each step, and tells how long the last one took and what its parts took [s]."""

    def __init__(self) -> None:
        # Whatever else writes to standard output goes to standard error.
        self._told = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._started: tuple[float, float] | None = None
        self._parts_s: defaultdict[str, float] = defaultdict(float)

    def timed(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; its time counts towards `part`."""

        def call(*args: Any, **kwargs: Any) -> Any:
            started_s = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self._parts_s[part] += time.perf_counter() - started_s

        call.__name__ = getattr(work, "__name__", part)
        return call

    def callback(self) -> Any:
        """For the trainer: a step lasts from its turn to the beginning of the next."""
        from transformers import TrainerCallback

        turns = self

        class Turn(TrainerCallback):
            def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                turns.wait()

        return Turn()

    def wait(self) -> None:
        """Tell of the step before, and wait for the word; end the process when there are no more turns."""
        parts = dict(self._parts_s)
        if self._started is not None:
            wall_s, processor_s = self._started
            parts |= {"step_s": time.perf_counter() - wall_s, "processor_s": time.process_time() - processor_s}
        print(json.dumps(parts), file=self._told, flush=True)
        if sys.stdin.readline().strip() != GO:
            os._exit(0)
        self._parts_s.clear()
        self._started = time.perf_counter(), time.process_time()


def run(arm: str, raw: dict[str, Any], folder: Path) -> None:
    """Train until there are no more turns."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    config = check_config(RunConfig, raw, source="bench")
    scenes = load_split(config, "train")[0]
    {"ours": _ours, "bare": _bare}[arm](config, scenes, folder, Turns())


def _ours(config: RunConfig, scenes: Sequence[Scene], folder: Path, turns: Turns) -> None:
    run_folder = RunFolder(folder, config, resume=False)
    assert config.policy.path is not None, "a bench trains a policy that is there"
    training = PolicyTraining(config, Path(config.policy.path), scenes, run_folder, Console(stderr=True))
    trainer = training.trainer
    trainer.rollout_func = turns.timed("generation_s", trainer.rollout_func)
    trainer.reward_funcs[0] = turns.timed("scoring_s", trainer.reward_funcs[0])
    trainer.add_callback(turns.callback())
    training.train(scenes[:1], StopFlag(), None)


def _bare(config: RunConfig, scenes: Sequence[Scene], folder: Path, turns: Turns) -> None:
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import GRPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(config.policy.path)
    dialogue = Dialogue.of(tokenizer, codec_by_name(config.policy.codec), prompt_builder(config.rollouts))

    def parse(token_ids: Sequence[Sequence[int]], scenes: Sequence[Scene]) -> list[Completion]:
        return dialogue.parse(token_ids, np.stack([scene.observation.history_T3 for scene in scenes]))

    reward = CompositeReward(config.rewards.build(), parse=parse, scenes={scene.id: scene for scene in scenes})
    prompts = dialogue.prompts([scene.observation for scene in scenes])
    rows = [{"prompt": prompt, "scene_id": scene.id} for prompt, scene in zip(prompts, scenes, strict=True)]
    with engine_settings(config):
        trainer = GRPOTrainer(
            model=config.policy.path,
            reward_funcs=[turns.timed("scoring_s", reward)],
            args=grpo_arguments(config, folder / "trl"),
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
        )
    trainer.add_callback(turns.callback())
    trainer.train()


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    run(asked["arm"], asked["config"], Path(asked["folder"]))
