"""The frames of the scenes on the page."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import tiny
from PIL import Image

from ar1_rl.frames import FramesConfig, frames_of
from recipes import report_pictures
from recipes.report_pictures import pictures_of

SHOWN = FramesConfig(count=2, width_px=96, height_px=64)


def opened(uri: str) -> np.ndarray:
    kind, data = uri.split(",")
    assert kind == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_a_scene_is_shown_by_the_newest_frame_of_each_camera_pixel_by_pixel() -> None:
    (scene,) = tiny.scenes(1)
    rows = {"before": {scene.id: [{"frames": SHOWN.model_dump_json()}]}, "after": {}}
    missing: list[str] = []
    ((wide, tele),) = pictures_of(rows, {scene.id: scene}, missing).values()
    assert (wide[0], tele[0]) == ("front wide at t0", "front tele at t0") and not missing
    frames = frames_of(scene, SHOWN).images_CTHW3
    assert np.array_equal(opened(wide[1]), frames[0, -1]) and np.array_equal(opened(tele[1]), frames[1, -1])


def test_large_frames_are_made_smaller() -> None:
    (scene,) = tiny.scenes(1)
    large = FramesConfig(count=1, cameras=("front_wide",), width_px=768, height_px=512)
    ((_, uri),) = pictures_of({"after": {scene.id: [{"frames": large.model_dump_json()}]}}, {scene.id: scene}, [])[
        scene.id
    ]
    assert opened(uri).shape == (256, 384, 3)


def test_the_page_does_not_grow_without_end_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = {scene.id: scene for scene in tiny.scenes(3)}
    rows = {"after": {identity: [{"frames": SHOWN.model_dump_json()}] for identity in scenes}}
    missing: list[str] = []
    monkeypatch.setattr(report_pictures, "MOST_BYTES", 1)
    assert len(pictures_of(rows, scenes, missing)) == 1
    assert missing == ["The frames of 2 scenes are left out, for the size of this page."]


def test_a_run_without_frames_and_a_scene_that_is_not_at_hand_have_none() -> None:
    (scene,) = tiny.scenes(1)
    assert pictures_of({"after": {scene.id: [{"sample": 0}]}}, {scene.id: scene}, []) == {}
    assert pictures_of({"after": {scene.id: [{"frames": SHOWN.model_dump_json()}]}}, {}, []) == {}
