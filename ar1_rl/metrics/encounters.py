"""Close encounters and leaving the road, on batches of futures and the scenes they were driven in.

Legend: B batch, T time (t = 0.1 s, 0.2 s, ...), S distinct scenes, A agents, N flat points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..driving.geometry import nearest_box_m
from ..driving.on_area import boxes_on_area
from ..driving.scene import Scene
from ..driving.trajectory import HISTORY_STEPS
from ..errors import SceneError
from .corners import box_centers

ENCOUNTER_THRESHOLDS_M = (0.0, 0.2, 0.5, 1.0, 2.0)
"""Box distances [m] under which an encounter is counted as close; Alpamayo-R1 names no figure, so several are kept.
0.0 is a collision."""

CLOSE_ENCOUNTER_M = 0.5
"""The threshold behind `close_encounter_rate`."""

DISTANCE_CAP_M = 5.0
"""Distances are told apart up to here."""


def nearest_agent_m(poses_BT3: np.ndarray, scenes: Sequence[Scene], *, cap_m: float = DISTANCE_CAP_M) -> np.ndarray:
    """Smallest box distance [B] to any agent along each future, against where the agents truly went.

    Cut at `cap_m`; NaN where the scene does not know its agents. Row i was driven in `scenes[i]`.
    """
    distinct, scene_B = distinct_scenes(scenes)
    agents_SAT3, size_SA2 = packed_agents(distinct, poses_BT3.shape[1])
    nearest_B = nearest_box_m(*ego_boxes(poses_BT3, distinct, scene_B), agents_SAT3, size_SA2, scene_B, cap_m=cap_m)
    return np.where([scene.agents is not None for scene in scenes], nearest_B, np.nan)


def off_road_share(poses_BT3: np.ndarray, scenes: Sequence[Scene]) -> np.ndarray:
    """Share [B] of ticks at which any corner of the ego box is outside the drivable area.

    NaN where the scene does not know its drivable area.
    """
    distinct, scene_B = distinct_scenes(scenes)
    areas = [scene.drivable_area or () for scene in distinct]
    on_road_BT = boxes_on_area(*ego_boxes(poses_BT3, distinct, scene_B), scene_B, areas)
    share_B = 1.0 - on_road_BT.mean(axis=1)
    return np.where([scene.drivable_area is not None for scene in scenes], share_B, np.nan)


def encounter_rates(
    nearest_m_B: np.ndarray, thresholds_m: Sequence[float] = ENCOUNTER_THRESHOLDS_M
) -> dict[float, float]:
    """Share of rows that came closer than each threshold [m]; rows of NaN are left out, NaN where none is left.

    A threshold of 0 counts the collisions: a distance of exactly 0.
    """
    known = nearest_m_B[np.isfinite(nearest_m_B)]
    if len(known) == 0:
        return dict.fromkeys(thresholds_m, float("nan"))
    return {t: float(((known < t) | (known == 0.0)).mean()) for t in thresholds_m}


def distinct_scenes(scenes: Sequence[Scene]) -> tuple[list[Scene], np.ndarray]:
    """The different scene objects, and for each row the index of its own: siblings share one."""
    index: dict[int, int] = {}
    distinct: list[Scene] = []
    rows = np.empty(len(scenes), dtype=np.intp)
    for row, scene in enumerate(scenes):
        if id(scene) not in index:
            index[id(scene)] = len(distinct)
            distinct.append(scene)
        rows[row] = index[id(scene)]
    return distinct, rows


def ego_boxes(poses_BT3: np.ndarray, distinct: Sequence[Scene], scene_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses [B, T, 3] of the centre of the ego box, and its size [B, 2]."""
    size_S2 = np.array([scene.ego_size_m for scene in distinct], dtype=float).reshape(-1, 2)
    ahead_B = np.array([scene.ego_center_ahead_m for scene in distinct], dtype=float)[scene_B]
    return box_centers(poses_BT3, ahead_B), size_S2[scene_B]


def packed_agents(scenes: Sequence[Scene], steps: int, first: int = HISTORY_STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Futures [S, A, T, 3] and sizes [S, A, 2] of all agents; missing agents are NaN.

    T are the ticks from `first` to the last of `steps` future ones.
    """
    most = max((len(scene.agents or ()) for scene in scenes), default=0)
    poses_SAT3 = np.full((len(scenes), most, HISTORY_STEPS + steps - first, 3), np.nan)
    size_SA2 = np.ones((len(scenes), most, 2))
    for s, scene in enumerate(scenes):
        for a, agent in enumerate(scene.agents or ()):
            future = agent.poses_T3[first : HISTORY_STEPS + steps]
            if len(agent.poses_T3) < HISTORY_STEPS + steps:
                there = max(len(agent.poses_T3) - HISTORY_STEPS, 0)
                raise SceneError(
                    f"scene {scene.id!r}, agent {agent.track_id!r}: {there} future poses, the trajectory has "
                    f"{steps}; agents of a scene need {HISTORY_STEPS} + {steps} ticks"
                )
            poses_SAT3[s, a] = future
            size_SA2[s, a] = agent.length_m, agent.width_m
    return poses_SAT3, size_SA2
