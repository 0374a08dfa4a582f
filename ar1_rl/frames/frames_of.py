"""The frames of a scene, wherever they come from: the one function that the rest of the library asks."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from ..driving.camera import FRONT_CAMERAS
from ..driving.camera_frames import CameraFrames
from ..driving.scene import Scene
from ..errors import SceneError
from ..scenes.synthetic.build import SOURCE as SYNTHETIC
from .config import FramesConfig
from .recorded import recorded_frames
from .render import render

if TYPE_CHECKING:
    from PIL.Image import Image


def has_frames(scene: Scene) -> bool:
    """Whether there is anything that a camera has seen, or can be made to see."""
    return bool(scene.observation.frames) or scene.source == SYNTHETIC


def frames_of(scene: Scene, config: FramesConfig | None = None) -> CameraFrames:
    """What the cameras saw up to t0: decoded from files where the observation refers to some, else rendered.

    A pure function; a scene holds no pixels, so ask once for a scene, or through a `FrameReader`.

    Raises:
        SceneError: the scene's source has no cameras, or too few frames of them, or a file cannot be read.
    """
    config = config or FramesConfig()
    if scene.observation.frames:
        return recorded_frames(scene.observation.frames, config, f"scene {scene.id}")
    if scene.source == SYNTHETIC:
        return render(scene.observation, scene.drivable_area, config)
    raise SceneError(
        f"scene {scene.id}: source {scene.source!r} has no camera frames; "
        "synthetic scenes have, and logs whose images are there"
    )


def camera_names(scene: Scene, config: FramesConfig) -> tuple[str, ...]:
    """Whose frames a config asks for of a scene, in their order, without decoding any."""
    recorded = dict.fromkeys(frame.camera.name for frame in scene.observation.frames)
    return config.cameras or tuple(recorded) or FRONT_CAMERAS


def pil_images(frames: CameraFrames) -> list[Image]:
    """The images one by one, camera by camera, in each from the oldest to the newest."""
    from PIL import Image

    return [Image.fromarray(image_HW3) for images_THW3 in frames.images_CTHW3 for image_HW3 in images_THW3]


class FrameReader:
    """Frames of scenes, decoded once as long as they are among the last `keep` scenes that were asked for.

    Scenes are told apart by their ids, as everywhere: two scenes of one id have the same frames.
    """

    def __init__(self, config: FramesConfig | None = None, keep: int = 64) -> None:
        self.config = config or FramesConfig()
        self.keep = keep
        self.decoded = 0
        """How often frames were decoded or rendered."""
        self._kept: OrderedDict[str, CameraFrames] = OrderedDict()

    def __call__(self, scene: Scene) -> CameraFrames:
        """The frames of a scene."""
        found = self._kept.get(scene.id)
        if found is None:
            found = self._kept[scene.id] = frames_of(scene, self.config)
            self.decoded += 1
        self._kept.move_to_end(scene.id)
        while len(self._kept) > self.keep:
            self._kept.popitem(last=False)
        return found
