"""Poses in the ego rig frame at t0: x forward [m], y left [m], yaw counter-clockwise [rad].

Legend for array names in this package: B batch, T time, N points of a line, K tokens of a future, H tokens of a
history. The last axis of poses is always (x, y, yaw), written as the 3 in `poses_T3`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

DT_S = 0.1
"""Planning period [s]: 10 Hz (Alpamayo-R1, section 3)."""

HISTORY_STEPS = 16
"""History poses, t = -1.5 ... 0.0 s. The last one is t0, the origin of the frame."""

FUTURE_STEPS = 64
"""Future poses, t = 0.1 ... 6.4 s."""

TrajectorySource = Literal["tokens", "expert", "log"]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A future motion of the ego vehicle and where it came from.

    Example: `Trajectory(poses_T3=np.zeros((64, 3)), source="tokens")`.
    """

    poses_T3: np.ndarray
    """[64, 3] x [m], y [m], yaw [rad] at t = 0.1 ... 6.4 s."""

    source: TrajectorySource


def wrap_angle(angle: np.ndarray) -> np.ndarray:
    """Angles [rad] brought into (-pi, pi]."""
    return angle - 2.0 * np.pi * np.ceil((angle - np.pi) / (2.0 * np.pi))  # four times as fast as a remainder


def to_frame(poses: np.ndarray, origin_3: np.ndarray) -> np.ndarray:
    """World poses [..., 3] seen from `origin_3` (x, y, yaw in the same world); NaN stays NaN."""
    x, y, yaw = origin_3
    cos, sin = np.cos(yaw), np.sin(yaw)
    dx, dy = poses[..., 0] - x, poses[..., 1] - y
    return np.stack([cos * dx + sin * dy, -sin * dx + cos * dy, wrap_angle(poses[..., 2] - yaw)], axis=-1)


def from_frame(poses: np.ndarray, origin_3: np.ndarray) -> np.ndarray:
    """Inverse of `to_frame`: poses [..., 3] in the frame of `origin_3` back to the world."""
    x, y, yaw = origin_3
    cos, sin = np.cos(yaw), np.sin(yaw)
    px, py = poses[..., 0], poses[..., 1]
    return np.stack([x + cos * px - sin * py, y + sin * px + cos * py, wrap_angle(poses[..., 2] + yaw)], axis=-1)


def points_to_frame(points_N2: np.ndarray, origin_3: np.ndarray) -> np.ndarray:
    """World points [N, 2] seen from `origin_3`."""
    x, y, yaw = origin_3
    cos, sin = np.cos(yaw), np.sin(yaw)
    dx, dy = points_N2[..., 0] - x, points_N2[..., 1] - y
    return np.stack([cos * dx + sin * dy, -sin * dx + cos * dy], axis=-1)
