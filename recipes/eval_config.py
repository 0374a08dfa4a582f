"""The config of an evaluation: `eval` of a run's, and what `ar1-rl eval` takes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ar1_rl.config import ConfigModel
from ar1_rl.metrics import FeasibilityLimits
from rewards.loading import MixConfig, TermConfig
from rollouts.config import Greedy, SamplingConfig

Decoding = Literal["sample", "greedy"]


class FeasibilityConfig(ConfigModel):
    """What a car can do; see `ar1_rl.metrics.feasibility` for the sources."""

    acceleration_mps2: float = Field(10.4, gt=0.0)
    curvature_per_m: float = Field(0.3, gt=0.0)
    lateral_acceleration_mps2: float = Field(10.4, gt=0.0)

    def limits(self) -> FeasibilityLimits:
        """As the metric takes them."""
        return FeasibilityLimits(**self.model_dump())


class HeldOutConfig(ConfigModel):
    """Graders that judge beside those that training uses; see docs/evaluation.md."""

    reader: Literal["other", "tagger", "rules"] = "other"
    """Who reads the decisions for the held-out consistency; "other": the one that the training reward does not use."""
    action_thresholds: dict[str, float] = Field(default_factory=dict)
    motion_thresholds: dict[str, float] = Field(default_factory=dict)
    thresholds: dict[str, float] = Field(default_factory=dict)
    """Fields of `MetaActionThresholds`, `MotionThresholds` and `CarryingOutThresholds` that differ from the held-out
    rule's own (`rewards.held_out_consistency`)."""
    critic: TermConfig | None = None
    """A critic of one's own as the held-out one, for instance {reward: critic, arguments: {backend: endpoint, ...}};
    unset: the deterministic `rewards.critic.cause_first`. Its grades are told as they are, without weight or scale."""


class EvalConfig(ConfigModel):
    """Evaluation: K rollouts a scene, decoded as Alpamayo-R1 decodes."""

    samples_per_scene: int = Field(6, ge=1)
    temperature: float = Field(0.6, gt=0.0)
    top_p: float = Field(0.98, gt=0.0, le=1.0)
    decoding: Decoding = "sample"
    """"sample": K rollouts, of which the most likely answers. "greedy": one, of the likeliest token at every place."""
    best_by: MixConfig | None = None
    """A mix of rewards that chooses the answer among the K, instead of their likelihood: what sampling and picking
    gains by itself, without any training."""
    scenes_per_chunk: int = Field(200, ge=1)
    """Scenes whose rollouts are in memory at once, and are lost when an evaluation is killed."""
    close_encounter_m: float = Field(0.5, gt=0.0)
    """Box distance below which a scene counts as a close encounter; the paper does not state its own."""
    miss_m: float = Field(2.0, gt=0.0)
    """A scene is missed when no rollout ends this near to the expert's end [Argoverse]."""
    feasibility: FeasibilityConfig = FeasibilityConfig()
    faithfulness_scenes: int = Field(200, ge=0)
    """The first so many scenes are asked again without their cited cause, and without something uncited; greedily."""
    looking_scenes: int = Field(200, ge=0)
    """A policy that sees is asked about the first so many scenes again with black frames, and with another scene's;
    greedily."""
    plan_change_m: float = Field(1.0, gt=0.0)
    """Two plans differ when they are so far apart on average."""
    held_out: HeldOutConfig = HeldOutConfig()
    resamples: int = Field(4000, ge=100)
    """Bootstrap resamples of scenes behind every interval."""

    @model_validator(mode="after")
    def _greedy_is_one(self) -> EvalConfig:
        if self.decoding == "greedy" and self.best_by is not None:
            raise ValueError("best_by: there is nothing to choose from with decoding greedy, which draws one rollout")
        return self

    @property
    def rollouts_per_scene(self) -> int:
        """How many are drawn."""
        return 1 if self.decoding == "greedy" else self.samples_per_scene

    @property
    def answer(self) -> str:
        """Which rollout answers, in words."""
        if self.decoding == "greedy":
            return "greedy"
        by = "likelihood" if self.best_by is None else self.best_by.preset or "a mix of rewards"
        return f"best of {self.samples_per_scene} by {by}"

    def sampling(self, rollouts: SamplingConfig) -> SamplingConfig:
        """How evaluation draws: its own temperature and top-p, the rollouts' length limit."""
        if self.decoding == "greedy":
            return Greedy(max_completion_tokens=rollouts.max_completion_tokens)
        return SamplingConfig(
            temperature=self.temperature, top_p=self.top_p, max_completion_tokens=rollouts.max_completion_tokens
        )

    def identity(self) -> dict[str, Any]:
        """What rollouts and metrics depend on."""
        return self.model_dump(mode="json", exclude={"resamples"})
