"""Camera frames of scenes: rendered from synthetic worlds, or read from the files of a recorded drive."""

from ..driving.camera_frames import CameraFrames
from .config import FramesConfig
from .frames_of import FrameReader, camera_names, frames_of, has_frames, pil_images
from .render import render

__all__ = [
    "CameraFrames",
    "FrameReader",
    "FramesConfig",
    "camera_names",
    "frames_of",
    "has_frames",
    "pil_images",
    "render",
]
