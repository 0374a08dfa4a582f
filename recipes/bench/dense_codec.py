"""The published scheme of Alpamayo's trajectory tokens (NVlabs/alpamayo) written down plainly, to measure against.

Every least-squares system is assembled in full and solved by a dense Cholesky factorisation, a batch at a time, in the
precision of its input (the public code runs in float32); poses are integrated one step after the other. Nothing here is
shared with `ar1_rl.driving.codec`, so the tests hold that to it too.
Legend: B batch, T steps, K tokens of a future. Poses are in the frame of the last history pose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Solve = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From matrices [N, N] or [B, N, N] and right sides [B, N] to solutions [B, N]."""

DT_S = 0.1
BINS = 3000
REACH = 10.0
"""Normalised controls beyond it get the outermost bin."""
ACCELERATION_MEAN, ACCELERATION_STD = 0.02902694707164455, 0.6810426736454882
CURVATURE_MEAN, CURVATURE_STD = 0.0002692167976330542, 0.026148280660833106


def by_cholesky(matrix: np.ndarray, right_BN: np.ndarray) -> np.ndarray:
    """Factors and two triangular solves, a batch at a time; numpy has no solver for triangles, so these are torch's."""
    import torch

    lower = torch.linalg.cholesky(torch.from_numpy(matrix.astype(right_BN.dtype)))
    return torch.cholesky_solve(torch.from_numpy(right_BN)[..., None], lower)[..., 0].numpy()


def dense_encode(history_B16x3: np.ndarray, future_B64x3: np.ndarray, solve: Solve = by_cholesky) -> np.ndarray:
    """Ids [B, 128], acceleration and curvature interleaved."""
    acceleration, curvature, _ = dense_controls(history_B16x3, future_B64x3, solve)
    normal = [(acceleration - ACCELERATION_MEAN) / ACCELERATION_STD, (curvature - CURVATURE_MEAN) / CURVATURE_STD]
    ids = np.round((np.stack(normal, axis=-1) + REACH) / (2 * REACH) * (BINS - 1)).astype(np.int64)
    return np.clip(ids, 0, BINS - 1).reshape(len(future_B64x3), -1)


def dense_decode(tokens_BK: np.ndarray, history_B16x3: np.ndarray) -> np.ndarray:
    """Poses [B, 64, 3] in float64; only the speed at t0 has the precision of the history."""
    steps = tokens_BK.shape[1] // 2
    values = tokens_BK.reshape(len(tokens_BK), steps, 2) / (BINS - 1) * 2 * REACH - REACH
    speed = dense_speed(history_B16x3).astype(np.float64)
    x, y, yaw = np.zeros((3, len(tokens_BK)))
    poses = []
    for step in range(steps):
        a = values[:, step, 0] * ACCELERATION_STD + ACCELERATION_MEAN
        k = values[:, step, 1] * CURVATURE_STD + CURVATURE_MEAN
        next_yaw = yaw + k * speed * DT_S + 0.5 * k * a * DT_S**2
        next_speed = speed + a * DT_S
        x = x + 0.5 * DT_S * (speed * np.cos(yaw) + next_speed * np.cos(next_yaw))
        y = y + 0.5 * DT_S * (speed * np.sin(yaw) + next_speed * np.sin(next_yaw))
        yaw, speed = next_yaw, next_speed
        poses.append(np.stack([x, y, yaw], axis=-1))
    return np.stack(poses, axis=1)


def dense_controls(
    history_B16x3: np.ndarray, future_B64x3: np.ndarray, solve: Solve = by_cholesky
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Acceleration [m/s^2] [B, 64], curvature [1/m] [B, 64] and speed at t0 [m/s] [B]."""
    dtype = future_B64x3.dtype.type
    start = dense_speed(history_B16x3, solve)
    steps = future_B64x3.shape[1]
    yaw = solve(np.eye(steps) * (1 + 1e-8) + _penalty(steps + 1, 3, 1e-6)[1:, 1:], future_B64x3[..., 2])
    yaw = np.concatenate([np.zeros_like(yaw[:, :1]), yaw], axis=1)
    moves = np.diff(np.concatenate([history_B16x3[:, -1:, :2], future_B64x3[..., :2]], axis=1), axis=1)
    speed = _fit_speed(moves, yaw, start, solve)
    smooth = _penalty(steps, 2, 1e-4) + 1e-4 * np.eye(steps)
    acceleration = solve(np.eye(steps) + smooth, np.diff(speed, axis=1) / dtype(DT_S))
    way = dtype(DT_S) * speed[:, :-1] + dtype(DT_S**2 / 2) * acceleration
    diagonal = np.eye(steps, dtype=dtype) * (way**2)[:, None]
    curvature = solve(diagonal + smooth.astype(dtype), way * np.diff(yaw, axis=1))
    return acceleration, curvature, start


def dense_speed(history_B16x3: np.ndarray, solve: Solve = by_cholesky) -> np.ndarray:
    """Speed [m/s] [B] at the last pose."""
    return _fit_speed(np.diff(history_B16x3[..., :2], axis=1), history_B16x3[..., 2], None, solve)[:, -1]


def _penalty(steps: int, order: int, weight: float) -> np.ndarray:
    matrix = np.diff(np.eye(steps), n=order, axis=0)
    return weight / DT_S ** (2 * order) * matrix.T @ matrix


def _fit_speed(moves_BT2: np.ndarray, yaw_BT: np.ndarray, start_B: np.ndarray | None, solve: Solve) -> np.ndarray:
    """Speeds [B, T + 1] from the moves between poses; the first is fixed where it is given."""
    batch, steps, _ = moves_BT2.shape
    rows = np.zeros((batch, 2 * steps, steps + 1), dtype=moves_BT2.dtype)
    for t in range(steps):
        for column in (t, t + 1):
            rows[:, 2 * t, column], rows[:, 2 * t + 1, column] = np.cos(yaw_BT[:, column]), np.sin(yaw_BT[:, column])
    target = (moves_BT2 * moves_BT2.dtype.type(2 / DT_S)).reshape(batch, -1)
    matrix = rows.swapaxes(1, 2) @ rows + _penalty(steps + 1, 3, 1e-6).astype(moves_BT2.dtype)
    right = (rows.swapaxes(1, 2) @ target[..., None])[..., 0]
    ridge = (1e-4 * np.eye(steps + 1)).astype(moves_BT2.dtype)
    if start_B is None:
        return solve(matrix + ridge, right)
    rest = solve((matrix + ridge)[:, 1:, 1:], right[:, 1:] - matrix[:, 1:, 0] * start_B[:, None])
    return np.concatenate([start_B[:, None], rest], axis=1)
