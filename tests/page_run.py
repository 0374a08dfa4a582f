"""A run folder as a run leaves it, made without a policy: what it "wrote" are reference traces, faulty ones before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from ar1_rl.config import load_config
from ar1_rl.driving import Completion, Scene, Trajectory
from ar1_rl.errors import DecodeError
from ar1_rl.scenes.faults import FaultConfig, plant_faults
from ar1_rl.scenes.synthetic import generate_scenes
from recipes import catalogue
from recipes.evaluate import METRICS
from recipes.run_config import RunConfig
from rewards.consistency import Consistency
from rewards.critic.embedded import RubricCritic
from rollouts.record import Rollout, ScoreColumns
from rollouts.store import RolloutStore, rollout_row

STEPS = 12


class Shown(NamedTuple):
    """A rollout as a flag names it."""

    label: str
    step: int
    scene_id: str
    sample: int


@dataclass(frozen=True)
class Raised:
    """A flag that is raised."""

    name: str
    evidence: str
    rollouts: tuple[Shown, ...] = ()
    raised: bool | None = True
    score: float | None = 0.8
    threshold: float = 0.4


FAULTS = FaultConfig(uniform_noise=0.5)


def make(folder: Path, scenes: int = 8, samples: int = 6, *, trace: str | None = None) -> Path:
    """The folder. `trace` is what the first rollout of the first scene says after training, not the reference."""
    made = list(generate_scenes(0, "test", scenes))
    config = load_config(RunConfig, catalogue.path_of("quickstart")).model_dump(mode="json")
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"schema_version": 1, **config}))
    environment = {"ar1_rl": "0.1.0", "git_commit": None, "python": "3.11", "packages": {"trl": "1.16.0"}}
    (folder / "environment.json").write_text(
        json.dumps(environment | {"machine": "x86_64", "cpu_count": 2, "gpus": []})
    )
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in metrics()))
    store = RolloutStore(folder / "rollouts")
    for label in ("before", "after"):
        store.write(label, rows(made, label, samples, trace if label == "after" else None))
    (folder / "summary.json").write_text(json.dumps(summary(scenes, samples)))
    return folder


def rows(scenes: Sequence[Scene], label: str, samples: int, trace: str | None = None) -> list[dict[str, Any]]:
    """Rollouts as an evaluation records them, graded by the graders of an evaluation."""
    repeated = [scene for scene in scenes for _ in range(samples)]
    completions = [completion(scene, label, i % samples) for i, scene in enumerate(repeated)]
    if trace is not None:
        completions[0] = said(trace, completions[0].trajectory)
    graders = Consistency(mode="strict"), RubricCritic()
    scores = zip(*(grader.score_batch(completions, repeated) for grader in graders), strict=True)
    made = []
    for i, (scene, answer, (agrees, grade)) in enumerate(zip(repeated, completions, scores, strict=True)):
        record = {"reply": f"<b>{grade.why}</b> grade: {grade.value}", "model": "a critic", "cached": False}
        columns = {
            "consistency": ScoreColumns(value=agrees.value, parts=agrees.parts, why=agrees.why),
            "critic": ScoreColumns(value=grade.value, parts=grade.parts, why=grade.why, record=record),
        }
        made.append(rollout_row(rollout(scene, answer, i % samples, label), None, columns))
    return made


def rollout(scene: Scene, answer: Completion, sample: int, label: str) -> Rollout:
    return Rollout(
        scene_id=scene.id, episode=scene.episode, t0_us=0, sample=sample, seed=sample, step=0, policy_version=label,
        prompt_text="what the policy was shown", prompt_token_ids=(1,), completion=answer, logprobs=(-1.0 - sample,),
    )  # fmt: skip


def completion(scene: Scene, label: str, sample: int) -> Completion:
    """The reference trace, or before training a faulty one; driven with a little noise, and one cannot be decoded."""
    assert scene.reference is not None and scene.future_T3 is not None
    random = np.random.default_rng([len(scene.id), sum(map(ord, scene.id)), sample, label == "after"])
    if sample == 5 and random.random() < 0.3:
        return Completion(
            text="stop <i3>", token_ids=(1,), reasoning=None, trajectory=None, error=DecodeError("no end")
        )
    driven = scene.future_T3 * (1.0 + random.normal(0.0, 0.02)) + np.outer(
        np.linspace(0.0, 1.0, len(scene.future_T3)) ** 2, [random.normal(0.0, 2.0), random.normal(0.0, 0.7), 0.0]
    )
    text = scene.reference.text if label == "after" else plant_faults(scene, sample, FAULTS).text
    return said(text, Trajectory(driven, "tokens"))


def said(text: str, trajectory: Trajectory | None) -> Completion:
    return Completion(text=text, token_ids=(1, 2, 3), reasoning=text, trajectory=trajectory, error=None)


def metrics() -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [{"stage": "sft", "step": 100 * i, "loss": 3.0 / i} for i in range(1, 8)]
    for step in range(1, STEPS + 1):
        terms = {"terms/consistency": 0.6 + 0.02 * step, "terms/critic": 3.0 + 0.1 * step, "terms/critic/judged": 0.98}
        lines.append(
            {"stage": "grpo", "step": step, "reward": 1.0 + 0.05 * step, "reward_std": 0.4, "entropy": 0.5, **terms}
            | {"failures/critic/Timeout": float(step % 3 == 0), "outcome/undecodable": 0.01, "step_time": 3.4}
        )
        if step % 4 == 0:
            lines.append({"stage": "grpo", "step": step, "validation/reward": 1.1 + 0.05 * step})
    return [{"schema_version": 1, **line} for line in lines]


def summary(scenes: int, samples: int) -> dict[str, Any]:
    """Hand-made: consistency is better, close encounters are worse, and comfort shows no difference."""
    delta = {name: {"mean": 0.01, "ci95": [-0.01, 0.03], "p": 0.3} for name in METRICS}
    delta["consistency"] = {"mean": 0.2, "ci95": [0.15, 0.25], "p": 0.0005}
    delta["close_encounter_rate"] = {"mean": 0.03, "ci95": [0.01, 0.05], "p": 0.004}
    delta["off_road_rate"] = {"mean": None, "ci95": [None, None], "p": None}
    return {
        "schema_version": 1,
        "recipe": "quickstart",
        "seed": 0,
        "wall_s": {"total": 540.0, "sft": 220.0, "grpo": 135.0, "eval": 140.0},
        "eval": {"scenes": scenes, "samples_per_scene": samples, "temperature": 0.6, "top_p": 0.98},
        "before": dict.fromkeys(METRICS, 0.62),
        "after": dict.fromkeys(METRICS, 0.82),
        "delta": delta,
        "groups": {"all": 288, "zero_variance": 12, "skipped": 0},
        "costs": {},
    }


def without_surroundings(scene: Scene) -> Scene:
    """As of a log with poses alone."""
    return replace(scene, agents=None, lanes=None, drivable_area=None, controls=None)


def into_evaluation_folders(folder: Path, answers: int) -> None:
    """Lay the rollouts out as evaluations do; sample number `answers` answers for its scene.

    Consistency goes from 0 to 1 in every scene, and by the held-out rule it stays as it is.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    for label, agrees in (("before", 0.0), ("after", 1.0)):
        path = folder / f"rollouts/{label}-rank000.parquet"
        table = parquet.read_table(path)
        answering = [sample == answers for sample in table["sample"].to_pylist()]
        table = table.append_column("answers", [answering]).append_column("likelihood", [[-1.0] * table.num_rows])
        where = folder / "evaluations" / label
        (where / "rollouts").mkdir(parents=True)
        parquet.write_table(table, where / "rollouts/chunk-000000-rank000.parquet")
        ids = sorted(set(table["scene_id"].to_pylist()))
        count = len(ids)
        columns = {"scene_id": ids, "episode": ids, "kind": ["as evaluated"] * count}
        columns |= {"longitudinal": ["stop"] * count, "lateral": ["lane_keeping"] * count}
        metrics = {"consistency": [agrees] * count, "consistency_held_out": [0.5] * count}
        parquet.write_table(pa.table(columns | metrics), where / "scenes.parquet")
        header = {"label": label, "policy": label, "policy_version": label, "seed": 0, "training_seed": 0}
        header |= {"scenes": count, "samples_per_scene": 2, "temperature": 0.6, "top_p": 0.98, "means": {}}
        header |= {"trained_on": ["consistency"], "held_out": ["consistency_held_out"], "decoding": "most likely"}
        (where / "evaluation.json").write_text(json.dumps({"schema_version": 1, **header}))
        path.unlink()
