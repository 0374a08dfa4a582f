"""Special and trajectory tokens in a tokenizer, and where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..driving.codec import TrajectoryCodec
from ..driving.completion import COT_END, COT_START, FUTURE_END, FUTURE_START, SPECIAL_TOKENS, TokenLayout
from ..errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def policy_tokens(codec: TrajectoryCodec) -> list[str]:
    """Every token a policy needs beyond words: the delimiters, then `<i0>` ... of the codec."""
    return [*SPECIAL_TOKENS, *(f"<i{i}>" for i in range(codec.vocabulary_size))]


def add_policy_tokens(tokenizer: PreTrainedTokenizerBase, codec: TrajectoryCodec) -> int:
    """Add what is missing; returns how many tokens were new (the embeddings must grow by as many)."""
    return tokenizer.add_special_tokens(
        {"additional_special_tokens": policy_tokens(codec)}, replace_extra_special_tokens=False
    )


def token_layout(tokenizer: PreTrainedTokenizerBase, codec: TrajectoryCodec) -> TokenLayout:
    """Ids of the delimiters and trajectory tokens; ConfigError where the tokenizer lacks or scatters them."""
    ids = tokenizer.convert_tokens_to_ids(policy_tokens(codec))
    missing = [t for t, i in zip(policy_tokens(codec), ids, strict=True) if i is None or i == tokenizer.unk_token_id]
    if missing:
        raise ConfigError(
            f"tokenizer {tokenizer.name_or_path!r} lacks {len(missing)} policy tokens ({', '.join(missing[:3])} ...); "
            "prepare the model with `ar1-rl sft`, which adds them"
        )
    first, last = ids[len(SPECIAL_TOKENS)], ids[-1]
    if ids[len(SPECIAL_TOKENS) :] != list(range(first, last + 1)):
        raise ConfigError(f"tokenizer {tokenizer.name_or_path!r}: the trajectory tokens are not one block of ids")
    named = dict(zip(SPECIAL_TOKENS, ids, strict=False))
    endings = {i for i in (tokenizer.eos_token_id, tokenizer.pad_token_id) if i is not None} - {named[FUTURE_END]}
    return TokenLayout(
        cot_start=named[COT_START],
        cot_end=named[COT_END],
        future_start=named[FUTURE_START],
        future_end=named[FUTURE_END],
        trajectory_first=first,
        trajectory_count=codec.vocabulary_size,
        endings=frozenset(endings),
    )
