"""Kinematic feasibility: could a car drive this future at all? Far wider bounds than comfort's.

Legend: B batch, U the intervals between poses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..driving.kinematics import from_t0, motion
from ..driving.trajectory import DT_S, wrap_angle
from ..errors import ConfigError

TURN_SLACK_RAD = 1e-3
"""Of one interval: so much heading may change without any way, which is rounding and no turn on the spot."""


@dataclass(frozen=True, kw_only=True)
class FeasibilityLimits:
    """What a passenger car can do; the first two are those of Waymax's KinematicsInfeasibilityMetric."""

    acceleration_mps2: float = 10.4
    """Speeding up or slowing down: the grip of tyres on dry asphalt, a little more than 1 g [Waymax, max_acc]."""
    curvature_per_m: float = 0.3
    """Tightest path, a radius of 3.3 m [Waymax, max_steering]."""
    lateral_acceleration_mps2: float = 10.4
    """v²κ: the same grip sideways [ours; Waymax has no bound on it]."""

    def __post_init__(self) -> None:
        for name, bound in vars(self).items():
            if not bound > 0:
                raise ConfigError(f"feasibility limit {name}: got {bound!r}, allowed above 0")


LIMITS = FeasibilityLimits()


def feasible(poses_BT3: np.ndarray, limits: FeasibilityLimits = LIMITS, *, dt_s: float = DT_S) -> np.ndarray:
    """Whether every interval of a future that starts at t0 keeps every limit: bool [B]. Poses are finite.

    Accelerations are plain differences over 0.1 s. Curvature is not divided by the way, which may be nothing: what is
    bounded is the heading change of an interval by limit times way.
    """
    from_start_BT3 = from_t0(poses_BT3)
    rates = motion(from_start_BT3, dt_s=dt_s)
    turn_BU = np.abs(wrap_angle(np.diff(from_start_BT3[..., 2], axis=1)))
    way_BU = np.linalg.norm(np.diff(from_start_BT3[..., :2], axis=1), axis=-1)
    kept_B = (turn_BU <= limits.curvature_per_m * way_BU + TURN_SLACK_RAD).all(axis=1)
    kept_B &= (np.abs(rates.acceleration_mps2_BU) <= limits.acceleration_mps2).all(axis=1)
    kept_B &= (np.abs(rates.lateral_acceleration_mps2_BU) <= limits.lateral_acceleration_mps2).all(axis=1)
    return kept_B
