"""What evaluation grades with, whatever the policy was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ar1_rl.driving import Completion, Scene
from rewards.consistency import Consistency
from rewards.critic.embedded import RubricCritic
from rewards.score import Score

BatchGrader = Callable[[Sequence[Completion], Sequence[Scene]], list[Score]]


@dataclass(frozen=True)
class Graders:
    """The two graders behind `consistency` and `reasoning_score`."""

    consistency: BatchGrader
    reasoning: BatchGrader

    @classmethod
    def embedded(cls) -> Graders:
        """Strict consistency, and the rubric critic: both deterministic and free."""
        return cls(consistency=Consistency(mode="strict").score_batch, reasoning=RubricCritic().score_batch)
