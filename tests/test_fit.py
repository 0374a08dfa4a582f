"""Whether a policy fits its run is told before it begins, and what does not fit is refused with what to change."""

from __future__ import annotations

from typing import Any

import pytest
import tiny

from ar1_rl.config import check_config
from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError
from recipes import fit
from recipes.memory import GIB
from recipes.run_config import RunConfig

ARCHITECTURE = {
    "model_type": "qwen3", "vocab_size": 1000, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 256,
    "tie_word_embeddings": True,
}  # fmt: skip
"""150,464 parameters and 184 tokens of 64: 162,240 (tests/test_model_size.py)."""
NOT_HERE = {"path": "nobody/nothing", "architecture": ARCHITECTURE}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return tiny.scenes(4)


def config_of(**sections: Any) -> RunConfig:
    raw = {"recipe": "test", "rewards": {"terms": [{"reward": "format"}]}, "rollouts": {"max_model_tokens": 256}}
    return check_config(RunConfig, {**raw, **sections}, source="test")


def test_a_policy_that_is_not_here_is_told_by_its_architecture(scenes: list[Scene]) -> None:
    """Its training state is 16 bytes a parameter: 2,595,840, or 2.5 MiB."""
    rows = fit.rows(config_of(policy=NOT_HERE), scenes)
    assert rows["policy"] == "0.16 M parameters, float32, all of them trained"
    assert "estimated without its tokenizer" in rows["prompt tokens"] and "room for 176" in rows["prompt tokens"]
    assert rows["completion tokens"] == "80: 32 of the trajectory, 4 that delimit it, 44 for reasoning"
    assert rows["model tokens"] == "256 of 256 positions"
    assert rows["policy tokens"] == "184: 178 of the codec compact, 6 that delimit"
    assert rows["memory in GRPO"].startswith("in each process 2.5 MiB of training state (weights, gradients, Adam); ")
    assert "memory in SFT" not in rows, "the config asks for none"


def test_the_codec_decides_how_much_is_left_for_reasoning(scenes: list[Scene]) -> None:
    policy = {**NOT_HERE, "codec": "alpamayo", "architecture": {**ARCHITECTURE, "max_position_embeddings": 512}}
    rollouts = {"max_model_tokens": 512, "max_completion_tokens": 200}
    rows = fit.rows(config_of(policy=policy, rollouts=rollouts), scenes)
    assert rows["completion tokens"] == "200: 128 of the trajectory, 4 that delimit it, 68 for reasoning"
    assert rows["policy tokens"] == "4006: 4000 of the codec alpamayo, 6 that delimit"
    with pytest.raises(ConfigError, match=r"max_completion_tokens 132 has no room.*alpamayo a trajectory takes 128"):
        fit.rows(config_of(policy=policy, rollouts={**rollouts, "max_completion_tokens": 132}), scenes)
    rows = fit.rows(config_of(policy=policy, rollouts={**rollouts, "max_completion_tokens": 133}), scenes)
    assert rows["completion tokens"].endswith(" 1 for reasoning")


def test_a_prompt_that_leaves_no_room_for_its_completion_is_refused_with_its_length(scenes: list[Scene]) -> None:
    config = config_of(policy=NOT_HERE)
    told = fit.rows(config, scenes)["prompt tokens"]
    longest = int(told.removeprefix("up to ").split()[0])
    just = {"max_model_tokens": 80 + longest}
    assert f"room for {longest}" in fit.rows(config_of(policy=NOT_HERE, rollouts=just), scenes)["prompt tokens"]
    with pytest.raises(ConfigError) as caught:
        fit.rows(config_of(policy=NOT_HERE, rollouts={"max_model_tokens": 79 + longest}), scenes)
    assert f"max_model_tokens {79 + longest} is too low" in str(caught.value)
    assert f"leaves {longest - 1} for a prompt, and there is one of {longest} (estimated" in str(caught.value)


def test_more_tokens_than_the_model_has_positions_are_refused(scenes: list[Scene]) -> None:
    with pytest.raises(ConfigError, match="max_model_tokens 257 is more than the 256 positions of the model"):
        fit.rows(config_of(policy=NOT_HERE, rollouts={"max_model_tokens": 257}), scenes)


def test_adapters_are_told_with_their_share_of_what_is_there(scenes: list[Scene]) -> None:
    """Rank 2 on 2 layers: 2 x (192 + 128 + 128 + 192 + 3 x 160) = 2,240 a layer; 4,480 of 166,720 are 2.69 %."""
    rows = fit.rows(config_of(policy={**NOT_HERE, "lora": {"rank": 2}}, sft={}), scenes)
    assert rows["policy"] == "0.16 M parameters, float32; GRPO trains adapters of 0.00 M, 2.69% of all"
    assert "2.5 MiB of training state" in rows["memory in SFT"], "SFT trains all of it"
    assert "0.7 MiB of training state" in rows["memory in GRPO"], "4 x 162,240 + 16 x 4,480 bytes"


