"""How large a policy is and how long its prompts are, by hand, for models whose weights are not here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.config import check_config, load_config
from ar1_rl.driving import SPECIAL_TOKENS, TrajectoryCodec
from ar1_rl.errors import ConfigError
from recipes import catalogue
from recipes.model_size import SPECIAL, longest_prompt, model_size, tokenizer_of
from recipes.run_config import RunConfig

QWEN3_0_6B = "qwen3_0_6b_lora"
QWEN3_8B = "qwen3_8b_zero3"
PUBLISHED = {QWEN3_0_6B: 596_049_920, QWEN3_8B: 8_190_735_360}
"""Parameters of the published models, without tokens of ours."""
EMBEDDED = {QWEN3_0_6B: 4_006 * 1024, QWEN3_8B: 2 * 4_006 * 4096}
"""Of 4,006 policy tokens; the larger model has an output matrix apart from its embeddings."""
SMALL = {
    "model_type": "qwen3", "vocab_size": 1000, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 256,
    "tie_word_embeddings": True,
}  # fmt: skip


def config_of(**policy: Any) -> RunConfig:
    raw = {"recipe": "test", "rewards": {"terms": [{"reward": "format"}]}, "policy": policy}
    return check_config(RunConfig, raw, source="test")


def recorded(**changes: Any) -> RunConfig:
    """A policy that is not here, with the small architecture in the config."""
    return config_of(path="nobody/nothing", architecture={**SMALL, **changes})


def shipped(name: str, *overrides: str) -> RunConfig:
    return load_config(RunConfig, catalogue.path_of(name), overrides)


def saved(folder: Path, **changes: Any) -> str:
    """A folder with the small architecture and no weights."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**SMALL, **changes}))
    return str(folder)


def qwen3_parameters(architecture: dict[str, Any]) -> int:
    """By the published description: grouped attention with norms of queries and keys, gated feed-forward, RMS norms."""
    width, inner, head = (architecture[key] for key in ("hidden_size", "intermediate_size", "head_dim"))
    queries, keys = architecture["num_attention_heads"] * head, architecture["num_key_value_heads"] * head
    attention = width * queries + 2 * width * keys + queries * width + 2 * head
    layer = attention + 3 * width * inner + 2 * width
    embeddings = architecture["vocab_size"] * width * (1 if architecture["tie_word_embeddings"] else 2)
    return embeddings + architecture["num_hidden_layers"] * layer + width


# parameters


def test_the_small_architecture_by_hand() -> None:
    """Embeddings 64,000; a layer 8,192 + 2 x 4,096 + 8,192 + 64 of attention, 18,432 of feed-forward, 128 of norms."""
    assert qwen3_parameters(SMALL) == 64_000 + 2 * (24_640 + 18_432 + 128) + 64 == 150_464
    size = model_size(recorded(), None)
    assert size is not None
    assert size.parameters == 150_464 + 184 * 64, "with 178 tokens of the compact codec and 6 that delimit"


@pytest.mark.parametrize("name", [QWEN3_0_6B, QWEN3_8B])
def test_published_models_are_counted_as_transformers_builds_them_and_as_by_hand(name: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = shipped(name)
    architecture = config.policy.architecture
    assert architecture is not None
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**architecture))
    assert model.num_parameters() == qwen3_parameters(architecture) == PUBLISHED[name]
    size = model_size(config, None)
    assert size is not None
    assert size.parameters == PUBLISHED[name] + EMBEDDED[name]


@pytest.mark.parametrize("name", [QWEN3_0_6B, QWEN3_8B])
def test_the_head_of_a_recipe_names_the_count_of_its_model(name: str) -> None:
    assert f"{PUBLISHED[name]:,} parameters, without the 4,006 policy tokens" in catalogue.path_of(name).read_text()


def test_the_policy_tokens_are_those_of_the_codec_and_the_delimiters() -> None:
    assert TrajectoryCodec.alpamayo().vocabulary_size + len(SPECIAL_TOKENS) == 4_000 + 6
    assert TrajectoryCodec.compact().vocabulary_size + len(SPECIAL_TOKENS) == 178 + 6


def test_an_output_matrix_of_its_own_grows_as_the_embeddings_do() -> None:
    tied, apart = model_size(recorded(), None), model_size(recorded(tie_word_embeddings=False), None)
    assert tied is not None and apart is not None
    assert apart.parameters - tied.parameters == (1000 + 184) * 64


