"""The picture that a critic may see: the last frame of the history, never a later one."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from ar1_rl.driving import Scene
from ar1_rl.driving.scene import Frame
from ar1_rl.errors import SceneError

RENDERED_CAMERA, RENDERED_PX = "front_wide", (384, 256)
"""Of a scene without files: larger than small policies see it, for a critic that was trained on photographs."""
SIMULTANEOUS_S = 0.05
"""Cameras of one rig that fire within half a tick show the same moment."""


def last_history_frame(scene: Scene) -> bytes | None:
    """The newest image at or before t0, of several cameras the one that looks ahead; None where there is none.

    Scenes without files whose frames can be rendered are rendered. Raises SceneError where a file cannot be read.
    """
    past = [frame for frame in scene.observation.frames if frame.time_s <= 0.0]
    if not past:
        return None if scene.observation.frames else _rendered(scene)
    newest_s = max(frame.time_s for frame in past)
    moment = [frame for frame in past if frame.time_s >= newest_s - SIMULTANEOUS_S]
    frame = max(moment, key=lambda frame: (round(_ahead(frame), 3), frame.time_s))
    try:
        return Path(frame.path).read_bytes()
    except OSError as error:
        raise SceneError(f"scene {scene.id}: image {frame.path}: {error.strerror}") from error


def _rendered(scene: Scene) -> bytes | None:
    from ar1_rl.frames import FramesConfig, frames_of, has_frames, pil_images

    if not has_frames(scene):
        return None
    width_px, height_px = RENDERED_PX
    config = FramesConfig(cameras=(RENDERED_CAMERA,), width_px=width_px, height_px=height_px, count=1)
    (newest,) = pil_images(frames_of(scene, config))
    written = io.BytesIO()
    newest.save(written, format="PNG")
    return written.getvalue()


def data_url(image: bytes) -> str:
    """An image as a data URL; SceneError where it is of no kind that critics take."""
    return f"data:{_mime_type(image)};base64,{base64.b64encode(image).decode('ascii')}"


def _ahead(frame: Frame) -> float:
    """Cosine of the angle between the optical axis and the ego's x axis."""
    return float(frame.camera.rig_from_camera_44[0, 2])


def _mime_type(image: bytes) -> str:
    if image.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    if image.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    raise SceneError(f"an image that begins with {image[:8]!r} is no JPEG, PNG, WebP or GIF; convert it first")
