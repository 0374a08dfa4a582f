"""How large a policy is and how long its prompts are, without its weights.

The model is built on torch's meta device, which holds no numbers, from the `config.json` in the policy's folder or,
where that is not there, from what is recorded of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ar1_rl.driving import Observation, Scene
from ar1_rl.frames import camera_names
from ar1_rl.policy.config import PolicyConfig, codec_by_name
from ar1_rl.policy.vocabulary import add_policy_tokens, policy_tokens
from rollouts.dialogue import Dialogue, images_of, text_of
from rollouts.prompts import prompt_builder

from .recorded_architecture import policy_settings
from .run_config import RunConfig

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase, ProcessorMixin

CHARACTERS_PER_TOKEN = 1.8
"""Of a prompt, at least. Measured with Qwen3's tokenizer, its chat template included: 1.88 to 2.5, on 1,500 synthetic
scenes and 605 windows of Argoverse 2 and KITTI; numbers are a token a digit there."""

IMAGE_DELIMITERS = 2
"""Tokens around each image."""

SPECIAL = re.compile(r"<\|\w+\|>|<i\d+>")


@dataclass(frozen=True)
class ModelSize:
    """Counts of parameters, and what follows from the architecture."""

    parameters: int
    """Of the policy with the embeddings of its policy tokens."""
    largest_layer: int
    """Parameters of its largest layer, which DeepSpeed's stage 3 has whole on every rank for a moment."""
    adapters: int
    """Parameters of the adapters that GRPO trains in the place of the policy's; 0 without."""
    cache_numbers: int
    """Keys and values of one token, in all layers."""
    positions: int | None
    """The longest prompt and completion that the model can take; None where it does not say."""


def model_size(config: RunConfig, tokenizer: PreTrainedTokenizerBase | None) -> ModelSize | None:
    """The size of the policy that is trained; None where neither its folder nor an architecture tells.

    Without its tokenizer every policy token is taken for a new one. ConfigError where what is recorded is wrong.
    """
    import torch

    with torch.device("meta"):
        model = _model(config.policy, tokenizer)
    if model is None:
        return None
    settings = model.config.get_text_config()
    heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
    head = getattr(settings, "head_dim", None) or settings.hidden_size // settings.num_attention_heads
    return ModelSize(
        parameters=model.num_parameters(),
        largest_layer=max(sum(p.numel() for p in m.parameters(recurse=False)) for m in model.modules()),
        adapters=_adapters(model, config),
        cache_numbers=2 * settings.num_hidden_layers * heads * head,
        positions=getattr(settings, "max_position_embeddings", None),
    )


def _model(policy: PolicyConfig, tokenizer: PreTrainedTokenizerBase | None) -> Any:
    if policy.path is None:
        from ar1_rl.policy.tiny import build_model
        from ar1_rl.policy.vision.build import build_tiny

        if policy.vision is not None:
            return build_tiny(tokenizer, policy.tiny, policy.vision, seed=0)[0]
        return build_model(tokenizer, policy.tiny, seed=0)
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    settings = policy_settings(policy)
    if settings is None:
        return None
    new = policy_tokens(codec_by_name(policy.codec))
    if policy.vision is not None:
        return _joined(settings, len(new), tokenizer)
    sees = hasattr(settings, "vision_config")
    model = (AutoModelForImageTextToText if sees else AutoModelForCausalLM).from_config(settings)
    rows = model.get_input_embeddings().weight.shape[0]
    wanted = rows + len(new) if tokenizer is None else max(rows, len(tokenizer))
    if wanted != rows:
        model.resize_token_embeddings(wanted, mean_resizing=False)
    return model


def _joined(settings: PretrainedConfig, new: int, tokenizer: PreTrainedTokenizerBase | None) -> Any:
    """Two backbones as one, whose decoder has exactly the tokens before the placeholder of images."""
    from ar1_rl.policy.vision.architecture import Ar1VisionLanguageForConditionalGeneration

    text = settings.text_config
    text.vocab_size = text.vocab_size + new + IMAGE_DELIMITERS if tokenizer is None else len(tokenizer) - 1
    settings.image_token_id = text.vocab_size
    return Ar1VisionLanguageForConditionalGeneration(settings)


def _adapters(model: Any, config: RunConfig) -> int:
    if config.policy.lora is None:
        return 0
    from peft import get_peft_model

    from .grpo import adapters

    trained, _ = get_peft_model(model, adapters(config)).get_nb_trainable_parameters()
    return trained


