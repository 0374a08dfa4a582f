"""The RL stage: GRPO on a policy folder, with our rollouts, one composite reward, and validation on the way."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.driving import Completion, Scene
from ar1_rl.policy.config import codec_by_name
from ar1_rl.report.live import LiveTraining, live_training
from rewards.composite import CompositeReward
from rewards.mix import MixedScore
from rollouts.config import SamplingConfig
from rollouts.dialogue import Dialogue
from rollouts.engine import Engine
from rollouts.policy import Policy
from rollouts.record import Rollout
from rollouts.store import RolloutStore, rollout_row

from .agreement import agreement_callback
from .cautions import cautions
from .checkpoints import Part, checkpoint_callback, step_of
from .evaluate import score_columns
from .practice import practice_rows
from .reward_state import FailureStop, RewardState, failure_callback
from .run_config import RunConfig
from .run_folder import RunFolder
from .step_times import REWARDS, ROLLOUTS, UPDATE, StepTimes
from .stopping import StopFlag
from .trackers import tensorboard_folder, tracker_arguments
from .training import device_arguments, save_whole, silence, step_callback
from .validation import BEST_FOLDER, BestSoFar, validation_callback
from .weights import load_into


@dataclass
class RolloutLoop:
    """Samples for TRL, parses once, and records each batch when its rewards are there."""

    practice: Sequence[Scene]
    """Scenes to practise on; the rows of a batch name theirs by `place`."""
    store: RolloutStore
    seed: int
    policy: Policy | None = None
    """Set once the trainer has built its engine."""
    reward: CompositeReward | None = None
    """Asked while the batch is drawn; unset: afterwards."""
    pending: Sequence[Rollout] = ()
    mixed: Sequence[MixedScore] = ()
    scenes: dict[str, Scene] = field(default_factory=dict)
    """Those of the batch, by id."""

    def sample(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        """TRL's rollout function: one completion a row of the batch, which repeats each scene K times."""
        assert self.policy is not None, "the trainer samples only once its engine is there"
        step = trainer.state.global_step
        distinct = {place: self.practice[place] for place in dict.fromkeys(row["place"] for row in trainer.rows)}
        scenes = [distinct[row["place"]] for row in trainer.rows]
        self.scenes.clear()
        self.scenes.update((scene.id, scene) for scene in distinct.values())
        seen: dict[str, int] = {}
        numbers = []
        for scene in scenes:
            numbers.append(seen.setdefault(scene.id, 0))
            seen[scene.id] += 1
        self.pending = self.draw(self.policy, scenes, numbers, step)
        return {
            "prompt_ids": [list(r.prompt_token_ids) for r in self.pending],
            "completion_ids": [list(r.completion.token_ids) for r in self.pending],
            "logprobs": [list(r.logprobs) for r in self.pending],
        }

    def draw(self, policy: Policy, scenes: Sequence[Scene], numbers: Sequence[int], step: int) -> list[Rollout]:
        """Rollouts whose rewards are asked for as they come; who grades the batch then waits for the scores."""
        if self.reward is None:
            return policy.rollouts(scenes, numbers, run_seed=self.seed, step=step)
        try:
            session = self.reward.open(scenes)
            return policy.rollouts(scenes, numbers, run_seed=self.seed, step=step, listener=session)
        except BaseException:
            self.reward.give_up()
            raise

    def parse(self, token_ids: Sequence[Sequence[int]], scenes: Sequence[Scene]) -> list[Completion]:
        """The completions of the batch just sampled; they were parsed on arrival."""
        assert [tuple(ids) for ids in token_ids] == [r.completion.token_ids for r in self.pending]
        return [r.completion for r in self.pending]

    def record(self, completions: Sequence[Completion], mixed: Sequence[MixedScore]) -> None:
        """Write the batch to disk with its rewards."""
        self.mixed = mixed
        rows = [rollout_row(r, m.value, score_columns(m)) for r, m in zip(self.pending, mixed, strict=True)]
        self.store.write(f"train-{self.pending[0].step:06d}", rows)

    def part_rewards(self) -> list[tuple[float | None, float | None]]:
        """What reasoning and trajectory of each rollout of the batch just scored are worth."""
        return [(m.text_value, m.trajectory_value) for m in self.mixed]


