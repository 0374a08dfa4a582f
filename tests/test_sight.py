"""A policy that is shown frames: what its config says, what it is asked with, and what its rollouts remember."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing
import tiny

from ar1_rl.config import check_config
from ar1_rl.driving import Completion, Scene, TrajectoryCodec
from ar1_rl.errors import ConfigError
from ar1_rl.frames import FrameReader, FramesConfig, frames_of
from ar1_rl.policy.vision.build import build_tiny, build_vision_tokenizer
from recipes.practice import practice_rows
from recipes.run_config import RunConfig
from recipes.sft import prompt_words
from recipes.sft_images import ImageCollator, as_arrays
from rollouts.config import PromptConfig, ShownFrames
from rollouts.dialogue import Dialogue
from rollouts.record import Rollout
from rollouts.store import RolloutStore, read_rollouts, rollout_row

SHOWN = ShownFrames(count=2, every_ticks=3)
EYES = {"hidden_size": 32, "heads": 1, "intermediate_size": 64}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return tiny.scenes(4)


@pytest.fixture
def dialogue(scenes: list[Scene]) -> Dialogue:
    config, codec = PromptConfig(frames=SHOWN), TrajectoryCodec.compact()
    words = [*prompt_words(config, scenes), *(s.reference.text for s in scenes if s.reference)]
    tokenizer = build_vision_tokenizer(words, codec)
    _, processor = build_tiny(tokenizer, tiny.SMALL, seeing.EYES, seed=0)
    return Dialogue.configured(tokenizer, codec, config, processor)


def run_config(**sections: Any) -> RunConfig:
    raw = {"recipe": "test", "rewards": {"terms": [{"reward": "format"}]}, **sections}
    return check_config(RunConfig, raw, source="test")


# config


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"rollouts": {"frames": {}}}, "cannot see"),
        ({"policy": {"vision": EYES}}, "is shown nothing"),
        ({"policy": {"vision": EYES}, "rollouts": {"frames": {}, "prompt": "own.py:ask"}}, "one of `frames`"),
        ({"policy": {"vision": EYES}, "rollouts": {"frames": {}, "server": "http://host"}}, "take no images"),
        ({"policy": {"vision": EYES}, "rollouts": {"frames": {"count": 16, "every_ticks": 2}}}, "reach back 30 ticks"),
        ({"scenes": {"source": "synthetic_pairs", "arguments": {"kinds": ["turn"]}}}, "got ['turn']"),
        ({"scenes": {"source": "synthetic_pairs", "arguments": {"shares": 0.5}}}, "shares"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_by_name(sections: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        run_config(**sections)
    assert told in str(error.value)


def test_frames_are_what_a_seeing_policy_is_shown_and_text_is_what_is_shown_without() -> None:
    seen = run_config(policy={"vision": EYES}, rollouts={"frames": {"cameras": ["front_wide"]}})
    assert seen.rollouts.frames is not None and seen.rollouts.frames.cameras == ("front_wide",)
    assert run_config().rollouts.frames is None


def test_a_policy_that_cannot_see_is_not_shown_frames(tiny_policy: tiny.TinyPolicy) -> None:
    reads = tiny_policy.dialogue
    with pytest.raises(ConfigError, match="cannot see"):
        Dialogue.configured(reads.tokenizer, reads.codec, PromptConfig(frames=SHOWN))


# what it is asked with


def test_a_prompt_has_the_scene_s_own_frames_in_their_order_and_no_word_about_the_scene(
    dialogue: Dialogue, scenes: list[Scene]
) -> None:
    """2 cameras x 2 frames of 6 tokens each."""
    for prompt, scene in zip(dialogue.ask_about(scenes), scenes, strict=True):
        frames = frames_of(scene, FramesConfig(count=2, every_ticks=3)).images_CTHW3
        shown = np.stack([np.asarray(image) for image in prompt.images])
        assert np.array_equal(shown, frames.reshape(4, 64, 96, 3))
        placeholder = dialogue.processor.image_token_id  # type: ignore[union-attr]
        assert prompt.token_ids.count(placeholder) == 4 * 6
        assert dialogue.tokenizer.unk_token_id not in prompt.token_ids
    texts = {prompt.text.split("<|traj_history_start|>")[0] for prompt in dialogue.ask_about(scenes)}
    assert len(texts) == 1, "but for the history, which differs, all prompts say the same"


def test_nothing_later_than_t0_and_no_label_gets_into_a_prompt(dialogue: Dialogue, scenes: list[Scene]) -> None:
    assert dialogue.processor is not None
    for scene in scenes:
        assert scene.future_T3 is not None
        other = replace(scene, id=f"{scene.id}/other", future_T3=scene.future_T3 + 5.0, annotations=(), agents=None)
        (told,), (again,) = dialogue.ask_about([scene]), dialogue.ask_about([other])
        assert (told.text, told.token_ids) == (again.text, again.token_ids)
        assert list(told.images) == list(again.images)


def test_frames_are_decoded_once_however_often_a_scene_is_asked_about(dialogue: Dialogue, scenes: list[Scene]) -> None:
    assert dialogue.sight is not None
    reader = dialogue.sight.read
    assert isinstance(reader, FrameReader)
    for _ in range(3):
        dialogue.ask_about(scenes)
        practice_rows(scenes, dialogue)[:4]
    assert reader.decoded == 4


def test_a_policy_that_is_shown_frames_is_not_asked_about_observations(dialogue: Dialogue) -> None:
    with pytest.raises(ConfigError, match="ask about scenes"):
        dialogue.ask([tiny.scenes(1)[0].observation])


# what the trainers get


def test_rows_of_grpo_have_places_for_their_images_which_siblings_share(
    dialogue: Dialogue, scenes: list[Scene]
) -> None:
    rows = practice_rows(scenes, dialogue)[[0, 0, 1]]
    assert rows["place"] == [0, 0, 1] and rows["images"][0] is rows["images"][1]
    assert rows["images"][0] != rows["images"][2]
    for messages, images in zip(rows["prompt"], rows["images"], strict=True):
        parts = [part for message in messages for part in message["content"]]
        assert [part for part in parts if part["type"] == "image"] == [{"type": "image"}] * len(images) and images


def test_a_row_of_a_text_policy_has_no_images(tiny_policy: tiny.TinyPolicy) -> None:
    assert set(practice_rows(tiny_policy.scenes[:2], tiny_policy.dialogue)[:2]) == {"place", "scene_id", "prompt"}


def test_a_batch_of_sft_has_each_row_s_own_pixels_and_teaches_no_placeholder(
    dialogue: Dialogue, scenes: list[Scene]
) -> None:
    import torch

    assert dialogue.processor is not None
    prompts = dialogue.ask_about(scenes)
    images = [as_arrays(prompt.images) for prompt in prompts]
    rows = [
        {"place": place, "length": 2 + len(p.token_ids), "input_ids": [*p.token_ids, 5, 6][place:],
         "labels": [*[-100] * len(p.token_ids), 5, 6][place:]}
        for place, p in enumerate(prompts)
    ]  # fmt: skip
    batch = ImageCollator(dialogue.processor, images)([rows[2], rows[0]])
    assert batch["pixel_values"].shape == (8, 3, 64, 96)
    for place, half in ((2, slice(0, 4)), (0, slice(4, 8))):
        own = dialogue.processor.image_processor(list(prompts[place].images), return_tensors="pt")["pixel_values"]
        assert torch.equal(batch["pixel_values"][half], own)
    assert sorted(batch["labels"][batch["labels"] >= 0].tolist()) == [5, 5, 6, 6]
    assert "length" not in batch and "place" not in batch


def test_siblings_that_share_their_images_share_the_work_of_preprocessing(
    dialogue: Dialogue, scenes: list[Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As TRL asks: two scenes of 4 images, three rollouts each; 8 images are preprocessed, 24 come back."""
    import torch

    processor: Any = dialogue.processor
    rows = practice_rows(scenes, dialogue)[[0, 0, 0, 1, 1, 1]]
    texts = [prompt.text for prompt in dialogue.ask_about(scenes[:2]) for _ in range(3)]
    given: list[int] = []
    preprocess = type(processor.image_processor).preprocess

    def counted(self: Any, images: Any, *args: Any, **kwargs: Any) -> Any:
        given.append(len(images))
        return preprocess(self, images, *args, **kwargs)

    monkeypatch.setattr(type(processor.image_processor), "preprocess", counted)
    batch = processor(images=rows["images"], text=texts, padding=True, return_tensors="pt")
    assert given == [8] and batch["pixel_values"].shape[0] == 24
    alone = processor(images=[rows["images"][3]], text=texts[3:4], padding=True, return_tensors="pt")
    for row in (3, 4, 5):
        assert torch.equal(batch["pixel_values"][4 * row : 4 * row + 4], alone["pixel_values"])
        assert torch.equal(batch["input_ids"][row][-alone["input_ids"].shape[1] :], alone["input_ids"][0])


