"""Configuration of a policy."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from ..config import ConfigModel
from ..driving.codec import TrajectoryCodec

CodecName = Literal["compact", "alpamayo"]


class TinyPolicyConfig(ConfigModel):
    """Size of the decoder that is trained from scratch (Qwen3 architecture)."""

    hidden_size: int = Field(96, ge=32)
    layers: int = Field(3, ge=1)
    heads: int = Field(3, ge=1)
    """hidden_size / heads must be a head size that vLLM knows on CPU: 32, 64, 96, 128."""
    intermediate_size: int = Field(256, ge=32)
    max_positions: int = Field(512, ge=128)


class LoraConfig(ConfigModel):
    """Adapters of low rank, which GRPO trains in the place of the weights (arXiv 2106.09685)."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0.0)
    """What the adapters add is scaled by alpha / rank."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    targets: tuple[str, ...] = Field((), strict=False)
    """Names of the modules that get adapters, such as q_proj; unset: every linear layer but the output."""

    @field_validator("targets")
    @classmethod
    def _output_stays(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        if "lm_head" in targets:
            raise ValueError("lm_head cannot have an adapter: TRL reads log-probabilities off its weight as it is")
        return targets


class PolicyConfig(ConfigModel):
    """Which model is the policy, and how it writes trajectories."""

    path: str | None = None
    """Folder or name of any Hugging Face causal LM; without it a tiny decoder is trained from scratch."""
    tiny: TinyPolicyConfig = TinyPolicyConfig()
    codec: CodecName = "compact"
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the weights that are trained and of the sampling engine."""
    lora: LoraConfig | None = None
    """Unset: GRPO trains all weights, as SFT always does."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: a third more work, far less memory."""
    architecture: dict[str, Any] | None = None
    """The lines of the model's own config.json that its size follows from, `model_type` among them. Only `--dry-run`
    reads them, to reckon with a model whose weights are not there."""


def codec_by_name(name: CodecName) -> TrajectoryCodec:
    """The trajectory codec of that name."""
    return {"compact": TrajectoryCodec.compact, "alpamayo": TrajectoryCodec.alpamayo}[name]()