def test_a_size_that_nothing_tells_is_said_to_be_unknown_and_lengths_are_still_checked(scenes: list[Scene]) -> None:
    policy = {"path": "nobody/nothing"}
    rows = fit.rows(config_of(policy=policy), scenes)
    assert "size unknown: nobody/nothing is not here, and policy.architecture is not set" in rows["policy"]
    assert not any(name.startswith("memory") for name in rows)
    assert rows["model tokens"] == "256", "of nobody knows how many"
    with pytest.raises(ConfigError, match="too low"):
        fit.rows(config_of(policy=policy, rollouts={"max_model_tokens": 100}), scenes)


# memory of a GPU


def gpu(gib: float, **sections: Any) -> RunConfig:
    return config_of(**{"policy": NOT_HERE, "launch": {"gpu_memory_gib": gib}, **sections})


def test_what_is_left_of_a_gpu_is_what_training_and_vllm_do_not_take(scenes: list[Scene]) -> None:
    """Of 1 GiB: 0.3 are vLLM's, 2.5 MiB training state; SFT has no vLLM beside it."""
    rows = fit.rows(gpu(1.0, sft={}), scenes)
    assert rows["memory in GRPO"].startswith("on each GPU 2.5 MiB of training state")
    assert "0.3 GiB of vLLM (weights 0.6 MiB, cache of 256 sequences of 256 tokens)" in rows["memory in GRPO"]
    assert "0.7 GiB of 1.0 GiB left for activations" in rows["memory in GRPO"]
    assert "1.0 GiB of 1.0 GiB left for activations" in rows["memory in SFT"] and "vLLM" not in rows["memory in SFT"]


def test_a_run_that_does_not_fit_is_refused_with_what_to_change(scenes: list[Scene]) -> None:
    """4 MiB hold the training state of 2.5 MiB, but not a share of 0.5 for vLLM as well."""
    narrow = {"max_model_tokens": 256, "gpu_memory_share": 0.9}
    with pytest.raises(ConfigError) as caught:
        fit.rows(gpu(4 / 1024, rollouts=narrow), scenes)
    message = str(caught.value)
    assert "GRPO does not fit: it takes 6.1 MiB of each GPU, which has 4.0 MiB" in message
    assert (
        "policy.lora" in message
        and "zero2, zero2_offload, zero3, zero3_offload" in message
        and "gpu_memory_share" in message
    )


def test_sft_that_does_not_fit_is_refused_although_grpo_would(scenes: list[Scene]) -> None:
    """Of 2 MiB GRPO takes 0.7 with adapters of rank 1, and vLLM 1.2; SFT of all weights takes 2.5."""
    policy = {**NOT_HERE, "lora": {"rank": 1}}
    rollouts = {"max_model_tokens": 256, "gpu_memory_share": 0.6}
    assert "left for activations" in fit.rows(gpu(2 / 1024, policy=policy, rollouts=rollouts), scenes)["memory in GRPO"]
    with pytest.raises(ConfigError, match=r"SFT does not fit: it takes 2\.5 MiB of each GPU, which has 2\.0 MiB"):
        fit.rows(gpu(2 / 1024, policy=policy, rollouts=rollouts, sft={}), scenes)


def test_deepspeed_is_named_as_the_source_and_what_it_reckons_with_where_that_is_not_so(scenes: list[Scene]) -> None:
    sections: dict[str, Any] = {"launch": {"processes": 2, "gpu_memory_gib": 1.0}, "deepspeed": "zero2"}
    half = config_of(policy={**NOT_HERE, "dtype": "bfloat16"}, **sections)
    assert "(DeepSpeed's estimator)" in fit.rows(half, scenes)["memory in GRPO"]
    whole = fit.rows(config_of(policy=NOT_HERE, **sections), scenes)["memory in GRPO"]
    assert "(DeepSpeed's estimator, which reckons with weights of 16 bits; these have 32)" in whole


def test_the_memory_of_the_gpus_that_a_run_is_meant_for_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fit.gpu_memory(gpu(22.5)) == int(22.5 * GIB)
    import torch

    class Card:
        def __init__(self, gib: int) -> None:
            self.total_memory = gib * GIB

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: [Card(80), Card(24)][i])
    assert fit.gpu_memory(config_of()) == 24 * GIB, "the smallest of those here"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fit.gpu_memory(config_of()) is None


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    meant = config_of(launch={"processes": 8, "gpu_memory_gib": 79.0}, deepspeed="zero3")
    assert fit.missing(meant) == ["GPUs: 8 of 79 GiB on each machine, 0 here"]
    assert fit.missing(config_of(launch={"processes": 2})) == [], "a run that is not meant for GPUs"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    assert fit.missing(meant) == []
    monkeypatch.setattr(fit.importlib.util, "find_spec", lambda name: None)
    assert fit.missing(meant) == ["DeepSpeed (pip install 'ar1-rl[gpu]')"]


def test_without_deepspeed_there_is_no_estimate_and_no_crash(
    scenes: list[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(policy=NOT_HERE, deepspeed="zero2")
    find = fit.importlib.util.find_spec
    monkeypatch.setattr(fit.importlib.util, "find_spec", lambda name: None if name == "deepspeed" else find(name))
    assert fit.rows(config, scenes)["memory"] == "no estimate: it is DeepSpeed's, which is not installed"
