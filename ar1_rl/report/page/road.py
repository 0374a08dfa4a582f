"""A scene from above as compact plain values: what lies near enough to be seen, in whole centimetres.

Legend: N points, T time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...driving import HISTORY_STEPS, Scene

NEAR_M = (-40.0, 160.0, -60.0, 60.0)
"""What is drawn: from behind to ahead, from right to left of the ego at t0."""
EVERY = 2
"""Of the 10 Hz of a path, every second pose is drawn, and the last."""


def drawn_scene(scene: Scene) -> dict[str, Any]:
    """Lanes, drivable area, agents with where they go, controls, the ego's box and the expert; None: not known."""
    return {
        "lanes": _near(None if scene.lanes is None else [lane.centerline_N2 for lane in scene.lanes]),
        "area": _near(scene.drivable_area),
        "agents": None if scene.agents is None else [_agent(agent) for agent in scene.agents],
        "controls": None if scene.controls is None else [_control(control) for control in scene.controls],
        "ego": _centimetres(np.array([*scene.ego_size_m, scene.ego_center_ahead_m])),
        "history": path_of(scene.observation.history_T3),
        "expert": None if scene.future_T3 is None else path_of(scene.future_T3),
    }


def path_of(poses_T3: np.ndarray) -> list[int]:
    """x0, y0, x1, y1 … [cm] of every second pose and the last; what is not finite is left out."""
    kept = poses_T3[np.union1d(np.arange(0, len(poses_T3), EVERY), [len(poses_T3) - 1]), :2]
    return _centimetres(kept[np.isfinite(kept).all(axis=1)].ravel())


def _agent(agent: Any) -> dict[str, Any]:
    now = agent.poses_T3[HISTORY_STEPS - 1]
    seen = bool(np.isfinite(now).all())
    return {
        "kind": agent.kind,
        "size": _centimetres(np.array([agent.length_m, agent.width_m])),
        "now": [*_centimetres(now[:2]), round(float(now[2]), 3)] if seen else None,
        "path": path_of(agent.poses_T3[HISTORY_STEPS:]),
    }


def _control(control: Any) -> dict[str, Any]:
    states = control.states_T
    return {
        "kind": control.kind,
        "at": _centimetres(control.position_2),
        "state": states[HISTORY_STEPS - 1] if len(states) >= HISTORY_STEPS else None,
    }


def _near(lines: Sequence[np.ndarray] | None) -> list[list[int]] | None:
    if lines is None:
        return None
    back, ahead, right, left = NEAR_M
    kept = []
    for line_N2 in lines:
        x, y = line_N2[:, 0], line_N2[:, 1]
        if ((x >= back) & (x <= ahead) & (y >= right) & (y <= left)).any():
            kept.append(_centimetres(line_N2.ravel()))
    return kept


def _centimetres(values: np.ndarray) -> list[int]:
    return [round(value * 100.0) for value in values.tolist()]
