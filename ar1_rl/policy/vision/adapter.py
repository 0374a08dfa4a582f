"""Vision-language models as policies: our own architecture, and those of others that the sampling engine knows.

Qwen3-VL is the architecture of Cosmos-Reason2, and so of NVIDIA's released Alpamayo backbones.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from ...driving.codec import TrajectoryCodec
from ...errors import ConfigError, MissingDependencyError
from ..vocabulary import add_policy_tokens
from .registration import register

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, ProcessorMixin

IMAGES_ALONE = ("qwen3_vl", "qwen3_vl_moe")
"""Model types whose processor wants a part for videos, and that torchvision; frames need neither."""


def sees(path: str) -> bool:
    """Whether the policy in that folder (or of that name) is a vision-language model."""
    return is_seeing(config_of(path))


def is_seeing(config: PreTrainedConfig) -> bool:
    """Whether a model with that configuration is a vision-language model."""
    return hasattr(config, "vision_config")


def load(path: str, dtype: str) -> tuple[PreTrainedModel, ProcessorMixin]:
    """The model and processor in that folder (or of that name), as they are."""
    from transformers import AutoModelForImageTextToText

    register()
    processor = load_processor(path)
    try:
        model = AutoModelForImageTextToText.from_pretrained(path, dtype=dtype)
    except OSError as error:
        raise MissingDependencyError(f"policy {path!r} cannot be loaded: {error}") from error
    return model, processor


def load_processor(path: str, config: PreTrainedConfig | None = None) -> ProcessorMixin:
    """The processor in that folder; where torchvision is missing, one for images alone.

    `config` is that of its model, for a folder that has none.
    """
    from transformers import AutoProcessor

    register()
    config = config or config_of(path)
    if config.model_type in IMAGES_ALONE and not torchvision_there():
        processor = _image_processor_alone(path)
    else:
        processor = AutoProcessor.from_pretrained(path)
    tokenizer = processor.tokenizer
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return processor


def prepare(path: str, dtype: str, codec: TrajectoryCodec) -> tuple[PreTrainedModel, ProcessorMixin]:
    """Load, add the policy tokens that are missing, and resize the embeddings to the tokenizer.

    ConfigError for a model of our own architecture that lacks some: its placeholder has to be the last token.
    """
    model, processor = load(path, dtype)
    if add_policy_tokens(processor.tokenizer, codec):
        if not has_word_for_images(model.config):
            raise ConfigError(
                f"policy {path!r} was built with the tokens of another codec, and its image placeholder has to stay "
                "the last one; take the codec it was built with (policy.codec), or build it again"
            )
        model.resize_token_embeddings(len(processor.tokenizer))
    return model, processor


def has_word_for_images(config: PreTrainedConfig) -> bool:
    """Whether the placeholder of an image is in the vocabulary of a model that sees, so that it could be drawn."""
    return bool(config.image_token_id < config.get_text_config().vocab_size)


def torchvision_there() -> bool:
    """Whether torchvision is installed; it is not looked into, for a build that does not fit fails there."""
    return importlib.util.find_spec("torchvision") is not None


def needs_torchvision(config: PreTrainedConfig) -> bool:
    """Whether the sampling engine imports torchvision for a model of that configuration."""
    from .architecture import MODEL_TYPE

    return hasattr(config, "vision_config") and config.model_type != MODEL_TYPE


def require_torchvision(path: str) -> None:
    """MissingDependencyError, with what to do, where the sampling engine cannot hold that policy without torchvision.

    The engine's own vision-language models import it; our own architecture does not.
    """
    config = config_of(path)
    if needs_torchvision(config) and not torchvision_there():
        raise MissingDependencyError(
            f"policy {path!r} ({config.model_type}) in the engine vllm needs torchvision, which is not installed: "
            f"{install_line()}; or set rollouts.engine=transformers, or take a policy of our own architecture "
            "(policy.vision), which needs none"
        )


def install_line() -> str:
    """The line that installs the torchvision that belongs to the installed torch."""
    import torch

    line = f"pip install torchvision torch=={torch.__version__.split('+')[0]}"
    return line if torch.version.cuda else f"{line} --index-url https://download.pytorch.org/whl/cpu"


def config_of(path: str) -> PreTrainedConfig:
    """The configuration in that folder (or of that name); MissingDependencyError where it cannot be loaded."""
    from transformers import AutoConfig

    register()
    try:
        return AutoConfig.from_pretrained(path)
    except OSError as error:
        raise MissingDependencyError(f"policy {path!r} cannot be loaded: {error}") from error


def _image_processor_alone(path: str) -> Any:
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil

    from .images_alone import Qwen3VLImagesProcessor

    tokenizer = AutoTokenizer.from_pretrained(path)
    return Qwen3VLImagesProcessor(
        image_processor=Qwen2VLImageProcessorPil.from_pretrained(path),
        tokenizer=tokenizer,
        chat_template=tokenizer.chat_template,
    )
