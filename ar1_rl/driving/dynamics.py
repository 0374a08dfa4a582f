"""Vehicle motion as a unicycle: acceleration [m/s^2] and curvature [1/m] in, poses out, and back.

v' = v + a dt;  yaw' = yaw + k v dt + k a dt^2 / 2;  x' = x + dt / 2 (v cos(yaw) + v' cos(yaw')), y' with sin.
The speed is not clamped. Back, from poses to controls, goes through a chain of regularised least squares fits; model,
chain and weights are those of NVIDIA's public Alpamayo code (NVlabs/alpamayo, NVlabs/alpamayo1.5).

Fits of float32 poses round what passes from one fit to the next to float32, as that code does; the linear systems
themselves are always solved in float64. All other input is computed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ar1_rl.errors import ConfigError, SceneError

from .smoothing import matrix_diagonals, penalty, smoother, solve_banded
from .trajectory import DT_S

_BATCH = 2048
"""Trajectories solved at a time: with fewer numpy's calls cost more, with more the processor's cache overflows."""


@dataclass(frozen=True)
class Smoothing:
    """Weights of the fits: `*_weight` on the squared derivative, `*_ridge` on the squared value.

    The penalised derivative is the third of yaw and speed, the second of acceleration and curvature.
    Defaults: NVIDIA's public action space. Weights are absolute, so they belong to its units and its data terms.
    """

    yaw_weight: float = 1e-6
    yaw_ridge: float = 1e-8
    speed_weight: float = 1e-6
    speed_ridge: float = 1e-4
    acceleration_weight: float = 1e-4
    acceleration_ridge: float = 1e-4
    curvature_weight: float = 1e-4
    curvature_ridge: float = 1e-4
    curvature_limit: float | None = None
    """Curvature [1/m] is clipped to +- this. None: the code Alpamayo-R1 and 1.5 were released with; 0.33: later."""
    standing_mps: float = 0.0
    """Curvature is zero where the speed [m/s] is below this. 0: the code of those releases; 0.6: later."""


@dataclass(frozen=True, eq=False)
class Motion:
    """What the fits find in poses: S = T + 1 states, the first at t0, and T controls between them."""

    speed_BS: np.ndarray
    """[m/s]"""
    yaw_BS: np.ndarray
    """[rad] relative to the pose at t0, unwrapped."""
    controls_BT2: np.ndarray
    """Acceleration [m/s^2] and curvature [1/m]."""


def check_poses(poses: np.ndarray, name: str, steps: int | None = None) -> np.ndarray:
    """Finite poses [B, T, 3] as float32 or float64, or SceneError naming the array and what is wrong with it."""
    try:
        array = np.asarray(poses)
        array = array.astype(np.float32 if array.dtype == np.float32 else np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise SceneError(f"{name}: cannot be read as numbers [batch, time, 3]: {error}") from error
    if array.ndim != 3 or array.shape[2] != 3 or (array.shape[1] != steps if steps else array.shape[1] < 2):
        raise SceneError(f"{name}: got shape {array.shape}, wants [batch, {steps or '2 or more'}, 3] (x, y, yaw)")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=(1, 2)))
    if bad.size:
        raise SceneError(f"{name}: NaN or infinite values in batch rows {bad[:8].tolist()}; drop or interpolate them")
    return array


def _check_period(dt_s: float) -> None:
    if not 0.0 < dt_s < np.inf:
        raise ConfigError(f"dt_s: got {dt_s}, wants a positive time step in seconds")


def to_start_frame(poses_BTx3: np.ndarray, start_B3: np.ndarray) -> np.ndarray:
    """Poses seen from one start pose per batch member; yaw in [-pi, pi]."""
    cos, sin = np.cos(start_B3[:, None, 2]), np.sin(start_B3[:, None, 2])
    dx, dy, yaw = (poses_BTx3[..., axis] - start_B3[:, None, axis] for axis in range(3))
    local_BTx3 = np.empty(poses_BTx3.shape, np.result_type(poses_BTx3, start_B3))
    local_BTx3[..., 0] = cos * dx + sin * dy
    local_BTx3[..., 1] = cos * dy - sin * dx
    local_BTx3[..., 2] = yaw - 2.0 * np.pi * np.round(yaw / (2.0 * np.pi))
    return local_BTx3


def unwrapped(yaw: np.ndarray, axis: int) -> np.ndarray:
    """Yaw [rad] without jumps of a full turn in time; numpy's `unwrap` takes its time also where there are none."""
    jumps = np.abs(np.diff(yaw, axis=axis)).max(initial=0.0) >= np.pi
    return np.unwrap(yaw, axis=axis) if jumps else yaw


