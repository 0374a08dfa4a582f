"""Random drives, and what is done to them. The published scheme of the tokens is in `recipes.bench.dense_codec`."""

from __future__ import annotations

import numpy as np

from ar1_rl.driving.dynamics import integrate

DT_S = 0.1


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


def by_numpy(matrix, right):
    """Cholesky factors by numpy, for `dense_encode`: its float32 rounds differently than torch's."""
    lower = np.linalg.cholesky(matrix.astype(right.dtype))
    half = np.linalg.solve(lower, right[..., None])
    return np.linalg.solve(np.swapaxes(lower, -1, -2), half)[..., 0]
