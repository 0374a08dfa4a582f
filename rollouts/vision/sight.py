"""What a policy that sees is shown of a scene, and how it stands in the prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ar1_rl.driving import Scene
from ar1_rl.frames import CameraFrames, FrameReader, FramesConfig

from ..config import FramesLayout, ShownFrames
from ..prompts import Message
from .prompt import camera_views, frames_messages

Read = Callable[[Scene], CameraFrames]
"""The frames of a scene. Whoever gives them decodes each once: the rollouts of a scene share them by reference."""


@dataclass(frozen=True)
class Sight:
    """Frames of scenes, each decoded once as long as it is among the last that were asked about."""

    read: Read
    frames: FramesConfig
    """With a scene's id it says which frames these are, without a copy of them."""
    layout: FramesLayout

    @classmethod
    def of(cls, shown: ShownFrames) -> Sight:
        """The frames that a config asks for."""
        frames = FramesConfig(**shown.model_dump(exclude={"layout"}))
        return cls(read=FrameReader(frames), frames=frames, layout=shown.layout)

    def messages(self, scene: Scene, history: str) -> list[Message]:
        """Chat messages of a scene and its history, written as trajectory tokens."""
        frames = self.read(scene)
        return frames_messages(camera_views(frames.names, list(frames.images_CTHW3)), history, self.layout)

    def instead(self, read: Read) -> Sight:
        """The same prompt with other frames, such as none of the scene's own."""
        return replace(self, read=read)