def integrate(
    controls_BT2: np.ndarray, speed_B: np.ndarray, dt_s: float = DT_S, start_B3: np.ndarray | None = None
) -> np.ndarray:
    """Drive the controls: poses [B, T, 3] after each of the T steps.

    `speed_B` [m/s] is the speed before the first step. Yaw is unwrapped. Without `start_B3` the drive starts at the
    origin, facing along x. Raises ConfigError for wrong shapes or values that are not finite.
    """
    _check_period(dt_s)
    controls_BT2, speed_B = np.asarray(controls_BT2, dtype=np.float64), np.asarray(speed_B, dtype=np.float64)
    if controls_BT2.ndim != 3 or controls_BT2.shape[2] != 2 or speed_B.shape != controls_BT2.shape[:1]:
        raise ConfigError(
            f"integrate: got controls {controls_BT2.shape}, speed {speed_B.shape}, wants [batch, time, 2] and [batch]"
        )
    start_B3 = np.zeros((len(speed_B), 3)) if start_B3 is None else np.asarray(start_B3, dtype=np.float64)
    if start_B3.shape != (len(speed_B), 3):
        raise ConfigError(f"integrate: got start poses {start_B3.shape}, wants {(len(speed_B), 3)}")
    if not (np.isfinite(controls_BT2).all() and np.isfinite(speed_B).all() and np.isfinite(start_B3).all()):
        raise ConfigError("integrate: controls, speed and start pose must be finite")
    acceleration_BT, curvature_BT = controls_BT2[..., 0], controls_BT2[..., 1]
    speed_BS = _running(speed_B, acceleration_BT * dt_s)
    turn_BT = curvature_BT * (speed_BS[:, :-1] * dt_s + acceleration_BT * (0.5 * dt_s**2))
    yaw_BS = _running(start_B3[:, 2], turn_BT)
    east_BS, north_BS = speed_BS * np.cos(yaw_BS), speed_BS * np.sin(yaw_BS)
    x_BS = _running(start_B3[:, 0], (east_BS[:, :-1] + east_BS[:, 1:]) * (0.5 * dt_s))
    y_BS = _running(start_B3[:, 1], (north_BS[:, :-1] + north_BS[:, 1:]) * (0.5 * dt_s))
    return np.stack([x_BS[:, 1:], y_BS[:, 1:], yaw_BS[:, 1:]], axis=-1)


def estimate_speed(history_BTx3: np.ndarray, dt_s: float = DT_S, smoothing: Smoothing | None = None) -> np.ndarray:
    """Speed [m/s] at the last pose, [B]: all speeds of the history are fitted at once, none is fixed."""
    return fit_history(history_BTx3, dt_s, smoothing)[:, -1]


def fit_history(history_BTx3: np.ndarray, dt_s: float = DT_S, smoothing: Smoothing | None = None) -> np.ndarray:
    """Speed [m/s] at every pose of the history, [B, T]."""
    _check_period(dt_s)
    history_BTx3, smoothing = check_poses(history_BTx3, "history"), smoothing or Smoothing()
    chunks = []
    for i in range(0, len(history_BTx3), _BATCH):
        x_SB, y_SB, yaw_SB = _time_first(history_BTx3[i : i + _BATCH])
        steps = np.diff(x_SB, axis=0), np.diff(y_SB, axis=0)
        chunks.append(_fit_speed(*steps, unwrapped(yaw_SB, axis=0), None, dt_s, smoothing).T)
    return np.concatenate(chunks) if chunks else np.zeros(history_BTx3.shape[:2])


