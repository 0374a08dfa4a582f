"""The RL stage: GRPO on a policy folder, with our rollouts, one composite reward, and validation on the way."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.driving import Completion, Scene
from ar1_rl.policy.config import codec_by_name
from ar1_rl.report.progress import progress
from rewards.composite import CompositeReward
from rewards.mix import MixedScore
from rollouts.config import SamplingConfig
from rollouts.dialogue import Dialogue
from rollouts.engine import Engine
from rollouts.policy import Policy
from rollouts.prompts import prompt_builder
from rollouts.record import Rollout
from rollouts.store import RolloutStore, rollout_row

from .evaluate import score_columns
from .reward_state import FailureStop, reward_callback
from .run_config import RunConfig
from .run_folder import RunFolder
from .stopping import StopFlag
from .training import device_arguments, save_whole, silence, step_callback
from .weights import load_into

BEST_FOLDER = "best"


@dataclass
class RolloutLoop:
    """Samples for TRL, parses once, and records each batch when its rewards are there."""

    scenes: Mapping[str, Scene]
    store: RolloutStore
    seed: int
    policy: Policy | None = None
    """Set once the trainer has built its engine."""
    pending: Sequence[Rollout] = ()

    def sample(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        """TRL's rollout function: one completion a row of the batch, which repeats each scene K times."""
        assert self.policy is not None, "the trainer samples only once its engine is there"
        step = trainer.state.global_step
        scenes = [self.scenes[row["scene_id"]] for row in trainer.rows]
        seen: dict[str, int] = {}
        numbers = []
        for scene in scenes:
            numbers.append(seen.setdefault(scene.id, 0))
            seen[scene.id] += 1
        self.pending = self.policy.rollouts(scenes, numbers, run_seed=self.seed, step=step)
        return {
            "prompt_ids": [list(r.prompt_token_ids) for r in self.pending],
            "completion_ids": [list(r.completion.token_ids) for r in self.pending],
            "logprobs": [list(r.logprobs) for r in self.pending],
        }

    def parse(self, token_ids: Sequence[Sequence[int]], scenes: Sequence[Scene]) -> list[Completion]:
        """The completions of the batch just sampled; they were parsed on arrival."""
        assert [tuple(ids) for ids in token_ids] == [r.completion.token_ids for r in self.pending]
        return [r.completion for r in self.pending]

    def record(self, completions: Sequence[Completion], mixed: Sequence[MixedScore]) -> None:
        """Write the batch to disk with its rewards."""
        rows = [rollout_row(r, m.value, score_columns(m)) for r, m in zip(self.pending, mixed, strict=True)]
        self.store.write(f"train-{self.pending[0].step:06d}", rows)


