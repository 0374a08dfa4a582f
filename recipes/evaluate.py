"""Evaluation: K rollouts a scene, the metrics of every rollout, and paired differences between two policies.

Legend: S scenes, K samples a scene, T time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.driving import FUTURE_STEPS, Scene
from ar1_rl.errors import SceneError
from ar1_rl.metrics import ade_m, comfort_kept, nearest_agent_m, off_road_share, paired_bootstrap
from ar1_rl.report.progress import progress
from rewards.mix import MixedScore
from rewards.score import Score
from rollouts.policy import Policy
from rollouts.record import Rollout, ScoreColumns
from rollouts.store import RolloutStore, rollout_row

from .graders import Graders
from .run_config import EvalConfig
from .stopping import StopFlag

PER_ROLLOUT = ("reasoning_score", "consistency", "ade_m", "close_encounter_rate", "off_road_rate", "comfort")
"""Metrics with a value per rollout: that of the most likely one, and with `_mean` over all K."""

METRICS = (*PER_ROLLOUT, *(f"{name}_mean" for name in PER_ROLLOUT), "minade6_m", "parse_rate", "critic_coverage")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of one policy, one value a scene (NaN: the scene or the rollout does not have it)."""

    scene_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    per_scene: Mapping[str, np.ndarray]
    """METRICS, each [S]."""
    most_likely: tuple[Rollout, ...]
    """The most likely rollout of each scene."""

    @classmethod
    def joined(cls, parts: Sequence[Evaluation]) -> Evaluation:
        """One evaluation of the scenes of several, in their order."""
        return cls(
            scene_ids=tuple(identity for part in parts for identity in part.scene_ids),
            kinds=tuple(kind for part in parts for kind in part.kinds),
            per_scene={name: np.concatenate([part.per_scene[name] for part in parts]) for name in METRICS},
            most_likely=tuple(rollout for part in parts for rollout in part.most_likely),
        )

    def means(self) -> dict[str, float | None]:
        """Mean over scenes of every metric; None where no scene has it."""
        return {name: _mean(values_S) for name, values_S in self.per_scene.items()}


def evaluate(
    policy: Policy,
    scenes: Sequence[Scene],
    graders: Graders,
    config: EvalConfig,
    *,
    run_seed: int,
    step: int,
    label: str,
    store: RolloutStore | None,
    console: Console,
    stop: StopFlag,
    mark: Callable[[str], None] = lambda doing: None,
) -> Evaluation:
    """Draw K rollouts of every scene and grade them; the rollouts are recorded under `label`.

    `mark` hears what is being done, for a watch.
    """
    missing = [scene.id for scene in scenes if scene.future_T3 is None]
    if missing:
        raise SceneError(
            f"evaluation needs the expert's future; {len(missing)} scenes have none ({missing[0]!r} first)"
        )
    k = config.samples_per_scene
    repeated = [scene for scene in scenes for _ in range(k)]
    numbers = [number for _ in scenes for number in range(k)]
    mark(f"evaluation {label}, rollouts")
    with progress(console, f"{label}: rollouts", len(repeated)) as bar:

        def ready(count: int) -> None:
            bar.advance(count)
            mark(f"evaluation {label}, rollouts")
            stop.check()

        rollouts = policy.rollouts(repeated, numbers, run_seed=run_seed, step=step, progress=ready)
    likelihoods = policy.engine.logprobs(
        [r.prompt_token_ids for r in rollouts],
        [r.completion.token_ids for r in rollouts],
        lambda count: mark(f"evaluation {label}, likelihoods"),
    )
    likelihood_SK = np.array([sum(row) for row in likelihoods]).reshape(-1, k)
    mark(f"evaluation {label}, grading")
    completions = [r.completion for r in rollouts]
    consistency, reasoning = graders.consistency(completions, repeated), graders.reasoning(completions, repeated)
    values = _rollout_metrics(rollouts, repeated, consistency, reasoning, config)
    if store is not None:
        scores = [
            {"consistency": _columns(c), "critic": _columns(r)} for c, r in zip(consistency, reasoning, strict=True)
        ]
        store.write(label, [rollout_row(r, None, s) for r, s in zip(rollouts, scores, strict=True)])
    best_S = likelihood_SK.argmax(axis=1)
    return Evaluation(
        scene_ids=tuple(scene.id for scene in scenes),
        kinds=tuple(scene.kind for scene in scenes),
        per_scene=_scene_metrics(values, best_S, k),
        most_likely=tuple(rollouts[s * k + best] for s, best in enumerate(best_S)),
    )


