"""Graded edits: a drive made worse by so much and by nothing else.

Legend: T the 64 ticks of a future; poses are x [m], y [m], yaw [rad] as everywhere.
"""

from __future__ import annotations

import numpy as np

from ar1_rl.driving import DT_S, FUTURE_STEPS, Completion, Trajectory
from ar1_rl.errors import DecodeError

HORIZON_S = FUTURE_STEPS * DT_S
TIMES_S_T = DT_S * np.arange(1, FUTURE_STEPS + 1)
WOBBLE_HZ = 0.6
"""Of a driver who cannot hold a pedal or a wheel still; slow enough for every derivative to see it."""


def drifting(poses_T3: np.ndarray, left_m: float, within_s: float = HORIZON_S) -> np.ndarray:
    """The drive, moved smoothly to the left by `left_m` within a time, and held there."""
    return _shifted(poses_T3, left_m * _smooth(TIMES_S_T / within_s))


def paced(poses_T3: np.ndarray, share: float) -> np.ndarray:
    """The same path at a speed that changes smoothly by a share: 0.5 is half as fast again at the end."""
    speed_T = _steps_m(poses_T3) / DT_S * (1.0 + share * _smooth(TIMES_S_T / HORIZON_S))
    return _along(poses_T3, np.cumsum(speed_T) * DT_S)


def jolting(poses_T3: np.ndarray, amplitude_m: float) -> np.ndarray:
    """The same path with the speed going up and down."""
    return _along(poses_T3, np.cumsum(_steps_m(poses_T3)) + amplitude_m * _wobble())


def swerving(poses_T3: np.ndarray, amplitude_m: float) -> np.ndarray:
    """The drive, swinging to both sides of its path."""
    return _shifted(poses_T3, amplitude_m * _wobble())


def straight(speed_mps: float) -> np.ndarray:
    """Constant speed along x; negative is backwards."""
    return np.stack([speed_mps * TIMES_S_T, np.zeros(FUTURE_STEPS), np.zeros(FUTURE_STEPS)], axis=1)


def circling(speed_mps: float, radius_m: float) -> np.ndarray:
    """A left-hand circle."""
    angle_T = speed_mps * TIMES_S_T / radius_m
    return np.stack([radius_m * np.sin(angle_T), radius_m * (1.0 - np.cos(angle_T)), angle_T], axis=1)


def completion(reasoning: str | None, poses_T3: np.ndarray | None) -> Completion:
    """What a policy wrote, as far as rewards see it; without poses it cannot be decoded."""
    poses = None
    if poses_T3 is not None:
        poses = poses_T3.copy()
        # A reward that writes into what it judges would change the completion for the next one.
        poses.flags.writeable = False
    return Completion(
        text=reasoning or "",
        token_ids=tuple(range(1, 2 + len((reasoning or "").split()))),
        reasoning=reasoning,
        trajectory=None if poses is None else Trajectory(poses_T3=poses, source="tokens"),
        error=DecodeError("12 trajectory tokens, 32 are right") if poses is None else None,
    )


def _smooth(share_T: np.ndarray) -> np.ndarray:
    """From 0 to 1 with no speed and no acceleration at either end."""
    x = np.clip(share_T, 0.0, 1.0)
    return x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def _wobble() -> np.ndarray:
    return _smooth(TIMES_S_T / 1.5) * np.sin(2.0 * np.pi * WOBBLE_HZ * TIMES_S_T)


def _steps_m(poses_T3: np.ndarray) -> np.ndarray:
    """Way driven in each tick, from the origin at t0."""
    points = np.concatenate([np.zeros((1, 2)), poses_T3[:, :2]])
    return np.hypot(*np.diff(points, axis=0).T)


def _along(poses_T3: np.ndarray, way_T: np.ndarray) -> np.ndarray:
    """Poses at other places of the same path; beyond its end it goes straight on."""
    way = np.concatenate([[0.0], np.cumsum(_steps_m(poses_T3))])
    path = np.concatenate([np.zeros((1, 3)), poses_T3])
    inside = np.stack([np.interp(way_T, way, path[:, i]) for i in range(3)], axis=1)
    beyond = np.maximum(way_T - way[-1], 0.0)
    yaw = path[-1, 2]
    return inside + np.stack([beyond * np.cos(yaw), beyond * np.sin(yaw), np.zeros_like(beyond)], axis=1)


def _shifted(poses_T3: np.ndarray, left_T: np.ndarray) -> np.ndarray:
    """Poses set off sideways, with the heading that this takes."""
    yaw_T = poses_T3[:, 2]
    speed_T = np.maximum(_steps_m(poses_T3) / DT_S, 1.0)
    turned_T = np.arctan2(np.gradient(left_T, DT_S), speed_T)
    return poses_T3 + np.stack([-left_T * np.sin(yaw_T), left_T * np.cos(yaw_T), turned_T], axis=1)
