"""A recorded drive as every source delivers it, and the split of drives into train, validation and test.

A source reads its own files into a `Log` in world coordinates; `windows.py` turns logs into scenes. Splits are made by
log and never by window, since windows of one drive overlap.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ar1_rl.driving.scene import Lane
from ar1_rl.errors import SceneError

from .log_frames import LogCamera

DATA_ROOT_VARIABLE = "AR1_RL_DATA"
DEFAULT_DATA_ROOT = "../shared/data"

SPLITS = ("train", "validation", "test")
TEST_SHARE = 0.25
"""Share of a source's logs that is held out for the test, rounded, but at least one of two logs."""
VALIDATION_SHARE = 0.15
"""Likewise for validation, at least one of three logs."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Track:
    """Another road user over a log: N sightings at increasing times, poses (x, y, yaw) of the box centre."""

    track_id: str
    kind: str
    length_m: float
    width_m: float
    times_s_N: np.ndarray
    poses_N3: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class Crosswalk:
    """A pedestrian crossing as a polygon [N, 2]."""

    crosswalk_id: str
    polygon_N2: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class TrafficLight:
    """A light for one lane: N states (of `LIGHT_STATES`) seen at increasing times, and its stop line on that lane."""

    light_id: str
    lane_id: str
    position_2: np.ndarray
    times_s_N: np.ndarray
    states_N: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Log:
    """One drive in world coordinates; None where the source does not know, and unless the source says otherwise.

    Example: `Log(source="kitti_odometry", name="06", path="poses/06.txt", start_us=0, times_s_N=..., poses_N3=...,
    ego_size_m=(4.77, 1.82))`.
    """

    source: str
    name: str
    path: str
    """Where it was read from, for error messages."""
    start_us: int
    """Clock of the log at time 0 [us]."""
    times_s_N: np.ndarray
    """[N] strictly increasing."""
    poses_N3: np.ndarray
    """[N, 3] x, y, yaw of the ego's rear axle, where a car does not slip sideways."""
    ego_size_m: tuple[float, float]
    ego_center_ahead_m: float = 0.0
    """From the rear axle to the centre of the ego's box [m]."""
    keyframes_s_K: np.ndarray | None = None
    """[K] times that may serve as t0: the ego pose and every track are sampled at them, so that what is seen up to t0
    is interpolated from samples up to t0. None: the time of every ego pose."""
    tracks: tuple[Track, ...] | None = None
    lanes: tuple[Lane, ...] | None = None
    drivable_area: tuple[np.ndarray, ...] | None = None
    crosswalks: tuple[Crosswalk, ...] | None = None
    lights: tuple[TrafficLight, ...] | None = None
    cameras: tuple[LogCamera, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.times_s_N)
        if count < 2:
            raise SceneError(f"{self.path}: {count} ego poses, at least 2 are needed")
        if self.poses_N3.shape != (count, 3):
            raise SceneError(f"{self.path}: ego poses have shape {self.poses_N3.shape}, {(count, 3)} is right")
        bad = np.flatnonzero(~np.isfinite(self.poses_N3).all(axis=1) | ~np.isfinite(self.times_s_N))
        if len(bad):
            raise SceneError(f"{self.path}: {len(bad)} ego poses are not finite, the first is number {bad[0]}")
        check_times(self.path, self.times_s_N)

    @property
    def episode(self) -> str:
        """Name that is unique over sources, e.g. "kitti_odometry/06"."""
        return f"{self.source}/{self.name}"

    @property
    def t0_s_K(self) -> np.ndarray:
        """[K] times that may serve as t0: the keyframes, or every ego pose."""
        return self.times_s_N if self.keyframes_s_K is None else self.keyframes_s_K

    @property
    def duration_s(self) -> float:
        """From the first ego pose to the last."""
        return float(self.times_s_N[-1] - self.times_s_N[0])


@dataclass(frozen=True)
class LogSource:
    """How the logs of one format are found beneath a folder, named, and read."""

    name: str
    find: Callable[[Path], list[Path]]
    """Paths of all logs beneath a folder, sorted; empty where there are none."""
    name_of: Callable[[Path], str]
    """Name of the log at a path, from the path alone; equal for two copies of one log."""
    read: Callable[[Path], Log]
    """Raises SceneError naming file and reason."""
    layout: str
    """The files it looks for, for messages."""


def check_times(path: str | Path, times_s_N: np.ndarray) -> None:
    """Raises SceneError where the times of the ego's poses do not increase strictly."""
    back = np.flatnonzero(np.diff(times_s_N) <= 0.0)
    if len(back):
        raise SceneError(f"{path}: time does not increase after ego pose number {back[0]}")


def data_root(root: str | Path | None = None) -> Path:
    """The folder with real logs: `root`, else $AR1_RL_DATA, else ../shared/data; SceneError where it does not exist."""
    path = Path(root if root is not None else os.environ.get(DATA_ROOT_VARIABLE) or DEFAULT_DATA_ROOT)
    if not path.is_dir():
        raise SceneError(
            f"no folder with driving logs at {path} (absolute: {path.absolute()}); "
            f"set {DATA_ROOT_VARIABLE} to the folder that holds them"
        )
    return path


def split_logs(episodes: Sequence[str], held_out: Sequence[str] = ()) -> dict[str, str]:
    """Episode "source/name" -> "train", "validation" or "test", the same for the same names on every machine.

    Without `held_out`, each source gives a quarter of its logs to the test (one of two at least) and 15 % to validation
    (one of three at least), in the order of a hash of their names. With it, the test holds those logs and no others;
    names are "source/name", or "name" alone. Raises SceneError for a name that matches no log, or several.
    """
    named = {_match(name, episodes) for name in held_out}
    assignment = {}
    for source in sorted({episode.split("/")[0] for episode in episodes}):
        ranked = sorted((e for e in set(episodes) if e.split("/")[0] == source), key=_stable_rank)
        tests = [e for e in ranked if e in named] if named else ranked[: _share(len(ranked), TEST_SHARE, 2)]
        rest = [e for e in ranked if e not in tests]
        validations = rest[: _share(len(ranked), VALIDATION_SHARE, 3)] if len(rest) > 1 else []
        assignment.update(dict.fromkeys(rest, "train"))
        assignment.update(dict.fromkeys(validations, "validation"))
        assignment.update(dict.fromkeys(tests, "test"))
    return assignment


def _share(count: int, share: float, at_least_one_of: int) -> int:
    return max(1, round(share * count)) if count >= at_least_one_of else 0


def _stable_rank(episode: str) -> str:
    return hashlib.sha256(episode.encode()).hexdigest()


def _match(name: str, episodes: Sequence[str]) -> str:
    matches = [e for e in episodes if name in (e, e.split("/", 1)[1])]
    if len(matches) != 1:
        what = f"matches {sorted(matches)}" if matches else "matches no log"
        raise SceneError(f"held-out log {name!r} {what}; logs found: {', '.join(sorted(episodes))}")
    return matches[0]
