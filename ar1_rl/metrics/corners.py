"""Corner distance: how far the corners of the vehicle are from where the expert's would be. It sees headings, too.

Legend: B batch, T time, 4 the corners of a box.
"""

from __future__ import annotations

import numpy as np

from ..driving.geometry import box_corners


def corner_distance_m(
    poses_BT3: np.ndarray, expert_BT3: np.ndarray, size_B2: np.ndarray, center_ahead_m_B: np.ndarray
) -> np.ndarray:
    """Distance [B] between equal corners of the two boxes, the mean over the four corners and all ticks [m].

    `size_B2` is length and width of the vehicle, `center_ahead_m_B` how far its box lies ahead of its pose. NaN poses
    (undecodable) give NaN. NVIDIA's public code (`compute_grouped_corner_distance` of NVlabs/alpamayo) takes the eight
    corners in space and, of several samples, the nearest one anew at each corner and tick; here it is one trajectory.
    """
    corners, expert_corners = (
        box_corners(box_centers(poses, center_ahead_m_B), size_B2[:, None]) for poses in (poses_BT3, expert_BT3)
    )
    return np.linalg.norm(corners - expert_corners, axis=-1).mean(axis=(1, 2))


def box_centers(poses_BT3: np.ndarray, center_ahead_m_B: np.ndarray) -> np.ndarray:
    """Poses [B, T, 3] of the centres of boxes that lie so far ahead of the vehicle's poses."""
    x_BT, y_BT, yaw_BT = np.moveaxis(poses_BT3, -1, 0)
    ahead_B1 = center_ahead_m_B[:, None]
    return np.stack([x_BT + ahead_B1 * np.cos(yaw_BT), y_BT + ahead_B1 * np.sin(yaw_BT), yaw_BT], axis=-1)
