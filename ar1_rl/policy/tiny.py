"""The embedded policy: a small decoder trained from scratch, with a word-level tokenizer of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..driving.codec import TrajectoryCodec
from ..driving.completion import FUTURE_END
from .config import TinyPolicyConfig
from .vocabulary import policy_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

PAD, UNKNOWN, USER, ASSISTANT = "<|pad|>", "<|unknown|>", "<|user|>", "<|assistant|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

WORDS = re.compile(r"\w+|[^\w\s]+")
"""How the tokenizer splits text: the same rule as its pre-tokenizer."""


def build_tokenizer(texts: Iterable[str], codec: TrajectoryCodec) -> PreTrainedTokenizerFast:
    """A word-level tokenizer over the words of `texts` plus the policy tokens.

    Its end-of-text token is `<|traj_future_end|>`: a completion ends there.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = [PAD, UNKNOWN, USER, ASSISTANT, *policy_tokens(codec)]
    counts = Counter(word for text in texts for word in WORDS.findall(text))
    words = sorted(set(counts) - set(special))
    vocabulary = {token: i for i, token in enumerate([*special, *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token=UNKNOWN,
        pad_token=PAD,
        eos_token=FUTURE_END,
        additional_special_tokens=[USER, ASSISTANT, *policy_tokens(codec)],
        padding_side="left",
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def build_model(tokenizer: PreTrainedTokenizerFast, config: TinyPolicyConfig, seed: int) -> PreTrainedModel:
    """A randomly initialised decoder (Qwen3 architecture, tied embeddings) for that tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(seed)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            head_dim=config.hidden_size // config.heads,
            max_position_embeddings=config.max_positions,
            tie_word_embeddings=True,
            initializer_range=0.05,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