@settings(max_examples=20, deadline=None)
@given(
    layers=st.integers(1, 4),
    heads=st.sampled_from([(1, 1), (4, 1), (4, 2), (4, 4)]),
    head_dim=st.sampled_from([16, 32, 64]),
    hidden=st.sampled_from([32, 96]),
    tied=st.booleans(),
)
def test_the_count_and_the_cache_follow_the_architecture(
    layers: int, heads: tuple[int, int], head_dim: int, hidden: int, tied: bool
) -> None:
    changed = {
        "num_hidden_layers": layers, "num_attention_heads": heads[0], "num_key_value_heads": heads[1],
        "head_dim": head_dim, "hidden_size": hidden, "tie_word_embeddings": tied,
    }  # fmt: skip
    size = model_size(recorded(**changed), None)
    assert size is not None
    assert size.parameters == qwen3_parameters({**SMALL, **changed, "vocab_size": 1000 + 184})
    assert size.cache_numbers == 2 * layers * heads[1] * head_dim, "a key and a value of every head and layer"


def test_a_token_in_the_cache_by_hand() -> None:
    """Qwen3-0.6B: 28 layers, 8 heads of 128 for keys and as many for values; the heads of queries take no part."""
    sizes = [model_size(shipped(name), None) for name in (QWEN3_0_6B, QWEN3_8B)]
    assert [size.cache_numbers for size in sizes if size is not None] == [57_344, 73_728]
    assert [size.positions for size in sizes if size is not None] == [40_960, 40_960]


def test_an_architecture_without_a_head_size_divides_its_width() -> None:
    """Llama-like: 96 wide with 3 heads is 32 each; without heads for keys every head has its own."""
    llama = {
        "model_type": "llama", "vocab_size": 500, "hidden_size": 96, "intermediate_size": 128,
        "num_hidden_layers": 5, "num_attention_heads": 3,
    }  # fmt: skip
    size = model_size(config_of(path="nobody/nothing", architecture=llama), None)
    assert size is not None and size.cache_numbers == 2 * 5 * 3 * 32


