"""What the critic is asked: template, rubric, form of the reply, image, and the hash of it all."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest
from driving_cases import a_scene
from PIL import Image

from ar1_rl.driving.scene import Camera, Frame
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.frames import FramesConfig, frames_of
from ar1_rl.scenes.synthetic import generate_scenes
from rewards.critic.prompt import CriticPrompt, last_history_frame, load_prompt
from rewards.critic.questions import Pictures
from rewards.critic.rubric import Choice, Criterion, Rubric, load_rubric
from rewards.critic.verdict import REPLY_MODES

PAPER = load_rubric()
TWO = load_rubric("behaviour_and_causes")
PNG = b"\x89PNG\r\n\x1a\n" + b"rest"
JPEG = b"\xff\xd8\xff\xe0" + b"rest"
FORWARD = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=float)
LEFT = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=float)


def test_the_prompt_holds_both_texts_every_grade_and_the_form_of_the_reply():
    text = load_prompt(None, PAPER).text("Yield to the pedestrian.", "Keep the lane.")
    assert "<reference>\nYield to the pedestrian.\n</reference>" in text
    assert "<prediction>\nKeep the lane.\n</prediction>" in text
    for choice in PAPER.criteria[0].choices:
        assert f"- {choice.text}: {choice.description}" in text
    assert text.index("First say") < text.index("grade: N") and text.endswith("where N is one of 0, 1, 2, 3, 4, 5.")


@pytest.mark.parametrize("mode", REPLY_MODES)
@pytest.mark.parametrize("rubric", [PAPER, TWO], ids=["paper", "two"])
def test_no_placeholder_is_left_over(rubric, mode):
    text = load_prompt(None, rubric, mode=mode).text("a", "b")
    for name in ("reference", "prediction", "rubric", "reply", "form"):
        assert f"{{{name}}}" not in text


def test_the_reason_is_asked_for_before_the_grade_and_in_the_form_the_server_is_held_to():
    texts = {mode: load_prompt(None, TWO, mode=mode).text("a", "b") for mode in REPLY_MODES}
    assert texts["none"].index("one or two sentences") < texts["none"].index("behaviour: N\ncauses: N")
    assert '{"reason": "...", "behaviour": N, "causes": N}' in texts["json_schema"]
    assert "reason" not in texts["choice"].split("</prediction>")[1]


def test_criteria_with_different_grades_say_which_are_on_offer_for_each():
    both = tuple(
        Criterion(name=name, question="?", choices=tuple(Choice(grade=g, description="d") for g in grades))
        for name, grades in (("a", (0, 1)), ("b", (0, 0.5, 1)))
    )
    text = load_prompt(None, Rubric(name="r", criteria=both)).text("x", "y")
    assert "where N is, of a, one of 0, 1; of b, one of 0, 0.5, 1." in text


def test_a_placeholder_in_a_graded_text_stays_text():
    prompt = CriticPrompt("<r>{reference}</r><p>{prediction}</p>", PAPER)
    assert (
        prompt.text("a {prediction} b", "{reference} {rubric}")
        == "<r>a (predi·ction) b</r><p>(refe·rence) (rubric)</p>"
    )


# hash


def test_the_hash_covers_template_rubric_form_and_length_and_nothing_else():
    template = "<r>{reference}</r><p>{prediction}</p>"
    prompt = CriticPrompt(template, PAPER)
    assert len(prompt.hash) == 16 and prompt.hash == CriticPrompt(template, load_rubric()).hash
    worded = dataclasses.replace(PAPER.criteria[0].choices[0], description="something else.")
    reworded = dataclasses.replace(PAPER.criteria[0], choices=(worded, *PAPER.criteria[0].choices[1:]))
    weighed = dataclasses.replace(TWO.criteria[0], weight=0.7)
    others = [
        CriticPrompt(template + " ", PAPER),
        CriticPrompt(template, TWO),
        CriticPrompt(template, Rubric(name="paper", criteria=(reworded,))),
        CriticPrompt(template, Rubric(name="behaviour_and_causes", criteria=(weighed, TWO.criteria[1]))),
        CriticPrompt(template, PAPER, mode="json_schema"),
        CriticPrompt(template, PAPER, max_characters=500),
    ]
    assert len({prompt.hash, *(other.hash for other in others)}) == 7
    prompt.text("a", "b")
    assert prompt.hash == CriticPrompt(template, PAPER).hash


# messages


def test_text_alone_is_one_user_message_with_a_string():
    prompt = load_prompt(None, PAPER)
    assert prompt.messages("a", "b") == [{"role": "user", "content": prompt.text("a", "b")}]


@pytest.mark.parametrize(
    ("image", "mime"),
    [(PNG, "png"), (JPEG, "jpeg"), (b"RIFF\0\0\0\0WEBPrest", "webp"), (b"GIF89arest", "gif")],
)
def test_an_image_is_a_part_of_its_own_as_a_data_url_of_its_kind(image, mime):
    prompt = load_prompt(None, PAPER)
    [message] = prompt.messages("a", "b", image)
    note, picture, text = message["content"]
    assert note["type"] == "text" and "no instruction" in note["text"]
    assert text == {"type": "text", "text": prompt.text("a", "b")}
    head, data = picture["image_url"]["url"].split(",")
    assert picture["type"] == "image_url" and head == f"data:image/{mime};base64"
    assert base64.b64decode(data) == image


def test_bytes_that_are_no_image_are_refused():
    with pytest.raises(SceneError, match="no JPEG, PNG, WebP or GIF"):
        load_prompt(None, PAPER).messages("a", "b", b"BM rest")


# prompts of one's own


def test_a_prompt_of_ones_own_is_read_from_its_file(tmp_path):
    own = tmp_path / "mine.md"
    own.write_text("{rubric} <a>{reference}</a> <b>{prediction}</b> {reply} {unknown}", encoding="utf-8")
    text = load_prompt(own, PAPER).text("</a> x", "y")
    assert "<a>(/a) x</a> <b>y</b>" in text and "`grade`:" in text and text.endswith("{unknown}")


def test_what_is_wrong_with_a_prompt_is_told(tmp_path):
    own = tmp_path / "mine.md"
    own.write_text("Compare {reference} with it.")
    with pytest.raises(ConfigError, match=r"mine\.md: critic prompt: placeholders missing: \['prediction'\]"):
        load_prompt(own, PAPER)
    with pytest.raises(ConfigError, match="No such file"):
        load_prompt(tmp_path / "none.md", PAPER)
    own.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_prompt(own, PAPER)
    with pytest.raises(ConfigError, match=r"prediction.*mode: got 'yaml'.*max_characters: got 3"):
        CriticPrompt("{reference}", PAPER, mode="yaml", max_characters=3)


# the last frame of the history


def frame(path, time_s, rig_from_camera=FORWARD):
    camera = Camera(name="c", intrinsics_33=np.eye(3), rig_from_camera_44=rig_from_camera, width_px=8, height_px=8)
    return Frame(camera=camera, time_s=time_s, path=str(path))


def scene_with(*frames):
    scene = a_scene()
    return dataclasses.replace(scene, observation=dataclasses.replace(scene.observation, frames=frames))


def images(folder, *names):
    for name in names:
        (folder / name).write_bytes(PNG + name.encode())
    return [folder / name for name in names]


def test_the_newest_frame_at_or_before_t0_is_read_and_never_a_later_one(tmp_path):
    old, new, later = images(tmp_path, "old", "new", "later")
    assert last_history_frame(scene_with(frame(old, -0.5), frame(new, 0.0), frame(later, 0.1))) == PNG + b"new"
    assert last_history_frame(scene_with(frame(new, -0.1), frame(old, -0.5), frame(later, 1e-6))) == PNG + b"new"


def test_a_scene_without_frames_up_to_t0_has_none(tmp_path):
    [later] = images(tmp_path, "later")
    assert last_history_frame(a_scene()) is None
    assert last_history_frame(scene_with(frame(later, 0.1))) is None


def test_of_cameras_that_fire_together_the_one_that_looks_ahead_is_taken(tmp_path):
    ahead, left, old = images(tmp_path, "ahead", "left", "old")
    frames = frame(left, 0.0, LEFT), frame(ahead, -0.03), frame(old, -0.13)
    assert last_history_frame(scene_with(*frames)) == PNG + b"ahead"
    assert last_history_frame(scene_with(frame(left, 0.0, LEFT), frame(old, -0.4))) == PNG + b"left"


def test_an_image_that_cannot_be_read_names_scene_and_file(tmp_path):
    with pytest.raises(SceneError, match=r"scene s: image .*gone\.png: No such file"):
        last_history_frame(scene_with(frame(tmp_path / "gone.png", 0.0)))


def test_a_scene_whose_frames_are_rendered_is_shown_as_its_front_camera_sees_it(tmp_path):
    scene = next(iter(generate_scenes(0, "train", 1)))
    picture = np.asarray(Image.open(io.BytesIO(last_history_frame(scene))))
    config = FramesConfig(cameras=("front_wide",), width_px=384, height_px=256, count=1)
    assert np.array_equal(picture, frames_of(scene, config).images_CTHW3[0, 0])


def test_pictures_of_rendered_scenes_are_told_apart_by_scene():
    one, other = generate_scenes(0, "train", 2)
    pictures = Pictures()
    assert pictures.of(one).hash != pictures.of(other).hash
    assert pictures.of(one) is pictures.of(one), "rendered once"