def poses_to_controls(
    history_BHx3: np.ndarray, future_BTx3: np.ndarray, dt_s: float = DT_S, smoothing: Smoothing | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Controls [B, T, 2] (acceleration, curvature) that drive the future, and the speed [B] they start from.

    The last history pose may lie anywhere; only motion relative to it counts. `integrate` with both results gives the
    future back, up to what smoothing takes away. Raises SceneError for wrong shapes or NaN.
    """
    motion = fit_motion(history_BHx3, future_BTx3, dt_s, smoothing)
    return motion.controls_BT2, motion.speed_BS[:, 0]


def fit_motion(
    history_BHx3: np.ndarray, future_BTx3: np.ndarray, dt_s: float = DT_S, smoothing: Smoothing | None = None
) -> Motion:
    """The whole chain: yaw, speed, acceleration, curvature. See `poses_to_controls`."""
    history_BHx3, future_BTx3 = check_poses(history_BHx3, "history"), check_poses(future_BTx3, "future")
    if len(history_BHx3) != len(future_BTx3):
        raise SceneError(f"got {len(history_BHx3)} histories and {len(future_BTx3)} futures, wants as many of each")
    return fit_local_motion(history_BHx3, to_start_frame(future_BTx3, history_BHx3[:, -1]), dt_s, smoothing)


def fit_local_motion(
    history_BHx3: np.ndarray, local_BTx3: np.ndarray, dt_s: float = DT_S, smoothing: Smoothing | None = None
) -> Motion:
    """`fit_motion` of a future that is checked and in the frame of the last history pose already."""
    smoothing = smoothing or Smoothing()
    speed_B = estimate_speed(history_BHx3, dt_s, smoothing)
    motions = [
        _fit_chunk(local_BTx3[i : i + _BATCH], speed_B[i : i + _BATCH], dt_s, smoothing)
        for i in range(0, max(len(speed_B), 1), _BATCH)
    ]
    return Motion(
        speed_BS=np.concatenate([m.speed_BS for m in motions]),
        yaw_BS=np.concatenate([m.yaw_BS for m in motions]),
        controls_BT2=np.concatenate([m.controls_BT2 for m in motions]),
    )


def _time_first(poses_BTx3: np.ndarray) -> np.ndarray:
    """[3, T, B]: one step of time touches contiguous memory, here and in the fits below."""
    return np.ascontiguousarray(poses_BTx3.transpose(2, 1, 0))


def _fit_chunk(local_BTx3: np.ndarray, speed_B: np.ndarray, dt_s: float, smoothing: Smoothing) -> Motion:
    dtype = local_BTx3.dtype
    x_TB, y_TB, yaw_TB = _time_first(local_BTx3)
    steps = len(yaw_TB)
    follow_yaw = smoother(steps, 3, smoothing.yaw_weight, smoothing.yaw_ridge, dt_s, True)
    yaw_SB = np.zeros((steps + 1, len(speed_B)), dtype)
    yaw_SB[1:] = follow_yaw @ unwrapped(yaw_TB, axis=0)
    # The first step is from t0, which is the origin.
    x_TB[1:], y_TB[1:] = np.diff(x_TB, axis=0), np.diff(y_TB, axis=0)
    speed_SB = _fit_speed(x_TB, y_TB, yaw_SB, speed_B, dt_s, smoothing)
    follow = smoother(steps, 2, smoothing.acceleration_weight, smoothing.acceleration_ridge, dt_s, False)
    acceleration_TB = (follow @ (np.diff(speed_SB, axis=0) / dt_s)).astype(dtype)
    curvature_TB = _fit_curvature(yaw_SB, speed_SB, acceleration_TB, dt_s, smoothing)
    controls_BT2 = np.stack([acceleration_TB.T, curvature_TB.T], axis=-1)
    return Motion(speed_BS=speed_SB.T, yaw_BS=yaw_SB.T, controls_BT2=controls_BT2)


def _fit_speed(
    east_TB: np.ndarray,
    north_TB: np.ndarray,
    yaw_SB: np.ndarray,
    speed_B: np.ndarray | None,
    dt_s: float,
    smoothing: Smoothing,
) -> np.ndarray:
    """Speeds [T + 1, B] with v_t u_t + v_t+1 u_t+1 = 2 step_t / dt, a step being (east, north).

    The first speed is `speed_B` where that is given. u = (cos yaw, sin yaw) has length one, so the data term's matrix
    has 1 or 2 on its diagonal and cos(yaw difference) beside it, and nothing else.
    """
    east_TB, north_TB = (2.0 / dt_s) * east_TB, (2.0 / dt_s) * north_TB
    cos_SB, sin_SB = np.cos(yaw_SB), np.sin(yaw_SB)
    right_SB = np.zeros_like(yaw_SB)
    right_SB[:-1] = cos_SB[:-1] * east_TB + sin_SB[:-1] * north_TB
    right_SB[1:] += cos_SB[1:] * east_TB + sin_SB[1:] * north_TB
    order = 3
    constant = matrix_diagonals(penalty(len(yaw_SB), order, smoothing.speed_weight, dt_s), order)
    constant[0] += 2.0 + smoothing.speed_ridge
    constant[0, [0, -1]] -= 1.0
    diagonals_PSB = np.repeat(constant.astype(yaw_SB.dtype), yaw_SB.shape[1], axis=2)
    diagonals_PSB[1, :-1] += cos_SB[1:] * cos_SB[:-1] + sin_SB[1:] * sin_SB[:-1]
    if speed_B is None:
        return solve_banded(diagonals_PSB, right_SB)
    reach = min(order, len(right_SB) - 1)
    right_SB[1 : reach + 1] -= diagonals_PSB[1 : reach + 1, 0] * speed_B
    return np.concatenate([speed_B[None], solve_banded(diagonals_PSB[:, 1:], right_SB[1:])])


def _fit_curvature(
    yaw_SB: np.ndarray, speed_SB: np.ndarray, acceleration_TB: np.ndarray, dt_s: float, smoothing: Smoothing
) -> np.ndarray:
    """Curvatures [T, B] with yaw difference = curvature times the way of the step."""
    way_TB = dt_s * speed_SB[:-1] + (0.5 * dt_s**2) * acceleration_TB
    right_TB = way_TB * np.diff(yaw_SB, axis=0)
    order = 2
    constant = matrix_diagonals(penalty(len(way_TB), order, smoothing.curvature_weight, dt_s), order)
    constant[0] += smoothing.curvature_ridge
    diagonals_PTB = np.repeat(constant.astype(way_TB.dtype), way_TB.shape[1], axis=2)
    diagonals_PTB[0] += way_TB**2
    curvature_TB = solve_banded(diagonals_PTB, right_TB)
    if smoothing.curvature_limit is not None:
        curvature_TB = np.clip(curvature_TB, -smoothing.curvature_limit, smoothing.curvature_limit)
    slow_SB = np.abs(speed_SB) < smoothing.standing_mps
    return np.where(slow_SB[:-1] | slow_SB[1:], 0.0, curvature_TB)


def _running(start_B: np.ndarray, increments_BT: np.ndarray) -> np.ndarray:
    """Running sum [B, T + 1] that begins at `start_B`."""
    return np.cumsum(np.concatenate([start_B[:, None], increments_BT], axis=1), axis=1)
