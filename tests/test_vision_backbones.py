"""Qwen3-VL, the architecture of Cosmos-Reason2 and of the released Alpamayo backbones, tiny and at random."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qwen_tiny
import seeing
import tiny

from ar1_rl.driving import TrajectoryCodec
from ar1_rl.errors import MissingDependencyError
from ar1_rl.policy import loading
from ar1_rl.policy.vision import adapter
from ar1_rl.policy.vocabulary import token_layout
from rollouts import sequential, vectorised
from rollouts.config import EngineConfig, FramesLayout, Greedy
from rollouts.dialogue import Dialogue, Prompt
from rollouts.engine_fixes import one_placeholder_an_image
from rollouts.policy import request_for
from rollouts.vision.prompt import frames_prompt, words_of

CODEC = TrajectoryCodec.compact()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = words_of(FramesLayout(), seeing.CAMERAS, seeing.FRAMES)
    return qwen_tiny.make(tmp_path_factory.mktemp("qwen") / "policy", words)


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


def test_what_is_written_depends_on_what_is_seen(
    policy: loading.LoadedPolicy, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the ban on its image placeholder, whose share this untrained model would miss: 7e-3."""
    monkeypatch.setattr(sequential, "undrawable", lambda model_config: ())
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
