"""Any Hugging Face causal LM as a policy: load it, add the policy tokens, grow its embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..driving.codec import TrajectoryCodec
from ..errors import MissingDependencyError
from .vocabulary import add_policy_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


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
