"""Whether a policy fits its run: token limits, and the memory of each GPU. No weights are needed for that."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ar1_rl.driving import SPECIAL_TOKENS, Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.frames import has_frames
from ar1_rl.policy.config import codec_by_name
from ar1_rl.policy.vision import adapter

from . import sharding
from .image_tokens import tokens_of_image
from .memory import GIB, Sampling, State, grpo_state, sampling, sft_state, told
from .model_size import ModelSize, longest_prompt, longest_seen, model_size, most_seen, processor_of, tokenizer_of
from .recorded_architecture import policy_settings
from .run_config import RunConfig
from .sft import prompt_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DELIMITERS = 4
"""Tokens of a completion beside its reasoning and its trajectory."""
Stage = Literal["SFT", "GRPO"]
SMALLER: Mapping[Stage, str] = {
    "SFT": "It trains all weights, also where GRPO trains adapters",
    "GRPO": "policy.lora trains fewer, and rollouts.gpu_memory_share is what vLLM takes",
}
"""What decides how much a stage takes."""


def rows(config: RunConfig, scenes: Sequence[Scene]) -> dict[str, str]:
    """What `--dry-run` tells; ConfigError where the policy does not fit."""
    texts = [scene.reference.text for scene in scenes if scene.reference is not None]
    tokenizer = tokenizer_of(config.policy, [*prompt_words(config.rollouts, scenes), *texts])
    size = model_size(config, tokenizer)
    shown = _lengths(config, *_longest(config, tokenizer, scenes), size)
    if size is None:
        return shown | {"policy": f"size unknown: {_unknown(config)}"}
    return {"policy": _policy(config, size)} | shown | _memory(config, size)


def _longest(config: RunConfig, tokenizer: PreTrainedTokenizerBase | None, scenes: Sequence[Scene]) -> tuple[int, str]:
    """Tokens of the longest prompt, and how that is known."""
    if config.rollouts.frames is None:
        longest = longest_prompt(config, tokenizer, [scene.observation for scene in scenes])
        return longest, "counted" if tokenizer is not None else "estimated without its tokenizer"
    seen = [scene for scene in scenes if has_frames(scene)]
    if len(seen) < len(scenes):
        raise SceneError(
            f"rollouts.frames: {len(scenes) - len(seen)} of the {len(scenes)} scenes tried have no camera frames; take "
            "synthetic scenes, or logs with their images (docs/frames.md)"
        )
    processor = None if tokenizer is None else processor_of(config.policy, tokenizer)
    if processor is not None:
        return longest_seen(config, processor, seen), "counted with the tokens of their images"
    each = None if config.policy.path is None else tokens_of_image(config.policy, config.rollouts.frames)
    if each is None:
        return 0, "not counted: its processor is not here"
    how = f"estimated without its tokenizer, {each} of them for each image"
    return most_seen(config, seen, each), how


def _unknown(config: RunConfig) -> str:
    policy = config.policy
    parts = [(policy.path, policy.architecture, "policy.architecture")]
    if policy.vision is not None:
        parts.append((policy.vision.encoder, policy.vision.architecture, "policy.vision.architecture"))
    absent = [(path, key) for path, recorded, key in parts if recorded is None and not (Path(str(path))).exists()]
    return "; ".join(f"{path} is not here, and {key} is not set" for path, key in absent)


def _policy(config: RunConfig, size: ModelSize) -> str:
    total = f"{_count(size.parameters)} parameters, {config.policy.dtype}"
    if not size.adapters:
        return f"{total}, all of them trained"
    share = size.adapters / (size.parameters + size.adapters)
    return f"{total}; GRPO trains adapters of {_count(size.adapters)}, {share:.2%} of all"


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.2f} B" if parameters >= 1e8 else f"{parameters / 1e6:.2f} M"


def _lengths(config: RunConfig, longest: int, how: str, size: ModelSize | None) -> dict[str, str]:
    rollouts, codec = config.rollouts, codec_by_name(config.policy.codec)
    reasoning = rollouts.max_completion_tokens - codec.tokens_per_future - DELIMITERS
    if reasoning < 1:
        raise ConfigError(
            f"rollouts.max_completion_tokens {rollouts.max_completion_tokens} has no room for reasoning: with codec "
            f"{codec.name} a trajectory takes {codec.tokens_per_future} tokens, and {DELIMITERS} delimit it"
        )
    room = rollouts.max_model_tokens - rollouts.max_completion_tokens
    if longest > room:
        raise ConfigError(
            f"rollouts.max_model_tokens {rollouts.max_model_tokens} is too low: beside completions of "
            f"{rollouts.max_completion_tokens} it leaves {room} for a prompt, and there is one of {longest} ({how})"
        )
    positions = None if size is None else size.positions
    if positions is not None and rollouts.max_model_tokens > positions:
        raise ConfigError(
            f"rollouts.max_model_tokens {rollouts.max_model_tokens} is more than the {positions} positions of the model"
        )
    return {
        "prompt tokens": f"up to {longest} in the scenes tried ({how}), room for {room}",
        "completion tokens": f"{rollouts.max_completion_tokens}: {codec.tokens_per_future} of the trajectory, "
        f"{DELIMITERS} that delimit it, {reasoning} for reasoning",
        "model tokens": f"{rollouts.max_model_tokens}" + ("" if positions is None else f" of {positions:,} positions"),
        "policy tokens": f"{codec.vocabulary_size + len(SPECIAL_TOKENS)}: {codec.vocabulary_size} of the codec "
        f"{codec.name}, {len(SPECIAL_TOKENS)} that delimit",
    }


def _memory(config: RunConfig, size: ModelSize) -> dict[str, str]:
    if config.deepspeed is not None and importlib.util.find_spec("deepspeed") is None:
        return {"memory": "no estimate: it is DeepSpeed's, which is not installed"}
    gpu_bytes = gpu_memory(config)
    engine = sampling(config, size, gpu_bytes)
    stages = {"memory in GRPO": _stage("GRPO", config, grpo_state(config, size), engine, gpu_bytes)}
    if config.sft is not None:
        stages = {"memory in SFT": _stage("SFT", config, sft_state(config, size), None, gpu_bytes), **stages}
    return stages


def _stage(stage: Stage, config: RunConfig, state: State, engine: Sampling | None, gpu_bytes: int | None) -> str:
    place = "in each process" if gpu_bytes is None else "on each GPU"
    parts = [f"{place} {told(state.gpu_bytes)} of training state ({_source(config)})"]
    taken = state.gpu_bytes
    if engine is not None:
        taken += engine.gpu_bytes
        parts.append(
            f"{told(engine.gpu_bytes)} of vLLM (weights {told(engine.weights_bytes)}, cache of {engine.sequences} "
            f"sequences of {config.rollouts.max_model_tokens} tokens)"
        )
    if gpu_bytes is not None:
        parts.append(f"{_left(stage, taken, gpu_bytes)} of {told(gpu_bytes)} left for activations")
    if state.host_bytes:
        parts.append(f"in the memory of each machine {told(state.host_bytes)}")
    return "; ".join(parts)


def _source(config: RunConfig) -> str:
    if config.deepspeed is None:
        return "weights, gradients, Adam"
    half = "" if config.policy.dtype == "bfloat16" else ", which reckons with weights of 16 bits; these have 32"
    return f"DeepSpeed's estimator{half}"


def _left(stage: Stage, taken: int, gpu_bytes: int) -> str:
    if taken < gpu_bytes:
        return told(gpu_bytes - taken)
    raise ConfigError(
        f"{stage} does not fit: it takes {told(taken)} of each GPU, which has {told(gpu_bytes)}. {SMALLER[stage]}; "
        f"with deepspeed ({', '.join(sharding.names())}) and more launch.processes each GPU has a part"
    )


def gpu_memory(config: RunConfig) -> int | None:
    """Bytes of each GPU that the run is meant for, or of those here; None for a run on CPU."""
    import torch

    if config.launch.gpu_memory_gib is not None:
        return int(config.launch.gpu_memory_gib * GIB)
    if not torch.cuda.is_available():
        return None
    return min(torch.cuda.get_device_properties(i).total_memory for i in range(torch.cuda.device_count()))


def missing(config: RunConfig) -> list[str]:
    """What the run needs of a machine's GPUs and packages and this one does not have."""
    import torch

    wanted, here = config.launch.processes, torch.cuda.device_count()
    lacking = []
    if config.launch.gpu_memory_gib is not None and here < wanted:
        lacking.append(f"GPUs: {wanted} of {config.launch.gpu_memory_gib:g} GiB on each machine, {here} here")
    if config.deepspeed is not None and importlib.util.find_spec("deepspeed") is None:
        lacking.append("DeepSpeed (pip install 'ar1-rl[gpu]')")
    if _wants_torchvision(config) and not adapter.torchvision_there():
        lacking.append(f"torchvision, which vLLM wants for this policy ({adapter.install_line()})")
    return lacking


def _wants_torchvision(config: RunConfig) -> bool:
    """The vision-language models of vLLM import it; our architecture does not."""
    policy = config.policy
    if config.rollouts.engine != "vllm" or policy.path is None or policy.vision is not None:
        return False
    settings = policy_settings(policy)
    return settings is not None and adapter.needs_torchvision(settings)
