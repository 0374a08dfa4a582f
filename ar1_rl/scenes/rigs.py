"""From where a sensor sat and how it was turned to the pose of the ego: what sources of logs share.

Legend: N samples.
"""

from __future__ import annotations

import numpy as np


def first_not_finite(array: np.ndarray) -> int | None:
    """Number of the first row [N, ...] that holds a NaN or an infinity, or None."""
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(axis=1))
    return int(bad[0]) if len(bad) else None


def rotations(quaternions_N4: np.ndarray) -> np.ndarray:
    """Matrices [N, 3, 3] from quaternions w, x, y, z (Hamilton), which need not have unit length."""
    w, x, y, z = quaternions_N4.T / np.linalg.norm(quaternions_N4, axis=1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)


def yaws(rotations_N33: np.ndarray) -> np.ndarray:
    """Yaw [N] of the first axis, seen from above."""
    return np.arctan2(rotations_N33[:, 1, 0], rotations_N33[:, 0, 0])


def behind(poses_N3: np.ndarray, distance_m: float) -> np.ndarray:
    """The poses [N, 3] of a point that lies so far behind on the same car, such as the rear axle behind a camera."""
    yaw_N = poses_N3[:, 2]
    return np.column_stack(
        [
            poses_N3[:, 0] - distance_m * np.cos(yaw_N),
            poses_N3[:, 1] - distance_m * np.sin(yaw_N),
            yaw_N,
        ]
    )
