"""Configuration of curation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from ..config import ConfigModel

DivergenceName = Literal["kl", "js", "tv"]


class CurateConfig(ConfigModel):
    """Rollouts of every scene, and which scenes are kept. The paper leaves open all of these numbers."""

    policy: str | None = None
    """Folder of the policy that is asked."""
    rollouts: int = Field(8, ge=2)
    """Of a scene."""
    scenes_per_batch: int = Field(64, ge=1)
    """Scenes in memory at once, and in one file of scores."""
    shards: int = Field(1, ge=1)
    """Parts that the scenes are dealt to; each can run on a machine of its own."""
    shard: int = Field(0, ge=0)
    """Which of them, from 0."""
    divergence: DivergenceName = "kl"
    """`kl`: of the policy's distribution from the reward's; `js`: Jensen-Shannon; `tv`: total variation."""
    sharpness: float = Field(2.0, gt=0.0)
    """The reward's distribution over the rollouts of a scene is softmax(sharpness * reward)."""
    keep: int = Field(1000, ge=1)
    """Scenes with the highest disagreement that are kept."""
    random_ratio: float = Field(1.0, ge=0.0)
    """Random scenes for each of them; the paper mixes in a similar number."""
    smallest_reward_std: float | None = Field(None, ge=0.0)
    """Difficulty filter: scenes whose rewards have no larger standard deviation are neither kept nor drawn.
    0: scenes whose rewards are all equal. Unset: no filter."""

    @model_validator(mode="after")
    def _shard_is_one_of_them(self) -> CurateConfig:
        if self.shard >= self.shards:
            raise ValueError(f"shard: got {self.shard} of {self.shards}, allowed 0 to {self.shards - 1}")
        return self
