"""PhysicalAI-Autonomous-Vehicles: 20 s clips with up to seven cameras (NVIDIA; its own licence, behind a sign-up).

What is read is a local copy, or a part of one, in the layout of the data set's repository: `features.csv` names for
each feature the file of a chunk and the members of a clip in it, `clip_index.parquet` the chunk of each clip. A log is
a clip whose egomotion is there; its cameras are those whose videos are there. Neither agents nor a map are read. Poses
are those of the rig: the middle of the rear axle on the ground, x forward. All times are on the clip's clock.

The lenses are of the f-theta kind: an angle from the optical axis becomes a distance in the image by a polynomial.
`Camera` is a pinhole camera, so what is kept is the one that agrees near the axis, with the polynomial's slope there as
its focal length. It holds for the 30 degrees of the tele camera; towards the edges of the 120 degrees it does not.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.driving.scene import Camera
from ar1_rl.errors import MissingDependencyError, SceneError

from .log_frames import LogCamera, video_frame
from .logs import Log, LogSource
from .rigs import first_not_finite, rotations, yaws

FEATURES, CLIPS = "features.csv", "clip_index.parquet"
EGOMOTION, CAMERA_PREFIX = "egomotion", "camera_"
POSE_COLUMNS = ("timestamp", "qw", "qx", "qy", "qz", "x", "y")
INTRINSICS, EXTRINSICS, DIMENSIONS = "camera_intrinsics", "sensor_extrinsics", "vehicle_dimensions"
NO_CAMERAS = (INTRINSICS,)
"""Features whose names begin like a camera's."""
EGO_SIZE_M, EGO_CENTER_AHEAD_M = (4.87, 1.96), 1.4
"""Where `vehicle_dimensions` is not there: an ordinary car; an estimate."""


def find(root: Path) -> list[Path]:
    """Every clip beneath `root` whose chunk of egomotion is there, as `.../clip_index.parquet/CLIP_ID`."""
    found = []
    for table in sorted(root.rglob(FEATURES)):
        copy = _Copy.at(table.parent)
        if copy is None or EGOMOTION not in copy.features:
            continue
        there: dict[int, bool] = {}
        for clip, chunk in copy.clips():
            if chunk not in there:
                there[chunk] = copy.file(EGOMOTION, chunk).is_file()
            if there[chunk]:
                found.append(table.parent / CLIPS / clip)
    return found


def read(path: Path) -> Log:
    """The log of a clip; raises SceneError naming file and reason."""
    copy, clip = _Copy.at(path.parent.parent), path.name
    if copy is None:
        raise SceneError(f"{path.parent.parent}: no copy of the data set, {FEATURES} or {CLIPS} is missing")
    chunk = dict(copy.clips()).get(clip)
    if chunk is None:
        raise SceneError(f"{path.parent}: clip {clip} is not in the index")
    motion = copy.member_table(EGOMOTION, chunk, clip, EGOMOTION, POSE_COLUMNS)
    stamps = np.asarray(motion["timestamp"], dtype=float)
    columns = np.column_stack([np.asarray(motion[name], dtype=float) for name in POSE_COLUMNS[1:]])
    bad = first_not_finite(columns)
    if bad is not None:
        raise SceneError(f"{path}: egomotion row {bad} holds a number that is not finite")
    size_m, ahead_m = _dimensions(copy, chunk, clip)
    return Log(
        source=SOURCE.name,
        name=clip,
        path=str(path),
        start_us=0,
        times_s_N=stamps / 1e6,
        poses_N3=np.column_stack([columns[:, 4:6], yaws(rotations(columns[:, :4]))]),
        ego_size_m=size_m,
        ego_center_ahead_m=ahead_m,
        cameras=tuple(_cameras(copy, chunk, clip)),
    )


@dataclass(frozen=True)
class _Copy:
    """A local copy of the data set's repository."""

    root: Path
    features: Mapping[str, Mapping[str, str]]
    """Rows of `features.csv` by the feature's name."""

    @classmethod
    def at(cls, root: Path) -> _Copy | None:
        """The copy in a folder; None where the files there are none of this data set."""
        try:
            with open(root / FEATURES, newline="", encoding="utf-8") as lines:
                rows = {row.get("feature", ""): row for row in csv.DictReader(lines)}
        except (OSError, UnicodeDecodeError):
            return None
        known = all("chunk_path" in row for row in rows.values())
        return cls(root, rows) if rows and known and (root / CLIPS).is_file() else None

    def clips(self) -> Iterator[tuple[str, int]]:
        """Clips and their chunks."""
        table = _table(self.root / CLIPS)
        (names, *_), columns = _index(table, self.root / CLIPS)
        if "chunk" not in columns:
            raise SceneError(f"{self.root / CLIPS}: no column chunk, there are {sorted(columns)}")
        return zip(names, (int(chunk) for chunk in columns["chunk"]), strict=True)

    def file(self, feature: str, chunk: int) -> Path:
        """Where the chunk of a feature lies."""
        return self.root / self.features[feature]["chunk_path"].format(chunk_id=chunk)

    def member(self, feature: str, clip: str, key: str) -> str:
        """The name of a clip's file in the zip of a chunk."""
        try:
            return str(json.loads(self.features[feature]["clip_files_in_zip"])[key]).format(clip_id=clip)
        except (KeyError, ValueError) as error:
            raise SceneError(f"{self.root / FEATURES}: feature {feature} names no file {key!r} of a clip") from error

    def member_table(
        self, feature: str, chunk: int, clip: str, key: str, columns: tuple[str, ...]
    ) -> dict[str, list[Any]]:
        """Columns of a clip's table in the zip of a chunk."""
        path, member = self.file(feature, chunk), self.member(feature, clip, key)
        try:
            with zipfile.ZipFile(path) as packed:
                data = packed.read(member)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise SceneError(f"{path}: {member} cannot be read ({error})") from error
        table = _table(io.BytesIO(data), f"{path}: {member}")
        missing = [name for name in columns if name not in table.column_names]
        if missing:
            raise SceneError(f"{path}: {member} has no columns {missing}")
        return {name: table[name].to_pylist() for name in columns}

    def calibration(self, feature: str, chunk: int, clip: str) -> dict[str, dict[str, Any]] | None:
        """Rows of a clip in a calibration table by the sensor's name ("" where it has none); None: no such file."""
        if feature not in self.features or not self.file(feature, chunk).is_file():
            return None
        path = self.file(feature, chunk)
        (clips, *more), columns = _index(_table(path), path)
        sensors = more[0] if more else [""] * len(clips)
        rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
        return {str(sensor): row for owner, sensor, row in zip(clips, sensors, rows, strict=True) if owner == clip}


