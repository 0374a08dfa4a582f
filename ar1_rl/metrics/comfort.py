"""Comfort: are the accelerations, jerks and yaw rates of a future within what passengers accept?

Legend: B batch, T time, C bounds (in the order of `COMFORT_NAMES`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..driving.kinematics import NUPLAN_WINDOWS, Windows, from_t0, motion
from ..driving.trajectory import DT_S
from ..errors import ConfigError

COMFORT_NAMES = (
    "longitudinal_acceleration_mps2",
    "lateral_acceleration_mps2",
    "jerk_mps3",
    "longitudinal_jerk_mps3",
    "yaw_rate_radps",
    "yaw_acceleration_radps2",
)


@dataclass(frozen=True, kw_only=True)
class ComfortBounds:
    """Limits of comfort; the defaults are those of the nuPlan devkit's comfort metric, fitted to human drivers."""

    acceleration_mps2: float = 2.40
    """Largest speeding up."""
    deceleration_mps2: float = 4.05
    """Largest slowing down, as a positive number."""
    lateral_acceleration_mps2: float = 4.89
    jerk_mps3: float = 8.37
    longitudinal_jerk_mps3: float = 4.13
    yaw_rate_radps: float = 0.95
    yaw_acceleration_radps2: float = 1.93

    def __post_init__(self) -> None:
        for name, bound in vars(self).items():
            if not bound > 0:
                raise ConfigError(f"comfort bound {name}: got {bound!r}, allowed above 0")


NUPLAN_BOUNDS = ComfortBounds()


def comfort_peaks(
    poses_BT3: np.ndarray, *, dt_s: float = DT_S, windows: Windows = NUPLAN_WINDOWS
) -> dict[str, np.ndarray]:
    """Peak magnitude [B] of each quantity of `COMFORT_NAMES` over a future that starts at t0.

    Longitudinal acceleration keeps its two directions apart: `acceleration_mps2` and `deceleration_mps2`, both >= 0.
    """
    rates = motion(from_t0(poses_BT3), dt_s=dt_s, windows=windows)
    return {
        "acceleration_mps2": np.maximum(rates.acceleration_mps2_BU.max(axis=1), 0.0),
        "deceleration_mps2": np.maximum(-rates.acceleration_mps2_BU.min(axis=1), 0.0),
        "lateral_acceleration_mps2": np.abs(rates.lateral_acceleration_mps2_BU).max(axis=1),
        "jerk_mps3": rates.jerk_mps3_BU.max(axis=1),
        "longitudinal_jerk_mps3": np.abs(rates.longitudinal_jerk_mps3_BU).max(axis=1),
        "yaw_rate_radps": np.abs(rates.yaw_rate_radps_BU).max(axis=1),
        "yaw_acceleration_radps2": np.abs(rates.yaw_acceleration_radps2_BU).max(axis=1),
    }


def comfort_use(peaks: dict[str, np.ndarray], bounds: ComfortBounds = NUPLAN_BOUNDS) -> np.ndarray:
    """Peak over bound [B, 6], in the order of `COMFORT_NAMES`: 1 is just at the bound, less is more comfortable."""
    use = {name: peak_B / getattr(bounds, name) for name, peak_B in peaks.items()}
    use["longitudinal_acceleration_mps2"] = np.maximum(use["acceleration_mps2"], use["deceleration_mps2"])
    return np.stack([use[name] for name in COMFORT_NAMES], axis=1)


def comfort_kept(
    poses_BT3: np.ndarray, bounds: ComfortBounds = NUPLAN_BOUNDS, *, windows: Windows = NUPLAN_WINDOWS
) -> np.ndarray:
    """Whether each bound is kept: bool [B, 6]. The metric `comfort` is the share of rows with all kept."""
    return comfort_use(comfort_peaks(poses_BT3, windows=windows), bounds) <= 1.0