# what a rollout remembers


def test_a_record_names_its_frames_and_has_no_pixel_of_them(
    dialogue: Dialogue, scenes: list[Scene], tmp_path: Path
) -> None:
    (prompt,) = dialogue.ask_about(scenes[:1])
    assert dialogue.sight is not None
    rollout = Rollout(
        scene_id=scenes[0].id, episode=scenes[0].episode, t0_us=0, sample=0, seed=0, step=0, policy_version="test",
        prompt_text=prompt.text, prompt_token_ids=prompt.token_ids, logprobs=(), images=prompt.images,
        completion=Completion(text="", token_ids=(), reasoning=None, trajectory=None, error=None),
        frames=dialogue.sight.frames,
    )  # fmt: skip
    RolloutStore(tmp_path).write("train", [rollout_row(rollout, 0.5, {})])
    (row,) = read_rollouts(tmp_path)
    again = frames_of(scenes[0], FramesConfig.model_validate_json(row["frames"]))
    assert np.array_equal(again.images_CTHW3.reshape(4, 64, 96, 3), np.stack([np.asarray(i) for i in prompt.images]))
    assert not any(isinstance(value, bytes) for value in row.values())
    assert "frames" not in rollout_row(replace(rollout, frames=None), 0.5, {}), "as of a text policy"
