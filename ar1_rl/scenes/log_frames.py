"""The images of a recorded drive, by reference: which of them belong to a scene. Legend: N images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ar1_rl.driving.scene import Camera, Frame
from ar1_rl.driving.trajectory import DT_S, HISTORY_STEPS
from ar1_rl.errors import SceneError

_TOLERANCE_S = 1e-6

IN_ARCHIVE, NUMBERED = "::", "#"
"""In the path of a frame: what comes before the member of an archive, and before the number of a picture."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LogCamera:
    """A camera of a log, and N images at increasing times [s] of the log's clock."""

    camera: Camera
    """Mounted on the ego: its pose is that in the frame of the ego's poses."""
    times_s_N: np.ndarray
    paths_N: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.times_s_N) != len(self.paths_N):
            raise SceneError(
                f"camera {self.camera.name}: {len(self.times_s_N)} times for {len(self.paths_N)} images, "
                f"the first of them {self.paths_N[:1]}"
            )
        if (np.diff(self.times_s_N) <= 0.0).any():
            raise SceneError(f"camera {self.camera.name}: the times of its images do not increase, {self.paths_N[:1]}")


def frames_up_to(cameras: Sequence[LogCamera], t0_s: float) -> tuple[Frame, ...]:
    """Of each camera the newest image at or before every tick of the history, oldest first, each once; none after t0.

    A camera without an image in the last tick before t0 has none: what it saw earlier would pass for the present.
    """
    frames: list[Frame] = []
    ticks_s_T = t0_s + DT_S * np.arange(1 - HISTORY_STEPS, 1)
    for source in cameras:
        newest_T = np.searchsorted(source.times_s_N, ticks_s_T + _TOLERANCE_S, side="right") - 1
        known_T = newest_T[newest_T >= 0]
        chosen = [i for i in np.unique(known_T).tolist() if source.times_s_N[i] > ticks_s_T[0] - 2 * DT_S]
        if not chosen or source.times_s_N[chosen[-1]] <= t0_s - 1.5 * DT_S:
            continue
        frames += [
            Frame(camera=source.camera, time_s=min(float(source.times_s_N[i]) - t0_s, 0.0), path=source.paths_N[i])
            for i in chosen
        ]
    return tuple(frames)


def video_frame(archive: Path, member: str, number: int) -> str:
    """The path of a frame that is one picture of a video in a zip archive."""
    return f"{archive}{IN_ARCHIVE}{member}{NUMBERED}{number}"


def parse_video_frame(path: str) -> tuple[Path, str, int] | None:
    """Archive, member and number of such a path; None for the path of an image file."""
    archive, inside, rest = path.partition(IN_ARCHIVE)
    member, numbered, number = rest.rpartition(NUMBERED)
    return (Path(archive), member, int(number)) if inside and numbered and number.isdigit() else None
