"""The frames of the scenes on the page as small pictures: what the policy saw, made again by its rollouts' word."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

from ar1_rl.driving import Scene
from ar1_rl.errors import Ar1RlError
from ar1_rl.frames import FramesConfig, frames_of

LARGEST_PX = 384
"""Of a picture's longer edge."""
MOST_BYTES = 8_000_000
"""Of all pictures of a page; scenes beyond are shown without."""

Picture = tuple[str, str]
"""What it shows, and a data URI."""


def pictures_of(
    rows: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], scenes: Mapping[str, Scene], missing: list[str]
) -> dict[str, list[Picture]]:
    """Scene -> the newest frame of each camera; empty for a run without frames. What is left out goes to `missing`."""
    asked: dict[str, str] = {}
    for of_side in rows.values():
        for identity, found in of_side.items():
            if found and found[0].get("frames"):
                asked.setdefault(identity, found[0]["frames"])
    shown: dict[str, list[Picture]] = {}
    left, failed, size = 0, "", 0
    for identity, written in asked.items():
        if identity not in scenes:
            continue
        if size >= MOST_BYTES:
            left += 1
            continue
        try:
            shown[identity] = newest(scenes[identity], FramesConfig.model_validate_json(written))
        except Ar1RlError as error:
            failed = failed or str(error)
        size += sum(len(source) for _, source in shown.get(identity, []))
    if failed:
        missing.append(f"Some frames cannot be shown: {failed}")
    if left:
        missing.append(f"The frames of {left} scenes are left out, for the size of this page.")
    return shown


def newest(scene: Scene, config: FramesConfig) -> list[Picture]:
    """The frame of each camera at t0."""
    frames = frames_of(scene, config)
    pairs = zip(frames.names, frames.images_CTHW3, strict=True)
    return [(f"{name.replace('_', ' ')} at t0", data_uri(images_THW3[-1])) for name, images_THW3 in pairs]


def data_uri(image_HW3: Any) -> str:
    """A PNG of an image [H, W, 3] uint8, made smaller where it is large."""
    from PIL import Image

    image = Image.fromarray(image_HW3)
    image.thumbnail((LARGEST_PX, LARGEST_PX))
    written = io.BytesIO()
    image.save(written, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"
