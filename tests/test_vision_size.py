"""How large a policy that sees is and how long its prompts are, by hand and as built, without weights or processor."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qwen_tiny
import seeing
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model_size import config_of, qwen3_parameters, shipped

from ar1_rl.config import check_config
from ar1_rl.driving import Scene, TrajectoryCodec
from ar1_rl.errors import ConfigError
from ar1_rl.policy import loading
from ar1_rl.policy.vision import adapter
from recipes import catalogue, fit
from recipes.image_tokens import FEWEST_PIXELS, MOST_PIXELS, qwen_tokens, tokens_of_image
from recipes.model_size import model_size, most_seen, processor_of, tokenizer_of
from recipes.recorded_architecture import policy_settings
from recipes.run_config import RunConfig
from rollouts.config import FramesLayout, ShownFrames
from rollouts.dialogue import Dialogue
from rollouts.vision.prompt import words_of

QWEN3_VL = ("qwen3_vl_8b_lora", "qwen3_vl_8b_zero3", "alpamayo_1_5_backbone")
QWEN3_VL_8B = 8_767_123_696
"""Parameters of the published Qwen3-VL-8B, 8.77 B on its card."""
QWEN2_5_0_5B, DINOV2_BASE = 494_032_768, 86_580_480
TEXT = {
    "vocab_size": 1000, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048,
}  # fmt: skip
SIGHT = {
    "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 16, "spatial_merge_size": 2,
    "num_position_embeddings": 36, "deepstack_visual_indexes": [0], "out_hidden_size": 64,
}  # fmt: skip
SMALL = {"model_type": "qwen3_vl", "text_config": TEXT, "vision_config": SIGHT}
FRAMES = {"cameras": ["front_wide", "front_tele"], "width_px": 512, "height_px": 320, "count": 4}


def run_of(policy: dict[str, Any], **rollouts: Any) -> RunConfig:
    raw = {
        "recipe": "test",
        "rewards": {"terms": [{"reward": "format"}]},
        "policy": {"codec": "alpamayo", **policy},
        "rollouts": {"frames": FRAMES, "max_model_tokens": 2048, "max_completion_tokens": 200, **rollouts},
    }
    return check_config(RunConfig, raw, source="test")


def vision_parameters(sight: dict[str, Any]) -> int:
    """By the published description: patches of two frames, blocks with biases, a merger and one for each deep stack."""
    width, inner, out = sight["hidden_size"], sight["intermediate_size"], sight["out_hidden_size"]
    patches = 3 * 2 * sight["patch_size"] ** 2 * width + width + sight["num_position_embeddings"] * width
    block = 4 * width * width + 4 * width + 2 * width * inner + inner + width + 4 * width
    merged = sight["spatial_merge_size"] ** 2 * width
    merger = merged * merged + merged + merged * out + out
    stacks = len(sight["deepstack_visual_indexes"])
    return patches + sight["depth"] * block + merger + 2 * width + stacks * (merger + 2 * merged)


# parameters


@pytest.mark.parametrize("name", QWEN3_VL)
def test_qwen3_vl_8b_is_counted_as_transformers_builds_it_as_by_hand_and_as_published(name: str) -> None:
    """Its language model is as large as Qwen3-8B, 8,190,735,360; two matrices of 4,006 policy tokens come on top."""
    import torch
    from transformers import AutoModelForImageTextToText

    config = shipped(name)
    architecture = config.policy.architecture
    assert architecture is not None
    text = qwen3_parameters({**architecture["text_config"], "tie_word_embeddings": False})
    assert text + vision_parameters(architecture["vision_config"]) == QWEN3_VL_8B
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(policy_settings(config.policy))
    assert model.num_parameters() == QWEN3_VL_8B
    size = model_size(config, None)
    assert size is not None and size.parameters == QWEN3_VL_8B + 2 * 4_006 * 4096
    assert size.cache_numbers == 73_728 and size.positions == 262_144, "a token of the cache is that of Qwen3-8B"
    assert f"{QWEN3_VL_8B:,} parameters, without the 4,006 policy tokens" in catalogue.path_of(name).read_text()


def test_joined_backbones_are_counted_with_their_projector() -> None:
    """Norm 2 x 768, 4 x 768 to 896, 896 to 896; an untrained mask of 768 is left out, 4,008 tokens of 896 come in."""
    config = shipped("dinov2_qwen2_5_0_5b")
    projector = 2 * 768 + 4 * 768 * 896 + 896 + 896 * 896 + 896
    size = model_size(config, None)
    assert size is not None
    assert size.parameters == DINOV2_BASE - 768 + QWEN2_5_0_5B + projector + 4_008 * 896 == 587_762_304
    assert size.cache_numbers == 2 * 24 * 2 * 64 and size.positions == 32_768
    head = catalogue.path_of("dinov2_qwen2_5_0_5b").read_text()
    assert f"{QWEN2_5_0_5B:,} parameters, without the 4,006 policy tokens" in head and f"{DINOV2_BASE:,}" in head


def test_adapters_of_the_language_model_alone_by_hand_and_of_all_that_is_linear() -> None:
    """Rank 16 on seven matrices of 36 layers; the encoder's have other names, and unset targets take them in."""
    layer = sum(16 * (inputs + outputs) for inputs, outputs in (
        (4096, 4096), (4096, 1024), (4096, 1024), (4096, 4096), (4096, 12288), (4096, 12288), (12288, 4096),
    ))  # fmt: skip
    size = model_size(shipped("qwen3_vl_8b_lora"), None)
    assert size is not None and size.adapters == 36 * layer == 43_646_976
    everywhere = model_size(shipped("qwen3_vl_8b_lora", "policy.lora.targets=[]"), None)
    block = sum(16 * (i + o) for i, o in ((1152, 3456), (1152, 1152), (1152, 4304), (4304, 1152)))
    merger = 16 * (4608 + 4608 + 4608 + 4096)
    assert everywhere is not None and everywhere.adapters == 36 * layer + 27 * block + 4 * merger


