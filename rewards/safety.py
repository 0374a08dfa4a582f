"""`safety` and `collision`: keep clear of others, where they truly went, and stay on the road."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError
from ar1_rl.metrics import DISTANCE_CAP_M, nearest_agent_m, off_road_share

from .base import BatchReward, stack_poses
from .score import Score

CLEAR_M = 1.0
"""A box distance [m] from which more distance earns nothing: twice the close encounter's 0.5 m."""


def safety_value(nearest_m_B: np.ndarray, off_road_B: np.ndarray, clear_m: float) -> np.ndarray:
    """Value [B] in 0..1: the mean of clearance and of the share of ticks on the road, as far as they are known.

    Clearance is distance / `clear_m`, at most 1; 0 is a collision. NaN marks what the scene does not know, and is
    the value where it knows neither.
    """
    clearance_B = np.minimum(nearest_m_B / clear_m, 1.0)
    credit_2B = np.stack([clearance_B, 1.0 - off_road_B])
    known_2B = np.isfinite(credit_2B)
    count_B = known_2B.sum(axis=0)
    total_B = np.where(known_2B, credit_2B, 0.0).sum(axis=0)
    return np.where(count_B > 0, total_B / np.maximum(count_B, 1), np.nan)


@dataclass(frozen=True)
class Safety(BatchReward):
    """Clearance from moving agents and staying on the drivable area, 0..1; see `safety_value`.

    A scene that knows only one of agents and drivable area is judged by that one, a scene with neither not at all.
    """

    name: str = "safety"
    clear_m: float = CLEAR_M
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 < self.clear_m <= DISTANCE_CAP_M:
            raise ConfigError(f"safety.clear_m: got {self.clear_m!r}, allowed above 0 up to {DISTANCE_CAP_M} m")

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score decodable completions."""
        poses_BT3 = stack_poses(completions, self.name)
        nearest_B = nearest_agent_m(poses_BT3, scenes)
        off_road_B = off_road_share(poses_BT3, scenes)
        values_B = safety_value(nearest_B, off_road_B, self.clear_m)
        return [
            _safety_score(*row) for row in zip(values_B.tolist(), nearest_B.tolist(), off_road_B.tolist(), strict=True)
        ]


def _safety_score(value: float, nearest_m: float, off_road: float) -> Score:
    parts, why = {}, []
    if not np.isnan(nearest_m):
        parts["distance_m"] = nearest_m
        parts["collision"] = float(nearest_m == 0.0)
        why.append("collision" if nearest_m == 0.0 else f"{nearest_m:.1f} m to the nearest agent")
    if not np.isnan(off_road):
        parts["off_road_share"] = off_road
        if off_road > 0:
            why.append(f"off the road for {off_road:.0%} of the time")
    if not parts:
        return Score(None, why="the scene knows neither agents nor drivable area")
    return Score(value, parts, "; ".join(why) or "on the road throughout")


@dataclass(frozen=True)
class Collision(BatchReward):
    """-1 where the ego box meets any agent's at any tick, else 0: the indicator of Alpamayo-R1's trajectory reward."""

    name: str = "collision"
    value_range: ClassVar[tuple[float, float]] = (-1.0, 0.0)

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score decodable completions; a scene that does not know its agents cannot be judged."""
        nearest = nearest_agent_m(stack_poses(completions, self.name), scenes).tolist()
        return [
            Score(None, why="the scene does not know its agents")
            if np.isnan(distance_m)
            else Score(-float(distance_m == 0.0), {"distance_m": distance_m}, f"{distance_m:.1f} m at the nearest")
            for distance_m in nearest
        ]