class PolicyTraining:
    """A trainer with its sampling engine, alive before, during and after training."""

    def __init__(
        self, config: RunConfig, policy_path: Path, scenes: Sequence[Scene], folder: RunFolder, console: Console
    ) -> None:
        from accelerate.utils import gather_object
        from datasets import Dataset
        from transformers import set_seed

        from ar1_rl.grpo.trainer import PolicyTrainer
        from ar1_rl.policy.pretrained import load

        self.config, self.folder, self.console = config, folder, console
        arguments = grpo_arguments(config, folder.checkpoints / "grpo-trainer")
        # Whole, because an adapter remembers where the weights are that it goes with.
        where = str(policy_path.resolve()) if policy_path.exists() else str(policy_path)
        model, tokenizer = load(where, config.policy.dtype)
        self.dialogue = Dialogue.of(tokenizer, codec_by_name(config.policy.codec), prompt_builder(config.rollouts))
        self.mix = config.rewards.build()
        self.loop = RolloutLoop(
            scenes={scene.id: scene for scene in scenes},
            store=RolloutStore(folder.rollouts, folder.ranks.index),
            seed=config.seed,
        )
        self.failures = FailureStop()
        self.reward = CompositeReward(
            mix=self.mix,
            parse=self.loop.parse,
            scenes=self.loop.scenes,
            on_scored=self._record,
            gather=gather_object,
            on_exceeded=self.failures.tell,
        )
        prompts = self.dialogue.prompts([scene.observation for scene in scenes])
        rows = [{"prompt": p, "scene_id": scene.id} for p, scene in zip(prompts, scenes, strict=True)]
        set_seed(config.seed)  # adapters begin at random, on every rank the same
        with _engine_settings(config):
            self.trainer = PolicyTrainer(
                model=model,
                reward_funcs=[self.reward],
                args=arguments,
                train_dataset=Dataset.from_list(rows),
                processing_class=tokenizer,
                rollout_func=self._sample,
                peft_config=adapters(config),
                policy_config=config.grpo,
            )
        silence(self.trainer)
        self.engine = self._engine()
        self.loop.policy = self.policy(config.rollouts, "step-0")

    def policy(self, sampling: SamplingConfig, version: str) -> Policy:
        """The weights of the trainer as a policy that draws with `sampling`; call after `sync`."""
        return Policy(engine=self.engine, dialogue=self.dialogue, sampling=sampling, version=version)

    def sync(self) -> None:
        """Bring the trainer's weights into the sampling engine."""
        if self.config.rollouts.engine == "vllm":
            self.trainer.vllm_generation.sync_weights()

    def _sample(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        step = trainer.state.global_step + 1
        self.folder.ranks.mark(f"grpo step {step}, rollouts")
        answer = self.loop.sample(prompts, trainer)
        self.folder.ranks.mark(f"grpo step {step}, rewards")
        return answer

    def _record(self, completions: Sequence[Completion], mixed: Sequence[MixedScore]) -> None:
        self.loop.record(completions, mixed)
        self.folder.ranks.mark(f"grpo step {self.trainer.state.global_step + 1}, update")

    def train(self, validation: Sequence[Scene], stop: StopFlag, resume_from: Path | None) -> None:
        """Run the configured steps; afterwards the trainer holds the best checkpoint by validation reward."""
        total = self.config.grpo.steps
        with progress(self.console, "GRPO steps", total) as bar:
            if resume_from is not None:
                bar.advance(int(resume_from.name.split("-")[-1]))
            self.trainer.add_callback(step_callback("grpo", self.folder, bar, stop, note="reward"))
            self.trainer.add_callback(_validation_callback(self, validation))
            self.trainer.add_callback(reward_callback(self.reward, self.failures, resume_from))
            self.trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
        # Nobody leaves while another rank still saves.
        self.folder.ranks.wait()
        stop.check()
        self.failures.check()
        load_into(self.trainer, self.folder.checkpoints / BEST_FOLDER)

    def validate(self, scenes: Sequence[Scene], step: int) -> dict[str, float]:
        """Mean reward and mean of each term on the validation split, over what was judged, drawn as in evaluation.

        Beside these go the failures of judges and their cost, named as in the lines of training steps, so that the
        sums over all lines are those of the run.
        """
        k, share = self.config.eval.samples_per_scene, self.folder.ranks.share(scenes)
        repeated = [scene for scene in share for _ in range(k)]
        numbers = [number for _ in share for number in range(k)]
        self.folder.ranks.mark(f"validation at step {step}, rollouts")
        self.sync()
        policy = self.policy(self.config.eval.sampling(self.config.rollouts), f"step-{step}")
        rollouts = policy.rollouts(repeated, numbers, run_seed=self.config.seed, step=-1) if share else []
        self.folder.ranks.mark(f"validation at step {step}, rewards")
        mixed, counted = self.reward.grade([r.completion for r in rollouts], repeated)
        if share:
            rows = [rollout_row(r, m.value, score_columns(m)) for r, m in zip(rollouts, mixed, strict=True)]
            self.loop.store.write(f"validation-{step:06d}", rows)
        figures = [
            {"reward": m.value, "parse_rate": float(r.completion.error is None)}
            | {name: score.value for name, score in m.scores.items()}
            for r, m in zip(rollouts, mixed, strict=True)
        ]
        columns: defaultdict[str, list[float]] = defaultdict(list)
        for row in self.folder.ranks.gather(figures):
            for name, value in row.items():
                if value is not None:
                    columns[name].append(value)
        return {f"validation/{name}": float(np.mean(values)) for name, values in columns.items()} | counted

    def save(self, target: Path) -> None:
        """Write the policy as an ordinary Hugging Face folder, whole or not at all."""
        save_whole(self.trainer, target, self.folder.ranks)

    def _engine(self) -> Engine:
        if self.config.rollouts.server is not None:
            from rollouts.served import ServedEngine

            return ServedEngine(self.config.rollouts.server)
        if self.config.rollouts.engine == "vllm":
            from rollouts.vectorised import VectorisedEngine

            return VectorisedEngine(self.trainer.vllm_generation.llm)
        from rollouts.sequential import SequentialEngine

        pad = int(self.dialogue.tokenizer.pad_token_id)
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        return SequentialEngine(model, pad_token_id=pad, batch_size=self.config.rollouts.max_sequences)


def adapters(config: RunConfig) -> Any:
    """PEFT's config of the adapters that GRPO trains, or None."""
    lora = config.policy.lora
    if lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
        task_type="CAUSAL_LM",
    )


