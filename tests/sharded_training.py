"""Three GRPO steps on given rollouts, in one process or as a rank of several; what came of every step goes to a file.

    python tests/sharded_training.py CONFIG OUT [ROLLOUTS]

Without ROLLOUTS, the folder of an earlier run's rollouts, the rollouts are those that vLLM draws, in OUT/rollouts.
With it vLLM draws too, and its rollouts are compared with the given ones and replaced by them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(config_file: Path, out: Path, given: Path | None) -> None:
    from recipes.console import quiet_libraries

    quiet_libraries()
    from rich.console import Console

    from ar1_rl.config import load_config
    from recipes.corpus import load_corpus
    from recipes.grpo import PolicyTraining
    from recipes.ranks import join
    from recipes.run_config import RunConfig
    from recipes.run_folder import RunFolder
    from recipes.stopping import StopFlag

    config = load_config(RunConfig, config_file)
    ranks = join(config)
    quiet = Console(quiet=True)
    corpus = load_corpus(config, quiet)
    folder = RunFolder(out, config, resume=False, ranks=ranks)
    assert config.policy.path is not None
    training = PolicyTraining(config, Path(config.policy.path), corpus.rl, folder, quiet)
    drawn = None if given is None else Replay(training, given)
    steps = Steps(training)
    training.trainer.add_callback(steps.callback())
    training.train(corpus.validation, StopFlag(), None)
    agreeing = ranks.gather([] if drawn is None else drawn.agreeing)
    if ranks.first:
        engine = training.trainer.vllm_generation.llm.llm_engine
        told = {"wrapper": steps.wrapper, "engine": type(engine).__module__, "agreeing": sum(agreeing)}
        (out / "told.json").write_text(json.dumps(told | {"drawn": len(agreeing)}))
        steps.write(out / "weights.npz")


class Replay:
    """Rollouts of an earlier run in the place of those that the engine draws."""

    def __init__(self, training: Any, folder: Path) -> None:
        from rollouts.store import read_rollouts

        rows = [row for row in read_rollouts(folder) if row["step"] >= 0 and row["reward"] is not None]
        self.rows = {(row["step"], row["scene_id"], row["sample"]): row for row in rows}
        self.policy, self.dialogue, self.scenes = training.loop.policy, training.dialogue, training.loop.scenes
        self.agreeing: list[bool] = []
        training.loop.policy = self

    def rollouts(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [self._replaced(rollout) for rollout in self.policy.rollouts(*args, **kwargs)]

    def _replaced(self, rollout: Any) -> Any:
        from dataclasses import replace

        row = self.rows[rollout.step, rollout.scene_id, rollout.sample]
        ids = tuple(row["completion_token_ids"])
        self.agreeing.append(ids == rollout.completion.token_ids)
        history = self.scenes[rollout.scene_id].observation.history_T3
        (completion,) = self.dialogue.parse([ids], history[None])
        return replace(rollout, completion=completion, logprobs=tuple(row["logprobs"]))


class Steps:
    """The trained weights after every step."""

    def __init__(self, training: Any) -> None:
        self.training = training
        self.wrapper = ""
        self.weights: dict[str, Any] = {}

    def callback(self) -> Any:
        from transformers import TrainerCallback

        owner = self

        class Keep(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                owner.wrapper = type(owner.training.trainer.model_wrapped).__name__
                owner.keep(0)

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                owner.keep(state.global_step)

        return Keep()

    def keep(self, step: int) -> None:
        from recipes.weights import whole

        for name, parameter in self.training.trainer.model.named_parameters():
            if parameter.requires_grad:
                with whole([parameter]):
                    self.weights[f"{step}/{name}"] = parameter.detach().numpy().copy()

    def write(self, path: Path) -> None:
        import numpy as np

        np.savez(path, **self.weights)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
