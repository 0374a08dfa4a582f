"""Published reward mixes, for comparison: Alpamayo-R1's trajectory reward, and NVIDIA's public gated reward.

Sources: arXiv 2511.00088, section 5.3.2; the alpamayo recipes repository, `recipes/alpamayo1_x_rl`, as of 2026-09.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ar1_rl.driving import Completion, Scene

from .base import BatchReward, Needs
from .comfort import Comfort, Jerk
from .critic.embedded import RubricCritic
from .imitation import Imitation
from .mix import Mix
from .safety import Collision
from .score import Score
from .terms import Gate, Term

AR1_CLIP_M = 10.0
"""Root mean square distance [m] beyond which the squared distance no longer grows: a mix needs a lowest value."""

GATE_ADE_M = 3.0
"""NVIDIA's gate on the average displacement error [m]."""
GATE_REASONING = 0.6
"""NVIDIA's gate on the reasoning grade, as a share of the best one."""
L2_WEIGHT, COMFORT_WEIGHT, REASONING_WEIGHT = 0.2, 0.0, 0.3
"""NVIDIA's weights of the reward with reasoning; without reasoning the first two are 0.4 and 0.1."""
CLOSED_VALUE = -1.0
"""NVIDIA's value where a gate is closed."""
BEST_GRADE = 5.0

CONTROL_REASON = (
    "the preset nvidia_gated_as_published is a negative control: its reasoning term falls as the reasoning gets "
    "better, so training on it teaches worse reasoning; nvidia_gated is the same reward with the sign corrected"
)


def ar1_trajectory_mix(
    *, l2_weight: float = 0.1, collision_weight: float = 1.0, jerk_weight: float = 0.05, clip_m: float = AR1_CLIP_M
) -> Mix:
    """Alpamayo-R1's trajectory reward: distance to the expert, collision and jerk as costs.

    r_traj = -(l2_weight · L2² + collision_weight · collision + jerk_weight · J).

    L2² is the mean squared distance to the expert [m²], collision 0 or 1, J the mean jerk [m/s³]. The paper prints
    the three as costs and gives no weights; these defaults are ours. A scene whose agents are not known is judged
    without the collision.
    """
    return Mix(
        [
            Term(reward=Imitation(name="l2", distance="l2_squared", clip_m=clip_m), weight=l2_weight),
            Term(reward=Collision(), weight=collision_weight, required=False),
            Term(reward=Jerk(), weight=jerk_weight),
        ]
    )


def nvidia_gated_mix(
    *,
    critic: Any = None,
    l2_weight: float = L2_WEIGHT,
    comfort_weight: float = COMFORT_WEIGHT,
    reasoning_weight: float = REASONING_WEIGHT,
) -> Mix:
    """NVIDIA's public gated reward with the sign of its reasoning term corrected.

    `gated_value` has the formula. `critic` grades 0 to 5 and takes the place of NVIDIA's text judge; unset, it is the
    embedded rubric critic.
    `reasoning_weight=0` gives their motion reward: without the gate on reasoning, but the critic still records.
    """
    best, gate = BEST_GRADE, GATE_REASONING * BEST_GRADE
    return Mix(
        [
            Term(
                reward=Imitation(clip_m=GATE_ADE_M),
                weight=l2_weight,
                scale=GATE_ADE_M,
                gate=Gate(closes_at=-GATE_ADE_M, name=f"ADE >= {GATE_ADE_M} m"),
            ),
            Term(reward=Comfort(), weight=comfort_weight, offset=1.0),
            Term(
                reward=critic or RubricCritic(),
                name="critic",
                weight=reasoning_weight,
                offset=gate,
                scale=best - gate,
                gate=Gate(closes_at=gate, name=f"grade <= {gate:g}") if reasoning_weight else None,
            ),
        ],
        gate_value=CLOSED_VALUE,
    )


def gated_value(ade_m: float, comfort_share: float, reasoning_share: float) -> float:
    """The corrected formula on plain numbers, which `nvidia_gated_mix` must equal.

    Open where ADE < 3 m and the reasoning share of the best grade is above 0.6; closed it is worth -1.
    """
    if not (ade_m < GATE_ADE_M and reasoning_share > GATE_REASONING):
        return CLOSED_VALUE
    reasoning = (reasoning_share - GATE_REASONING) / (1.0 - GATE_REASONING)
    return _motion(ade_m, comfort_share) + REASONING_WEIGHT * reasoning


def gated_value_as_published(ade_m: float, comfort_share: float, reasoning_share: float) -> float:
    """The formula as it was published: a negative control, not a reward to train on.

    Its reasoning term falls as the reasoning gets better: a barely passing trace earns 0.3, a perfect one 0.
    """
    if not (ade_m < GATE_ADE_M and reasoning_share > GATE_REASONING):
        return CLOSED_VALUE
    return _motion(ade_m, comfort_share) + REASONING_WEIGHT * (reasoning_share - 1.0) / (GATE_REASONING - 1.0)


@dataclass(frozen=True)
class InvertedGrade(BatchReward):
    """Best grade minus the critic's: the sign error of NVIDIA's published reasoning term, for the control only."""

    critic: Any
    name: str = "reasoning_as_published"
    needs: ClassVar[Needs] = "text"
    value_range: ClassVar[tuple[float, float]] = (0.0, BEST_GRADE)

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Grades turned upside down."""
        grades = [self.critic(completion, scene) for completion, scene in zip(completions, scenes, strict=True)]
        return [g if g.value is None else replace(g, value=BEST_GRADE - g.value) for g in grades]


def nvidia_gated_as_published_mix(*, critic: Any = None) -> Mix:
    """NVIDIA's public gated reward with its sign error, as a negative control: check-rewards must fail it.

    See `gated_value_as_published` for the formula. It cannot be trained on.
    """
    critic = critic or RubricCritic()
    right = nvidia_gated_mix(critic=critic)
    motion, comfort, reasoning = right.terms
    upside_down = Term(reward=InvertedGrade(critic), weight=REASONING_WEIGHT, scale=BEST_GRADE * (1.0 - GATE_REASONING))
    return Mix(
        [motion, comfort, replace(reasoning, weight=0.0, offset=0.0, scale=1.0), upside_down],
        gate_value=CLOSED_VALUE,
        control=CONTROL_REASON,
    )


def _motion(ade_m: float, comfort_share: float) -> float:
    return -L2_WEIGHT * ade_m / GATE_ADE_M + COMFORT_WEIGHT * (comfort_share - 1.0)


@dataclass(frozen=True)
class Preset:
    """A published mix under a name that a config can use."""

    build: Callable[..., Mix]
    control: str = ""
    """Why nobody should train on it; "" for a reward that one may."""


PRESETS: dict[str, Preset] = {
    "ar1_trajectory": Preset(ar1_trajectory_mix),
    "nvidia_gated": Preset(nvidia_gated_mix),
    "nvidia_gated_as_published": Preset(nvidia_gated_as_published_mix, control=CONTROL_REASON),
}
