"""Which frames a policy gets."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from ..config import ConfigModel
from ..driving.trajectory import DT_S, HISTORY_STEPS


class FramesConfig(ConfigModel):
    """Cameras, size and number of the frames: by default 4 of each camera at 10 Hz, as Alpamayo-R1 has them."""

    cameras: tuple[str, ...] | None = Field(None, strict=False, min_length=1)
    """Names, in order; unset: front_wide and front_tele of scenes that are rendered, else every camera there is."""
    width_px: int = Field(96, ge=8, le=4096)
    height_px: int = Field(64, ge=8, le=4096)
    """Recorded images are scaled to this size, each axis by its own factor, and so is their calibration."""
    count: int = Field(4, ge=1, le=HISTORY_STEPS)
    """Frames of each camera; the last one is at t0."""
    every_ticks: Literal[1, 2, 3, 4, 5] = 1
    """Ticks of 0.1 s from one frame to the next."""

    @model_validator(mode="after")
    def _within_the_history(self) -> FramesConfig:
        if (self.count - 1) * self.every_ticks >= HISTORY_STEPS:
            raise ValueError(
                f"{self.count} frames every {self.every_ticks} ticks reach back {(self.count - 1) * self.every_ticks} "
                f"ticks, allowed are {HISTORY_STEPS - 1}"
            )
        return self

    @property
    def ticks_T(self) -> np.ndarray:
        """Ticks of the history at which the frames are taken, the last one is t0."""
        return HISTORY_STEPS - 1 - self.every_ticks * np.arange(self.count - 1, -1, -1)

    @property
    def times_s_T(self) -> np.ndarray:
        """The same as times relative to t0 [s]."""
        return (self.ticks_T - (HISTORY_STEPS - 1)) * DT_S
