"""From frames to token ids: what a policy that sees is asked with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import seeing
import tiny
from seeing import SeeingPolicy

from ar1_rl.driving import Observation
from ar1_rl.errors import ConfigError, SceneError
from rollouts.config import FramesLayout
from rollouts.dialogue import Dialogue, images_of
from rollouts.prompts import Message
from rollouts.vision.prompt import CameraView, as_image, camera_views, frames_messages, frames_prompt


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> SeeingPolicy:
    return seeing.make(tmp_path_factory.mktemp("seeing") / "policy")


def written(messages: list[Message]) -> str:
    """Images as [], parts apart by |, messages by their roles."""
    lines = []
    for message in messages:
        parts = (part["text"] if part["type"] == "text" else "[]" for part in message["content"])
        lines.append(f"{message['role']}: " + "|".join(parts))
    return "\n".join(lines)


def views(cameras: int = 2, times: int = 2) -> tuple[CameraView, ...]:
    grey_CTHW3 = np.zeros((cameras, times, 8, 8, 3), np.uint8) + np.arange(times, dtype=np.uint8)[:, None, None, None]
    return camera_views(["front_wide", "front_tele"][:cameras], grey_CTHW3)


def test_the_layout_of_alpamayo_1_5_names_cameras_once_and_numbers_frames() -> None:
    layout = FramesLayout(system="Drive.", instruction="Go on.")
    history = "<|traj_history_start|><i1><|traj_history_end|>"
    assert written(frames_messages(views(), "<i1>", layout)) == (
        "system: Drive.\n"
        "user: front wide camera |frame 0 |[]|frame 1 |[]|front tele camera |frame 0 |[]|frame 1 |[]|"
        f"{history}Go on."
    )
    plain = FramesLayout(camera_names=False, frame_numbers=False, system="", instruction="")
    assert written(frames_messages(views(), "<i1>", plain)) == f"user: []|[]|[]|[]|{history}"


def test_images_come_by_camera_and_from_old_to_new() -> None:
    images = images_of(frames_messages(views(2, 3), "", FramesLayout()))
    assert [np.asarray(image)[0, 0, 0] for image in images] == [0, 1, 2, 0, 1, 2]


def test_a_prompt_has_a_placeholder_for_every_token_of_every_image(policy: SeeingPolicy) -> None:
    """Four images of six tokens; the text has one placeholder each."""
    prompts = policy.dialogue.ask([scene.observation for scene in policy.scenes])
    placeholder = policy.dialogue.processor.image_token_id  # type: ignore[union-attr]
    for prompt in prompts:
        assert prompt.text.count("<|image|>") == len(prompt.images) == 4
        assert prompt.token_ids.count(placeholder) == 24
        assert policy.dialogue.tokenizer.unk_token_id not in prompt.token_ids


def test_the_ids_are_those_of_the_call_that_trl_makes(policy: SeeingPolicy) -> None:
    from trl.data_utils import prepare_multimodal_messages

    observation = policy.scenes[0].observation
    (prompt,), (messages,) = policy.dialogue.ask([observation]), policy.dialogue.prompts([observation])
    bare = [
        {**m, "content": [{"type": "image"} if p["type"] == "image" else p for p in m["content"]]} for m in messages
    ]
    theirs = policy.dialogue.processor.apply_chat_template(  # type: ignore[union-attr]
        [prepare_multimodal_messages(bare, images=list(prompt.images))],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    assert tuple(theirs["input_ids"][0].tolist()) == prompt.token_ids


def test_a_text_policy_is_asked_as_before(tiny_policy: tiny.TinyPolicy) -> None:
    observations = [scene.observation for scene in tiny_policy.scenes[:2]]
    dialogue = tiny_policy.dialogue
    texts = [dialogue.prompt_text(m) for m in dialogue.prompts(observations)]
    prompts = dialogue.ask(observations)
    assert [p.text for p in prompts] == texts
    assert [p.token_ids for p in prompts] == dialogue.token_ids(texts)
    assert not any(p.images for p in prompts)


def test_a_policy_that_cannot_see_refuses_images(tiny_policy: tiny.TinyPolicy) -> None:
    dialogue = Dialogue.of(tiny_policy.dialogue.tokenizer, tiny_policy.dialogue.codec, frames_prompt(seeing.Frames()))
    with pytest.raises(ConfigError, match="the prompt has 4 images, and the policy cannot see"):
        dialogue.ask([tiny_policy.scenes[0].observation])


def test_a_builder_asks_for_the_frames_of_its_observation_once() -> None:
    asked: list[Observation] = []

    def look_up(observation: Observation) -> tuple[CameraView, ...]:
        asked.append(observation)
        return views()

    observation = tiny.scenes(1)[0].observation
    images_of(frames_prompt(look_up)(observation, ""))
    assert asked == [observation]


def test_what_is_no_frame_is_refused() -> None:
    for wrong in (np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8), np.zeros((3, 8, 8), np.uint8)):
        with pytest.raises(SceneError, match=r"a frame is uint8 \[H, W, 3\] or a PIL image, got"):
            as_image(wrong)
    with pytest.raises(SceneError, match="1 cameras' frames for 2 camera names: front_wide, front_tele"):
        camera_views(["front_wide", "front_tele"], np.zeros((1, 1, 8, 8, 3), np.uint8))
    image = as_image(np.full((4, 6, 3), 7, np.uint8))
    assert image.size == (6, 4) and as_image(image).getpixel((0, 0)) == (7, 7, 7)


def test_the_pixels_of_a_frame_are_normalised_as_for_the_encoder(policy: SeeingPolicy) -> None:
    """White is (1 - mean) / std of ImageNet: 2.2489, 2.4286, 2.64."""
    white = as_image(np.full((64, 96, 3), 255, np.uint8))
    pixels = policy.dialogue.processor.image_processor([white], return_tensors="pt")["pixel_values"]  # type: ignore[union-attr]
    assert pixels.shape == (1, 3, 64, 96)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-4)
    assert pixels.amin(dim=(0, 2, 3)).tolist() == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-4)


def test_the_folder_of_a_policy_that_sees_is_enough_to_ask_it(policy: SeeingPolicy, tmp_path: Path) -> None:
    from ar1_rl.policy.loading import load_reader

    tokenizer, processor = load_reader(str(policy.path))
    again = Dialogue.of(tokenizer, policy.dialogue.codec, policy.dialogue.build_prompt, processor)
    observations = [scene.observation for scene in policy.scenes]
    assert again.ask(observations) == policy.dialogue.ask(observations)
