"""Images of recorded drives, from the files that an observation refers to. Legend: H rows, W columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..driving.camera import resized
from ..driving.camera_frames import CameraFrames
from ..driving.scene import Frame
from ..driving.trajectory import DT_S
from ..errors import SceneError
from ..scenes.log_frames import parse_video_frame
from .config import FramesConfig
from .video import read_video

OLDEST_S = 1.5 * DT_S
"""A frame may be so much older than the tick for which it is taken."""
TOLERANCE_S = 1e-6


def recorded_frames(frames: Sequence[Frame], config: FramesConfig, told: str) -> CameraFrames:
    """The newest frame of every camera at or before each wanted time, decoded and scaled; `told` is for messages."""
    by_camera: dict[str, list[Frame]] = {}
    for frame in frames:
        by_camera.setdefault(frame.camera.name, []).append(frame)
    names = config.cameras or tuple(by_camera)
    missing = [name for name in names if name not in by_camera]
    if missing:
        raise SceneError(f"{told}: no frames of {missing}, there are cameras {list(by_camera)}; set `cameras` to these")
    picked = [[_newest(by_camera[name], time_s, told) for time_s in config.times_s_T] for name in names]
    size = config.width_px, config.height_px
    pictures = decode([frame for row in picked for frame in row], *size, told)
    return CameraFrames(
        cameras=tuple(resized(row[-1].camera, *size) for row in picked),
        times_s_T=config.times_s_T,
        images_CTHW3=pictures.reshape(len(names), config.count, config.height_px, config.width_px, 3),
    )


def decode(frames: Sequence[Frame], width_px: int, height_px: int, told: str) -> np.ndarray:
    """Images [n, H, W, 3] uint8 in a size; those of one video are decoded in one go.

    Raises SceneError where a file cannot be read or its size is not the camera's.
    """
    pictures: dict[str, np.ndarray] = {}
    videos: dict[tuple[Path, str], dict[int, Frame]] = {}
    for frame in frames:
        place = parse_video_frame(frame.path)
        if place is None:
            pictures[frame.path] = _scaled(frame, _read(frame, told), width_px, height_px, told)
        else:
            videos.setdefault(place[:2], {})[place[2]] = frame
    for (archive, member), wanted in videos.items():
        for number, picture_HW3 in read_video(archive, member, sorted(wanted), told):
            frame = wanted[number]
            pictures[frame.path] = _scaled(frame, picture_HW3, width_px, height_px, told)
    return np.stack([pictures[frame.path] for frame in frames])


def _read(frame: Frame, told: str) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(Path(frame.path)) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise SceneError(f"{told}: image {frame.path}: {error.strerror or error}") from error


def _scaled(frame: Frame, picture_HW3: np.ndarray, width_px: int, height_px: int, told: str) -> np.ndarray:
    from PIL import Image

    got, calibrated = picture_HW3.shape[1::-1], (frame.camera.width_px, frame.camera.height_px)
    if got != calibrated:
        raise SceneError(f"{told}: image {frame.path} has {got} pixels, its calibration is for {calibrated}")
    return np.asarray(Image.fromarray(picture_HW3).resize((width_px, height_px), Image.Resampling.BOX))


def _newest(frames: Sequence[Frame], time_s: float, told: str) -> Frame:
    past = [frame for frame in frames if frame.time_s <= min(time_s, 0.0) + TOLERANCE_S]
    newest = max(past, key=lambda frame: frame.time_s, default=None)
    if newest is None or newest.time_s < time_s - OLDEST_S:
        found = "none" if newest is None else f"the newest is from {newest.time_s:.2f} s"
        raise SceneError(
            f"{told}: camera {frames[0].camera.name} has no frame for {time_s:.1f} s ({found}); "
            "ask for fewer frames, or leave this scene out"
        )
    return newest
