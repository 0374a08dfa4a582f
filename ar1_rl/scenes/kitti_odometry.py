"""KITTI odometry: the ground truth path of the left grey camera (Geiger et al. 2012; data CC BY-NC-SA 3.0).

A log is a text file `poses/<sequence>.txt` with a 3x4 matrix, row by row, on each line: camera 0 at that frame in the
frame of the first. The camera looks along +z with +x to the right, so the ground plane is (z, -x). Neither agents nor a
map come with it; images do, see `kitti_frames.py`. Frame times are in `sequences/<sequence>/times.txt` of the full data
set; where that file is not there, frames are taken to be 0.1037 s apart, the mean of the recordings, and the true times
differ from that a little.

The camera sits ahead of the rear axle, so in a bend it slips sideways. Poses are moved back to where they do not: the
sideways speed of the camera over its yaw rate is 0.64 to 1.02 m in the sequences 00 to 09, 0.9 m in the middle.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ar1_rl.errors import SceneError

from .kitti_frames import cameras
from .logs import Log, LogSource
from .rigs import behind, first_not_finite

FRAME_PERIOD_S = 0.1037
CAMERA_AHEAD_OF_REAR_AXLE_M = 0.9
EGO_SIZE_M = (4.77, 1.82)
"""Length and width of the recording car, a VW Passat B6 estate."""
EGO_CENTER_AHEAD_M = 1.3
"""From the rear axle to the box centre: half the wheelbase (2.71 m) less the longer rear overhang; an estimate."""
NUMBERS_PER_LINE = 12


def find(root: Path) -> list[Path]:
    """Files `poses/*.txt` anywhere beneath `root`."""
    return sorted(root.rglob("poses/*.txt"))


def read(path: Path) -> Log:
    """The log in a pose file; raises SceneError naming file and reason."""
    matrices_N34 = _numbers(path, NUMBERS_PER_LINE).reshape(-1, 3, 4)
    bad = first_not_finite(matrices_N34)
    if bad is not None:
        raise SceneError(f"{path}: line {bad + 1} holds a number that is not finite")
    yaw_N = np.arctan2(-matrices_N34[:, 0, 2], matrices_N34[:, 2, 2])
    camera_N3 = np.column_stack([matrices_N34[:, 2, 3], -matrices_N34[:, 0, 3], yaw_N])
    times_s_N = _times(path, len(matrices_N34))
    return Log(
        source=SOURCE.name,
        name=path.stem,
        path=str(path),
        start_us=0,
        times_s_N=times_s_N,
        poses_N3=behind(camera_N3, CAMERA_AHEAD_OF_REAR_AXLE_M),
        ego_size_m=EGO_SIZE_M,
        ego_center_ahead_m=EGO_CENTER_AHEAD_M,
        cameras=cameras(path, times_s_N, CAMERA_AHEAD_OF_REAR_AXLE_M),
    )


def _times(path: Path, count: int) -> np.ndarray:
    stamps = path.parent.parent / "sequences" / path.stem / "times.txt"
    if not stamps.exists():
        return FRAME_PERIOD_S * np.arange(count)
    times_s_N = _numbers(stamps, 1)[:, 0]
    if len(times_s_N) != count:
        raise SceneError(f"{stamps}: {len(times_s_N)} times for the {count} poses of {path}")
    return times_s_N


def _numbers(path: Path, per_line: int) -> np.ndarray:
    """[lines, per_line]; blank lines at the end are ignored."""
    try:
        lines = path.read_text().rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SceneError(f"{path}: cannot be read as text ({error})") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if len(words) != per_line:
            raise SceneError(
                f"{path}: line {number} has {len(words)} numbers, {per_line} are right; the file may be truncated"
            )
        try:
            rows.append([float(word) for word in words])
        except ValueError as error:
            raise SceneError(f"{path}: line {number}: {error}") from error
    if not rows:
        raise SceneError(f"{path}: the file is empty")
    return np.array(rows)


SOURCE = LogSource(
    name="kitti_odometry",
    find=find,
    name_of=lambda path: path.stem,
    read=read,
    layout="poses/<sequence>.txt, and maybe sequences/<sequence>/times.txt and images",
)
