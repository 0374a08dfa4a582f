"""What a reward looks like, and the little that the built-in ones share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Protocol

import numpy as np

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import RewardError

from .score import Score

Needs = Literal["text", "trajectory"]
"""What must be there before a reward can be asked: the reasoning, or a decoded trajectory."""

Credit = Literal["text", "trajectory", "both"]
"""Whose doing a reward judges: the reasoning's, the trajectory's, or how the two fit together."""


class Reward(Protocol):
    """A built-in reward. Of a user's own callable only `__call__` is asked for; see `terms.Term`."""

    @property
    def name(self) -> str:
        """What logs, records and mixes call it."""
        ...

    @property
    def needs(self) -> Needs:
        """What must be there before it can be asked."""
        ...

    @property
    def value_range(self) -> tuple[float, float]:
        """The lowest and the highest value that a judged completion can get."""
        ...

    def __call__(self, completion: Completion, scene: Scene) -> Score:
        """Score one completion."""
        ...

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score completions, each in the scene of the same position."""
        ...


class BatchReward:
    """A reward whose batched form does the work; one completion is a batch of one."""

    needs: ClassVar[Needs] = "trajectory"

    def __call__(self, completion: Completion, scene: Scene) -> Score:
        """Score one completion."""
        return self.score_batch([completion], [scene])[0]

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score completions, each in the scene of the same position."""
        raise NotImplementedError


def stack_poses(completions: Sequence[Completion], name: str) -> np.ndarray:
    """Trajectories [B, T, 3] of decodable completions; RewardError names the first that is not.

    What an undecodable completion is worth is not a reward's business but the mix's (`mix.Mix`), so that it can be
    neither free nor an escape.
    """
    for completion in completions:
        if completion.trajectory is None:
            raise RewardError(
                f"reward {name!r} needs a trajectory, and this completion has none ({completion.error}); "
                "score it through a Mix, which gives such completions their declared value"
            )
    return np.stack([c.trajectory.poses_T3 for c in completions if c.trajectory is not None])
