"""Configuration of a policy."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

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


class VisionConfig(ConfigModel):
    """What a policy sees with. Sizes of the encoder count where it is trained from scratch."""

    encoder: str | None = None
    """Folder or name of any Hugging Face vision transformer; without it a tiny one is trained from scratch."""
    image_height_px: int = Field(64, ge=8)
    image_width_px: int = Field(96, ge=8)
    """Frames are resized to this size, which patches, merged, must fill."""
    merge_size: int = Field(2, ge=1)
    """Patches along each edge that become one token of the decoder."""
    patch_size_px: int = Field(16, ge=4)
    hidden_size: int = Field(96, ge=16)
    layers: int = Field(2, ge=1)
    heads: int = Field(3, ge=1)
    intermediate_size: int = Field(256, ge=16)
    architecture: dict[str, Any] | None = None
    """Of the pretrained encoder, as `policy.architecture` is of the decoder."""


class LoraConfig(ConfigModel):
    """Adapters of low rank, which GRPO trains in the place of the weights (arXiv 2106.09685)."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0.0)
    """What the adapters add is scaled by alpha / rank."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    targets: tuple[str, ...] = Field((), strict=False)
    """Names of the modules that get adapters, such as q_proj; unset: every linear layer but the output, those of a
    vision encoder among them."""

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
    vision: VisionConfig | None = None
    """Unset: the policy reads the scene in words, or `path` is a vision-language model with an encoder of its own."""
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

    @model_validator(mode="after")
    def _eyes_and_decoder_are_of_one_kind(self) -> PolicyConfig:
        if self.vision is not None and (self.path is None) != (self.vision.encoder is None):
            raise ValueError(
                "vision: a pretrained encoder (vision.encoder) goes with a pretrained decoder (path), a tiny one with "
                "a tiny one; give both or neither, and no `vision` for a vision-language model"
            )
        return self


def codec_by_name(name: CodecName) -> TrajectoryCodec:
    """The trajectory codec of that name."""
    return {"compact": TrajectoryCodec.compact, "alpamayo": TrajectoryCodec.alpamayo}[name]()
