"""From controls to token ids: grids of levels, and the choice of levels that keeps a coarse drive on its reference."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from .dynamics import Motion, integrate


@dataclass(frozen=True)
class Grid:
    """`bins` levels over centre +- reach, evenly spaced or, with sharpness > 0, finer near the centre.

    Level j is centre + reach * sinh(sharpness * u) / sinh(sharpness) with u = 2 j / (bins - 1) - 1. An odd number of
    bins has the centre itself as a level. Example: `Grid(bins=5, centre=0.0, reach=2.0)` has -2, -1, 0, 1, 2.
    """

    bins: int
    centre: float
    reach: float
    sharpness: float = 0.0

    @property
    def levels(self) -> np.ndarray:
        """[bins] ascending; read-only."""
        return _levels(self)

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Ids of the levels closest to the values; what lies outside gets the first or last."""
        if self.sharpness:
            return np.searchsorted(_midpoints(self), values)
        scaled = ((values - self.centre) / self.reach + 1.0) / 2.0 * (self.bins - 1)
        return np.clip(np.round(scaled), 0, self.bins - 1).astype(np.int64)


@functools.lru_cache(maxsize=64)
def _levels(grid: Grid) -> np.ndarray:
    relative = np.linspace(-1.0, 1.0, grid.bins)
    if grid.sharpness:
        relative = np.sinh(grid.sharpness * relative) / np.sinh(grid.sharpness)
    levels = grid.centre + grid.reach * relative
    levels.flags.writeable = False
    return levels


@functools.lru_cache(maxsize=64)
def _midpoints(grid: Grid) -> np.ndarray:
    return (grid.levels[1:] + grid.levels[:-1]) / 2.0


@dataclass(frozen=True)
class Tracking:
    """How firmly held controls steer back to the reference: error feedback on speed, place and heading.

    Times within which a place error is to be driven out; short ones follow closely, long ones give steadier controls.
    """

    along_s: float = 1.0
    across_s: float = 1.0
    across_min_m: float = 4.0
    """Lower bound of the way within which a lateral error is driven out: at walking pace it is a way, not a time."""
    standing_m: float = 0.05
    """Way of one hold below which curvature fades to zero, as it no longer turns the vehicle."""


def track(
    reference_BTx3: np.ndarray,
    motion: Motion,
    acceleration: Grid,
    curvature: Grid,
    hold_steps: int,
    tracking: Tracking,
    dt_s: float,
) -> np.ndarray:
    """Ids [B, T / hold_steps, 2] whose held controls follow the reference (poses in the frame of t0).

    Each choice starts from where the ones before it have led, so rounding errors do not add up. For one hold, speed
    and place are quadratic in the acceleration and heading and place nearly so in the curvature: the best level is
    the one next to the minimum.
    """
    holds = reference_BTx3.shape[1] // hold_steps
    hold_s = hold_steps * dt_s
    ids = np.zeros((len(reference_BTx3), holds, 2), dtype=np.int64)
    pose_B3, speed_B = np.zeros((len(reference_BTx3), 3)), motion.speed_BS[:, 0]
    for hold in range(holds):
        end = (hold + 1) * hold_steps
        goal_B3 = reference_BTx3[:, end - 1]
        goal_yaw_B, goal_speed_B = motion.yaw_BS[:, end], motion.speed_BS[:, end]
        cos, sin = np.cos(goal_yaw_B), np.sin(goal_yaw_B)
        gap_x, gap_y = goal_B3[:, 0] - pose_B3[:, 0], goal_B3[:, 1] - pose_B3[:, 1]
        # Way to go along the path: the chord, lengthened by half the turn.
        ahead_B = cos * gap_x + sin * gap_y
        along_gain = 0.5 * hold_s / tracking.along_s
        wanted_B = (goal_speed_B - speed_B) / hold_s
        place_B = (ahead_B - speed_B * hold_s) / hold_s / tracking.along_s
        a_B = (wanted_B + along_gain * place_B) / (1.0 + along_gain**2)
        ids[:, hold, 0] = _no_rolling_back(acceleration, acceleration.nearest(a_B), speed_B, goal_speed_B, hold_s)
        a_B = acceleration.levels[ids[:, hold, 0]]
        way_B = speed_B * hold_s + 0.5 * a_B * hold_s**2
        turn_B = goal_yaw_B - pose_B3[:, 2]
        # Lateral place error at the end if the turn were driven as one arc.
        across_B = -np.sin(pose_B3[:, 2] + 0.5 * turn_B) * gap_x + np.cos(pose_B3[:, 2] + 0.5 * turn_B) * gap_y
        reach_B = np.maximum(np.abs(speed_B) * tracking.across_s, tracking.across_min_m)
        gain_B = 0.5 * way_B / reach_B
        k_B = way_B * (turn_B + gain_B * across_B / reach_B) / (1.0 + gain_B**2) / (way_B**2 + tracking.standing_m**2)
        ids[:, hold, 1] = curvature.nearest(k_B)
        controls_B12 = np.stack([a_B, curvature.levels[ids[:, hold, 1]]], axis=-1)[:, None]
        pose_B3 = integrate(np.repeat(controls_B12, hold_steps, axis=1), speed_B, dt_s, pose_B3)[:, -1]
        speed_B = speed_B + a_B * hold_s
    return ids


def _no_rolling_back(
    grid: Grid, ids_B: np.ndarray, speed_B: np.ndarray, goal_speed_B: np.ndarray, hold_s: float
) -> np.ndarray:
    """One level up where the chosen one would end backwards although the reference does not go backwards."""
    rolls_back = (speed_B + grid.levels[ids_B] * hold_s < 0.0) & (goal_speed_B > -0.05)
    return np.minimum(ids_B + rolls_back, grid.bins - 1)
