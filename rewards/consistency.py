"""Reasoning-action consistency: does the trajectory carry out what the text announces?

Strict is Alpamayo-R1's reward (arXiv 2511.00088, section 5.3.2): 1 iff both axes match, else 0. Graded gives credit per
axis. The table of what carries out what is `ar1_rl.driving.carrying_out`; docs/consistency.md prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from ar1_rl.driving.carrying_out import THRESHOLDS, Agreement, CarryingOutThresholds, compare
from ar1_rl.driving.completion import Completion
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.lane_frame import LanePath, lane_paths
from ar1_rl.driving.motion import MOTION_THRESHOLDS, Motion, MotionThresholds, read_motions
from ar1_rl.driving.scene import Scene
from ar1_rl.errors import ConfigError

from .base import BatchReward, Needs
from .score import Score

Mode = Literal["strict", "graded"]


@dataclass(frozen=True)
class Consistency(BatchReward):
    """The reward. Parts: `longitudinal` and `lateral`, the credit (0, 0.5 or 1) on each axis."""

    mode: Mode = "strict"
    motion_thresholds: MotionThresholds = MOTION_THRESHOLDS
    thresholds: CarryingOutThresholds = THRESHOLDS
    name: str = "consistency"
    needs: ClassVar[Needs] = "trajectory"
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.mode not in ("strict", "graded"):
            raise ConfigError(f"consistency mode: got {self.mode!r}, allowed 'strict' and 'graded'")

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Scores of completions, each with its scene; the trajectories are read together."""
        if len(completions) != len(scenes):
            raise ConfigError(f"{len(completions)} completions with {len(scenes)} scenes: one scene each is needed")
        motions = _motions(completions, scenes, self.motion_thresholds)
        return [
            self._score(completion.reasoning, motion) for completion, motion in zip(completions, motions, strict=True)
        ]

    def _score(self, reasoning: str | None, motion: Motion | None) -> Score:
        if motion is None:
            return Score(value=0.0, parts={"longitudinal": 0.0, "lateral": 0.0}, why="no trajectory")
        agreement = compare(parse_decisions(reasoning or ""), motion, self.thresholds)
        return score_of(agreement, self.mode)


class _Row(NamedTuple):
    poses_T3: np.ndarray
    paths: tuple[LanePath, ...]


def score_of(agreement: Agreement, mode: Mode) -> Score:
    """An agreement as a score: strict is always 0 or 1, graded is None where nothing is claimed."""
    strict = mode == "strict"
    axes = (agreement.longitudinal, agreement.lateral)
    credits = [float(match.credit == 1.0) if strict else match.credit for match in axes]
    return Score(
        value=agreement.strict if strict else agreement.graded,
        parts=dict(zip(("longitudinal", "lateral"), credits, strict=True)),
        why="; ".join(dict.fromkeys(match.why for match in axes)),
    )


def motion_from_origin(poses_T3: np.ndarray) -> np.ndarray:
    """A future with the pose at t0 put in front: the ego frame's origin. So the first speed is the one at t0."""
    return np.concatenate([np.zeros((1, 3)), poses_T3])


def _motions(
    completions: Sequence[Completion], scenes: Sequence[Scene], thresholds: MotionThresholds
) -> list[Motion | None]:
    """The motion of every trajectory, None where there is none; trajectories of one length are read at once."""
    motions: list[Motion | None] = [None] * len(completions)
    by_length: dict[int, dict[int, _Row]] = {}
    for i, (completion, scene) in enumerate(zip(completions, scenes, strict=True)):
        if completion.trajectory is not None:
            poses_T3 = completion.trajectory.poses_T3
            row = _Row(motion_from_origin(poses_T3), lane_paths(scene.lanes, scene.observation.route))
            by_length.setdefault(len(poses_T3), {})[i] = row
    for rows in by_length.values():
        poses_BT3 = np.stack([row.poses_T3 for row in rows.values()])
        read = read_motions(poses_BT3, [row.paths for row in rows.values()], thresholds=thresholds)
        for i, motion in zip(rows, read, strict=True):
            motions[i] = motion
    return motions
