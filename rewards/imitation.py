"""`imitation`: how far from the expert? The value is minus a distance, so that higher is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError, RewardError
from ar1_rl.metrics import displacement_m

from .base import BatchReward, stack_poses
from .score import Score

Distance = Literal["ade", "l2_squared"]


def imitation_cost(displacement_BT: np.ndarray, distance: Distance, clip_m: float | None) -> np.ndarray:
    """Cost [B]: mean distance [m], or mean squared distance [m²]; clipped at `clip_m`, or its square."""
    if distance == "ade":
        cost_B = displacement_BT.mean(axis=1)
        return cost_B if clip_m is None else np.minimum(cost_B, clip_m)
    cost_B = np.square(displacement_BT).mean(axis=1)
    return cost_B if clip_m is None else np.minimum(cost_B, clip_m**2)


@dataclass(frozen=True)
class Imitation(BatchReward):
    """-distance to what the expert drove: mean [m] (`ade`) or mean square [m²] (`l2_squared`) over all ticks.

    Beyond `clip_m` all completions are equally bad: an undecodable one must rank below every decodable one, and that
    takes a lowest value. `clip_m=None` has none and can only be used outside a mix, or with weight 0. A scene without
    an expert future cannot be judged.
    """

    name: str = "imitation"
    distance: Distance = "ade"
    clip_m: float | None = 5.0

    def __post_init__(self) -> None:
        if self.distance not in ("ade", "l2_squared"):
            raise ConfigError(f"imitation.distance: got {self.distance!r}, allowed 'ade', 'l2_squared'")
        if self.clip_m is not None and not self.clip_m > 0:
            raise ConfigError(f"imitation.clip_m: got {self.clip_m!r}, a distance above 0 m or None is allowed")

    @property
    def value_range(self) -> tuple[float, float]:
        """From minus the clipped cost to 0."""
        if self.clip_m is None:
            return -np.inf, 0.0
        return -(self.clip_m if self.distance == "ade" else self.clip_m**2), 0.0

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score decodable completions."""
        poses_BT3 = stack_poses(completions, self.name)
        experts = [scene.future_T3 for scene in scenes]
        for scene, expert in zip(scenes, experts, strict=True):
            if expert is not None and expert.shape != poses_BT3.shape[1:]:
                raise RewardError(
                    f"reward {self.name!r}, scene {scene.id!r}: the expert future has shape {expert.shape}, "
                    f"the trajectory {poses_BT3.shape[1:]}"
                )
        known = [row for row, expert in enumerate(experts) if expert is not None]
        scores = [Score(None, why="the scene has no expert future")] * len(scenes)
        if not known:
            return scores
        displacement_BT = displacement_m(poses_BT3[known], np.stack([e for e in experts if e is not None]))
        cost = imitation_cost(displacement_BT, self.distance, self.clip_m).tolist()
        ade, fde = displacement_BT.mean(axis=1).tolist(), displacement_BT[:, -1].tolist()
        for i, row in enumerate(known):
            parts = {"ade_m": ade[i], "fde_m": fde[i]}
            scores[row] = Score(-cost[i], parts, f"{ade[i]:.2f} m from the expert on average")
        return scores
