"""Building policies that see: a tiny one from scratch, and pretrained backbones joined by a new projector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...driving.codec import TrajectoryCodec
from ...errors import ConfigError, MissingDependencyError
from ..config import TinyPolicyConfig, VisionConfig
from ..pretrained import prepare
from ..tiny import build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin

SYSTEM = "<|system|>"
IMAGENET_MEAN, IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
"""Of RGB values in 0 to 1, as DINOv2 was trained on."""


def build_vision_tokenizer(texts: Iterable[str], codec: TrajectoryCodec) -> PreTrainedTokenizerBase:
    """The tiny policy's tokenizer, with the tokens around an image and, last, its placeholder."""
    tokenizer = build_tokenizer(texts, codec)
    tokenizer.add_special_tokens({"additional_special_tokens": [SYSTEM]}, replace_extra_special_tokens=False)
    add_image_tokens(tokenizer)
    return tokenizer


def add_image_tokens(tokenizer: PreTrainedTokenizerBase) -> int:
    """Add what is missing and let the chat template write images; returns the vocabulary size of the decoder.

    The placeholder comes last: a decoder with as many embeddings as there are tokens before it has none for it.
    ConfigError where the tokenizer has that token already, in some other place.
    """
    from .processor import FLATTEN_PARTS, IMAGE_END, IMAGE_START, IMAGE_TOKEN

    around = {"additional_special_tokens": [IMAGE_START, IMAGE_END]}
    if IMAGE_TOKEN in tokenizer.get_vocab():
        raise ConfigError(
            f"tokenizer {tokenizer.name_or_path!r} has a token {IMAGE_TOKEN} of its own; take another one"
        )
    tokenizer.add_special_tokens(around, replace_extra_special_tokens=False)
    vocabulary_size = len(tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": [IMAGE_TOKEN]}, replace_extra_special_tokens=False)
    assert tokenizer.convert_tokens_to_ids(IMAGE_TOKEN) == vocabulary_size, "ids are given out in order"
    if tokenizer.chat_template is not None and not tokenizer.chat_template.startswith(FLATTEN_PARTS):
        tokenizer.chat_template = FLATTEN_PARTS + tokenizer.chat_template
    return vocabulary_size


def build_processor(tokenizer: PreTrainedTokenizerBase, config: Any, vision: VisionConfig) -> ProcessorMixin:
    """The processor of a model with that `Ar1VisionLanguageConfig`; ConfigError where the image size does not fit."""
    from transformers import ViTImageProcessorPil

    from .architecture import grid
    from .processor import Ar1VisionLanguageProcessor

    try:
        rows, columns = grid(config.vision_config, config.merge_size, vision.image_height_px, vision.image_width_px)
    except ValueError as error:
        raise ConfigError(f"policy.vision: {error}") from error
    images = ViTImageProcessorPil(
        size={"height": vision.image_height_px, "width": vision.image_width_px},
        image_mean=IMAGENET_MEAN,
        image_std=IMAGENET_STD,
    )
    return Ar1VisionLanguageProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        tokens_per_image=rows * columns // config.merge_size**2,
        chat_template=tokenizer.chat_template,
    )


def build_tiny(
    tokenizer: PreTrainedTokenizerBase, decoder: TinyPolicyConfig, vision: VisionConfig, seed: int
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """A randomly initialised policy (a ViT and a Qwen3 decoder) for a tokenizer of `build_vision_tokenizer`."""
    import torch
    from transformers import Qwen3Config, ViTConfig

    from .architecture import Ar1VisionLanguageConfig, Ar1VisionLanguageForConditionalGeneration
    from .processor import IMAGE_TOKEN

    image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
    config = Ar1VisionLanguageConfig(
        vision_config=ViTConfig(
            image_size=(vision.image_height_px, vision.image_width_px),
            patch_size=vision.patch_size_px,
            hidden_size=vision.hidden_size,
            num_hidden_layers=vision.layers,
            num_attention_heads=vision.heads,
            intermediate_size=vision.intermediate_size,
        ),
        text_config=Qwen3Config(
            vocab_size=image_token_id,
            hidden_size=decoder.hidden_size,
            intermediate_size=decoder.intermediate_size,
            num_hidden_layers=decoder.layers,
            num_attention_heads=decoder.heads,
            num_key_value_heads=decoder.heads,
            head_dim=decoder.hidden_size // decoder.heads,
            max_position_embeddings=decoder.max_positions,
            tie_word_embeddings=True,
            initializer_range=0.05,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        image_token_id=image_token_id,
        merge_size=vision.merge_size,
        **_ends(tokenizer),
    )
    processor = build_processor(tokenizer, config, vision)
    torch.manual_seed(seed)
    return Ar1VisionLanguageForConditionalGeneration(config), processor


def join_backbones(
    encoder: str, decoder: str, vision: VisionConfig, dtype: str, codec: TrajectoryCodec, seed: int
) -> tuple[PreTrainedModel, ProcessorMixin]:
    """A pretrained encoder and a pretrained causal LM by folder or name, with a new projector between them.

    The decoder gets the policy tokens that it lacks, and exactly as many embeddings as its tokenizer has tokens.
    ConfigError where the two cannot be joined, MissingDependencyError where one cannot be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    from .architecture import (
        Ar1VisionLanguageConfig,
        Ar1VisionLanguageForConditionalGeneration,
        without_unused_parts,
    )

    try:
        encoder_config = AutoConfig.from_pretrained(encoder)
        encoder_config = getattr(encoder_config, "vision_config", encoder_config)
        arguments = without_unused_parts(encoder_config)
        tower = AutoModel.from_pretrained(encoder, config=encoder_config, dtype=dtype, **arguments)
    except OSError as error:
        raise MissingDependencyError(f"vision encoder {encoder!r} cannot be loaded: {error}") from error
    language_model, tokenizer = prepare(decoder, dtype, codec)
    vocabulary_size = add_image_tokens(tokenizer)
    language_model.resize_token_embeddings(vocabulary_size)
    config = Ar1VisionLanguageConfig(
        vision_config=encoder_config,
        text_config=language_model.config,
        image_token_id=vocabulary_size,
        merge_size=vision.merge_size,
        dtype=dtype,
        **_ends(tokenizer),
    )
    processor = build_processor(tokenizer, config, vision)
    torch.manual_seed(seed)
    # The large parts are built empty, for the pretrained ones take their places.
    with torch.device("meta"):
        model = Ar1VisionLanguageForConditionalGeneration(config)
    model.model.projector = type(model.model.projector)(config).to(tower.dtype)
    model.model.vision_tower = tower
    model.model.language_model = language_model.base_model
    model.lm_head = language_model.get_output_embeddings()
    model.generation_config = language_model.generation_config
    model.tie_weights()
    return model, processor


def _ends(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
