"""The prompt of a policy that sees: frames by camera and time, the driven history, and what is wanted.

AR1's chat layout (`docs/vision.md`): a system line; the user's frames, of every camera its name and then its frames
from old to new with their numbers, the history as tokens, and the instruction; the assistant reasons and drives.

Dimensions: C cameras, T frames of a camera, H W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ar1_rl.driving import HISTORY_END, HISTORY_START, Observation
from ar1_rl.errors import SceneError

from ..config import FramesLayout
from ..prompts import Message, PromptBuilder


@dataclass(frozen=True, eq=False)
class CameraView:
    """What one camera saw, oldest frame first."""

    camera: str
    images: tuple[Any, ...]
    """PIL images."""


LookUp = Callable[[Observation], Sequence[CameraView]]
"""The frames of an observation. Whoever gives them decodes each once: rollouts of a scene share them by reference."""


def camera_views(cameras: Sequence[str], images_CTHW3: Sequence[np.ndarray]) -> tuple[CameraView, ...]:
    """Views of cameras and their frames [C, T, H, W, 3], uint8; a camera may have another size than the next."""
    if len(cameras) != len(images_CTHW3):
        raise SceneError(f"{len(images_CTHW3)} cameras' frames for {len(cameras)} camera names: {', '.join(cameras)}")
    return tuple(
        CameraView(camera, tuple(as_image(frame_HW3) for frame_HW3 in frames))
        for camera, frames in zip(cameras, images_CTHW3, strict=True)
    )


def as_image(frame_HW3: Any) -> Any:
    """A PIL image of a frame [H, W, 3], uint8 (or of what is one); SceneError for anything else."""
    from PIL import Image

    if isinstance(frame_HW3, Image.Image):
        return frame_HW3.convert("RGB")
    frame = np.asarray(frame_HW3)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3:
        raise SceneError(f"a frame is uint8 [H, W, 3] or a PIL image, got {frame.dtype} {list(frame.shape)}")
    return Image.fromarray(frame)


def frames_prompt(look_up: LookUp, layout: FramesLayout | None = None) -> PromptBuilder:
    """A builder of prompts with the frames of the observation, and without a word on what is in them."""
    written = layout or FramesLayout()

    def build(observation: Observation, history: str) -> list[Message]:
        return frames_messages(look_up(observation), history, written)

    return build


def frames_messages(views: Sequence[CameraView], history: str, layout: FramesLayout) -> list[Message]:
    """Chat messages of frames and history tokens."""
    parts: list[dict[str, Any]] = []
    for view in views:
        if layout.camera_names:
            parts.append(_text(f"{view.camera.replace('_', ' ')} camera "))
        for number, image in enumerate(view.images):
            if layout.frame_numbers:
                parts.append(_text(f"frame {number} "))
            parts.append({"type": "image", "image": image})
    parts.append(_text(f"{HISTORY_START}{history}{HISTORY_END}{layout.instruction}"))
    system = [{"role": "system", "content": [_text(layout.system)]}] if layout.system else []
    return [*system, {"role": "user", "content": parts}]


def words_of(layout: FramesLayout, cameras: Sequence[str], frames: int) -> str:
    """Every word that a prompt of that layout can have, for a tokenizer by words."""
    views = [CameraView(camera, (None,) * frames) for camera in cameras]
    messages = frames_messages(views, "", layout)
    return " ".join(part["text"] for message in messages for part in message["content"] if part["type"] == "text")


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
