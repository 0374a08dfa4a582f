"""What a run takes of each GPU: the state of training, by DeepSpeed's own estimators where it divides it, and vLLM.

Activations are not reckoned: they take what is left, and fit themselves to `grpo.rollouts_per_pass`, `sft.batch_size`
and `policy.gradient_checkpointing`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ar1_rl.errors import ConfigError

from . import sharding
from .model_size import ModelSize
from .run_config import RunConfig

GIB = 2**30
BYTES = {"float32": 4, "bfloat16": 2}
ADAPTER_BYTES = 4
"""PEFT keeps adapters in float32 beside weights of bfloat16."""
ADAM_STATES = 4
"""Weight, gradient and Adam's two moments of a parameter, in the type of the weight, where DeepSpeed is not used."""
HALF = 2
"""Bytes of a number in DeepSpeed's estimates: weights and gradients of 16 bits, copies and moments of 32."""


@dataclass(frozen=True)
class State:
    """What training keeps from step to step."""

    gpu_bytes: int
    """On each GPU, or in each process on CPU."""
    host_bytes: int
    """Beside it, in the memory of each machine."""


@dataclass(frozen=True)
class Sampling:
    """What vLLM takes of each GPU that it shares with the trainer."""

    weights_bytes: int
    cache_bytes: int
    sequences: int
    """Of the greatest length that the cache holds at once."""

    @property
    def gpu_bytes(self) -> int:
        """All of it."""
        return self.weights_bytes + self.cache_bytes


def sft_state(config: RunConfig, size: ModelSize) -> State:
    """Fine-tuning trains all weights."""
    if config.deepspeed is not None:
        return divided_state(config, config.deepspeed, size.largest_layer, trained=size.parameters, frozen=0)
    return whole_state(trained=BYTES[config.policy.dtype] * size.parameters, frozen=0)


def grpo_state(config: RunConfig, size: ModelSize) -> State:
    """GRPO trains adapters or all weights, and with a KL term keeps those that it began with."""
    trained, frozen = size.parameters, size.parameters if config.grpo.kl_coef > 0 else 0
    each = BYTES[config.policy.dtype]
    if size.adapters:
        trained, frozen, each = size.adapters, size.parameters, ADAPTER_BYTES
    if config.deepspeed is not None:
        return divided_state(config, config.deepspeed, size.largest_layer, trained=trained, frozen=frozen)
    return whole_state(trained=each * trained, frozen=BYTES[config.policy.dtype] * frozen)


def whole_state(*, trained: int, frozen: int) -> State:
    """Of weights that take so many bytes, where every rank has all of it."""
    return State(gpu_bytes=ADAM_STATES * trained + frozen, host_bytes=0)


def divided_state(config: RunConfig, deepspeed: str, largest_layer: int, *, trained: int, frozen: int) -> State:
    """Of so many parameters, by DeepSpeed's estimators.

    They reckon with weights of 16 bits that are all trained; frozen ones are added here. For stage 1 there is none;
    that of stage 2 says too little there, as gradients are divided in it too.
    """
    _say_where()
    from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs
    from deepspeed.runtime.zero.stage_1_and_2 import estimate_zero2_model_states_mem_needs

    settings, launch = sharding.settings(deepspeed), config.launch
    zero = settings["zero_optimization"]
    hosted = {part: zero.get(f"offload_{part}", {}).get("device") == "cpu" for part in ("optimizer", "param")}
    machines = {"num_gpus_per_node": launch.processes, "num_nodes": launch.machines}
    if sharding.stage(settings) < 3:
        host, gpu = estimate_zero2_model_states_mem_needs(trained, cpu_offload=hosted["optimizer"], **machines)
        return State(gpu_bytes=gpu + HALF * frozen, host_bytes=host)
    host, gpu, _ = estimate_zero3_model_states_mem_needs(
        trained,
        largest_layer,
        cpu_offload=hosted["optimizer"],
        cpu_offload_params=hosted["param"],
        zero_init=True,
        **machines,
    )
    part = HALF * frozen // launch.ranks
    if hosted["param"]:
        return State(gpu_bytes=gpu, host_bytes=host + part * launch.processes)
    return State(gpu_bytes=gpu + part, host_bytes=host)


def _say_where() -> None:
    """DeepSpeed looks for an accelerator when it is imported, and warns where there is none."""
    import torch

    if not torch.cuda.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")


def sampling(config: RunConfig, size: ModelSize, gpu_bytes: int | None) -> Sampling | None:
    """What vLLM takes beside the trainer: its share of a GPU, or on CPU the cache it is given.

    None where it is not beside it. ConfigError where that does not hold its weights and one sequence.
    """
    rollouts, number = config.rollouts, BYTES[config.policy.dtype]
    if rollouts.engine != "vllm" or rollouts.server is not None:
        return None
    weights = number * size.parameters
    if gpu_bytes is None:
        cache = int(rollouts.cpu_cache_gib * GIB)
    else:
        cache = int(rollouts.gpu_memory_share * gpu_bytes) - weights
    sequences = cache // (number * size.cache_numbers * rollouts.max_model_tokens)
    if sequences < 1:
        raise ConfigError(
            f"vLLM has no room for one sequence of {rollouts.max_model_tokens} tokens: it has {told(cache + weights)} "
            f"and its weights take {told(weights)}; set rollouts.gpu_memory_share higher (on CPU "
            "rollouts.cpu_cache_gib), or rollouts.max_model_tokens lower"
        )
    return Sampling(weights, cache, min(sequences, rollouts.max_sequences))


def told(number: float) -> str:
    """Bytes as a person reads them."""
    return f"{number / GIB:.1f} GiB" if number >= GIB / 10 else f"{number / 2**20:.1f} MiB"
