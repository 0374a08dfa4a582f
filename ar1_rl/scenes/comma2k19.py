"""comma2k19: one minute of highway at a time, camera poses at 20 Hz (Schafer et al. 2018; data MIT).

A log is a segment's folder with `global_pose/`: numpy arrays of the times, positions, velocities and orientations of
the road camera, positions and velocities in the earth's frame (ECEF, WGS 84), orientations as quaternions of the camera
(forward, right, down) in it. Neither agents nor a map come with it, and its images are a video, which is not read.

The poses are those of an optimiser over satellites, gyroscope and images: positions agree with the velocities given
beside them to 2 cm/s, and speed with the wheels' to 1 %, so they are not smoothed. The camera is not mounted quite
straight: its yaw against the way the car goes, 0.9 degrees in the sample, is measured in each log and taken off.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ar1_rl.driving.trajectory import wrap_angle
from ar1_rl.errors import SceneError

from .logs import Log, LogSource, check_times
from .rigs import behind, first_not_finite, rotations, yaws

POSES = "global_pose"
WIDTHS = {"frame_times": (), "frame_positions": (3,), "frame_velocities": (3,), "frame_orientations": (4,)}
"""Arrays that are read, and the shape of a row of each."""

EARTH_RADIUS_M = 6378137.0
EARTH_FLATTENING = 1.0 / 298.257223563
"""WGS 84."""

EGO_SIZE_M = (4.63, 1.80)
"""Length and width of a Honda Civic (2016), in which most was recorded; chunks 1 and 2 are of a Toyota RAV4, 4.60 by
1.84 m."""
EGO_CENTER_AHEAD_M = 1.3
"""From the rear axle to the box centre: half the wheelbase (2.70 m) less the longer rear overhang; an estimate."""
CAMERA_AHEAD_OF_REAR_AXLE_M = 1.7
"""Behind the windscreen; an estimate. Being off by 0.5 m shifts the ego by 1 cm across at 0.02 rad/s and 1 m/s."""
STEADY_MPS = 5.0
"""Above this speed the direction of travel is known well enough to calibrate the camera by it."""


def find(root: Path) -> list[Path]:
    """Segment folders anywhere beneath `root`."""
    return sorted(path.parent for path in root.rglob(POSES) if path.is_dir())


def name_of(folder: Path) -> str:
    """The folder's name; of a numbered segment with that of its route, "dongle|start_segment"."""
    return f"{folder.parent.name}_{folder.name}" if folder.name.isdigit() else folder.name


def read(folder: Path) -> Log:
    """The log in a segment's folder; raises SceneError naming file and reason."""
    arrays = {name: _array(folder / POSES / name, shape) for name, shape in WIDTHS.items()}
    times_s_N, position_N3 = arrays["frame_times"], arrays["frame_positions"]
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise SceneError(f"{folder / POSES}: the arrays have different lengths: {counts}")
    check_times(folder, times_s_N)
    local_33 = east_north_up(position_N3[0])
    moved_N3 = (position_N3 - position_N3[0]) @ local_33.T
    velocity_N3 = arrays["frame_velocities"] @ local_33.T
    yaw_N = yaws(local_33 @ rotations(arrays["frame_orientations"]))
    yaw_N = yaw_N - mounting_yaw(times_s_N, yaw_N, velocity_N3)
    return Log(
        source=SOURCE.name,
        name=name_of(folder),
        path=str(folder),
        start_us=round(float(times_s_N[0]) * 1e6),
        times_s_N=times_s_N - times_s_N[0],
        poses_N3=behind(np.column_stack([moved_N3[:, :2], yaw_N]), CAMERA_AHEAD_OF_REAR_AXLE_M),
        ego_size_m=EGO_SIZE_M,
        ego_center_ahead_m=EGO_CENTER_AHEAD_M,
    )


def east_north_up(position_3: np.ndarray) -> np.ndarray:
    """[3, 3] from ECEF to the plane that touches the ellipsoid at a position [m]; rows east, north, up.

    Latitude by Bowring's formula (1976), right to a millionth of a degree near the ground.
    """
    x, y, z = position_3
    second_radius_m = EARTH_RADIUS_M * (1.0 - EARTH_FLATTENING)
    square = EARTH_FLATTENING * (2.0 - EARTH_FLATTENING)
    from_axis_m = np.hypot(x, y)
    parametric = np.arctan2(z * EARTH_RADIUS_M, from_axis_m * second_radius_m)
    latitude = np.arctan2(
        z + square / (1.0 - square) * second_radius_m * np.sin(parametric) ** 3,
        from_axis_m - square * EARTH_RADIUS_M * np.cos(parametric) ** 3,
    )
    longitude = np.arctan2(y, x)
    (sin_lat, cos_lat), (sin_lon, cos_lon) = ((np.sin(a), np.cos(a)) for a in (latitude, longitude))
    return np.array(
        [
            [-sin_lon, cos_lon, 0.0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )


def mounting_yaw(times_s_N: np.ndarray, yaw_N: np.ndarray, velocity_N3: np.ndarray) -> float:
    """How far the camera is turned to the left of the car [rad]; 0 where the car never drives.

    The median of its yaw against the way it goes, less what it slips sideways in a bend, being ahead of the rear axle.
    """
    speed_N = np.linalg.norm(velocity_N3[:, :2], axis=1)
    steady_N = speed_N > STEADY_MPS
    if len(times_s_N) < 2 or not steady_N.any():
        return 0.0
    rate_N = np.gradient(np.unwrap(yaw_N), times_s_N)
    slip_N = CAMERA_AHEAD_OF_REAR_AXLE_M * rate_N / np.maximum(speed_N, STEADY_MPS)
    course_N = np.arctan2(velocity_N3[:, 1], velocity_N3[:, 0])
    return float(np.median(wrap_angle(yaw_N + slip_N - course_N)[steady_N]))


def _array(path: Path, row: tuple[int, ...]) -> np.ndarray:
    if not path.exists():
        raise SceneError(f"{path}: the file is missing; a comma2k19 segment has {SOURCE.layout}")
    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SceneError(f"{path}: cannot be read as a numpy array ({error}); it may be truncated") from error
    if array.ndim != 1 + len(row) or array.shape[1:] != row or array.dtype.kind not in "fiu" or len(array) == 0:
        raise SceneError(f"{path}: an array of {array.dtype} with shape {array.shape}, {('N', *row)} numbers are right")
    bad = first_not_finite(array)
    if bad is not None:
        raise SceneError(f"{path}: is not finite in row {bad}")
    return np.asarray(array, dtype=float)


SOURCE = LogSource(
    name="comma2k19",
    find=find,
    name_of=name_of,
    read=read,
    layout=f"{POSES}/ with {', '.join(WIDTHS)}",
)
