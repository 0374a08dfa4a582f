"""The expert: drives a world on the scene clock under the unicycle dynamics, with bounded jerk.

What it wants along the road is in `speed_plan`, across it in `path_plan`. Plain floats in the loop: numpy would be ten
times slower at this size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...driving.scene import SCENE_STEPS
from ...driving.trajectory import DT_S, HISTORY_STEPS
from .path_plan import PathPlan
from .road import GRID_M, ROAD_START_M
from .speed_plan import SpeedPlan
from .style import STYLE, ExpertStyle
from .world import World


@dataclass(frozen=True, eq=False)
class Drive:
    """What was driven on the scene clock, in road coordinates and as controls. All [80], controls [79]."""

    start_heading: float
    """Relative to the road [rad]."""
    s_T: np.ndarray
    d_T: np.ndarray
    speed_T: np.ndarray
    acceleration_T: np.ndarray
    curvature_T: np.ndarray


def drive(world: World, curvature_N: np.ndarray, style: ExpertStyle = STYLE) -> Drive:
    """Drive the world; `curvature_N` is the road's curvature on the grid."""
    curvatures = curvature_N.tolist()
    speed_plan = SpeedPlan(world, style)
    path_plan = PathPlan(world, style)
    dt = DT_S
    before = (HISTORY_STEPS - 1) * dt
    a = world.history_acceleration_mps2
    v = world.speed_mps - a * before
    s = -(v + world.speed_mps) * before / 2
    d, start_heading = path_plan.begin(s)
    heading = start_heading
    out_s, out_d, out_v, out_a, out_k = [s], [d], [v], [], []
    jerk = style.jerk_mps3 * dt
    for tick in range(SCENE_STEPS - 1):
        wanted = speed_plan.acceleration(tick, s, v)
        a = min(max(wanted, a - jerk), a + jerk)
        if v + a * dt < 0.0:
            a = -v / dt
        step = v * dt + 0.5 * a * dt * dt
        road_curvature = curvatures[int((s + 0.5 * step - ROAD_START_M) / GRID_M + 0.5)]
        curvature = path_plan.curvature(s, d, heading, v, road_curvature)
        turn = curvature * step
        middle = heading + 0.5 * (turn - road_curvature * step)
        along = step * math.cos(middle) / (1.0 - road_curvature * d)
        s += along
        d += step * math.sin(middle)
        heading += turn - road_curvature * along
        v = max(v + a * dt, 0.0)
        out_s.append(s)
        out_d.append(d)
        out_v.append(v)
        out_a.append(a)
        out_k.append(curvature)
    return Drive(start_heading, *(np.array(values) for values in (out_s, out_d, out_v, out_a, out_k)))


def unicycle_poses(start_3: np.ndarray, driven: Drive) -> np.ndarray:
    """Poses [80, 3] of the controls, from the pose at tick 0."""
    a_T, curvature_T = driven.acceleration_T, driven.curvature_T
    v_T = driven.speed_T[0] + np.concatenate([[0.0], np.cumsum(a_T) * DT_S])
    turn_T = curvature_T * (v_T[:-1] * DT_S + 0.5 * a_T * DT_S**2)
    yaw_T = start_3[2] + np.concatenate([[0.0], np.cumsum(turn_T)])
    vx_T, vy_T = v_T * np.cos(yaw_T), v_T * np.sin(yaw_T)
    x_T = start_3[0] + np.concatenate([[0.0], np.cumsum(vx_T[1:] + vx_T[:-1]) * (DT_S / 2)])
    y_T = start_3[1] + np.concatenate([[0.0], np.cumsum(vy_T[1:] + vy_T[:-1]) * (DT_S / 2)])
    return np.stack([x_T, y_T, yaw_T], axis=-1)