def _cameras(copy: _Copy, chunk: int, clip: str) -> Iterator[LogCamera]:
    names = [n for n in copy.features if n.startswith(CAMERA_PREFIX) and n not in NO_CAMERAS and "." not in n]
    videos = {name: copy.file(name, chunk) for name in names if copy.file(name, chunk).suffix == ".zip"}
    there = {name: path for name, path in videos.items() if path.is_file()}
    if not there:
        return
    inside, mounted = (copy.calibration(feature, chunk, clip) or {} for feature in (INTRINSICS, EXTRINSICS))
    for name, path in there.items():
        if name not in inside or name not in mounted:
            raise SceneError(f"{path}: clip {clip} has a video, but {INTRINSICS} and {EXTRINSICS} do not name {name}")
        stamps = copy.member_table(name, chunk, clip, "frame_timestamps", ("timestamp",))["timestamp"]
        member = copy.member(name, clip, "video")
        yield LogCamera(
            camera=_pinhole(name, inside[name], mounted[name]),
            times_s_N=np.asarray(stamps, dtype=float) / 1e6,
            paths_N=tuple(video_frame(path, member, number) for number in range(len(stamps))),
        )


def short_name(feature: str) -> str:
    """The camera's name as elsewhere: `camera_front_wide_120fov` is front_wide."""
    words = feature.removeprefix(CAMERA_PREFIX).split("_")
    return "_".join(words[:-1] if words[-1].endswith("fov") else words)


def _pinhole(name: str, inside: Mapping[str, Any], mounted: Mapping[str, Any]) -> Camera:
    pose_44 = np.eye(4)
    pose_44[:3, :3] = rotations(np.array([[mounted[q] for q in ("qw", "qx", "qy", "qz")]], dtype=float))[0]
    pose_44[:3, 3] = [mounted[axis] for axis in ("x", "y", "z")]
    focal_px = float(inside["fw_poly_1"])
    return Camera(
        name=short_name(name),
        intrinsics_33=np.array(
            [[focal_px, 0.0, float(inside["cx"])], [0.0, focal_px, float(inside["cy"])], [0.0, 0.0, 1.0]]
        ),
        rig_from_camera_44=pose_44,
        width_px=int(inside["width"]),
        height_px=int(inside["height"]),
    )


def _dimensions(copy: _Copy, chunk: int, clip: str) -> tuple[tuple[float, float], float]:
    rows = copy.calibration(DIMENSIONS, chunk, clip)
    if not rows:
        return EGO_SIZE_M, EGO_CENTER_AHEAD_M
    row = next(iter(rows.values()))
    return (float(row["length"]), float(row["width"])), float(row["rear_axle_to_bbox_center"])


def _table(source: Path | io.BytesIO, told: str | None = None) -> Any:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingDependencyError("PhysicalAI-AV tables are parquet files: pip install pyarrow") from error
    try:
        return parquet.read_table(source)
    except (OSError, ArrowException) as error:
        raise SceneError(f"{told or source}: cannot be read as a parquet file ({error})") from error


def _index(table: Any, path: Path) -> tuple[list[list[Any]], dict[str, list[Any]]]:
    """The index of a table that pandas wrote, level by level, and its other columns."""
    levels = [name for name in (table.schema.pandas_metadata or {}).get("index_columns", []) if isinstance(name, str)]
    if not levels:
        raise SceneError(f"{path}: the table has no index of clips, its columns are {table.column_names}")
    others = [name for name in table.column_names if name not in levels]
    return [table[name].to_pylist() for name in levels], {name: table[name].to_pylist() for name in others}


SOURCE = LogSource(
    name="physical_ai_av",
    find=find,
    name_of=lambda path: path.name,
    read=read,
    layout="features.csv and clip_index.parquet with the chunks that they name",
)
