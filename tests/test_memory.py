"""What a run takes of each GPU: by hand, and as DeepSpeed's own estimators say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs
from deepspeed.runtime.zero.stage_1_and_2 import estimate_zero2_model_states_mem_needs

from ar1_rl.config import check_config
from ar1_rl.errors import ConfigError
from recipes.memory import GIB, Sampling, grpo_state, sampling, sft_state, told
from recipes.model_size import ModelSize
from recipes.run_config import RunConfig

WHOLE = ModelSize(parameters=1_000_000, largest_layer=200_000, adapters=0, cache_numbers=1_000, positions=None)
ADAPTED = ModelSize(parameters=1_000_000, largest_layer=200_000, adapters=10_000, cache_numbers=1_000, positions=None)
QWEN3_8B = ModelSize(8_223_552_512, 155_942 * 4096, adapters=0, cache_numbers=73_728, positions=40_960)


def config_of(**sections: Any) -> RunConfig:
    sections = {"recipe": "test", "rewards": {"terms": [{"reward": "format"}]}, **sections}
    return check_config(RunConfig, sections, source="test")


def launched(processes: int, deepspeed: str, *, machines: int = 1, **sections: Any) -> RunConfig:
    launch = {"processes": processes, "machines": machines, "address": "machine0"}
    return config_of(launch=launch, deepspeed=deepspeed, **{"policy": {"dtype": "bfloat16"}, **sections})


# without DeepSpeed


def test_weights_gradients_and_the_two_moments_of_adam_are_of_the_type_of_the_weights() -> None:
    """A million parameters: 4 x 4 bytes each in float32, 4 x 2 in bfloat16."""
    for dtype, each in (("float32", 16), ("bfloat16", 8)):
        config = config_of(policy={"dtype": dtype})
        assert grpo_state(config, WHOLE).gpu_bytes == sft_state(config, WHOLE).gpu_bytes == each * 1_000_000
        assert grpo_state(config, WHOLE).host_bytes == 0


def test_a_reference_for_the_divergence_is_one_more_copy_in_grpo_alone() -> None:
    config = config_of(policy={"dtype": "bfloat16"}, grpo={"kl_coef": 0.05})
    assert grpo_state(config, WHOLE).gpu_bytes == (8 + 2) * 1_000_000
    assert sft_state(config, WHOLE).gpu_bytes == 8 * 1_000_000


def test_adapters_are_trained_in_float32_beside_frozen_weights_and_are_their_own_reference() -> None:
    for kl_coef in (0.0, 0.05):
        config = config_of(policy={"dtype": "bfloat16", "lora": {}}, grpo={"kl_coef": kl_coef})
        assert grpo_state(config, ADAPTED).gpu_bytes == 16 * 10_000 + 2 * 1_000_000
        assert sft_state(config, ADAPTED).gpu_bytes == 8 * 1_000_000, "SFT trains all weights"


# DeepSpeed


@pytest.mark.parametrize(("processes", "machines"), [(1, 1), (4, 1), (4, 2)])
def test_stage_2_is_what_deepspeed_estimates(processes: int, machines: int) -> None:
    """2 bytes of weights everywhere, 18 of gradients, copies and moments divided; on 8 ranks 2 + 18 / 8 = 4.25."""
    host, gpu = estimate_zero2_model_states_mem_needs(1_000_000, processes, machines, cpu_offload=False)
    state = grpo_state(launched(processes, "zero2", machines=machines), WHOLE)
    assert (state.gpu_bytes, state.host_bytes) == (gpu, host)
    assert gpu == 2_000_000 + 18_000_000 // (processes * machines)


@pytest.mark.parametrize(("processes", "machines"), [(1, 1), (4, 1), (4, 2)])
@pytest.mark.parametrize(("name", "offload"), [("zero3", False), ("zero3_offload", True)])
def test_stage_3_is_what_deepspeed_estimates(name: str, offload: bool, processes: int, machines: int) -> None:
    host, gpu, _ = estimate_zero3_model_states_mem_needs(
        1_000_000, 200_000, processes, machines, cpu_offload=offload, cpu_offload_params=offload, zero_init=True
    )
    state = grpo_state(launched(processes, name, machines=machines), WHOLE)
    assert (state.gpu_bytes, state.host_bytes) == (gpu, host)
    assert gpu == 4 * 200_000 + (0 if offload else 18_000_000 // (processes * machines))


def test_stage_2_with_its_optimizer_on_the_host_is_what_deepspeed_estimates() -> None:
    """Weights of 2 bytes on the GPU; 16 of copies, gradients and moments beside it, and half as much of buffers."""
    host, gpu = estimate_zero2_model_states_mem_needs(1_000_000, 1, 1, cpu_offload=True)
    state = grpo_state(launched(1, "zero2_offload"), WHOLE)
    assert (state.gpu_bytes, state.host_bytes) == (gpu, host) == (2_000_000, 24_000_000)


def test_a_file_of_ones_own_that_keeps_only_the_optimizer_on_the_host_is_read_as_it_is(tmp_path: Path) -> None:
    for stage in (2, 3):
        zero: dict[str, Any] = {"stage": stage, "offload_optimizer": {"device": "cpu"}}
        if stage == 3:
            zero["stage3_gather_16bit_weights_on_model_save"] = True
        path = tmp_path / f"{stage}.json"
        path.write_text(json.dumps({"zero_optimization": zero}))
        state = grpo_state(launched(2, str(path)), WHOLE)
        assert state.gpu_bytes == {2: 2_000_000, 3: 4 * 200_000 + 2 * 1_000_000 // 2}[stage]
        assert state.host_bytes > 16_000_000, "the optimizer is there"


def test_qwen3_8b_on_eight_gpus_by_hand() -> None:
    """4 bytes of the largest layer, 638.7 M, and 18 of an eighth of 8,223.6 M: 2.55 + 18.50 GB = 19.61 GiB."""
    state = sft_state(launched(8, "zero3", sft={"batch_size": 64}), QWEN3_8B)
    assert state.gpu_bytes == 4 * 638_738_432 + 18 * 8_223_552_512 // 8 == 21_057_946_880
    assert told(state.gpu_bytes) == "19.6 GiB"


def test_frozen_weights_are_whole_at_stage_2_and_divided_at_stage_3_and_on_the_host_when_kept_there() -> None:
    lora = {"policy": {"dtype": "bfloat16", "lora": {}}}
    trained = grpo_state(launched(4, "zero2", **lora), ADAPTED)
    assert trained.gpu_bytes == 2 * 10_000 + 18 * 10_000 // 4 + 2 * 1_000_000
    divided = grpo_state(launched(4, "zero3", **lora), ADAPTED)
    assert divided.gpu_bytes == 4 * 200_000 + 18 * 10_000 // 4 + 2 * 1_000_000 // 4
    hosted = grpo_state(launched(4, "zero3_offload", **lora), ADAPTED)
    assert hosted.gpu_bytes == 4 * 200_000
    assert hosted.host_bytes == 18 * 10_000 * 3 // 2 + 4 * (2 * 1_000_000 // 4)


def test_a_reference_is_divided_as_the_policy_is() -> None:
    without = grpo_state(launched(4, "zero3"), WHOLE)
    beside = grpo_state(launched(4, "zero3", grpo={"kl_coef": 0.05}), WHOLE)
    assert beside.gpu_bytes - without.gpu_bytes == 2 * 1_000_000 // 4


@pytest.mark.parametrize("name", ["zero2", "zero3"])
def test_more_ranks_never_take_more_of_each_gpu(name: str) -> None:
    taken = [grpo_state(launched(ranks, name), WHOLE).gpu_bytes for ranks in (1, 2, 4, 8)]
    assert taken == sorted(taken, reverse=True) and taken[0] > taken[-1]


# vLLM


def test_the_cache_of_vllm_by_hand() -> None:
    """0.4 of 79 GiB less the weights; a sequence of 512 tokens is 512 x 73,728 numbers of 2 bytes, 72 MiB."""
    rollouts = {"max_model_tokens": 512, "gpu_memory_share": 0.4}
    config = config_of(policy={"dtype": "bfloat16"}, rollouts=rollouts)
    engine = sampling(config, QWEN3_8B, 79 * GIB)
    assert engine is not None
    assert engine.weights_bytes == 2 * 8_223_552_512
    assert engine.cache_bytes == int(0.4 * 79 * GIB) - 16_447_105_024
    assert engine.sequences == engine.cache_bytes // (72 * 2**20) == 231
    assert engine.gpu_bytes == int(0.4 * 79 * GIB), "its share, all of it"


def test_a_type_of_twice_the_size_takes_twice_the_cache() -> None:
    """On a CPU the cache is given: 1 GiB holds 1 GiB / (4 bytes x 1,000 x 256 tokens) = 1,048 sequences."""
    rollouts = {"max_model_tokens": 256, "max_sequences": 5_000}
    engine = sampling(config_of(rollouts=rollouts), WHOLE, None)
    assert engine == Sampling(weights_bytes=4_000_000, cache_bytes=GIB, sequences=1_048)
    engine = sampling(config_of(rollouts=rollouts, policy={"dtype": "bfloat16"}), WHOLE, None)
    assert engine == Sampling(weights_bytes=2_000_000, cache_bytes=GIB, sequences=2_097)


def test_no_more_sequences_are_told_than_are_generated_at_once() -> None:
    engine = sampling(config_of(rollouts={"max_sequences": 64}), WHOLE, None)
    assert engine is not None and engine.sequences == 64


def test_an_engine_that_is_elsewhere_takes_nothing() -> None:
    assert sampling(config_of(rollouts={"engine": "transformers"}), WHOLE, GIB) is None
    assert sampling(config_of(rollouts={"server": "http://127.0.0.1:8000"}), WHOLE, GIB) is None


@pytest.mark.parametrize(
    ("gpu_bytes", "has"),
    [(79 * GIB, "it has 15.8 GiB and its weights take 15.3 GiB"), (24 * GIB, "it has 4.8 GiB")],
)
def test_an_engine_without_room_is_refused_with_what_it_has_and_what_to_set(gpu_bytes: int, has: str) -> None:
    """A fifth of 79 GiB holds the weights but 7 sequences; of 24 GiB not even those."""
    rollouts = {"max_model_tokens": 40_960 if gpu_bytes > 24 * GIB else 512, "gpu_memory_share": 0.2}
    config = config_of(policy={"dtype": "bfloat16"}, rollouts=rollouts)
    with pytest.raises(ConfigError) as caught:
        sampling(config, QWEN3_8B, gpu_bytes)
    assert has in str(caught.value) and "rollouts.gpu_memory_share higher" in str(caught.value)
    assert f"no room for one sequence of {rollouts['max_model_tokens']} tokens" in str(caught.value)


def test_bytes_are_told_in_gib_from_a_tenth_of_one() -> None:
    assert told(3 * GIB) == "3.0 GiB" and told(GIB / 10) == "0.1 GiB"
    assert told(100 * 2**20) == "100.0 MiB" and told(1.5 * 2**20) == "1.5 MiB"
