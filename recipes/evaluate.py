"""Evaluation: K rollouts a scene, graded and measured chunk by chunk, and paired differences between two policies.

Legend: S scenes of a chunk, K samples a scene, N = S * K rollouts, T time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.driving import FUTURE_STEPS, Scene
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.errors import SceneError
from ar1_rl.metrics import (
    COMFORT_NAMES,
    ENCOUNTER_THRESHOLDS_M,
    HORIZONS_S,
    TTC_THRESHOLDS_S,
    ade_m,
    comfort_kept,
    corner_distance_m,
    fde_m,
    feasible,
    minade_m,
    minade_per_horizon_m,
    minade_until_m,
    missed,
    nearest_agent_m,
    off_road_share,
    paired_bootstrap,
    pairwise_agreement,
    time_to_collision_s,
    trace_diversity,
    trajectory_diversity_m,
    until,
)
from ar1_rl.metrics.catalogue import CATALOGUE, OF_THE_ANSWER, WITH_MEAN, comfort_name, horizon_name, threshold_name
from ar1_rl.report.progress import progress
from rewards.loading import MixConfig
from rewards.mix import Mix, MixedScore
from rewards.score import Score
from rollouts.policy import Policy
from rollouts.record import Rollout, ScoreColumns
from rollouts.store import rollout_row

from .eval_config import EvalConfig
from .evaluation_folder import Evaluation, EvaluationFolder, Header
from .faithfulness import faithfulness_rows
from .graders import Graders, held_out, trained_on
from .looking import looking_rows
from .plain import plain
from .stopping import StopFlag

PER_ROLLOUT = ("reasoning_score", "consistency", "ade_m", "close_encounter_rate", "off_road_rate", "comfort")
METRICS = (*PER_ROLLOUT, *(f"{name}_mean" for name in PER_ROLLOUT), "minade6_m", "parse_rate", "critic_coverage")
"""Those of summary.json; an evaluation folder has all of `ar1_rl.metrics.catalogue.CATALOGUE`."""

GRADE_COLUMNS = {"reasoning_score": "critic", "reasoning_score_held_out": "critic_held_out"}
"""Metric -> what the rollout records call its grader, where that is another name."""

SceneSource = Callable[[int], Iterable[Scene]]
"""Scenes one after another, without the first so many."""


@dataclass(frozen=True, kw_only=True)
class Evaluating:
    """How one policy is evaluated."""

    policy: Policy
    graders: Graders
    config: EvalConfig
    run_seed: int
    """Of the sampling: rollouts are drawn with it, the step, the scene and the number of the sample."""
    step: int
    label: str
    choose_by: Mix | None = None
    """Chooses the answer; unset: the likelihood does. Built from `config.best_by`."""
    faithfulness_scenes: int = 0
    """Of the first scenes of this rank; see `EvalConfig`."""
    looking_scenes: int = 0
    """The same."""
    mark: Callable[[str], None] = lambda doing: None
    """Hears what is being done, for a watch."""


def evaluate(
    job: Evaluating, scenes: SceneSource, count: int | None, folder: EvaluationFolder, console: Console, stop: StopFlag
) -> None:
    """Draw and grade K rollouts of every scene, chunk by chunk, from the first chunk on that `folder` lacks.

    In memory is one chunk. `count` is the number of scenes, for the progress bar; None where nobody knows it.
    Stopped only raises between chunks' rollouts; what is finished stays.
    """
    size, k = job.config.scenes_per_chunk, job.config.rollouts_per_scene
    number = folder.chunks()
    done = number * size
    if count is not None and done >= count:
        return
    rest = iter(scenes(done))
    with progress(console, f"{job.label}: rollouts", None if count is None else count * k, done * k) as bar:

        def ready(drawn: int) -> None:
            bar.advance(drawn)
            job.mark(f"evaluation {job.label}, rollouts")
            stop.check()

        while chunk := list(islice(rest, size)):
            faithful = max(0, job.faithfulness_scenes - done)
            looking = max(0, job.looking_scenes - done)
            folder.add(number, *evaluate_chunk(job, chunk, ready, faithful, looking))
            number, done = number + 1, done + len(chunk)
            stop.check()


def header_of(job: Evaluating, *, policy: str, training_seed: int | None, rewards: MixConfig | None) -> Header:
    """What an evaluation says of itself. `rewards` is the mix that the policy was trained on, None for none.

    A metric by which answers are chosen is held out no more than one that was trained on.
    """
    metrics = list(CATALOGUE)
    known = {*trained_on(rewards, metrics), *trained_on(job.config.best_by, metrics)}
    trained = tuple(name for name in metrics if name in known)
    return Header(
        label=job.label,
        policy=policy,
        policy_version=job.policy.version,
        seed=job.run_seed,
        training_seed=training_seed,
        samples_per_scene=job.config.rollouts_per_scene,
        temperature=job.policy.sampling.temperature,
        top_p=job.policy.sampling.top_p,
        decoding=job.config.answer,
        trained_on=trained,
        held_out=held_out(metrics, trained),
        graders=job.graders.told,
    )


def evaluate_chunk(
    job: Evaluating, scenes: Sequence[Scene], ready: Callable[[int], None], faithful: int = 0, looking: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A row for every rollout, and one for every scene.

    `faithful` of the scenes are asked about with changes, `looking` of them with other frames.
    """
    missing = [scene.id for scene in scenes if scene.future_T3 is None]
    if missing:
        raise SceneError(
            f"evaluation needs the expert's future; {len(missing)} scenes have none ({missing[0]!r} first)"
        )
    k, policy = job.config.rollouts_per_scene, job.policy
    repeated = [scene for scene in scenes for _ in range(k)]
    numbers = [number for _ in scenes for number in range(k)]
    job.mark(f"evaluation {job.label}, rollouts")
    rollouts = policy.rollouts(repeated, numbers, run_seed=job.run_seed, step=job.step, progress=ready)
    likelihoods = policy.engine.logprobs(
        [r.prompt_token_ids for r in rollouts],
        [r.completion.token_ids for r in rollouts],
        lambda count: job.mark(f"evaluation {job.label}, likelihoods"),
        [r.images for r in rollouts],
    )
    likelihood_SK = np.array([sum(row) for row in likelihoods]).reshape(-1, k)
    job.mark(f"evaluation {job.label}, grading")
    completions = [r.completion for r in rollouts]
    scores = job.graders.grade(completions, repeated)
    values = rollout_metrics(rollouts, repeated, scores, job.config)
    value_SK = None
    if job.choose_by is not None:
        mixed = job.choose_by.score(completions, repeated)
        value_SK = np.array([np.nan if m.value is None else m.value for m in mixed], dtype=float).reshape(-1, k)
    answer_S = answers(likelihood_SK, value_SK)
    metrics = scene_metrics(values, answer_S, rollouts, scenes, job.config)
    how = (job.graders.grade, job.run_seed, job.step, job.config.plan_change_m, lambda _: ready(0))
    changed: dict[int, dict[str, float]] = {}
    seen: dict[int, dict[str, float]] = {}
    if faithful > 0:
        job.mark(f"evaluation {job.label}, faithfulness")
        changed = faithfulness_rows(policy, scenes[:faithful], *how)
    if looking > 0:
        job.mark(f"evaluation {job.label}, other frames")
        seen = looking_rows(policy, scenes[:looking], *how)
    nothing = dict.fromkeys(CATALOGUE, float("nan"))
    scene_rows = [
        {
            **_who(scene),
            **nothing,
            **{name: float(column[s]) for name, column in metrics.items()},
            **changed.get(s, {}),
            **seen.get(s, {}),
        }
        for s, scene in enumerate(scenes)
    ]
    rollout_rows = []
    for n, rollout in enumerate(rollouts):
        graded = {GRADE_COLUMNS.get(name, name): _columns(column[n]) for name, column in scores.items()}
        row = rollout_row(rollout, None if value_SK is None else plain(value_SK[n // k, n % k]), graded)
        extra = {
            "likelihood": float(likelihood_SK[n // k, n % k]),
            "answers": bool(answer_S[n // k] == n % k),
            "ade_m": plain(values["ade_m"][n]),
        }
        rollout_rows.append({**row, **extra})
    return rollout_rows, scene_rows


def answers(likelihood_SK: np.ndarray, value_SK: np.ndarray | None = None) -> np.ndarray:
    """Which sample answers for its scene [S]: the most likely, or the one of the highest value.

    Of equal values the most likely one answers. NaN, not judged, is below all others.
    """
    if value_SK is None:
        return likelihood_SK.argmax(axis=1)
    known_SK = np.where(np.isfinite(value_SK), value_SK, -np.inf)
    best_SK = known_SK == known_SK.max(axis=1, keepdims=True)
    return np.where(best_SK, likelihood_SK, -np.inf).argmax(axis=1)


def paired_differences(before: Evaluation, after: Evaluation, resamples: int) -> dict[str, dict[str, Any]]:
    """After - before of every metric of a summary, paired by scene: mean, 95 % interval, p."""
    assert before.scene_ids == after.scene_ids, "both evaluations run on the same scenes"
    differences = {
        name: paired_bootstrap(before.per_scene[name], after.per_scene[name], resamples=resamples) for name in METRICS
    }
    return {name: _difference(plain(asdict(difference))) for name, difference in differences.items()}


def rollout_metrics(
    rollouts: Sequence[Rollout], scenes: Sequence[Scene], scores: Mapping[str, Sequence[Score]], config: EvalConfig
) -> dict[str, np.ndarray]:
    """Every per-rollout metric [N]; undecodable rollouts have no geometry (NaN) and a consistency of 0."""
    known_N = np.array([r.completion.trajectory is not None for r in rollouts])
    poses_NT3 = np.full((len(rollouts), FUTURE_STEPS, 3), np.nan)
    for i, rollout in enumerate(rollouts):
        if rollout.completion.trajectory is not None:
            poses_NT3[i] = rollout.completion.trajectory.poses_T3
    expert_NT3 = np.stack([scene.future_T3 for scene in scenes if scene.future_T3 is not None])
    driven = [scene for scene, known in zip(scenes, known_N, strict=True) if known]
    values: dict[str, np.ndarray] = {
        name: np.array([np.nan if s.value is None else s.value for s in column], dtype=float)
        for name, column in scores.items()
    }
    values["ade_m"] = ade_m(poses_NT3, expert_NT3)
    for horizon in HORIZONS_S:
        values[f"ade_{horizon_name(horizon)}_m"] = ade_m(until(poses_NT3, horizon), until(expert_NT3, horizon))
    values["fde_m"] = fde_m(poses_NT3, expert_NT3)
    size_N2 = np.array([scene.ego_size_m for scene in scenes], dtype=float)
    ahead_N = np.array([scene.ego_center_ahead_m for scene in scenes], dtype=float)
    values["corner_distance_m"] = corner_distance_m(poses_NT3, expert_NT3, size_N2, ahead_N)
    for name, column in _driven_metrics(poses_NT3[known_N], driven, config).items():
        values[name] = np.full(len(rollouts), np.nan)
        values[name][known_N] = column
    values["trace_words"] = np.array([len((r.completion.reasoning or "").split()) for r in rollouts], dtype=float)
    values["decoded"] = known_N.astype(float)
    return values


def _driven_metrics(poses_NT3: np.ndarray, scenes: Sequence[Scene], config: EvalConfig) -> dict[str, np.ndarray]:
    """What only a decodable rollout has."""
    nearest_N = nearest_agent_m(poses_NT3, scenes)
    contact_N = time_to_collision_s(poses_NT3, scenes)
    off_road_N = off_road_share(poses_NT3, scenes)
    kept_NC = comfort_kept(poses_NT3)

    def rate(seen_N: np.ndarray, counts_N: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(seen_N), np.nan, counts_N)

    return {
        "close_encounter_rate": rate(nearest_N, nearest_N < config.close_encounter_m),
        **{
            f"encounter_rate_{threshold_name(t, 'm')}": rate(nearest_N, (nearest_N < t) | (nearest_N == 0.0))
            for t in ENCOUNTER_THRESHOLDS_M
        },
        **{f"ttc_rate_{threshold_name(t, 's')}": rate(contact_N, contact_N < t) for t in TTC_THRESHOLDS_S},
        "off_road_rate": rate(off_road_N, off_road_N > 0.0),
        "comfort": kept_NC.all(axis=1).astype(float),
        **{comfort_name(bound): kept_NC[:, c].astype(float) for c, bound in enumerate(COMFORT_NAMES)},
        "feasible": feasible(poses_NT3, config.feasibility.limits()).astype(float),
    }


def scene_metrics(
    values: Mapping[str, np.ndarray],
    answer_S: np.ndarray,
    rollouts: Sequence[Rollout],
    scenes: Sequence[Scene],
    config: EvalConfig,
) -> dict[str, np.ndarray]:
    """Metric -> values [S], without those of faithfulness."""
    k = len(rollouts) // len(scenes)
    by_scene = {name: column_N.reshape(-1, k) for name, column_N in values.items()}
    rows = np.arange(len(scenes))
    metrics = {m.name: by_scene[m.name][rows, answer_S] for m in OF_THE_ANSWER if m.name in by_scene}
    metrics |= {f"{name}_mean": _row_means(by_scene[name]) for name in WITH_MEAN if name in by_scene}
    poses_SKT3 = np.full((len(scenes), k, FUTURE_STEPS, 3), np.nan)
    for n, rollout in enumerate(rollouts):
        if rollout.completion.trajectory is not None:
            poses_SKT3[n // k, n % k] = rollout.completion.trajectory.poses_T3
    expert_ST3 = np.stack([scene.future_T3 for scene in scenes if scene.future_T3 is not None])
    metrics["minade6_m"] = minade_m(poses_SKT3, expert_ST3)
    for horizon in HORIZONS_S:
        name = horizon_name(horizon)
        metrics[f"minade6_{name}_m"] = minade_until_m(poses_SKT3, expert_ST3, horizon)
        metrics[f"minade6_per_horizon_{name}_m"] = minade_per_horizon_m(poses_SKT3, expert_ST3, horizon)
    metrics["miss_rate"] = missed(poses_SKT3, expert_ST3, config.miss_m)
    metrics["parse_rate"] = by_scene["decoded"].mean(axis=1)
    if "reasoning_score" in by_scene:
        metrics["critic_coverage"] = np.isfinite(by_scene["reasoning_score"]).mean(axis=1)
    texts = [rollout.completion.reasoning for rollout in rollouts]
    claims = [None if not text else parse_decisions(text).decisions for text in texts]
    metrics["stability"] = np.array([pairwise_agreement(claims[s * k : (s + 1) * k]) for s in rows])
    metrics["trace_diversity"] = np.array(
        [trace_diversity([t or "" for t in texts[s * k : (s + 1) * k]]) for s in rows]
    )
    metrics["trajectory_diversity"] = np.array([trajectory_diversity_m(poses_KT3) for poses_KT3 in poses_SKT3])
    return metrics


def _who(scene: Scene) -> dict[str, str | None]:
    decisions = None if scene.reference is None else scene.reference.decisions
    return {
        "scene_id": scene.id,
        "episode": scene.episode,
        "kind": scene.kind,
        "longitudinal": None if decisions is None else decisions.longitudinal,
        "lateral": None if decisions is None else decisions.lateral,
    }


def _row_means(values_SK: np.ndarray) -> np.ndarray:
    """Mean over what is known of each row; NaN where nothing is."""
    known_SK = np.isfinite(values_SK)
    count_S = known_SK.sum(axis=1)
    total_S = np.where(known_SK, values_SK, 0.0).sum(axis=1)
    return np.where(count_S > 0, total_S / np.maximum(count_S, 1), np.nan)


def _difference(known: dict[str, Any]) -> dict[str, Any]:
    """What a summary says of a difference; figures that no pair supports are null."""
    return {name: known[name] for name in ("mean", "ci95", "p", "pairs", "left_out")}


def score_columns(mixed: MixedScore) -> dict[str, ScoreColumns]:
    """A mixed score as columns of a rollout record."""
    return {name: _columns(score) for name, score in mixed.scores.items()}


def _columns(score: Score) -> ScoreColumns:
    failed = {} if score.failure is None else {"failure": score.failure}
    return ScoreColumns(value=score.value, parts=score.parts, why=score.why, record={**score.record, **failed})