def joined_folders(folder: Path, tokenizer: Any) -> tuple[str, str]:
    """An encoder, and a decoder with 64 embeddings more than its tokenizer has tokens, as Qwen's have."""
    from transformers import AutoModel, AutoModelForCausalLM, Dinov2Config, Qwen2Config

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    text = Qwen2Config(
        vocab_size=len(tokenizer) + 64, intermediate_size=32, num_key_value_heads=1, tie_word_embeddings=True, **sizes
    )
    AutoModelForCausalLM.from_config(text).save_pretrained(folder / "decoder")
    tokenizer.save_pretrained(folder / "decoder")
    AutoModel.from_config(Dinov2Config(patch_size=8, image_size=48, mlp_ratio=2, **sizes)).save_pretrained(
        folder / "encoder"
    )
    return str(folder / "decoder"), str(folder / "encoder")


def test_joined_backbones_in_folders_are_as_large_as_what_training_starts_from_and_counted_as_it_counts(
    tmp_path: Path,
) -> None:
    codec = TrajectoryCodec.compact()
    words = words_of(FramesLayout(), ["front_wide", "front_tele"], 4)
    decoder, encoder = joined_folders(tmp_path, tiny.build_tokenizer([words], codec))
    policy = {"path": decoder, "codec": "compact", "vision": {"encoder": encoder, "image_height_px": 32}}
    config = run_of(policy, max_completion_tokens=80)
    started = loading.start_policy(config.policy, [], codec, seed=0)
    assert started.processor is not None
    tokenizer = tokenizer_of(config.policy, [])
    assert tokenizer is not None
    size = model_size(config, tokenizer)
    assert size is not None and size.parameters == started.model.num_parameters()
    scenes = tiny.scenes(2)
    dialogue = Dialogue.configured(started.tokenizer, codec, config.rollouts, started.processor)
    longest = max(len(prompt.token_ids) for prompt in dialogue.ask_about(scenes))
    # 32 x 96 px in patches of 8 px, merged 2 x 2: 2 x 6 tokens an image.
    told = fit.rows(config, scenes)["prompt tokens"]
    assert told.startswith(f"up to {longest} in the scenes tried (counted with the tokens of their images)")
    assert longest > 8 * 12


# tokens of an image


