"""Distance to the expert [m]. Positions only; heading does not count.

Legend: B batch, S scenes, K samples per scene, T time.
"""

from __future__ import annotations

import numpy as np


def displacement_m(poses_BT3: np.ndarray, expert_BT3: np.ndarray) -> np.ndarray:
    """Distance [..., T] to the expert at each tick; leading axes broadcast."""
    delta = poses_BT3[..., :2] - expert_BT3[..., :2]
    return np.hypot(delta[..., 0], delta[..., 1])


def ade_m(poses_BT3: np.ndarray, expert_BT3: np.ndarray) -> np.ndarray:
    """Average displacement error [...]: the mean over all ticks. NaN poses (undecodable) give NaN."""
    return displacement_m(poses_BT3, expert_BT3).mean(axis=-1)


def fde_m(poses_BT3: np.ndarray, expert_BT3: np.ndarray) -> np.ndarray:
    """Final displacement error [...]: at the last tick."""
    return displacement_m(poses_BT3, expert_BT3)[..., -1]


def minade_m(poses_SKT3: np.ndarray, expert_ST3: np.ndarray) -> np.ndarray:
    """ADE [S] of the best of the K samples, picked once on the full horizon.

    NaN samples (undecodable) are left out; a scene with none left is NaN.
    """
    return np.fmin.reduce(ade_m(poses_SKT3, expert_ST3[:, None]), axis=1)
