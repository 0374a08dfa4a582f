"""Speed, accelerations, jerk and yaw rate of a driven path: what a passenger feels.

Each derivative is a least-squares slope over a window of samples and is given only where the window is full, so
nothing at the ends is padded, repeated or extrapolated: arrays get shorter as windows get longer. A window of 2 is
the plain difference.

Legend: B batch, T time, U (<= T) the ticks at which a quantity is defined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError
from .trajectory import DT_S, wrap_angle


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Number of samples that each derivative is fitted over; 2 or more."""

    acceleration: int = 2
    jerk: int = 2
    yaw_rate: int = 2
    yaw_acceleration: int = 2

    def __post_init__(self) -> None:
        for name, samples in vars(self).items():
            if samples < 2:
                raise ConfigError(f"window {name}: got {samples} samples, a slope needs 2 or more")


PLAIN_DIFFERENCES = Windows()

NUPLAN_WINDOWS = Windows(acceleration=8, jerk=15, yaw_rate=5, yaw_acceleration=15)
"""Window lengths of the nuPlan devkit's comfort metrics (Savitzky-Golay filters on 10 Hz states): its bounds are
meant for derivatives smoothed as much as this."""


@dataclass(frozen=True, eq=False)
class Motion:
    """Rates of a batch of paths, each [B, U] with its own number U of defined ticks."""

    speed_mps_BU: np.ndarray
    """Signed: negative when reversing. One per interval between poses."""
    acceleration_mps2_BU: np.ndarray
    """Longitudinal."""
    lateral_acceleration_mps2_BU: np.ndarray
    """v²κ, to the left: speed times yaw rate, the centripetal acceleration."""
    longitudinal_jerk_mps3_BU: np.ndarray
    jerk_mps3_BU: np.ndarray
    """Length of the rate of change of (longitudinal, lateral) acceleration, as felt in the vehicle."""
    yaw_rate_radps_BU: np.ndarray
    yaw_acceleration_radps2_BU: np.ndarray


def motion(poses_BT3: np.ndarray, *, dt_s: float = DT_S, windows: Windows = PLAIN_DIFFERENCES) -> Motion:
    """Read the rates off `poses_BT3`, whose first pose counts: put t0 (or the history) in front of a future.

    Speed is the displacement along the mean heading of its interval; lateral acceleration is v²κ of the same
    interval. Raises ConfigError where the path is too short for the windows.
    """
    needed = max(windows.acceleration + 1, windows.jerk + 2, windows.yaw_rate, windows.yaw_acceleration + 1)
    if poses_BT3.shape[1] < needed:
        raise ConfigError(f"a path of {poses_BT3.shape[1]} poses is too short for {windows}: {needed} are needed")
    turn_BU = wrap_angle(np.diff(poses_BT3[..., 2], axis=1))
    heading_BU = poses_BT3[:, :-1, 2] + 0.5 * turn_BU
    step_BU2 = np.diff(poses_BT3[..., :2], axis=1)
    speed_BU = (step_BU2[..., 0] * np.cos(heading_BU) + step_BU2[..., 1] * np.sin(heading_BU)) / dt_s
    yaw_rate_BU = turn_BU / dt_s
    lateral_BU = speed_BU * yaw_rate_BU
    acceleration_BU = slope(speed_BU, dt_s, 2)
    longitudinal_jerk_BU = slope(acceleration_BU, dt_s, windows.jerk)
    lateral_jerk_BU = slope(0.5 * (lateral_BU[:, 1:] + lateral_BU[:, :-1]), dt_s, windows.jerk)
    yaw_BT = np.concatenate([np.zeros_like(turn_BU[:, :1]), np.cumsum(turn_BU, axis=1)], axis=1)
    return Motion(
        speed_mps_BU=speed_BU,
        acceleration_mps2_BU=slope(speed_BU, dt_s, windows.acceleration),
        lateral_acceleration_mps2_BU=_mean(lateral_BU, windows.acceleration - 1),
        longitudinal_jerk_mps3_BU=longitudinal_jerk_BU,
        jerk_mps3_BU=np.hypot(longitudinal_jerk_BU, lateral_jerk_BU),
        yaw_rate_radps_BU=slope(yaw_BT, dt_s, windows.yaw_rate),
        yaw_acceleration_radps2_BU=slope(yaw_rate_BU, dt_s, windows.yaw_acceleration),
    )


def from_t0(future_BT3: np.ndarray) -> np.ndarray:
    """A future with the pose at t0, the origin of its frame, put in front: [B, T + 1, 3]."""
    return np.concatenate([np.zeros_like(future_BT3[:, :1]), future_BT3], axis=1)


def slope(values_BT: np.ndarray, dt_s: float, window: int) -> np.ndarray:
    """Least-squares slope over every full window of samples: [B, T - window + 1], in units per second."""
    offsets = np.arange(window) - 0.5 * (window - 1)
    return _slide(values_BT, offsets / (np.square(offsets).sum() * dt_s))


def _mean(values_BT: np.ndarray, window: int) -> np.ndarray:
    return _slide(values_BT, np.full(window, 1.0 / window))


def _slide(values_BT: np.ndarray, weights_W: np.ndarray) -> np.ndarray:
    """Weighted sum over every full window. A banded matrix product is faster here than strided views."""
    steps = values_BT.shape[1]
    out = steps - len(weights_W) + 1
    band_TU = np.zeros((steps, out))
    column = np.arange(out)
    for offset, weight in enumerate(weights_W):
        band_TU[column + offset, column] = weight
    return values_BT @ band_TU
