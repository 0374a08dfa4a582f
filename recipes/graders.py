"""What evaluation grades with: the graders that training uses, and others that no policy was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError
from ar1_rl.plugins import nearest
from rewards.consistency import Consistency
from rewards.critic.cause_first import CauseFirstCritic
from rewards.critic.embedded import RubricCritic
from rewards.held_out_consistency import held_out_consistency
from rewards.loading import BUILT_IN, MixConfig, load_reward
from rewards.score import Score

from .eval_config import HeldOutConfig

BatchGrader = Callable[[Sequence[Completion], Sequence[Scene]], list[Score]]
Reader = Literal["tagger", "rules"]

GRADED = (
    "reasoning_score",
    "reasoning_score_held_out",
    "consistency",
    "consistency_graded",
    "consistency_held_out",
)
"""Metrics by a grader."""

REWARDED: Mapping[str, tuple[str, ...]] = {
    "consistency": ("consistency", "consistency_graded"),
    "imitation": ("ade_", "minade6_", "fde_m", "corner_distance_m", "miss_rate"),
    "safety": ("close_encounter_rate", "encounter_rate_", "off_road_rate"),
    "collision": ("close_encounter_rate", "encounter_rate_"),
    "comfort": ("comfort",),
    "jerk": ("comfort_jerk", "comfort_longitudinal_jerk"),
    "format": ("parse_rate",),
}
"""Built-in reward -> beginnings of the names of the metrics that say much the same."""
CRITICS: Mapping[str, tuple[str, ...]] = {"rubric": ("reasoning_score",), "cause_first": ("reasoning_score_held_out",)}
"""Backend of the critic -> the metrics that it grades unless `eval.held_out.critic` names another."""
APART = ("consistency_held_out", "reasoning_score_held_out")
"""Of no reward, whatever their names begin with."""


@dataclass(frozen=True)
class Graders:
    """Metric -> grader of rollouts, and what each of them is in words."""

    by_metric: Mapping[str, BatchGrader]
    told: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def embedded(cls, reader: Reader = "tagger", held_out: HeldOutConfig | None = None) -> Graders:
        """The graders of training, with the reader that it uses, and the held-out ones.

        Strict consistency and the rubric critic are deterministic and free; so are the held-out ones, unless the
        config names another critic.
        """
        settings = held_out or HeldOutConfig()
        other: Reader = "rules" if reader == "tagger" else "tagger"
        apart = other if settings.reader == "other" else settings.reader
        held = held_out_consistency(apart)
        held = replace(
            held,
            **{
                name: _changed(name, getattr(held, name), getattr(settings, name))
                for name in ("action_thresholds", "motion_thresholds", "thresholds")
            },
        )
        critic, critic_told = _held_out_critic(settings)
        both = Consistency(mode="graded", extractor=reader)
        return cls(
            by_metric={
                "reasoning_score": RubricCritic().score_batch,
                "reasoning_score_held_out": critic,
                "consistency_graded": both.score_batch,
                "consistency_held_out": held.score_batch,
            },
            told={
                "reasoning_score": "the embedded critic `rubric`, which reads by rules",
                "reasoning_score_held_out": critic_told,
                "consistency": f"strict, read by {_article(reader)}",
                "consistency_graded": f"graded, read by {_article(reader)}",
                "consistency_held_out": f"strict with stricter thresholds, read by {_article(apart)}",
            },
        )

    def grade(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> dict[str, list[Score]]:
        """Metric -> scores. Strict consistency comes from the graded one: the motions are read once."""
        scores = {name: grader(completions, scenes) for name, grader in self.by_metric.items()}
        if "consistency" not in scores and "consistency_graded" in scores:
            scores["consistency"] = [strict_of(score) for score in scores["consistency_graded"]]
        return scores


def strict_of(graded: Score) -> Score:
    """The strict score of what was graded: 1 iff both axes have full credit; what a reader failed at stays failed."""
    if graded.failure is not None:
        return graded
    parts = {name: float(credit == 1.0) for name, credit in graded.parts.items()}
    return Score(value=float(all(parts.values())), parts=parts, why=graded.why)


def reader_of(rewards: MixConfig | None) -> Reader:
    """Who reads the decisions for the consistency reward of a mix; the default where it has none, or asks a model."""
    for term in rewards.terms if rewards is not None else ():
        if term.reward == "consistency":
            extractor = term.arguments.get("extractor", "tagger")
            return "rules" if extractor == "rules" else "tagger"
    return "tagger"


def trained_on(rewards: MixConfig | None, metrics: Sequence[str]) -> tuple[str, ...]:
    """Those of the metrics that a mix rewards. A term of weight 0 trains nothing, and a preset's terms count 1.

    Each reasoning score is by one embedded critic: a policy that another critic has graded was not trained on it.
    """
    if rewards is None:
        return ()
    beginnings: list[str] = []
    graded: set[str] = set()
    for name, backend in _terms(rewards):
        if name == "critic":
            graded |= {*CRITICS.get(backend, ())}
        else:
            beginnings += REWARDED.get(name, ())
    return tuple(
        m
        for m in metrics
        if m.removesuffix("_mean") in graded or (m.startswith(tuple(beginnings)) and not m.startswith(APART))
    )


def held_out(metrics: Sequence[str], trained: Sequence[str]) -> tuple[str, ...]:
    """Those of the metrics that are by a grader, or by other scenes, and that the policy was not trained on.

    Of all of them more is better; the controls of faithfulness are controls and no metrics of a policy.
    """
    judged = (*GRADED, "faithful_trace", "faithful_plan")
    return tuple(m for m in metrics if m.startswith(judged) and m not in trained)


def _terms(rewards: MixConfig) -> list[tuple[str, str]]:
    """Name and backend of every built-in reward that moves the policy."""
    if rewards.preset is not None:
        return [_built_in(term.reward) for term in rewards.build().terms if term.weight > 0]
    terms = [term for term in rewards.terms if term.weight > 0]
    return [(term.reward, str(term.arguments.get("backend", "rubric"))) for term in terms]


def _built_in(reward: object) -> tuple[str, str]:
    for backend, makes in (("rubric", RubricCritic), ("cause_first", CauseFirstCritic)):
        if isinstance(reward, makes):
            return "critic", backend
    made = [name for name, makes in BUILT_IN.items() if isinstance(makes, type) and isinstance(reward, makes)]
    return (made or [""])[0], ""


def _held_out_critic(settings: HeldOutConfig) -> tuple[BatchGrader, str]:
    if settings.critic is None:
        return (
            CauseFirstCritic().score_batch,
            "the critic `cause first`, which reads by the tagger",
        )
    reward: Any = load_reward(settings.critic.reward, **settings.critic.arguments)
    if not hasattr(reward, "score_batch"):
        raise ConfigError(
            f"eval.held_out.critic: {settings.critic.reward!r} has no `score_batch(completions, scenes)`; allowed are "
            "`critic` with its backends and other rewards of that form"
        )
    return reward.score_batch, f"`{settings.critic.reward}` of the config"


def _changed(name: str, thresholds: Any, changes: Mapping[str, float]) -> Any:
    for key in changes:
        if not isinstance(getattr(thresholds, key, None), int | float):
            numbers = [field for field, value in vars(thresholds).items() if isinstance(value, int | float)]
            raise ConfigError(f"eval.held_out.{name}: unknown threshold {key!r}{nearest(key, numbers)}")
    return replace(thresholds, **changes)


def _article(reader: str) -> str:
    return "the tagger" if reader == "tagger" else "rules"
