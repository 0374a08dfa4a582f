"""Argoverse 2 sensor logs: ego poses, 3D boxes and the vector map (Wilson et al. 2021; data CC BY-NC-SA 4.0).

A log is a folder with `city_SE3_egovehicle.feather`; `annotations.feather` (or `annotations_with_ego.feather`, the form
of the scenario mining challenge) and `map/log_map_archive_*.json` are read where they are there. The ego pose is the
centre of the rear axle; boxes are given in the ego frame of their own timestamp. Traffic lights and signs are not in
these logs: the only controls are the map's crosswalks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ar1_rl.errors import MissingDependencyError, SceneError

from .argoverse2_map import MAP_FILES, read_map
from .logs import Log, LogSource, Track
from .rigs import first_not_finite, rotations, yaws

POSES_FILE = "city_SE3_egovehicle.feather"
ANNOTATION_FILES = ("annotations.feather", "annotations_with_ego.feather")
QUATERNION = ("qw", "qx", "qy", "qz")
POSITION = ("tx_m", "ty_m", "tz_m")
POSE_COLUMNS = ("timestamp_ns", *QUATERNION, *POSITION)
BOX_COLUMNS = (*POSE_COLUMNS, "track_uuid", "category", "length_m", "width_m")

EGO_SIZE_M = (4.877, 2.0)
"""Length and width of the recording cars, as the challenge's EGO_VEHICLE boxes state them."""
EGO_CENTER_AHEAD_M = 1.35
"""From the rear axle to the box centre: half the wheelbase (2.85 m, Ford Fusion) less the longer rear overhang; an
estimate, since the logs put the ego box at the axle."""
EGO_CATEGORY = "EGO_VEHICLE"
SAME_STAMP_NS = 1_000_000
"""The pose table repeats stamps a nanosecond apart; poses come at 100 to 200 Hz."""
POSE_OF_BOX_NS = 10_000_000
"""A box needs an ego pose within this time."""

KINDS = {
    "REGULAR_VEHICLE": "car",
    "LARGE_VEHICLE": "truck",
    "TRUCK": "truck",
    "BOX_TRUCK": "truck",
    "TRUCK_CAB": "truck",
    "VEHICULAR_TRAILER": "truck",
    "BUS": "bus",
    "SCHOOL_BUS": "bus",
    "ARTICULATED_BUS": "bus",
    "RAILED_VEHICLE": "bus",
    "MOTORCYCLE": "motorcycle",
    "MOTORCYCLIST": "motorcycle",
    "BICYCLE": "bicycle",
    "BICYCLIST": "bicycle",
    "WHEELED_RIDER": "bicycle",
    "PEDESTRIAN": "pedestrian",
    "STROLLER": "pedestrian",
    "WHEELCHAIR": "pedestrian",
    "OFFICIAL_SIGNALER": "pedestrian",
}
"""Category -> agent kind; all others (bollards, cones, signs, animals, ...) are "other"."""


def find(root: Path) -> list[Path]:
    """Log folders anywhere beneath `root`, those that lack their pose file included (reading them says so)."""
    folders = {path.parent for name in (POSES_FILE, *ANNOTATION_FILES) for path in root.rglob(name)}
    folders |= {path.parent.parent for path in root.rglob(MAP_FILES)}
    return sorted(folders)


def read(folder: Path) -> Log:
    """The log in a folder; raises SceneError naming file and reason."""
    poses = _table(folder / POSES_FILE, POSE_COLUMNS)
    stamps_N = poses["timestamp_ns"]
    order_N = np.argsort(stamps_N, kind="stable")
    fresh_N = order_N[np.diff(stamps_N[order_N], prepend=stamps_N.min() - 2 * SAME_STAMP_NS) > SAME_STAMP_NS]
    poses = {name: column[fresh_N] for name, column in poses.items()}
    start_ns = int(poses["timestamp_ns"][0])
    times_s_N = (poses["timestamp_ns"] - start_ns) / 1e9
    rotations_N33 = rotations(_columns(poses, QUATERNION))
    tracks, keyframes_s_K = None, times_s_N
    annotations = [folder / name for name in ANNOTATION_FILES if (folder / name).exists()]
    if annotations:
        tracks, keyframes_s_K = _tracks(annotations[0], poses, times_s_N, rotations_N33)
    lanes, area, crosswalks = read_map(folder)
    return Log(
        source=SOURCE.name,
        name=folder.name,
        path=str(folder),
        start_us=start_ns // 1000,
        times_s_N=times_s_N,
        poses_N3=np.column_stack([poses["tx_m"], poses["ty_m"], yaws(rotations_N33)]),
        keyframes_s_K=keyframes_s_K,
        tracks=tracks,
        lanes=lanes,
        drivable_area=area,
        crosswalks=crosswalks,
        ego_size_m=EGO_SIZE_M,
        ego_center_ahead_m=EGO_CENTER_AHEAD_M,
    )


