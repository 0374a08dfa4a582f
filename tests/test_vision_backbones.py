"""Qwen3-VL, the architecture of Cosmos-Reason2 and of the released Alpamayo backbones, tiny and at random."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing
import tiny

from ar1_rl.driving import TrajectoryCodec
from ar1_rl.errors import MissingDependencyError
from ar1_rl.policy import loading
from ar1_rl.policy.tiny import WORDS
from ar1_rl.policy.vision import adapter
from ar1_rl.policy.vocabulary import token_layout
from rollouts import sequential, vectorised
from rollouts.config import EngineConfig, FramesLayout, Greedy
from rollouts.dialogue import Dialogue, Prompt
from rollouts.engine_fixes import one_placeholder_an_image
from rollouts.policy import request_for
from rollouts.vision.prompt import frames_prompt, words_of

CODEC = TrajectoryCodec.compact()
OF_QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
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


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Qwen's are: without policy tokens, and with more embeddings than tokens."""
    import torch
    from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration

    folder = tmp_path_factory.mktemp("qwen") / "policy"
    tokenizer = tokenizer_of(words_of(FramesLayout(), seeing.CAMERAS, seeing.FRAMES))
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
    size = {"shortest_edge": 32 * 32, "longest_edge": 256 * 256}
    Qwen2VLImageProcessorPil(patch_size=16, size=size).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def policy(path: Path) -> loading.LoadedPolicy:
    return loading.prepare_policy(str(path), "float32", CODEC)


@pytest.fixture(scope="module")
def prompts(policy: loading.LoadedPolicy) -> list[Prompt]:
    dialogue = Dialogue.of(policy.tokenizer, CODEC, frames_prompt(seeing.Frames()), policy.processor)
    return dialogue.ask([scene.observation for scene in tiny.scenes(3)])


def test_it_is_loaded_by_the_same_call_as_a_text_policy_and_gets_the_policy_tokens(path: Path) -> None:
    codec = TrajectoryCodec.alpamayo()
    grown = loading.prepare_policy(str(path), "float32", codec)
    assert grown.processor is not None and adapter.sees(str(path))
    assert token_layout(grown.tokenizer, codec).trajectory_count == 4000
    assert grown.model.get_output_embeddings().weight.shape[0] == len(grown.tokenizer)
    assert grown.model.config.get_text_config().vocab_size == len(grown.tokenizer)
    as_it_is = loading.load_policy(str(path), "float32")
    assert as_it_is.model.config.image_token_id == grown.model.config.image_token_id
    assert as_it_is.tokenizer.padding_side == "left"


def test_frames_in_alpamayo_s_layout_have_a_placeholder_for_every_token(
    policy: loading.LoadedPolicy, prompts: list[Prompt]
) -> None:
    """64 x 96 px in patches of 16 px, merged 2 x 2, are 6 tokens an image; two cameras with two frames each."""
    placeholder = policy.model.config.image_token_id
    assert "front wide camera frame 0 <|vision_start|><|image_pad|><|vision_end|>frame 1 " in prompts[0].text
    for prompt in prompts:
        assert prompt.token_ids.count(placeholder) == 4 * 6
        unexpanded = policy.tokenizer(prompt.text, add_special_tokens=False)["input_ids"]
        # As vLLM's own models of this kind take it: they would expand all of the 24 once more.
        assert one_placeholder_an_image(prompt.token_ids, placeholder, 4) == unexpanded


def test_what_is_written_depends_on_what_is_seen(policy: loading.LoadedPolicy, prompts: list[Prompt]) -> None:
    """The likeliest tokens: drawing from them all, this untrained model draws its own image placeholder."""
    engine = sequential.SequentialEngine(policy.model.eval(), policy.tokenizer.pad_token_id, 8, policy.processor)
    likeliest = Greedy(max_completion_tokens=8)
    requests = [request_for(prompt, seed) for seed, prompt in enumerate(prompts)]
    samples = engine.sample(requests, likeliest, policy.tokenizer.eos_token_id)
    asked, ids = [p.token_ids for p in prompts], [s.token_ids for s in samples]
    images: list[Any] = [p.images for p in prompts]

    def gap(shown: list[Any]) -> float:
        scored = np.concatenate(engine.logprobs(asked, ids, images=shown))
        return float(np.mean(np.abs(scored - np.concatenate([s.logprobs for s in samples]))))

    assert gap(images) < 1e-5
    assert gap([*images[1:], images[0]]) > 1e-3


def test_a_training_step_reaches_encoder_and_decoder(policy: loading.LoadedPolicy, prompts: list[Prompt]) -> None:
    import torch

    ids = torch.tensor([prompts[0].token_ids])
    inputs = sequential.model_inputs(policy.processor, [prompts[0].images], ids)  # type: ignore[arg-type]
    policy.model(input_ids=ids, labels=ids, **inputs).loss.backward()
    for part in ("visual.patch_embed", "visual.merger", "language_model.layers.0.mlp"):
        grads = [p.grad for name, p in policy.model.named_parameters() if part in name]
        assert grads and all(grad is not None and grad.abs().max() > 0 for grad in grads), part
    policy.model.zero_grad()


@pytest.mark.engine
@pytest.mark.skipif(importlib.util.find_spec("torchvision") is not None, reason="torchvision is installed")
def test_in_vllm_it_needs_torchvision_and_the_error_has_the_install_line(path: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"engine vllm needs torchvision.*pip install torchvision torch=="):
        vectorised.open_engine(str(path), EngineConfig(), "float32")
