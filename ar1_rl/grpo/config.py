"""Configuration of the RL stage."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, model_validator

from ..config import ConfigModel

LossName = Literal["dapo", "grpo", "dr_grpo", "bnpo", "cispo", "sapo", "gspo", "ar1"]
"""TRL's losses by TRL's names (`gspo` is its sequence-level ratio), and `ar1`, Eq. 10 of the paper."""

SEQUENCE_LOSSES: tuple[LossName, ...] = ("gspo", "ar1")
"""Losses that weigh a rollout as a whole, so that its tokens cannot be credited apart."""

CreditName = Literal["shared", "split", "weighted"]
RewardScale = Literal["group", "batch", "none"]


class GrpoConfig(ConfigModel):
    """GRPO on groups of rollouts."""

    loss: LossName = "dapo"
    steps: int = Field(160, ge=1)
    scenes_per_step: int = Field(8, ge=1)
    samples_per_scene: int = Field(8, ge=2)
    """Size of a group; its mean reward is the baseline."""
    rollouts_per_pass: int | None = Field(None, ge=1)
    """Rollouts in one forward-backward pass; unset: all of a step. Must divide scenes_per_step * samples_per_scene."""
    updates_per_batch: int = Field(1, ge=1)
    """Optimizer steps on each batch of rollouts; clipping acts from the second on. TRL calls it `num_iterations`."""
    learning_rate: float = Field(5e-4, gt=0.0)
    learning_rate_schedule: Literal["linear", "constant", "cosine"] = "linear"
    warmup_steps: int = Field(0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0.0)
    kl_coef: float = Field(0.0, ge=0.0)
    """Weight of the divergence from the SFT policy; TRL calls it `beta`."""
    sharpness: float = Field(2.0, gt=0.0)
    """Eq. 10's beta: how strongly the best of a group is preferred. Only the loss `ar1` uses it."""
    centred: bool = True
    """Subtract 1/K from Eq. 10's weights of the likelihood: the same expected gradient with less variance."""
    credit: CreditName = "shared"
    """Which rewards a token answers for. `shared`: all. `split`: a token of the reasoning for those that judge the
    reasoning, one of the trajectory for those that judge the trajectory. `weighted`: some of both."""
    credit_weight: float = Field(0.5, ge=0.0, le=1.0)
    """Of `split` in the mixture `weighted`: 0 would be `shared`, 1 `split`."""
    smallest_reward_std: float | None = Field(None, ge=0.0)
    """Groups whose rewards have no larger standard deviation are left out of the update: too easy, too hard, or noise
    of the judge. 0: groups of equal rewards. Unset: every group counts."""
    clip_low: float = Field(0.2, gt=0.0)
    clip_high: float = Field(0.2, gt=0.0)
    scale_rewards: RewardScale = "group"
    """Divide advantages by the standard deviation of the group, of the batch, or not at all (the paper)."""
    logprob_difference: float | None = Field(None, gt=0.0)
    """Mean |difference of log-probability| [nats] between sampling engine and trainer above which a step is warned of:
    they are no longer one policy. Unset: what rounding explains, 1e-3 with weights of float32 and 0.1 of bfloat16."""
    evaluate_every: int = Field(40, ge=1)
    """Steps between two checkpoints, each after an evaluation on the validation split; the best policy is kept."""

    @property
    def batches(self) -> int:
        """Batches of rollouts in all."""
        return -(-self.steps // self.updates_per_batch)

    @model_validator(mode="after")
    def _loss_can_credit_tokens(self) -> GrpoConfig:
        if self.credit != "shared" and self.loss in SEQUENCE_LOSSES:
            others = ", ".join(name for name in get_args(LossName) if name not in SEQUENCE_LOSSES)
            raise ValueError(
                f"credit: got {self.credit!r} with loss {self.loss!r}, which weighs a rollout as a whole; allowed with "
                f"it is 'shared', and {self.credit!r} goes with a loss by token: {others}"
            )
        return self

    @model_validator(mode="after")
    def _passes_divide_the_step(self) -> GrpoConfig:
        rollouts = self.scenes_per_step * self.samples_per_scene
        if self.rollouts_per_pass is not None and rollouts % self.rollouts_per_pass:
            raise ValueError(
                f"rollouts_per_pass {self.rollouts_per_pass} does not divide "
                f"scenes_per_step * samples_per_scene = {rollouts}"
            )
        return self

    @model_validator(mode="after")
    def _checkpoints_end_a_batch(self) -> GrpoConfig:
        if self.evaluate_every % self.updates_per_batch:
            raise ValueError(
                f"evaluate_every {self.evaluate_every} is not a multiple of updates_per_batch {self.updates_per_batch};"
                " from a checkpoint between two updates on one batch, a resumed run would sample that batch again with "
                "newer weights, and every later batch at another step"
            )
        if self.updates_per_batch > 1 and self.loss == "ar1":
            raise ValueError(
                f"updates_per_batch {self.updates_per_batch} with loss 'ar1', which does not correct for rollouts of "
                "older weights; allowed with it is 1"
            )
        return self
