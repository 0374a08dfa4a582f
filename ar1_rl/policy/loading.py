"""A policy from its folder, whether it sees or not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..driving.codec import TrajectoryCodec
from . import pretrained
from .config import PolicyConfig
from .tiny import build_model, build_tokenizer
from .vision import adapter, build

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin


@dataclass(frozen=True)
class LoadedPolicy:
    """A model and what stands between it and text; the processor is that of a policy that sees."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    processor: ProcessorMixin | None = None


def load_policy(path: str, dtype: str) -> LoadedPolicy:
    """The policy in that folder (or of that name), as it is; MissingDependencyError where it cannot be loaded."""
    if not adapter.sees(path):
        return LoadedPolicy(*pretrained.load(path, dtype))
    model, processor = adapter.load(path, dtype)
    return LoadedPolicy(model, processor.tokenizer, processor)


def load_reader(
    path: str, config: PreTrainedConfig | None = None
) -> tuple[PreTrainedTokenizerBase, ProcessorMixin | None]:
    """The tokenizer in that folder, and the processor of a policy that sees, without the model.

    `config` is that of the model, for a folder that has none, as those of adapters do not.
    """
    config = config or adapter.config_of(path)
    if adapter.is_seeing(config):
        processor = adapter.load_processor(path, config)
        return processor.tokenizer, processor
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path), None


def start_policy(config: PolicyConfig, texts: Iterable[str], codec: TrajectoryCodec, seed: int) -> LoadedPolicy:
    """The policy that training starts from; `texts` have the words of one whose tokenizer is made for it.

    Without a path a tiny one at random. With `vision` it sees: through a pretrained encoder in front of the model at
    `path`, or through a tiny one at random.
    """
    if config.vision is None:
        if config.path is not None:
            return prepare_policy(config.path, config.dtype, codec)
        tokenizer = build_tokenizer(texts, codec)
        return LoadedPolicy(build_model(tokenizer, config.tiny, seed), tokenizer)
    if config.path is not None and config.vision.encoder is not None:
        model, processor = build.join_backbones(
            config.vision.encoder, config.path, config.vision, config.dtype, codec, seed
        )
    else:
        tokenizer = build.build_vision_tokenizer(texts, codec)
        model, processor = build.build_tiny(tokenizer, config.tiny, config.vision, seed)
    return LoadedPolicy(model, processor.tokenizer, processor)


def prepare_policy(path: str, dtype: str, codec: TrajectoryCodec) -> LoadedPolicy:
    """Load, and add the policy tokens that are missing."""
    if not adapter.sees(path):
        return LoadedPolicy(*pretrained.prepare(path, dtype, codec))
    model, processor = adapter.prepare(path, dtype, codec)
    return LoadedPolicy(model, processor.tokenizer, processor)