@pytest.mark.parametrize(
    ("width", "height", "fewest", "most", "tokens"),
    [(512, 320, FEWEST_PIXELS, MOST_PIXELS, 16 * 10),
     (576, 320, FEWEST_PIXELS, MOST_PIXELS, 18 * 10),
     # As Alpamayo 1.5 takes a camera's 1920 x 1080 px: to 576 x 320 px.
     (1920, 1080, 163_840, 196_608, 18 * 10),
     # Too small, and scaled up until there are 65,536 px: 96 x 64 by 3.27 is 313.5 x 209.02, in whole blocks 10 x 7.
     (96, 64, FEWEST_PIXELS, MOST_PIXELS, 10 * 7)],
)  # fmt: skip
def test_tokens_of_an_image_of_qwen3_vl_by_hand(width: int, height: int, fewest: int, most: int, tokens: int) -> None:
    settings = policy_settings(shipped("qwen3_vl_8b_lora").policy)
    assert settings is not None
    assert qwen_tokens(settings, height, width, fewest, most) == tokens


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny Qwen3-VL at random."""
    words = words_of(FramesLayout(), seeing.CAMERAS, seeing.FRAMES)
    return str(qwen_tiny.make(tmp_path_factory.mktemp("qwen") / "policy", words))


@settings(max_examples=60, deadline=None)
@given(width=st.integers(8, 500), height=st.integers(8, 500))
def test_the_rule_counts_as_the_processor_of_qwen3_vl_does(qwen: str, width: int, height: int) -> None:
    """Below, between and above the fewest and the most pixels."""
    from PIL import Image

    processor, config = adapter.load_processor(qwen), policy_settings(config_of(path=qwen).policy)
    assert config is not None
    image = Image.fromarray(np.zeros((height, width, 3), dtype=np.uint8))
    text = "<|vision_start|><|image_pad|><|vision_end|>"
    (ids,) = processor(text=[text], images=[[image]], add_special_tokens=False)["input_ids"]
    counted = list(ids).count(config.image_token_id)
    assert qwen_tokens(config, height, width, qwen_tiny.FEWEST_PIXELS, qwen_tiny.MOST_PIXELS) == counted == len(ids) - 2


def test_an_image_of_our_own_architecture_is_as_in_the_paper_and_must_fill_its_tokens() -> None:
    config = shipped("dinov2_qwen2_5_0_5b")
    assert config.rollouts.frames is not None
    assert tokens_of_image(config.policy, config.rollouts.frames) == 160
    for key, pixels in (("image_height_px", 282), ("merge_size", 3)):
        wrong = shipped("dinov2_qwen2_5_0_5b", f"policy.vision.{key}={pixels}")
        with pytest.raises(ConfigError, match=r"policy\.vision: images of .* allowed are multiples of"):
            tokens_of_image(wrong.policy, config.rollouts.frames)


def test_what_no_rule_is_known_for_is_not_guessed() -> None:
    unknown = {**SMALL, "model_type": "qwen2_vl"}
    unknown.pop("vision_config"), unknown.pop("text_config")
    assert tokens_of_image(config_of(path="nobody/nothing", architecture=unknown).policy, ShownFrames()) is None
    assert tokens_of_image(config_of(path="nobody/nothing").policy, ShownFrames()) is None


# prompts


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return tiny.scenes(3)


def test_a_prompt_is_estimated_by_its_images_its_history_and_its_text(scenes: list[Scene]) -> None:
    """8 images of 160 tokens and 2 around each, 48 tokens of the history and 2 around it; no frame is rendered."""
    bare = {"system": "Drive.", "instruction": "Go.", "camera_names": False, "frame_numbers": False}
    config = run_of({"path": "nobody/nothing", "architecture": SMALL}, frames={**FRAMES, "layout": bare})
    assert most_seen(config, scenes, 160) == 8 * 162 + 50 + 5, "9 characters / 1.8"


def test_the_estimate_is_never_less_than_what_a_processor_counts(qwen: str, scenes: list[Scene]) -> None:
    shown = {"cameras": list(seeing.CAMERAS), "count": seeing.FRAMES}
    config = run_of({"path": qwen}, frames=shown)
    tokenizer = tokenizer_of(config.policy, [])
    assert tokenizer is not None and config.rollouts.frames is not None
    processor = processor_of(config.policy, tokenizer)
    assert processor is not None
    dialogue = Dialogue.configured(tokenizer, TrajectoryCodec.alpamayo(), config.rollouts, processor)
    prompts = dialogue.ask_about(scenes)
    placeholder = adapter.config_of(qwen).image_token_id
    (images,) = {prompt.token_ids.count(placeholder) for prompt in prompts}
    assert images == 4 * 6, "96 x 64 px in blocks of 32 x 32"
    longest = max(len(prompt.token_ids) for prompt in prompts)
    assert longest <= most_seen(config, scenes, 6) < 2 * longest


def test_images_that_leave_no_room_for_the_completion_are_refused_before_anything_is_loaded(
    scenes: list[Scene],
) -> None:
    policy = {"path": "nobody/nothing", "architecture": SMALL}
    told = fit.rows(run_of(policy), scenes)["prompt tokens"]
    found = re.match(r"up to (\d+) in .*, 160 of them for each image\), room for 1848", told)
    assert found is not None
    longest = int(found[1])
    assert "room for" in fit.rows(run_of(policy, max_model_tokens=200 + longest), scenes)["prompt tokens"]
    with pytest.raises(ConfigError, match=f"leaves {longest - 1} for a prompt, and there is one of {longest} "):
        fit.rows(run_of(policy, max_model_tokens=199 + longest), scenes)


# what is not here


def test_every_part_that_tells_no_size_is_named(scenes: list[Scene], tmp_path: Path) -> None:
    decoder = {"model_type": "qwen2", "vocab_size": 100, "hidden_size": 32, "num_attention_heads": 2}
    vision = {"encoder": "nobody/eyes"}
    rows = fit.rows(run_of({"path": "nobody/nothing", "vision": vision}), scenes)
    assert rows["policy"].startswith("size unknown: nobody/nothing is not here, and policy.architecture is not set; ")
    assert "nobody/eyes is not here, and policy.vision.architecture is not set" in rows["policy"]
    assert "not counted: its processor is not here" in rows["prompt tokens"]
    half = fit.rows(run_of({"path": "nobody/nothing", "architecture": decoder, "vision": vision}), scenes)
    assert half["policy"] == "size unknown: nobody/eyes is not here, and policy.vision.architecture is not set"


def test_torchvision_is_missing_with_its_install_line_only_where_vllm_imports_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapter, "torchvision_there", lambda: False)
    policy = {"path": "nobody/nothing", "architecture": SMALL}
    wanted = [f"torchvision, which vLLM wants for this policy ({adapter.install_line()})"]
    assert "pip install torchvision torch==" in wanted[0]
    assert fit.missing(run_of(policy)) == wanted
    assert fit.missing(run_of(policy, engine="transformers")) == []
    own = shipped("dinov2_qwen2_5_0_5b")
    assert not any("torchvision" in lacking for lacking in fit.missing(own))
    monkeypatch.setattr(adapter, "torchvision_there", lambda: True)
    assert fit.missing(run_of(policy)) == []


# records


def test_a_misspelt_line_within_a_part_of_an_architecture_is_refused() -> None:
    wrong = {**SMALL, "vision_config": {**SIGHT, "dept": 2}}
    with pytest.raises(ConfigError, match=r"architecture\.vision_config: qwen3_vl_vision has no dept; .*\bdepth\b"):
        model_size(config_of(path="nobody/nothing", architecture=wrong), None)
    encoder = {"encoder": "nobody/eyes", "architecture": {"model_type": "dinov2", "patches": 14}}
    decoder = {"model_type": "qwen2", "vocab_size": 100}
    with pytest.raises(ConfigError, match=r"policy\.vision\.architecture: dinov2 has no patches"):
        model_size(run_of({"path": "nobody/nothing", "architecture": decoder, "vision": encoder}), None)


def test_a_part_that_is_not_that_of_the_folder_is_refused_with_both_figures(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(SMALL))
    same = model_size(config_of(path=str(tmp_path), architecture=SMALL), None)
    assert same is not None and same.parameters == vision_parameters(SIGHT) + qwen3_parameters(
        {**TEXT, "vocab_size": 1000 + 184, "tie_word_embeddings": False}
    )
    other = {**SMALL, "vision_config": {**SIGHT, "depth": 3}}
    with pytest.raises(ConfigError, match=r"vision_config\.depth 3, there it is 2"):
        model_size(config_of(path=str(tmp_path), architecture=other), None)
