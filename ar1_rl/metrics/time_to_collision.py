"""Time to collision: if ego and agents went on as they go at this tick, when would their boxes touch?

At every tick of a future both are extrapolated with constant velocity and heading: the ego with the velocity of the
planned step that leads to the tick, an agent with that of its recorded one. Two boxes that do not turn overlap just
when their shadows overlap on each of the four axes of their sides (separating axes); on an axis that is one interval
of time, so the first contact is exact and no steps of time are tried.

As in the nuPlan devkit's metric, ticks at which the ego stands do not count, nor agents behind the ego: neither closes
the gap. Legend: B batch, T time, A agents, N pairs of boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..driving.scene import Scene
from ..driving.trajectory import DT_S, HISTORY_STEPS
from .encounters import distinct_scenes, ego_boxes, packed_agents

TTC_THRESHOLDS_S = (0.95, 1.5, 3.0)
"""Times [s] below which a scene counts: nuPlan's bound (`least_min_ttc`), the usual bound of a serious conflict
(van der Horst 1990), and nuPlan's horizon. Alpamayo-R1 names none."""

HORIZON_S = 3.0
"""Later contacts are none: nobody drives on like this for longer [nuPlan]."""
STANDING_MPS = 5e-3
"""Slower than this the ego stands [nuPlan]."""


def time_to_collision_s(poses_BT3: np.ndarray, scenes: Sequence[Scene], *, horizon_s: float = HORIZON_S) -> np.ndarray:
    """Smallest time to collision [B] over all ticks and agents [s], cut at `horizon_s`; 0 where boxes overlap.

    Row i was driven in `scenes[i]`. NaN where the scene does not know its agents.
    """
    distinct, scene_B = distinct_scenes(scenes)
    ego_BT3, ego_size_B2 = ego_boxes(poses_BT3, distinct, scene_B)
    velocity_BT2 = _velocity(ego_BT3, _start_centers(distinct)[scene_B])
    agents_SAT3, size_SA2 = packed_agents(distinct, poses_BT3.shape[1], first=HISTORY_STEPS - 1)
    least_B = np.full(len(poses_BT3), horizon_s)
    drives_BT = np.hypot(velocity_BT2[..., 0], velocity_BT2[..., 1]) > STANDING_MPS
    for agent in range(agents_SAT3.shape[1]):
        track_BT3 = agents_SAT3[scene_B, agent]
        other_BT3, other_velocity_BT2 = track_BT3[:, 1:], np.diff(track_BT3[..., :2], axis=1) / DT_S
        away_BT2 = other_BT3[..., :2] - ego_BT3[..., :2]
        ahead_BT = away_BT2[..., 0] * np.cos(ego_BT3[..., 2]) + away_BT2[..., 1] * np.sin(ego_BT3[..., 2])
        near_BT = drives_BT & (ahead_BT > -0.5 * ego_size_B2[:, :1])
        closing_BT2 = other_velocity_BT2 - velocity_BT2
        reach_BT = np.hypot(*np.moveaxis(closing_BT2, -1, 0)) * horizon_s
        radii_B1 = 0.5 * (np.hypot(*ego_size_B2.T) + np.hypot(*size_SA2[scene_B, agent].T))[:, None]
        near_BT &= np.hypot(*np.moveaxis(away_BT2, -1, 0)) <= reach_BT + radii_B1
        row_N, tick_N = np.nonzero(near_BT)
        contact_N = contact_s(
            ego_BT3[row_N, tick_N],
            ego_size_B2[row_N],
            other_BT3[row_N, tick_N],
            size_SA2[scene_B[row_N], agent],
            closing_BT2[row_N, tick_N],
        )
        np.minimum.at(least_B, row_N, contact_N)
    return np.where([scene.agents is not None for scene in scenes], least_B, np.nan)


def contact_s(
    a_N3: np.ndarray, size_a_N2: np.ndarray, b_N3: np.ndarray, size_b_N2: np.ndarray, closing_N2: np.ndarray
) -> np.ndarray:
    """When [N] boxes first touch, if b moves against a with velocity `closing_N2`; inf: never, 0: they overlap now."""
    away_N2 = b_N3[:, :2] - a_N3[:, :2]
    enter_N, leave_N = np.zeros(len(a_N3)), np.full(len(a_N3), np.inf)
    for yaw_N in (a_N3[:, 2], a_N3[:, 2] + np.pi / 2, b_N3[:, 2], b_N3[:, 2] + np.pi / 2):
        axis_N2 = np.stack([np.cos(yaw_N), np.sin(yaw_N)], axis=1)
        reach_N = _shadow(a_N3[:, 2] - yaw_N, size_a_N2) + _shadow(b_N3[:, 2] - yaw_N, size_b_N2)
        gap_N, rate_N = (away_N2 * axis_N2).sum(axis=1), (closing_N2 * axis_N2).sum(axis=1)
        apart_N = np.abs(gap_N) > reach_N
        moves_N = np.abs(rate_N) > 1e-9
        safe_N = np.where(moves_N, rate_N, 1.0)
        times_2N = np.sort(np.stack([(-reach_N - gap_N) / safe_N, (reach_N - gap_N) / safe_N]), axis=0)
        # Shadows that do not move against each other overlap always or never.
        enter_N = np.maximum(enter_N, np.where(moves_N, times_2N[0], np.where(apart_N, np.inf, 0.0)))
        leave_N = np.minimum(leave_N, np.where(moves_N, times_2N[1], np.inf))
    return np.where(enter_N <= leave_N, enter_N, np.inf)


def _shadow(turn_N: np.ndarray, size_N2: np.ndarray) -> np.ndarray:
    """Half of the length that a box covers on an axis, from which it is turned by `turn_N`."""
    return 0.5 * (np.abs(np.cos(turn_N)) * size_N2[:, 0] + np.abs(np.sin(turn_N)) * size_N2[:, 1])


def _velocity(boxes_BT3: np.ndarray, start_B2: np.ndarray) -> np.ndarray:
    """Velocity [B, T, 2] of the step that leads to each tick; the first one starts at t0."""
    positions = np.concatenate([start_B2[:, None], boxes_BT3[..., :2]], axis=1)
    return np.diff(positions, axis=1) / DT_S


def _start_centers(scenes: Sequence[Scene]) -> np.ndarray:
    """Where the centre of the ego box is at t0 [S, 2]."""
    return np.array([(scene.ego_center_ahead_m, 0.0) for scene in scenes]).reshape(-1, 2)