def tokenizer_of(policy: PolicyConfig, texts: Sequence[str]) -> PreTrainedTokenizerBase | None:
    """The policy's tokenizer with its policy tokens; None where there is none in its folder.

    A tiny policy's knows the words of `texts`, and those of all descriptions, unless it sees.
    """
    codec = codec_by_name(policy.codec)
    if policy.path is None and policy.vision is not None:
        from ar1_rl.policy.vision.build import build_vision_tokenizer

        return build_vision_tokenizer(texts, codec)
    if policy.path is None:
        from ar1_rl.policy.tiny import build_tokenizer
        from rollouts.describe import VOCABULARY

        return build_tokenizer([" ".join(VOCABULARY), *texts], codec)
    if not any((Path(policy.path) / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
        return None
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(policy.path, local_files_only=True)
    add_policy_tokens(tokenizer, codec)
    if policy.vision is not None:
        from ar1_rl.policy.vision.build import add_image_tokens

        add_image_tokens(tokenizer)
    return tokenizer


def longest_prompt(
    config: RunConfig, tokenizer: PreTrainedTokenizerBase | None, observations: Sequence[Observation]
) -> int:
    """Tokens of the longest of these prompts: counted by the tokenizer, or at most so many without it."""
    codec, build = codec_by_name(config.policy.codec), prompt_builder(config.rollouts)
    if tokenizer is not None:
        dialogue = Dialogue.of(tokenizer, codec, build)
        texts = [dialogue.prompt_text(messages) for messages in dialogue.prompts(observations)]
        return max(len(ids) for ids in dialogue.token_ids(texts))
    histories = codec.encode_history(np.stack([o.history_T3 for o in observations]))
    prompts = [build(o, codec.to_text(history)) for o, history in zip(observations, histories, strict=True)]
    return max(_at_most("".join(text_of(message["content"]) for message in messages)) for messages in prompts)


def processor_of(policy: PolicyConfig, tokenizer: PreTrainedTokenizerBase) -> ProcessorMixin | None:
    """What turns images into tokens: of a tiny policy that sees or of joined backbones, or what lies in the folder.

    None where the policy cannot see, or an encoder is neither here nor recorded.
    """
    import torch

    from ar1_rl.policy.vision import adapter, build

    if policy.path is None and policy.vision is not None:
        with torch.device("meta"):
            return build.build_tiny(tokenizer, policy.tiny, policy.vision, seed=0)[1]
    if policy.path is not None and policy.vision is not None:
        settings = policy_settings(policy)
        return None if settings is None else build.build_processor(tokenizer, settings, policy.vision)
    if policy.path is None or not adapter.sees(policy.path):
        return None
    processor = adapter.load_processor(policy.path)
    processor.tokenizer = tokenizer
    return processor


def longest_seen(config: RunConfig, processor: ProcessorMixin, scenes: Sequence[Scene]) -> int:
    """Tokens of the longest prompt of these scenes, those of its images among them."""
    codec = codec_by_name(config.policy.codec)
    dialogue = Dialogue.configured(processor.tokenizer, codec, config.rollouts, processor)
    return max(len(prompt.token_ids) for prompt in dialogue.ask_about(scenes))


def most_seen(config: RunConfig, scenes: Sequence[Scene], tokens_per_image: int) -> int:
    """Tokens of the longest prompt of these scenes, at most so many, without processor and tokenizer; none is decoded.

    With frames the prompt is short, and the least characters a token hold for it with its template.
    """
    from rollouts.vision.prompt import CameraView, frames_messages

    shown, codec = config.rollouts.frames, codec_by_name(config.policy.codec)
    assert shown is not None, "checked by the caller"
    histories = codec.encode_history(np.stack([scene.observation.history_T3 for scene in scenes]))
    lengths = []
    for scene, history in zip(scenes, histories, strict=True):
        views = [CameraView(name, (None,) * shown.count) for name in camera_names(scene, shown)]
        messages = frames_messages(views, codec.to_text(history), shown.layout)
        words = _at_most("".join(text_of(message["content"]) for message in messages))
        lengths.append(words + len(images_of(messages)) * (tokens_per_image + IMAGE_DELIMITERS))
    return max(lengths)


def _at_most(text: str) -> int:
    special = SPECIAL.findall(text)
    return len(special) + math.ceil(len(SPECIAL.sub("", text)) / CHARACTERS_PER_TOKEN)