def paired_differences(before: Evaluation, after: Evaluation, resamples: int) -> dict[str, dict[str, Any]]:
    """After - before of every metric, paired by scene: mean, 95 % interval, p."""
    assert before.scene_ids == after.scene_ids, "both evaluations run on the same scenes"
    differences = {
        name: paired_bootstrap(before.per_scene[name], after.per_scene[name], resamples=resamples) for name in METRICS
    }
    return {name: _plain(asdict(difference)) for name, difference in differences.items()}


def _rollout_metrics(
    rollouts: Sequence[Rollout],
    scenes: Sequence[Scene],
    consistency: Sequence[Score],
    reasoning: Sequence[Score],
    config: EvalConfig,
) -> dict[str, np.ndarray]:
    """Every per-rollout metric [S * K]; undecodable rollouts have no geometry (NaN) and a consistency of 0."""
    decoded = [r.completion.trajectory is not None for r in rollouts]
    poses = np.full((len(rollouts), FUTURE_STEPS, 3), np.nan)
    for i, rollout in enumerate(rollouts):
        if rollout.completion.trajectory is not None:
            poses[i] = rollout.completion.trajectory.poses_T3
    experts = np.stack([scene.future_T3 for scene in scenes if scene.future_T3 is not None])
    known = np.array(decoded)
    driven = [scene for scene, good in zip(scenes, decoded, strict=True) if good]

    def spread(values: np.ndarray) -> np.ndarray:
        column = np.full(len(rollouts), np.nan)
        column[known] = values
        return column

    nearest = nearest_agent_m(poses[known], driven)
    off_road = off_road_share(poses[known], driven)
    return {
        "reasoning_score": np.array([np.nan if s.value is None else s.value for s in reasoning]),
        "consistency": np.array([0.0 if s.value is None else s.value for s in consistency]),
        "ade_m": ade_m(poses, experts),
        "close_encounter_rate": spread(np.where(np.isnan(nearest), np.nan, nearest < config.close_encounter_m)),
        "off_road_rate": spread(np.where(np.isnan(off_road), np.nan, off_road > 0.0)),
        "comfort": spread(comfort_kept(poses[known]).all(axis=1).astype(float)),
        "decoded": known.astype(float),
    }


def _scene_metrics(values: Mapping[str, np.ndarray], best_S: np.ndarray, k: int) -> dict[str, np.ndarray]:
    by_scene = {name: column.reshape(-1, k) for name, column in values.items()}
    rows = np.arange(len(best_S))
    metrics = {name: by_scene[name][rows, best_S] for name in PER_ROLLOUT}
    metrics |= {f"{name}_mean": _row_means(by_scene[name]) for name in PER_ROLLOUT}
    metrics["minade6_m"] = np.fmin.reduce(by_scene["ade_m"], axis=1)
    metrics["parse_rate"] = by_scene["decoded"].mean(axis=1)
    metrics["critic_coverage"] = np.isfinite(by_scene["reasoning_score"]).mean(axis=1)
    return metrics


def _row_means(values_SK: np.ndarray) -> np.ndarray:
    known = np.isfinite(values_SK)
    counts = known.sum(axis=1)
    sums = np.where(known, values_SK, 0.0).sum(axis=1)
    return np.divide(sums, counts, out=np.full(len(values_SK), np.nan), where=counts > 0)


def _mean(values_S: np.ndarray) -> float | None:
    known = values_S[np.isfinite(values_S)]
    return float(known.mean()) if len(known) else None


def _plain(difference: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: figures that no pair supports are null."""
    low, high = difference["ci95"]
    figures = {"mean": difference["mean"], "p": difference["p"], "low": low, "high": high}
    known = {name: None if np.isnan(value) else value for name, value in figures.items()}
    return {
        "mean": known["mean"],
        "ci95": [known["low"], known["high"]],
        "p": known["p"],
        "pairs": difference["pairs"],
        "left_out": difference["left_out"],
    }


def score_columns(mixed: MixedScore) -> dict[str, ScoreColumns]:
    """A mixed score as columns of a rollout record."""
    return {name: _columns(score) for name, score in mixed.scores.items()}


def _columns(score: Score) -> ScoreColumns:
    failed = {} if score.failure is None else {"failure": score.failure}
    return ScoreColumns(value=score.value, parts=score.parts, why=score.why, record={**score.record, **failed})
