"""Where other road users are and how they move, as seen at t0 from the path that the ego follows.

Everything is read from an `Observation`, so nothing here depends on what came after t0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ar1_rl.driving.lane_frame import REACH_M, STEP_M, LanePath, to_lane_frame
from ar1_rl.driving.motion import MOTION_THRESHOLDS
from ar1_rl.driving.scene import Agent, Observation
from ar1_rl.driving.trajectory import DT_S, HISTORY_STEPS, wrap_angle

SPEED_SPAN_S = 0.5
"""Speeds are taken over this time up to t0."""
LEAST_SEEN_S = 0.3
"""What was in view for less is left out: its motion is not known yet."""


class Sighting(NamedTuple):
    """An agent as seen at t0 from the ego's path. Lengths in m, speeds in m/s, left and forward positive."""

    agent: Agent
    ahead_m: float
    """From the ego's box to the agent's, along the path; negative behind."""
    side_m: float
    """Of its centre, from the path."""
    yaw_rad: float
    """Against the path."""
    along_mps: float
    across_mps: float
    braking_mps2: float
    was_side_m: float
    """`side_m` when first seen."""
    seen_s: float


def driven_path(observation: Observation) -> LanePath:
    """Where no map is: the ego's own curve over the last half second, continued."""
    history_T3 = observation.history_T3[-1 - round(SPEED_SPAN_S / DT_S) :]
    distance_m = float(np.linalg.norm(np.diff(history_T3[:, :2], axis=0), axis=1).sum())
    turned = float(wrap_angle(history_T3[-1, 2] - history_T3[0, 2]))
    curvature = turned / distance_m if distance_m > STEP_M else 0.0
    yaw_N = curvature * STEP_M * np.arange(int(min(REACH_M, np.pi / max(abs(curvature), 1e-9)) / STEP_M) + 1)
    steps_N2 = STEP_M * np.stack([np.cos(yaw_N), np.sin(yaw_N)], axis=1)
    points_N2 = np.concatenate([np.zeros((1, 2)), np.cumsum(steps_N2, axis=0)])
    return LanePath(lane_ids=(), points_N2=points_N2, width_m=MOTION_THRESHOLDS.default_lane_width_m, turn=None)


def sightings(observation: Observation, path: LanePath, ego_length_m: float) -> list[Sighting] | None:
    """All agents in view at t0 that were seen long enough to know their motion; None where agents are not known."""
    if observation.agents is None:
        return None
    least = round(LEAST_SEEN_S / DT_S) + 1
    agents = [a for a in observation.agents if np.isfinite(a.poses_T3[-least:]).all()]
    if not agents:
        return []
    span = round(SPEED_SPAN_S / DT_S)
    seen = [int(np.isfinite(a.poses_T3[::-1, 0]).cumprod().sum()) for a in agents]
    poses_A53 = np.stack([a.poses_T3[_ticks(count, span)] for a, count in zip(agents, seen, strict=True)])
    reading = to_lane_frame(poses_A53, [path] * len(agents))
    ego_m = float(to_lane_frame(np.zeros((1, 1, 3)), [path]).s_BT[0, 0])
    found = []
    for i, (agent, count) in enumerate(zip(agents, seen, strict=True)):
        first, half, now = _ticks(count, span)
        s, d = reading.s_BT[i], reading.d_BT[i]
        before_s, after_s = max(half - first, 1) * DT_S, max(now - half, 1) * DT_S
        along = (s[2] - s[1]) / after_s
        reach_m = 0.5 * (agent.length_m + ego_length_m)
        found.append(
            Sighting(
                agent=agent,
                ahead_m=float(s[2] - ego_m - reach_m),
                side_m=float(d[2]),
                yaw_rad=float(reading.yaw_BT[i, 2]),
                along_mps=float(along),
                across_mps=float((d[2] - d[1]) / after_s),
                braking_mps2=float(((s[1] - s[0]) / before_s - along) / ((before_s + after_s) / 2))
                if half > first
                else 0.0,
                was_side_m=float(d[0]),
                seen_s=(count - 1) * DT_S,
            )
        )
    return found


def _ticks(count: int, span: int) -> list[int]:
    """First tick in view (of the last `count`), one `span` before t0 if it was in view then, and t0."""
    now = HISTORY_STEPS - 1
    first = now - (count - 1)
    return [first, max(now - span, first), now]