def test_the_largest_layer_is_the_one_that_deepspeed_finds() -> None:
    """Its embeddings: 155,942 rows of 1024, as DeepSpeed counts, submodules apart."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen3Config

    size = model_size(shipped(QWEN3_0_6B), None)
    assert size is not None and size.largest_layer == 155_942 * 1024
    deep = recorded(vocab_size=20, hidden_size=64, intermediate_size=4096)
    size = model_size(deep, None)
    assert size is not None and size.largest_layer == 64 * 4096, "where the feed-forward is larger than the embeddings"

    from deepspeed.runtime.zero.stage3 import model_to_params

    with torch.device("cpu"):
        model = AutoModelForCausalLM.from_config(
            Qwen3Config(**{**SMALL, "vocab_size": 20 + 184, "intermediate_size": 4096})
        )
    assert (size.parameters, size.largest_layer) == model_to_params(model)


# adapters


def test_adapters_by_hand() -> None:
    """Rank 16 on the seven matrices of a layer of Qwen3-0.6B: 16 x (inputs + outputs) each."""
    layer = sum(16 * (inputs + outputs) for inputs, outputs in (
        (1024, 2048), (1024, 1024), (1024, 1024), (2048, 1024), (1024, 3072), (1024, 3072), (3072, 1024),
    ))  # fmt: skip
    size = model_size(shipped(QWEN3_0_6B), None)
    assert size is not None and size.adapters == 28 * layer == 10_092_544
    halved = model_size(shipped(QWEN3_0_6B, "policy.lora.rank=8"), None)
    assert halved is not None and halved.adapters == 5_046_272
    chosen = model_size(shipped(QWEN3_0_6B, "policy.lora.targets=[q_proj, v_proj]"), None)
    assert chosen is not None and chosen.adapters == 28 * 16 * (1024 + 2048 + 1024 + 1024)


def test_adapters_are_as_many_as_peft_makes_trainable() -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    config = shipped(QWEN3_0_6B)
    assert config.policy.architecture is not None
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config.policy.architecture))
        model = get_peft_model(model, LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    size = model_size(config, None)
    assert size is not None
    assert size.adapters == sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert size.parameters == PUBLISHED[QWEN3_0_6B] + EMBEDDED[QWEN3_0_6B], "adapters are not counted twice"


def test_without_lora_there_are_none() -> None:
    size = model_size(shipped(QWEN3_8B), None)
    assert size is not None and size.adapters == 0


# where the size comes from


def test_a_tiny_policy_is_as_large_as_the_one_that_is_trained() -> None:
    config = config_of(tiny={"hidden_size": 32, "layers": 1, "heads": 1, "intermediate_size": 64})
    tokenizer = tokenizer_of(config.policy, ["keep going"])
    assert tokenizer is not None
    from ar1_rl.policy.tiny import build_model

    built = build_model(tokenizer, config.policy.tiny, seed=0)
    size = model_size(config, tokenizer)
    assert size is not None
    assert size.parameters == sum(p.numel() for p in built.parameters())
    assert size.positions == 512 and size.cache_numbers == 2 * 1 * 1 * 32


def test_a_policy_in_a_folder_tells_its_size_and_its_tokens_are_counted_once(tiny_policy: tiny.TinyPolicy) -> None:
    """Its tokenizer has the policy tokens already, so its embeddings do not grow."""
    from transformers import AutoModelForCausalLM

    config = config_of(path=str(tiny_policy.path))
    tokenizer = tokenizer_of(config.policy, [])
    assert tokenizer is not None
    size = model_size(config, tokenizer)
    assert size is not None
    assert size.parameters == AutoModelForCausalLM.from_pretrained(tiny_policy.path).num_parameters()


def test_padded_embeddings_take_new_tokens_in_before_they_grow(tiny_policy: tiny.TinyPolicy, tmp_path: Path) -> None:
    """Rows that a tokenizer leaves unused are those of the new tokens, as at the start of a run."""
    words = len(tiny_policy.dialogue.tokenizer)
    config = config_of(path=saved(tmp_path / "padded", vocab_size=words + 50))
    size = model_size(config, tiny_policy.dialogue.tokenizer)
    assert size is not None and size.parameters == qwen3_parameters({**SMALL, "vocab_size": words + 50})
    config = config_of(path=saved(tmp_path / "short", vocab_size=words - 50))
    size = model_size(config, tiny_policy.dialogue.tokenizer)
    assert size is not None and size.parameters == qwen3_parameters({**SMALL, "vocab_size": words})


def test_neither_a_folder_nor_an_architecture_tells_no_size(tmp_path: Path) -> None:
    assert model_size(config_of(path="nobody/nothing"), None) is None
    assert tokenizer_of(config_of(path="nobody/nothing").policy, []) is None
    assert model_size(config_of(path=str(tmp_path)), None) is None, "a folder without a config.json"


# refusals


def test_an_architecture_that_is_not_that_of_the_folder_is_refused_with_both_figures(tmp_path: Path) -> None:
    path = saved(tmp_path / "policy")
    same = model_size(config_of(path=path, architecture=SMALL), None)
    assert same is not None and same.parameters == 150_464 + 184 * 64
    with pytest.raises(ConfigError) as caught:
        model_size(config_of(path=path, architecture={**SMALL, "hidden_size": 128}), None)
    assert "hidden_size 128, there it is 64" in str(caught.value) and path in str(caught.value)


def test_an_unknown_model_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="model_type: got 'qwen33', allowed is one that transformers knows"):
        model_size(recorded(model_type="qwen33"), None)
    with pytest.raises(ConfigError, match="model_type: got None"):
        model_size(config_of(path="nobody/nothing", architecture={"hidden_size": 64}), None)


def test_a_misspelt_line_of_an_architecture_is_refused_rather_than_left_out() -> None:
    with pytest.raises(ConfigError, match=r"qwen3 has no num_hiden_layers; allowed: .*num_hidden_layers"):
        model_size(config_of(path="nobody/nothing", architecture={"model_type": "qwen3", "num_hiden_layers": 2}), None)


def test_a_line_of_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"policy\.architecture: .*hidden_size"):
        model_size(recorded(hidden_size="many"), None)


# prompts


def test_a_prompt_is_counted_by_the_tokenizer_with_its_template(tiny_policy: tiny.TinyPolicy) -> None:
    config = config_of(path=str(tiny_policy.path))
    observations = [scene.observation for scene in tiny_policy.scenes]
    dialogue = tiny_policy.dialogue
    texts = [dialogue.prompt_text(messages) for messages in dialogue.prompts(observations)]
    lengths = [len(dialogue.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert longest_prompt(config, dialogue.tokenizer, observations) == max(lengths)
    shortest = observations[int(np.argmin(lengths))]
    assert longest_prompt(config, dialogue.tokenizer, [shortest]) == min(lengths)


def test_without_a_tokenizer_policy_tokens_are_one_each_and_text_a_token_for_1_8_characters(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text(
        "def ask(observation, history):\n    return 'Drive on, now.<|traj_history_start|><i7><i2999>'\n"
    )
    raw = {
        "recipe": "test",
        "rewards": {"terms": [{"reward": "format"}]},
        "policy": {"path": "nobody/nothing"},
        "rollouts": {"prompt": f"{tmp_path}/short.py:ask"},
    }
    config = check_config(RunConfig, raw, source="test")
    observations = [scene.observation for scene in tiny.scenes(2)]
    assert longest_prompt(config, None, observations) == 3 + 8, "14 characters / 1.8 = 7.8"


def test_every_policy_token_is_known_to_the_estimate() -> None:
    tokens = [*SPECIAL_TOKENS, "<i0>", "<i3999>"]
    assert SPECIAL.findall("".join(tokens)) == tokens
