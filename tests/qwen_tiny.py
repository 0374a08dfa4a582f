"""Qwen3-VL tiny and at random, as a folder like Qwen's: without policy tokens, with more embeddings than tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ar1_rl.policy.tiny import WORDS

OF_QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
FEWEST_PIXELS, MOST_PIXELS = 32 * 32, 256 * 256
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""How Qwen's own template writes images."""


def tokenizer_of(text: str) -> Any:
    """A tokenizer by words, without policy tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|endoftext|>", "<|unknown|>", "<|system|>", "<|user|>", "<|assistant|>", *OF_QWEN]
    words = [*special, *sorted(set(WORDS.findall(text)) - set(special))]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<|unknown|>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<|unknown|>",
        eos_token="<|endoftext|>",
        additional_special_tokens=special[2:],
        chat_template=TEMPLATE,
    )


def make(folder: Path, text: str) -> Path:
    """A folder of a model that knows the words of `text`; its images have 32 x 32 to 256 x 256 px."""
    import torch
    from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tokenizer = tokenizer_of(text)
    start, end, image, video = tokenizer.convert_tokens_to_ids(list(OF_QWEN))
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2], "mrope_interleaved": True}
    torch.manual_seed(0)
    model = Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            text_config={
                "vocab_size": len(tokenizer) + 20,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 16,
                "rope_parameters": rope,
            },
            vision_config={
                "depth": 2,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_heads": 2,
                "out_hidden_size": 32,
                "num_position_embeddings": 36,
                "deepstack_visual_indexes": [0],
            },
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
        )
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight") and "norm" not in name:
                parameter *= 6.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"shortest_edge": FEWEST_PIXELS, "longest_edge": MOST_PIXELS}
    Qwen2VLImageProcessorPil(patch_size=16, size=size).save_pretrained(folder)
    return folder
