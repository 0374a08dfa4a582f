"""Any Hugging Face causal LM as a policy: load it, add the policy tokens, grow its embeddings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..driving.codec import TrajectoryCodec
from ..errors import MissingDependencyError
from .vocabulary import add_policy_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def saved_dtype(path: str) -> str | None:
    """The number format that a checkpoint was saved in, as its config tells; None where that is not on this machine."""
    file: Any = Path(path) / "config.json"
    if not file.is_file():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            file = try_to_load_from_cache(path, "config.json")
        except HFValidationError:
            return None
        if not isinstance(file, str):
            return None
    written = json.loads(Path(file).read_text())
    return written.get("dtype") or written.get("torch_dtype")


def load(path: str, dtype: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model and tokenizer in that folder (or of that name), as they are."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype)
    except OSError as error:
        raise MissingDependencyError(f"policy {path!r} cannot be loaded: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return model, tokenizer


def prepare(path: str, dtype: str, codec: TrajectoryCodec) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load, add the policy tokens that are missing, and resize the embeddings to the tokenizer.

    New rows start as the mean of the old ones plus noise, as `resize_token_embeddings` does by default.
    """
    model, tokenizer = load(path, dtype)
    if add_policy_tokens(tokenizer, codec):
        model.resize_token_embeddings(len(tokenizer))
    return model, tokenizer
