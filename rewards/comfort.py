"""`comfort` and `jerk`: is the ride within what passengers accept?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from ar1_rl.driving import Completion, Scene
from ar1_rl.driving.kinematics import NUPLAN_WINDOWS, Windows, from_t0, motion
from ar1_rl.errors import ConfigError
from ar1_rl.metrics import COMFORT_NAMES, ComfortBounds, comfort_peaks, comfort_use

from .base import BatchReward, stack_poses
from .score import Score


def comfort_value(use_BC: np.ndarray, mode: Literal["bounds", "graded"]) -> np.ndarray:
    """Value [B] in 0..1 from peak over bound.

    `bounds`: share of bounds kept. `graded`: each bound is worth 1 while kept, and falls to 0 at twice the bound.
    """
    credit_BC = (use_BC <= 1.0).astype(float) if mode == "bounds" else np.clip(2.0 - use_BC, 0.0, 1.0)
    return credit_BC.mean(axis=1)


@dataclass(frozen=True)
class Comfort(BatchReward):
    """Share of the six comfort bounds kept (0..1), or a graded form of it. Judges every trajectory."""

    name: str = "comfort"
    mode: Literal["bounds", "graded"] = "bounds"
    bounds: ComfortBounds = field(default_factory=ComfortBounds)
    windows: Windows = NUPLAN_WINDOWS
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.mode not in ("bounds", "graded"):
            raise ConfigError(f"comfort.mode: got {self.mode!r}, allowed 'bounds', 'graded'")
        # A config gives plain mappings.
        if isinstance(self.bounds, dict):
            object.__setattr__(self, "bounds", ComfortBounds(**self.bounds))
        if isinstance(self.windows, dict):
            object.__setattr__(self, "windows", Windows(**self.windows))

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score decodable completions; the scenes do not matter."""
        peaks = comfort_peaks(stack_poses(completions, self.name), windows=self.windows)
        use_BC = comfort_use(peaks, self.bounds)
        values = comfort_value(use_BC, self.mode).tolist()
        names = tuple(f"{name.rsplit('_', 1)[0]}_peak_{name.rsplit('_', 1)[1]}" for name in peaks)
        rows = np.stack(list(peaks.values()), axis=1).tolist()
        broken = (use_BC > 1.0).tolist()
        return [
            Score(value, dict(zip(names, row, strict=True)), _why(over))
            for value, row, over in zip(values, rows, broken, strict=True)
        ]


def _why(broken_C: list[bool]) -> str:
    if not any(broken_C):
        return "all bounds kept"
    return "over the bound: " + ", ".join(name for name, over in zip(COMFORT_NAMES, broken_C, strict=True) if over)


@dataclass(frozen=True)
class Jerk(BatchReward):
    """-mean jerk [m/s³] over the future, at most `clip_mps3`: the J of Alpamayo-R1's trajectory reward."""

    name: str = "jerk"
    clip_mps3: float = 20.0
    windows: Windows = NUPLAN_WINDOWS

    def __post_init__(self) -> None:
        if not self.clip_mps3 > 0:
            raise ConfigError(f"jerk.clip_mps3: got {self.clip_mps3!r}, allowed above 0 m/s³")
        if isinstance(self.windows, dict):
            object.__setattr__(self, "windows", Windows(**self.windows))

    @property
    def value_range(self) -> tuple[float, float]:
        """From minus the clip to 0."""
        return -self.clip_mps3, 0.0

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score decodable completions; the scenes do not matter."""
        poses_BT3 = from_t0(stack_poses(completions, self.name))
        jerk_B = motion(poses_BT3, windows=self.windows).jerk_mps3_BU.mean(axis=1).tolist()
        return [
            Score(-min(jerk, self.clip_mps3), {"jerk_mean_mps3": jerk}, f"mean jerk {jerk:.2f} m/s³") for jerk in jerk_B
        ]
