"""The config of a whole run: every part owns its model, this file only composes them."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from ar1_rl.config import ConfigModel
from ar1_rl.curation.config import CurateConfig
from ar1_rl.grpo.config import GrpoConfig
from ar1_rl.plugins import is_spec
from ar1_rl.policy.config import PolicyConfig
from ar1_rl.report.config import ReportConfig
from ar1_rl.scenes import SOURCES
from ar1_rl.scenes.faults import FaultConfig
from ar1_rl.scenes.synthetic.pairs import PairsConfig
from rewards.loading import MixConfig
from rollouts.config import EngineConfig, PromptConfig, SamplingConfig

from . import sharding
from .eval_config import EvalConfig
from .launch import LaunchConfig


class ScenesConfig(ConfigModel):
    """Where scenes come from, and how many of each split."""

    source: str = "synthetic"
    """"synthetic", "synthetic_pairs" (some in pairs that differ only in what can be seen), "real_logs" (all formats of
    logs together), one of them ("argoverse2", "kitti_odometry", "scenarionet", "comma2k19", "physical_ai_av"), or your
    own by `path/to/file.py:name`."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of a source of your own; of "synthetic_pairs": kinds, and the share of scenes in pairs."""
    root: str | None = None
    """Folder of real logs; unset: the environment variable AR1_RL_DATA, else ../shared/data."""
    train: int | None = Field(None, ge=1)
    validation: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)
    """Scenes of each split, at most; unset: all there are (real logs only)."""
    stride_s: float = Field(0.5, gt=0.0)
    """Between the windows that are cut from one real log."""
    held_out: tuple[str, ...] = Field((), strict=False)
    """Real logs kept whole for the test split; unset: the library's own split by log."""
    curated: str | None = None
    """What `ar1-rl curate` wrote, a folder or its scenes.parquet: GRPO practises on these scenes of the source, in
    place of the train split, which SFT still learns from."""

    @model_validator(mode="after")
    def _source_is_known(self) -> ScenesConfig:
        if is_spec(self.source):
            return self
        if self.source not in SOURCES:
            names = ", ".join(SOURCES)
            raise ValueError(f"source: got {self.source!r}, allowed {names}, or your own by 'path/to/file.py:name'")
        if self.source == "synthetic_pairs":
            try:
                PairsConfig.model_validate(self.arguments)
            except ValidationError as error:
                faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
                raise ValueError(f"arguments of synthetic_pairs: {'; '.join(faults)}") from error
        elif self.arguments:
            raise ValueError(f"arguments: the source {self.source!r} takes none; they go with a source of your own")
        return self


class SftConfig(ConfigModel):
    """Supervised fine-tuning on reasoning-plus-trajectory traces."""

    steps: int = Field(2400, ge=1)
    batch_size: int = Field(16, ge=1)
    learning_rate: float = Field(4e-3, gt=0.0)
    warmup_steps: int = Field(100, ge=0)
    weight_decay: float = Field(0.01, ge=0.0)
    save_every: int = Field(500, ge=1)
    """Steps between two checkpoints."""
    faults: FaultConfig | None = None
    """Label faults planted in the synthetic corpus; unset: clean labels."""
    pretrain_scenes: int = Field(0, ge=0)
    """Synthetic scenes mixed into the corpus of real logs, which are too few to learn to write from."""
    answers: str | None = None
    """An evaluation folder of `ar1-rl eval`: its answers are taught instead of the reference traces. Chosen by a mix
    (`--best-of K --by MIX`) this is rejection-sampling fine-tuning."""

    @model_validator(mode="after")
    def _one_thing_is_taught(self) -> SftConfig:
        if self.answers is not None and self.pretrain_scenes:
            raise ValueError("answers: pretrain_scenes are taught by their reference traces; allowed is one of both")
        return self


class RolloutsConfig(EngineConfig, SamplingConfig, PromptConfig):
    """The engine, the prompt, and how training rollouts are drawn."""


class RunConfig(ConfigModel):
    """SFT, then GRPO, then the paired evaluation."""

    recipe: str
    seed: int = Field(0, ge=0)
    scenes: ScenesConfig = ScenesConfig()
    policy: PolicyConfig = PolicyConfig()
    sft: SftConfig | None = None
    """Unset: the policy at policy.path is post-trained as it is."""
    rollouts: RolloutsConfig = RolloutsConfig()
    rewards: MixConfig
    grpo: GrpoConfig = GrpoConfig()
    curate: CurateConfig = CurateConfig()
    eval: EvalConfig = EvalConfig()
    report: ReportConfig = ReportConfig()
    launch: LaunchConfig = LaunchConfig()
    deepspeed: str | None = None
    """How training state is divided over the ranks: zero2, zero2_offload, zero3, zero3_offload, or a JSON file of
    DeepSpeed settings. Unset: every rank has all of it."""

    @property
    def zero_stage(self) -> int:
        """DeepSpeed's, or 0 without it."""
        return 0 if self.deepspeed is None else sharding.stage(sharding.settings(self.deepspeed))

    @field_validator("deepspeed")
    @classmethod
    def _settings_can_be_read(cls, deepspeed: str | None) -> str | None:
        if deepspeed is not None:
            sharding.settings(deepspeed)
        return deepspeed

    @model_validator(mode="after")
    def _ranks_have_whole_shares(self) -> RunConfig:
        ranks, grpo = self.launch.ranks, self.grpo
        if grpo.scenes_per_step % ranks:
            raise ValueError(
                f"grpo.scenes_per_step {grpo.scenes_per_step} is not a multiple of the {ranks} ranks; the samples of a "
                "scene stay on one rank, so each rank needs the same number of whole groups"
            )
        per_rank = grpo.scenes_per_step // ranks * grpo.samples_per_scene
        if grpo.rollouts_per_pass is not None and per_rank % grpo.rollouts_per_pass:
            raise ValueError(
                f"grpo.rollouts_per_pass {grpo.rollouts_per_pass} does not divide the {per_rank} rollouts that each "
                f"of {ranks} ranks has in a step"
            )
        if self.sft is not None and self.sft.batch_size % ranks:
            raise ValueError(f"sft.batch_size {self.sft.batch_size} is not a multiple of the {ranks} ranks")
        if self.rollouts.engine == "transformers" and self.zero_stage == 3:
            raise ValueError(
                "rollouts.engine transformers cannot sample from parameters that DeepSpeed's stage 3 has divided; "
                "allowed: rollouts.engine vllm, or stage 2"
            )
        return self

    @model_validator(mode="after")
    def _eyes_have_something_to_see(self) -> RunConfig:
        shown = self.rollouts.frames is not None
        if shown and self.policy.path is None and self.policy.vision is None:
            raise ValueError("rollouts.frames: a tiny policy without policy.vision cannot see; set both or neither")
        if self.policy.vision is not None and not shown and self.rollouts.prompt is None:
            raise ValueError(
                "policy.vision: the policy sees and is shown nothing; set rollouts.frames ({}: as Alpamayo-R1 has "
                "them), or rollouts.prompt, a prompt builder of your own that gives images"
            )
        if shown and self.rollouts.server is not None:
            raise ValueError("rollouts.frames: a server's completions take no images; unset rollouts.server")
        return self

    @field_validator("rewards")
    @classmethod
    def _rewards_can_train(cls, rewards: MixConfig) -> MixConfig:
        if rewards.training_fault is not None:
            raise ValueError(rewards.training_fault)
        return rewards
