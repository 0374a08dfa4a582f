"""Configuration of sampling."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from ar1_rl.config import ConfigModel
from ar1_rl.frames.config import FramesConfig

EngineName = Literal["vllm", "transformers"]


STALL_S = 600.0
"""Ten minutes: longer than the first, compiling steps of an engine take, and short beside a queue's time limit."""


class SamplingConfig(ConfigModel):
    """How completions are drawn."""

    temperature: float = Field(1.0, gt=0.0)
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    max_completion_tokens: int = Field(80, ge=8)


class Greedy(SamplingConfig):
    """The likeliest token at every place."""

    temperature: float = Field(0.0, ge=0.0, le=0.0)


class FramesLayout(ConfigModel):
    """How frames are put into a prompt: Alpamayo 1.5's layout; Alpamayo-R1's has neither names nor numbers."""

    camera_names: bool = True
    """The name of a camera before its frames."""
    frame_numbers: bool = True
    """The number of each frame of a camera before it, from old to new."""
    system: str = "You are a driving assistant that drives safely and accurately."
    """Empty: no system message."""
    instruction: str = "Reason about the causes of what to do next, then write the future trajectory."
    """After the frames and the history."""


class ShownFrames(FramesConfig):
    """Which frames a policy is shown, and how they stand in its prompt."""

    layout: FramesLayout = FramesLayout()


class PromptConfig(ConfigModel):
    """What a policy is asked with."""

    prompt: str | None = None
    """A prompt builder of your own by `path/to/file.py:name` or `package.module:name`; unset: the scene in words, or in
    `frames`."""
    prompt_arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of a prompt builder of your own."""
    frames: ShownFrames | None = None
    """Camera frames and the driven history, without a word on what is in the frames, for a policy that sees."""

    @model_validator(mode="after")
    def _arguments_have_a_builder(self) -> PromptConfig:
        if self.prompt_arguments and self.prompt is None:
            raise ValueError("prompt_arguments: they go with `prompt`, a prompt builder of your own")
        return self

    @model_validator(mode="after")
    def _one_prompt(self) -> PromptConfig:
        if self.frames is not None and self.prompt is not None:
            raise ValueError("frames: the library writes that prompt; allowed is one of `frames` and `prompt`")
        return self


class EngineConfig(ConfigModel):
    """Which engine samples, and what it may use."""

    engine: EngineName = "vllm"
    server: str | None = None
    """Base URL of a `vllm serve` on GPUs of its own, such as http://host:8000; unset: vLLM shares the trainer's.
    Needs CUDA, for the weights go over NCCL."""
    max_model_tokens: int = Field(512, ge=64)
    """Longest prompt plus completion."""
    max_sequences: int = Field(256, ge=1)
    """Sequences generated at once; fewer, if memory is short."""
    gpu_memory_share: float = Field(0.3, gt=0.0, le=1.0)
    """Of one GPU, for the engine that shares it with the trainer; not used on CPU."""
    overlap: bool = True
    """Rewards are asked about each completion as soon as it has what they need, while others are still drawn. Off: once
    all are there, with the same rollouts and rewards. The engine `transformers` tells of completions batch by batch."""
    stall_s: float = Field(STALL_S, gt=0.0)
    """Seconds without a new token (where no reward listens: a new completion) after which the engine has stalled."""
    cpu_cache_gib: float = Field(1.0, gt=0.0)
    """Memory of the key-value cache on CPU; vLLM's own default is a third of all memory."""

    @model_validator(mode="after")
    def _server_is_vllm(self) -> EngineConfig:
        if self.server is not None and self.engine != "vllm":
            raise ValueError(f"server: goes with engine vllm, got engine {self.engine}")
        return self