def _table(path: Path, columns: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of a feather file, complete and finite."""
    try:
        import pyarrow
        from pyarrow import feather
    except ImportError as error:
        raise MissingDependencyError("Argoverse 2 logs are feather files: pip install pyarrow") from error
    if not path.exists():
        raise SceneError(f"{path}: the file is missing; an Argoverse 2 log has {SOURCE.layout}")
    try:
        table = feather.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise SceneError(f"{path}: cannot be read as feather ({error}); it may be truncated, fetch it again") from error
    lacking = [name for name in columns if name not in table.column_names]
    if lacking:
        raise SceneError(f"{path}: lacks columns {lacking}, has {table.column_names}")
    if table.num_rows == 0:
        raise SceneError(f"{path}: holds no rows")
    arrays = {name: table[name].to_numpy() for name in columns}
    for name, array in arrays.items():
        row = first_not_finite(array) if array.dtype.kind == "f" else None
        if row is not None:
            raise SceneError(f"{path}: column {name} is not finite in row {row}")
    return arrays


def _columns(table: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([table[name] for name in names])


def _tracks(
    path: Path, poses: dict[str, np.ndarray], times_s_N: np.ndarray, rotations_N33: np.ndarray
) -> tuple[tuple[Track, ...], np.ndarray]:
    """All tracks but the ego's in city coordinates, and the times at which boxes were drawn."""
    boxes = _table(path, BOX_COLUMNS)
    after_B = np.clip(np.searchsorted(poses["timestamp_ns"], boxes["timestamp_ns"]), 1, len(times_s_N) - 1)
    left_B, right_B = (np.abs(poses["timestamp_ns"][after_B - k] - boxes["timestamp_ns"]) for k in (1, 0))
    pose_B = np.where(left_B < right_B, after_B - 1, after_B)
    apart_ns = int(np.minimum(left_B, right_B).max())
    if apart_ns > POSE_OF_BOX_NS:
        raise SceneError(
            f"{path}: a box has no ego pose within {POSE_OF_BOX_NS / 1e6:.0f} ms, off by {apart_ns / 1e6} ms"
        )
    offsets_B3 = _columns(boxes, POSITION)
    ego_B3 = _columns(poses, POSITION)[pose_B]
    centers_B3 = np.einsum("bij,bj->bi", rotations_N33[pose_B], offsets_B3) + ego_B3
    yaws_B = yaws(rotations_N33[pose_B] @ rotations(_columns(boxes, QUATERNION)))
    poses_B3 = np.column_stack([centers_B3[:, :2], yaws_B])
    tracks = []
    for track_id in dict.fromkeys(boxes["track_uuid"].tolist()):
        rows = np.flatnonzero(boxes["track_uuid"] == track_id)
        rows = rows[np.unique(pose_B[rows], return_index=True)[1]]
        category = boxes["category"][rows[0]]
        if category != EGO_CATEGORY:
            track = Track(
                track_id=str(track_id),
                kind=KINDS.get(category, "other"),
                length_m=float(np.median(boxes["length_m"][rows])),
                width_m=float(np.median(boxes["width_m"][rows])),
                times_s_N=times_s_N[pose_B[rows]],
                poses_N3=poses_B3[rows],
            )
            tracks.append(track)
    return tuple(tracks), times_s_N[np.unique(pose_B)]


SOURCE = LogSource(
    name="argoverse2",
    find=find,
    name_of=lambda folder: folder.name,
    read=read,
    layout=f"{POSES_FILE}, and maybe {' or '.join(ANNOTATION_FILES)} and {MAP_FILES}",
)
