"""Random drives, and the published scheme of Alpamayo's trajectory tokens written down a second time, dense.

Slow and plain on purpose: every system is assembled in full and solved by a dense Cholesky factorisation, in the
precision of its input (the public code runs in float32).
"""

from __future__ import annotations

import numpy as np

from ar1_rl.driving.dynamics import integrate

DT_S = 0.1
ACCELERATION_MEAN, ACCELERATION_STD = 0.02902694707164455, 0.6810426736454882
CURVATURE_MEAN, CURVATURE_STD = 0.0002692167976330542, 0.026148280660833106


def random_drives(count, seed, *, speed_mps=(0.0, 20.0), noise_m=0.0, noise_rad=0.0):
    """Histories [B, 16, 3] and futures [B, 64, 3]: slow sine controls, speed never negative, optional white noise."""
    random = np.random.default_rng(seed)
    time_s = np.arange(79) * DT_S

    def waves():
        phase, period_s = random.uniform(0, 2 * np.pi, (count, 1)), random.uniform(4, 14, (count, 1))
        return random.uniform(-1, 1, (count, 1)) * np.sin(2 * np.pi * time_s / period_s + phase)

    start_mps = random.uniform(*speed_mps, count)
    speed = np.maximum(np.cumsum(np.c_[start_mps, 1.2 * waves() * DT_S], axis=1), 0.0)
    curvature = np.minimum(0.1, 2.0 / (start_mps[:, None] ** 2 + 1.0)) * waves()
    controls = np.stack([np.diff(speed, axis=1) / DT_S, curvature], axis=-1)
    poses = np.concatenate([np.zeros((count, 1, 3)), integrate(controls, start_mps)], axis=1)
    poses = move(poses, -poses[:, 15])
    jitter = random.normal(size=poses.shape) * [noise_m, noise_m, noise_rad]
    jitter[:, 15] = 0.0
    poses = poses + jitter
    return poses[:, :16], poses[:, 16:]


def move(poses, by):
    """Poses after the world was shifted by (x, y), then turned by yaw around the new origin; `by` is [B, 3] or [3]."""
    by = np.broadcast_to(by, (len(poses), 3))[:, None]
    x, y = poses[..., 0] + by[..., 0], poses[..., 1] + by[..., 1]
    cos, sin = np.cos(by[..., 2]), np.sin(by[..., 2])
    return np.stack([cos * x - sin * y, sin * x + cos * y, poses[..., 2] + by[..., 2]], axis=-1)


def mean_displacement(first, second):
    """ADE [m] per drive."""
    return np.linalg.norm((first - second)[..., :2], axis=-1).mean(axis=1)


def dense_controls(history, future):
    """Acceleration [B, 64], curvature [B, 64] and speed [B]; the precision is that of the input."""
    dtype = future.dtype
    speed0 = _dense_speed(np.diff(history[..., :2], axis=1), history[..., 2], None)[:, -1]
    steps = future.shape[1]
    yaw = _solve(np.eye(steps) * (1 + 1e-8) + _penalty(steps + 1, 3, 1e-6)[1:, 1:], future[..., 2])
    yaw = np.concatenate([np.zeros_like(yaw[:, :1]), yaw], axis=1)
    moves = np.diff(np.concatenate([history[:, -1:, :2], future[..., :2]], axis=1), axis=1)
    speed = _dense_speed(moves, yaw, speed0)
    smooth = _penalty(steps, 2, 1e-4) + 1e-4 * np.eye(steps)
    acceleration = _solve(np.eye(steps) + smooth, (np.diff(speed, axis=1) / dtype.type(DT_S)))
    way = dtype.type(DT_S) * speed[:, :-1] + dtype.type(DT_S**2 / 2) * acceleration
    diagonal = np.eye(steps, dtype=dtype) * (way**2)[:, None]
    curvature = _solve(diagonal + smooth.astype(dtype), way * np.diff(yaw, axis=1))
    return acceleration, curvature, speed0


def dense_tokens(history, future):
    """Tokens [B, 128] of `TrajectoryCodec.alpamayo`."""
    acceleration, curvature, _ = dense_controls(history, future)
    normal = [(acceleration - ACCELERATION_MEAN) / ACCELERATION_STD, (curvature - CURVATURE_MEAN) / CURVATURE_STD]
    ids = np.round((np.stack(normal, axis=-1) + 10) / 20 * 2999).astype(np.int64)
    return np.clip(ids, 0, 2999).reshape(len(future), -1)


def dense_decode(tokens, speed0):
    """Poses [B, 64, 3] from tokens, one step after the other."""
    values = tokens.reshape(len(tokens), 64, 2) / 2999 * 20 - 10
    x, y, yaw, speed = np.zeros(len(tokens)), np.zeros(len(tokens)), np.zeros(len(tokens)), speed0.astype(np.float64)
    poses = []
    for step in range(64):
        a = values[:, step, 0] * ACCELERATION_STD + ACCELERATION_MEAN
        k = values[:, step, 1] * CURVATURE_STD + CURVATURE_MEAN
        next_yaw = yaw + k * speed * DT_S + 0.5 * k * a * DT_S**2
        next_speed = speed + a * DT_S
        x = x + 0.5 * DT_S * (speed * np.cos(yaw) + next_speed * np.cos(next_yaw))
        y = y + 0.5 * DT_S * (speed * np.sin(yaw) + next_speed * np.sin(next_yaw))
        yaw, speed = next_yaw, next_speed
        poses.append(np.stack([x, y, yaw], axis=-1))
    return np.stack(poses, axis=1)


def _penalty(steps, order, weight):
    matrix = np.diff(np.eye(steps), n=order, axis=0)
    return weight / DT_S ** (2 * order) * matrix.T @ matrix


def _dense_speed(moves, yaw, speed0):
    batch, steps, _ = moves.shape
    rows = np.zeros((batch, 2 * steps, steps + 1), dtype=moves.dtype)
    for t in range(steps):
        for column in (t, t + 1):
            rows[:, 2 * t, column], rows[:, 2 * t + 1, column] = np.cos(yaw[:, column]), np.sin(yaw[:, column])
    target = (moves * moves.dtype.type(2 / DT_S)).reshape(batch, -1)
    matrix = rows.swapaxes(1, 2) @ rows + _penalty(steps + 1, 3, 1e-6).astype(moves.dtype)
    right = (rows.swapaxes(1, 2) @ target[..., None])[..., 0]
    ridge = (1e-4 * np.eye(steps + 1)).astype(moves.dtype)
    if speed0 is None:
        return _solve(matrix + ridge, right)
    rest = _solve((matrix + ridge)[:, 1:, 1:], right[:, 1:] - matrix[:, 1:, 0] * speed0[:, None])
    return np.concatenate([speed0[:, None], rest], axis=1)


def _solve(matrix, right):
    lower = np.linalg.cholesky(matrix.astype(right.dtype))
    half = np.linalg.solve(lower, right[..., None])
    return np.linalg.solve(np.swapaxes(lower, -1, -2), half)[..., 0]
