"""From scenes to token ids and back, with a real tokenizer."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import TinyPolicy

from ar1_rl.driving import COT_END, FUTURE_END, TrajectoryCodec
from ar1_rl.errors import ConfigError
from ar1_rl.policy.vocabulary import token_layout
from rollouts.dialogue import Dialogue


def answers(policy: TinyPolicy) -> list[tuple[int, ...]]:
    dialogue, scenes = policy.dialogue, policy.scenes
    histories = np.stack([s.observation.history_T3 for s in scenes])
    futures = np.stack([s.future_T3 for s in scenes if s.future_T3 is not None])
    texts = dialogue.completion_texts([s.reference.text for s in scenes if s.reference], histories, futures)
    return dialogue.token_ids(texts)


def test_a_written_completion_is_read_back_as_reasoning_and_trajectory(tiny_policy: TinyPolicy) -> None:
    histories = np.stack([s.observation.history_T3 for s in tiny_policy.scenes])
    for scene, completion in zip(
        tiny_policy.scenes, tiny_policy.dialogue.parse(answers(tiny_policy), histories), strict=True
    ):
        assert completion.error is None and completion.trajectory is not None
        assert scene.reference is not None and scene.future_T3 is not None
        assert completion.reasoning == scene.reference.text
        gap = np.hypot(*(completion.trajectory.poses_T3 - scene.future_T3)[:, :2].T)
        assert gap.mean() < 0.1


def test_a_completion_ends_in_the_end_of_text_token(tiny_policy: TinyPolicy) -> None:
    tokenizer = tiny_policy.dialogue.tokenizer
    assert tokenizer.eos_token == FUTURE_END
    assert all(ids[-1] == tokenizer.eos_token_id for ids in answers(tiny_policy))


def test_no_word_of_prompt_or_completion_is_unknown_to_the_tokenizer(tiny_policy: TinyPolicy) -> None:
    dialogue = tiny_policy.dialogue
    prompts = dialogue.prompts([s.observation for s in tiny_policy.scenes])
    ids = [
        i for row in dialogue.token_ids([dialogue.prompt_text(p) for p in prompts]) + answers(tiny_policy) for i in row
    ]
    assert dialogue.tokenizer.unk_token_id not in ids


def test_a_prompt_is_a_chat_message_with_parts(tiny_policy: TinyPolicy) -> None:
    (message,) = tiny_policy.dialogue.prompts([tiny_policy.scenes[0].observation])[0]
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["text"]


def test_a_saved_tokenizer_has_the_same_layout(tiny_policy: TinyPolicy) -> None:
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(tiny_policy.path)
    assert token_layout(loaded, TrajectoryCodec.compact()) == tiny_policy.dialogue.layout
    assert loaded.convert_ids_to_tokens(tiny_policy.dialogue.layout.cot_end) == COT_END


def test_a_tokenizer_without_policy_tokens_is_refused_with_what_to_do(tiny_policy: TinyPolicy) -> None:
    with pytest.raises(ConfigError, match=r"lacks .* policy tokens.*ar1-rl sft"):
        Dialogue.of(tiny_policy.dialogue.tokenizer, TrajectoryCodec.alpamayo())


def test_a_broken_completion_carries_its_error_and_no_trajectory(tiny_policy: TinyPolicy) -> None:
    scene, ids = tiny_policy.scenes[0], answers(tiny_policy)[0]
    (completion,) = tiny_policy.dialogue.parse([ids[:-2]], scene.observation.history_T3[None])
    assert completion.trajectory is None and completion.error is not None
    assert completion.reasoning is not None
