"""The vision-language architecture of our own: what it computes, how it is built, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing
import tiny
from seeing import SeeingPolicy

from ar1_rl.driving import TrajectoryCodec
from ar1_rl.errors import ConfigError, MissingDependencyError
from ar1_rl.policy import loading
from ar1_rl.policy.config import VisionConfig
from ar1_rl.policy.vision.build import build_processor, build_tiny, build_vision_tokenizer, join_backbones
from ar1_rl.policy.vision.registration import register
from ar1_rl.policy.vocabulary import token_layout

CODEC = TrajectoryCodec.compact()


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> SeeingPolicy:
    return seeing.make(tmp_path_factory.mktemp("seeing") / "policy")


def inputs(policy: SeeingPolicy, images: list[Any]) -> Any:
    """One prompt with these images."""
    text = "".join(f"frame {i} <|vision_start|><|image|><|vision_end|>" for i in range(len(images)))
    return policy.dialogue.processor(text=[text], images=[images], return_tensors="pt")


def frames(seed: int, count: int = 2) -> list[Any]:
    from rollouts.vision.prompt import as_image

    noise = np.random.default_rng(seed).integers(0, 256, (count, 64, 96, 3), dtype=np.uint8)
    return [as_image(frame) for frame in noise]


def small_vit(name: str) -> Any:
    """A configuration of that family for images of 32 x 32 px, in patches of 8 px."""
    import transformers

    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return getattr(transformers, name)(image_size=32, patch_size=8, **size)


def seen_by(vision_config: Any, merge_size: int, height: int, width: int) -> Any:
    """A model with that encoder, and the tokens it makes of two images."""
    import torch
    from transformers import Qwen3Config

    from ar1_rl.policy.vision.architecture import (
        Ar1VisionLanguageConfig,
        Ar1VisionLanguageForConditionalGeneration,
        image_tokens,
    )

    text = Qwen3Config(vocab_size=11, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1)
    config = Ar1VisionLanguageConfig(vision_config=vision_config, text_config=text, merge_size=merge_size)
    torch.manual_seed(0)
    model = Ar1VisionLanguageForConditionalGeneration(config)
    pixels = torch.randn(2, 3, height, width)
    return model, image_tokens(model.model.vision_tower, model.model.projector, pixels)


def test_a_saved_policy_is_loaded_by_the_auto_classes_with_the_same_logits(policy: SeeingPolicy) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    assert AutoConfig.from_pretrained(policy.path).model_type == "ar1_vision_language"
    model = AutoModelForImageTextToText.from_pretrained(policy.path)
    processor = AutoProcessor.from_pretrained(policy.path)
    ours = inputs(policy, frames(0))
    theirs = processor(
        text=["frame 0 <|vision_start|><|image|><|vision_end|>frame 1 <|vision_start|><|image|><|vision_end|>"],
        images=[frames(0)],
        return_tensors="pt",
    )
    assert torch.equal(ours["input_ids"], theirs["input_ids"])
    assert torch.equal(ours["pixel_values"], theirs["pixel_values"])
    rebuilt, _ = build_tiny(policy.dialogue.tokenizer, tiny.SMALL, seeing.EYES, seed=0)
    seeing.awaken(rebuilt)
    assert torch.equal(model(**theirs).logits, rebuilt(**ours).logits)
    assert set(rebuilt.state_dict()) == set(model.state_dict())


def test_trl_loads_a_reference_model_of_it_and_no_file_asks_for_code_of_others(policy: SeeingPolicy) -> None:
    """Any run with grpo.kl_coef above 0 has one."""
    from trl.trainer.utils import create_model_from_path

    register()
    reference = create_model_from_path(str(policy.path), dtype="float32", trust_remote_code=False)
    assert type(reference).__name__ == "Ar1VisionLanguageForConditionalGeneration"
    assert "auto_map" not in (policy.path / "config.json").read_text()


def test_our_loading_finds_out_that_a_policy_sees(policy: SeeingPolicy, tiny_policy: tiny.TinyPolicy) -> None:
    loaded = loading.load_policy(str(policy.path), "float32")
    assert loaded.processor is not None and loaded.tokenizer is loaded.processor.tokenizer
    assert loaded.tokenizer.padding_side == "left"
    assert token_layout(loaded.tokenizer, CODEC) == policy.dialogue.layout
    prepared = loading.prepare_policy(str(policy.path), "float32", CODEC).model
    assert prepared.lm_head.weight.shape == loaded.model.lm_head.weight.shape
    assert loading.load_policy(str(tiny_policy.path), "float32").processor is None
    assert loading.load_reader(str(policy.path))[1] is not None
    assert loading.load_reader(str(tiny_policy.path))[1] is None
    with pytest.raises(MissingDependencyError, match="'/no/such/policy' cannot be loaded"):
        loading.load_policy("/no/such/policy", "float32")


def test_a_policy_built_for_another_codec_is_refused(policy: SeeingPolicy) -> None:
    with pytest.raises(ConfigError, match="built with the tokens of another codec"):
        loading.prepare_policy(str(policy.path), "float32", TrajectoryCodec.alpamayo())


def test_the_placeholder_lies_behind_the_vocabulary_and_so_cannot_be_drawn(policy: SeeingPolicy) -> None:
    model, _, processor = vars(loading.load_policy(str(policy.path), "float32")).values()
    assert processor.image_token_id == model.config.image_token_id == model.lm_head.weight.shape[0]
    assert model(**inputs(policy, frames(0))).logits.shape[-1] == processor.image_token_id
    assert processor.tokenizer.convert_ids_to_tokens(processor.image_token_id) == "<|image|>"


def test_what_is_seen_and_in_which_order_changes_the_logits(policy: SeeingPolicy) -> None:
    model = loading.load_policy(str(policy.path), "float32").model
    first, second = frames(0)
    logits = {
        name: model(**inputs(policy, shown)).logits[0, -1]
        for name, shown in {"as is": [first, second], "swapped": [second, first], "other": frames(1)}.items()
    }
    assert (logits["as is"] - logits["swapped"]).abs().max() > 1e-3
    assert (logits["as is"] - logits["other"]).abs().max() > 1e-3


def test_images_that_are_not_as_many_tokens_as_there_are_places_are_refused(policy: SeeingPolicy) -> None:
    model = loading.load_policy(str(policy.path), "float32").model
    two, one = inputs(policy, frames(0)), inputs(policy, frames(0, 1))
    with pytest.raises(ValueError, match="the images give 6 tokens, and the prompts have places for 12"):
        model(input_ids=two["input_ids"], pixel_values=one["pixel_values"])
    with pytest.raises(ValueError, match="the images give 0 tokens, and the prompts have places for 12"):
        model(input_ids=two["input_ids"])


def test_rows_of_a_batch_see_their_own_images(policy: SeeingPolicy) -> None:
    """Padded on the left, with the images of all rows behind each other."""
    import torch

    loaded = loading.load_policy(str(policy.path), "float32")
    texts = [f"frame {'<|vision_start|><|image|><|vision_end|>' * count} drive" for count in (2, 1)]
    images = [frames(0), frames(1, 1)]
    together = loaded.processor(text=texts, images=images, padding=True, return_tensors="pt")
    positions = (together["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    logits = loaded.model(**together, position_ids=positions).logits[:, -1]
    for row, (text, shown) in enumerate(zip(texts, images, strict=True)):
        alone = loaded.model(**loaded.processor(text=[text], images=[shown], return_tensors="pt")).logits[0, -1]
        assert torch.allclose(logits[row], alone, atol=1e-5)


def test_every_weight_of_encoder_projector_and_decoder_is_trained(policy: SeeingPolicy) -> None:
    model = loading.load_policy(str(policy.path), "float32").model
    batch = inputs(policy, frames(0))
    labels = batch["input_ids"].masked_fill(batch["input_ids"] == model.config.image_token_id, -100)
    model(**batch, labels=labels).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_neighbouring_patches_become_one_token() -> None:
    """4 x 6 patches merged 2 x 2 are 2 x 3 tokens; the second is that of rows 0 and 1, columns 2 and 3."""
    import torch

    from ar1_rl.policy.vision.architecture import Projector

    model, _ = seen_by(small_vit("ViTConfig"), 2, 32, 32)
    patches = torch.randn(1, 4, 6, 32, requires_grad=True)
    tokens = Projector(model.config)(patches)
    assert tokens.shape == (1, 6, 32)
    tokens[0, 1].square().sum().backward()
    assert patches.grad is not None
    reached = patches.grad[0].abs().sum(-1) > 0
    assert reached.nonzero().tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]


ENCODERS = ("ViTConfig", "Dinov2Config", "Dinov2WithRegistersConfig", "DINOv3ViTConfig", "SiglipVisionConfig")


@pytest.mark.parametrize("name", [*ENCODERS, "CLIPVisionConfig"])
def test_any_encoder_sees_images_of_another_shape_than_it_was_made_for(name: str) -> None:
    """32 x 48 px in patches of 8 px, merged 2 x 2: 2 x 3 tokens, whatever stands before the patches."""
    _, tokens = seen_by(small_vit(name), 2, 32, 48)
    assert tokens.shape == (2, 6, 32)
    assert (tokens[0] - tokens[1]).abs().max() > 1e-4


@pytest.mark.parametrize("name", ["ViTConfig", "Dinov2Config", "SiglipVisionConfig"])
def test_an_encoder_has_no_weight_that_image_tokens_do_not_depend_on(name: str) -> None:
    model, tokens = seen_by(small_vit(name), 2, 32, 48)
    tokens.square().sum().backward()
    assert [n for n, p in model.model.vision_tower.named_parameters() if p.grad is None] == []


def test_the_paper_s_images_are_160_tokens() -> None:
    """448 x 280 px in patches of 14 px are 32 x 20, merged 2 x 2 are 16 x 10."""
    from transformers import Dinov2Config, Qwen2Config

    from ar1_rl.policy.vision.architecture import Ar1VisionLanguageConfig

    config = Ar1VisionLanguageConfig(vision_config=Dinov2Config(), text_config=Qwen2Config())
    tokenizer = build_vision_tokenizer(["drive"], CODEC)
    processor = build_processor(tokenizer, config, VisionConfig(image_height_px=280, image_width_px=448))
    assert processor.tokens_per_image == 160
    with pytest.raises(ConfigError, match=r"policy.vision: images of 282 x 448 px .* multiples of 28 x 28 px"):
        build_processor(tokenizer, config, VisionConfig(image_height_px=282, image_width_px=448))


def test_pretrained_backbones_are_joined_with_their_weights_and_without_spare_embeddings(tmp_path: Path) -> None:
    """The decoder has 64 embeddings more than its tokenizer has tokens, as Qwen's have; the placeholder is in none."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText, Qwen2Config

    tokenizer = tiny.build_tokenizer(["drive on frame"], CODEC)
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
    text = Qwen2Config(
        vocab_size=len(tokenizer) + 64, num_key_value_heads=1, tie_word_embeddings=True, bos_token_id=None, **sizes
    )
    decoder = AutoModelForCausalLM.from_config(text)
    decoder.save_pretrained(tmp_path / "decoder")
    tokenizer.save_pretrained(tmp_path / "decoder")
    encoder = AutoModel.from_config(small_vit("Dinov2Config"))
    encoder.save_pretrained(tmp_path / "encoder")

    vision = VisionConfig(image_height_px=32, image_width_px=48)
    arguments = str(tmp_path / "encoder"), str(tmp_path / "decoder"), vision, "float32", CODEC
    model, processor = join_backbones(*arguments, seed=0)
    same, _ = join_backbones(*arguments, seed=0)
    # The two tokens around an image are new, the placeholder comes behind them.
    assert model.config.image_token_id == model.lm_head.weight.shape[0] == len(tokenizer) + 2
    assert torch.equal(model.lm_head.weight[: len(tokenizer)], decoder.lm_head.weight[: len(tokenizer)])
    kept = dict(encoder.named_parameters())
    assert all(torch.equal(p, kept[n]) for n, p in model.model.vision_tower.named_parameters())
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), same.parameters(), strict=True))
    assert model.lm_head.weight is model.model.get_input_embeddings().weight

    model.save_pretrained(tmp_path / "joined")
    processor.save_pretrained(tmp_path / "joined")
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path / "joined")
    messages = [{"role": "user", "content": [{"type": "text", "text": "drive "}, {"type": "image"}]}]
    written = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert written == "<|user|>drive <|vision_start|><|image|><|vision_end|><|assistant|>"
    batch = processor(text=[written], images=[frames(0, 1)], return_tensors="pt")
    assert torch.equal(loaded(**batch).logits, model(**batch).logits)
    with pytest.raises(MissingDependencyError, match="vision encoder '/no/such/encoder' cannot be loaded"):
        join_backbones("/no/such/encoder", *arguments[1:], seed=0)


