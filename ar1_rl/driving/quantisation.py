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


_ROUNDING = 1e-9
"""Slack for floating-point noise where a level ends exactly at a standstill."""


@dataclass(frozen=True)
class Tracking:
    """How firmly held controls steer back to the reference: error feedback on speed, heading and place.

    The first three weigh place errors against those of speed and heading: short ones follow the place closely, long
    ones give steadier controls. Chosen on synthetic manoeuvres for small displacement without spurious steering.
    """

    along_s: float = 0.5
    across_s: float = 0.7
    across_min_m: float = 3.0
    """Lower bound of the way that belongs to `across_s`: at walking pace lateral errors need way, not time."""
    standing_m: float = 0.05
    """Way of one hold around which curvature fades to zero, as it hardly turns the vehicle any more."""
    standing_mps: float = 0.15
    """Mean speed of one hold down to which a backward reference counts as standing."""


@dataclass(frozen=True)
class HeldControls:
    """Encodes a drive in controls that hold for several steps, each chosen from where the ones before it have led.

    So rounding errors do not add up. The cost of a hold is the squared error at its end; it is quadratic in the
    acceleration and, nearly, in the curvature, so the best level is the one next to the minimum.
    """

    acceleration: Grid
    curvature: Grid
    hold_steps: int
    tracking: Tracking
    dt_s: float

    def choose(self, reference_BTx3: np.ndarray, motion: Motion) -> np.ndarray:
        """Ids [B, T / hold_steps, 2] that follow the reference, given in the frame of t0 with its fitted motion."""
        goals_BTx3 = np.concatenate([reference_BTx3[..., :2], motion.yaw_BS[:, 1:, None]], axis=-1)
        pose_B3, speed_B = np.zeros_like(goals_BTx3[:, 0]), motion.speed_BS[:, 0]
        last_B3, ids = pose_B3, []
        for end in range(self.hold_steps, goals_BTx3.shape[1] + 1, self.hold_steps):
            goal_B3 = goals_BTx3[:, end - 1]
            backward_B = _split(goal_B3 - last_B3, goal_B3[:, 2])[0] < -self.tracking.standing_mps * self._hold_s
            a_B = self._accelerate(pose_B3, speed_B, goal_B3, motion.speed_BS[:, end], backward_B)
            k_B = self._steer(pose_B3, speed_B, goal_B3, self.acceleration.levels[a_B])
            ids.append(np.stack([a_B, k_B], axis=-1))
            controls_B2 = np.stack([self.acceleration.levels[a_B], self.curvature.levels[k_B]], axis=-1)
            held_BT2 = np.repeat(controls_B2[:, None], self.hold_steps, axis=1)
            pose_B3 = integrate(held_BT2, speed_B, self.dt_s, pose_B3)[:, -1]
            speed_B = speed_B + controls_B2[:, 0] * self._hold_s
            last_B3 = goal_B3
        return np.stack(ids, axis=1)

    @property
    def _hold_s(self) -> float:
        return self.hold_steps * self.dt_s

    def _accelerate(
        self,
        pose_B3: np.ndarray,
        speed_B: np.ndarray,
        goal_B3: np.ndarray,
        goal_speed_B: np.ndarray,
        backward_B: np.ndarray,
    ) -> np.ndarray:
        """Ids of the acceleration, never ending a hold backwards where the reference does not go backwards."""
        half_turn_B = 0.5 * (goal_B3[:, 2] - pose_B3[:, 2])
        chord_B, _ = _split(goal_B3 - pose_B3, pose_B3[:, 2] + half_turn_B)
        way_B = chord_B / np.sinc(half_turn_B / np.pi)
        gain = 0.5 * self._hold_s / self.tracking.along_s
        for_speed_B = (goal_speed_B - speed_B) / self._hold_s
        for_place_B = gain * (way_B / self._hold_s - speed_B) / self.tracking.along_s
        ids_B = self.acceleration.nearest((for_speed_B + for_place_B) / (1.0 + gain**2))
        standstill_B = np.searchsorted(self.acceleration.levels, -speed_B / self._hold_s - _ROUNDING)
        standstill_B = np.minimum(standstill_B, self.acceleration.bins - 1)
        return np.where(backward_B, ids_B, np.maximum(ids_B, standstill_B))

    def _steer(
        self, pose_B3: np.ndarray, speed_B: np.ndarray, goal_B3: np.ndarray, acceleration_B: np.ndarray
    ) -> np.ndarray:
        """Ids of the curvature: the turn to the goal's heading, bent by what one arc would miss it to the side."""
        way_B = speed_B * self._hold_s + 0.5 * acceleration_B * self._hold_s**2
        turn_B = goal_B3[:, 2] - pose_B3[:, 2]
        _, across_B = _split(goal_B3 - pose_B3, pose_B3[:, 2] + 0.5 * turn_B)
        reach_B = np.maximum(np.abs(speed_B) * self.tracking.across_s, self.tracking.across_min_m)
        gain_B = 0.5 * way_B / reach_B
        bend_B = turn_B + gain_B / (1.0 + gain_B**2) * across_B / reach_B
        return self.curvature.nearest(bend_B * way_B / (way_B**2 + self.tracking.standing_m**2))


def _split(offset_B3: np.ndarray, heading_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets [m] along a heading and to its left."""
    cos, sin = np.cos(heading_B), np.sin(heading_B)
    return cos * offset_B3[:, 0] + sin * offset_B3[:, 1], cos * offset_B3[:, 1] - sin * offset_B3[:, 0]
