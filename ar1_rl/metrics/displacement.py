"""Distance to the expert [m]. Positions only; heading does not count.

Legend: B batch, S scenes, K samples per scene, T time.
"""

from __future__ import annotations

import numpy as np

from ..driving.trajectory import DT_S
from ..errors import ConfigError

HORIZONS_S = (1.0, 3.0, 5.0)
"""Horizons [s] at which displacement is told beside the full one of 6.4 s."""


def until(poses_T3: np.ndarray, horizon_s: float) -> np.ndarray:
    """The ticks up to a horizon of futures [..., T, 3]; ConfigError where they do not reach it."""
    ticks = round(horizon_s / DT_S)
    if not 1 <= ticks <= poses_T3.shape[-2]:
        raise ConfigError(
            f"horizon {horizon_s} s: these futures have {poses_T3.shape[-2]} ticks of {DT_S} s, allowed is "
            f"{DT_S} to {poses_T3.shape[-2] * DT_S:.1f} s"
        )
    return poses_T3[..., :ticks, :]


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


def minade_until_m(poses_SKT3: np.ndarray, expert_ST3: np.ndarray, horizon_s: float) -> np.ndarray:
    """ADE [S] up to a horizon of the sample that is best on the full one: the convention of NVIDIA's public code.

    NaN samples (undecodable) are left out; a scene with none left is NaN.
    """
    full_SK = ade_m(poses_SKT3, expert_ST3[:, None])
    ade_SK = ade_m(until(poses_SKT3, horizon_s), until(expert_ST3, horizon_s)[:, None])
    picked_S = np.where(np.isfinite(full_SK), full_SK, np.inf).argmin(axis=1)
    return ade_SK[np.arange(len(ade_SK)), picked_S]


def minade_per_horizon_m(poses_SKT3: np.ndarray, expert_ST3: np.ndarray, horizon_s: float) -> np.ndarray:
    """ADE [S] up to a horizon of the sample that is best up to there: picked anew, so never above the other one."""
    return minade_m(until(poses_SKT3, horizon_s), until(expert_ST3, horizon_s))


def missed(poses_SKT3: np.ndarray, expert_ST3: np.ndarray, threshold_m: float) -> np.ndarray:
    """Whether no sample ends within `threshold_m` of where the expert ends: 0.0 or 1.0 [S].

    Argoverse's miss rate (arXiv 1911.02620, 4.1; 2.0 m there). A scene without a decodable sample is NaN.
    """
    nearest_S = np.fmin.reduce(fde_m(poses_SKT3, expert_ST3[:, None]), axis=1)
    return np.where(np.isnan(nearest_S), np.nan, nearest_S > threshold_m)