def test_a_config_says_what_training_starts_from(tiny_policy: tiny.TinyPolicy) -> None:
    from ar1_rl.policy.config import PolicyConfig

    small = {"tiny": vars(tiny.SMALL)}
    blind = loading.start_policy(PolicyConfig(**small), ["drive"], CODEC, seed=0)
    sees = loading.start_policy(PolicyConfig(**small, vision=seeing.EYES), ["drive"], CODEC, seed=0)
    given = loading.start_policy(PolicyConfig(path=str(tiny_policy.path)), ["drive"], CODEC, seed=0)
    assert blind.processor is None and given.processor is None and sees.processor is not None
    assert (type(blind.model).__name__, type(sees.model).__name__) == (
        "Qwen3ForCausalLM",
        "Ar1VisionLanguageForConditionalGeneration",
    )
    for half in ({"path": "decoder", "vision": {}}, {"vision": {"encoder": "encoder"}}):
        with pytest.raises(ValueError, match=r"vision: a pretrained encoder .* give both or neither"):
            PolicyConfig(**half)  # type: ignore[arg-type]


def test_registering_twice_does_no_harm(policy: SeeingPolicy) -> None:
    from transformers import AutoConfig

    register()
    register()
    assert AutoConfig.from_pretrained(policy.path).model_type == "ar1_vision_language"