class PolicyTraining:
    """A trainer with its sampling engine, alive before, during and after training. It takes the scenes in order."""

    def __init__(
        self, config: RunConfig, policy_path: Path, scenes: Sequence[Scene], folder: RunFolder, console: Console
    ) -> None:
        from accelerate.utils import gather_object
        from transformers import set_seed

        from ar1_rl.grpo.trainer import PolicyTrainer
        from ar1_rl.policy.loading import load_policy

        self.config, self.folder, self.console = config, folder, console
        for caution in cautions(config):
            self._warn(caution)
        self.times = StepTimes()
        self.live: LiveTraining | None = None
        """While training."""
        arguments = grpo_arguments(config, folder.checkpoints / "grpo-trainer", tracker_arguments(config, folder.path))
        # Whole, because an adapter remembers where the weights are that it goes with.
        where = str(policy_path.resolve()) if policy_path.exists() else str(policy_path)
        loaded = load_policy(where, config.policy.dtype)
        codec = codec_by_name(config.policy.codec)
        self.dialogue = Dialogue.configured(loaded.tokenizer, codec, config.rollouts, loaded.processor)
        self.mix = config.rewards.build()
        self.loop = RolloutLoop(
            practice=scenes,
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
        if config.rollouts.overlap:
            self.loop.reward = self.reward
        set_seed(config.seed)  # adapters begin at random, on every rank the same
        with engine_settings(config), tensorboard_folder(folder.path):
            self.trainer = PolicyTrainer(
                model=loaded.model,
                reward_funcs=[self.reward],
                args=arguments,
                train_dataset=practice_rows(scenes, self.dialogue),
                processing_class=loaded.processor or loaded.tokenizer,
                rollout_func=self._sample,
                peft_config=adapters(config),
                policy_config=config.grpo,
                part_rewards=self.loop.part_rewards,
                reasoning_end=self.dialogue.layout.cot_end,
            )
        silence(self.trainer)
        self.engine = self._engine()
        self.loop.policy = self.policy(config.rollouts, "step-0")

    def _warn(self, told: str) -> None:
        self.console.print(f"Warning: {told}", style="yellow", markup=False)

    def policy(self, sampling: SamplingConfig, version: str) -> Policy:
        """The weights of the trainer as a policy that draws with `sampling`; call after `sync`."""
        return Policy(engine=self.engine, dialogue=self.dialogue, sampling=sampling, version=version)

    def sync(self) -> None:
        """Bring the trainer's weights into the sampling engine."""
        if self.config.rollouts.engine == "vllm":
            self.trainer.vllm_generation.sync_weights()

    def _sample(self, prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        self._begin(ROLLOUTS)
        answer = self.loop.sample(prompts, trainer)
        self._begin(REWARDS)
        return answer

    def _record(self, completions: Sequence[Completion], mixed: Sequence[MixedScore]) -> None:
        self.loop.record(completions, mixed)
        self._begin(UPDATE)

    def _begin(self, part: str) -> None:
        """A part of a training step begins."""
        self.times.begin(part)
        self.folder.ranks.mark(f"grpo step {self.trainer.state.global_step + 1}, {part}")
        if self.live is not None:
            self.live.doing(part)

    def train(self, validation: Sequence[Scene], stop: StopFlag, resume_from: Path | None) -> None:
        """Run the configured steps; afterwards the trainer holds the best checkpoint by validation reward."""
        total, window, best = self.config.grpo.steps, self.config.grpo.updates_per_batch, BestSoFar()
        parts: list[Part] = [RewardState(self.reward), best]
        before = step_of(resume_from) or 0
        with live_training(self.console, total, lambda: self.mix.requests_open, before) as live:
            self.live = live
            # The best policy is kept once the checkpoint of its step is sealed: validation comes after.
            for callback in (
                self.times.callback(),
                step_callback("grpo", self.folder, live, stop, window=window, more=self.times.take),
                failure_callback(self.failures, window),
                agreement_callback(self.config, self._warn),
                checkpoint_callback("grpo", parts, self.folder.ranks, resume_from),
                validation_callback(self, validation, best),
            ):
                self.trainer.add_callback(callback)
            self.trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
        self.live = None
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
        if self.live is not None:
            self.live.doing("validation")
        self.sync()
        policy = self.policy(self.config.eval.sampling(self.config.rollouts), f"step-{step}")
        rollouts = self.loop.draw(policy, repeated, numbers, step=-1) if share else []
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
        told = {f"validation/{name}": float(np.mean(values)) for name, values in columns.items()} | counted
        if self.live is not None:
            self.live.take(told)
            self.live.doing("")
        return told

    def save(self, target: Path, beside: Mapping[str, str] | None = None) -> None:
        """Write the policy as an ordinary Hugging Face folder, whole or not at all, with further texts beside it."""
        save_whole(self.trainer, target, self.folder.ranks, beside)

    def _engine(self) -> Engine:
        if self.config.rollouts.server is not None:
            from rollouts.served import ServedEngine

            return ServedEngine(self.config.rollouts.server)
        if self.config.rollouts.engine == "vllm":
            from rollouts.vectorised import VectorisedEngine

            return VectorisedEngine(self.trainer.vllm_generation.llm, self.config.rollouts.stall_s)
        from rollouts.sequential import SequentialEngine

        pad = int(self.dialogue.tokenizer.pad_token_id)
        model = self.trainer.accelerator.unwrap_model(self.trainer.model)
        return SequentialEngine(model, pad, self.config.rollouts.max_sequences, self.dialogue.processor)


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


def grpo_arguments(config: RunConfig, folder: Path, trackers: Mapping[str, Any] | None = None) -> Any:
    """TRL's arguments for our config; `trackers` are those of `tracker_arguments`, unset: there are none."""
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
        # The rows come in the order of practice.
        shuffle_dataset=False,
        num_generations=grpo.samples_per_scene,
        num_iterations=grpo.updates_per_batch,
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
        disable_tqdm=True,
        seed=config.seed,
        dataloader_pin_memory=False,
        **({"report_to": "none"} if trackers is None else trackers),
        **losses,
        **device_arguments(config),
    )


def engine_settings(config: RunConfig) -> contextlib.AbstractContextManager[None]:
    """While open, TRL builds the sampling engine with our settings."""
    if config.rollouts.engine != "vllm":
        return contextlib.nullcontext()
    from rollouts.vectorised import engine_defaults, require, set_environment

    require()
    set_environment(config.rollouts)
    return engine_defaults(config.rollouts, config.policy.dtype)