def grpo_arguments(config: RunConfig, folder: Path) -> Any:
    """TRL's arguments for our config."""
    from trl import GRPOConfig

    grpo, rollouts = config.grpo, config.rollouts
    per_step = grpo.scenes_per_step // config.launch.ranks * grpo.samples_per_scene
    per_pass = grpo.rollouts_per_pass or per_step
    losses: dict[str, Any] = {"loss_type": grpo.loss}
    if grpo.loss == "gspo":
        losses = {"loss_type": "grpo", "importance_sampling_level": "sequence"}
    elif grpo.loss == "ar1":
        losses = {}
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=grpo.steps,
        per_device_train_batch_size=per_pass,
        gradient_accumulation_steps=per_step // per_pass,
        steps_per_generation=per_step // per_pass,
        num_generations=grpo.samples_per_scene,
        max_completion_length=rollouts.max_completion_tokens,
        temperature=rollouts.temperature,
        top_p=rollouts.top_p,
        learning_rate=grpo.learning_rate,
        lr_scheduler_type=grpo.learning_rate_schedule,
        warmup_steps=grpo.warmup_steps,
        max_grad_norm=grpo.max_grad_norm,
        beta=grpo.kl_coef,
        epsilon=grpo.clip_low,
        epsilon_high=grpo.clip_high,
        scale_rewards=grpo.scale_rewards,
        use_vllm=rollouts.engine == "vllm",
        vllm_mode="colocate" if rollouts.server is None else "server",
        vllm_server_base_url=rollouts.server,
        vllm_gpu_memory_utilization=rollouts.gpu_memory_share,
        vllm_max_model_length=rollouts.max_model_tokens,
        gradient_checkpointing=config.policy.gradient_checkpointing,
        logging_steps=1,
        save_strategy="steps",
        save_steps=grpo.evaluate_every,
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
        dataloader_pin_memory=False,
        **losses,
        **device_arguments(config),
    )


def _engine_settings(config: RunConfig) -> contextlib.AbstractContextManager[None]:
    if config.rollouts.engine != "vllm":
        return contextlib.nullcontext()
    from rollouts.vectorised import engine_defaults, require, set_environment

    require()
    set_environment(config.rollouts)
    return engine_defaults(config.rollouts, config.policy.dtype)


def _validation_callback(training: PolicyTraining, scenes: Sequence[Scene]) -> Any:
    from transformers import TrainerCallback

    class Validation(TrainerCallback):
        """Before the first step and every N steps: validate, and keep the best policy so far."""

        best = float("-inf")

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == 0:
                self._validate(0)
            else:
                earlier = [
                    row["validation/reward"] for row in training.folder.read_metrics() if "validation/reward" in row
                ]
                self.best = max(earlier, default=float("-inf"))

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % training.config.grpo.evaluate_every == 0 or state.global_step == state.max_steps:
                self._validate(state.global_step)

        def _validate(self, step: int) -> None:
            figures = training.validate(scenes, step)
            training.folder.append_metrics({"stage": "grpo", "step": step, **figures})
            reward = figures.get("validation/reward", float("-inf"))
            # While nothing could be judged yet, any checkpoint is the best.
            if reward > self.best or self.best == float("-inf"):
                self.best = reward
                training.save(training.folder.checkpoints / BEST_FOLDER)

    return Validation()
