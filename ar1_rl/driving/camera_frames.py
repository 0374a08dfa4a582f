"""The images of a scene as arrays. Legend: C cameras, T times, H rows, W columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .scene import Camera


@dataclass(frozen=True, eq=False, kw_only=True)
class CameraFrames:
    """What every camera saw up to t0, oldest first."""

    cameras: tuple[Camera, ...]
    """With the calibration of the images as they are here."""
    times_s_T: np.ndarray
    """[T] relative to t0, so never positive; the last one is the newest."""
    images_CTHW3: np.ndarray
    """[C, T, H, W, 3] uint8, red, green, blue."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cameras, in the order of the images."""
        return tuple(camera.name for camera in self.cameras)

    def blackened(self) -> CameraFrames:
        """The same cameras and times, and nothing to see."""
        return replace(self, images_CTHW3=np.zeros_like(self.images_CTHW3))
