"""What a failing judge does to the advantages: the policies `on_failure` side by side, against the run without faults.

Run `python -m recipes.bench.faults [RUN] [--scenes 128] [--siblings 8] [--seeds 20] [--json]`. The same rollouts are
scored by the quickstart's mix once without faults, and for every seed and share once more with that share of the
critic's calls failed; siblings that say the same share their call. Rollouts are those of the training steps of a run
folder, or synthetic (`recipes.bench.rewards`): these differ more among each other than a policy's, so that a fault
weighs less.

Legend: G groups of siblings, K siblings, B = G * K rollouts.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.config import load_config
from ar1_rl.driving import Completion, Scene, TrajectoryCodec
from ar1_rl.scenes.synthetic import generate_scenes
from rewards.base import BatchReward
from rewards.mix import Mix
from rewards.score import Score
from rewards.terms import Term
from rollouts.recorded import completion_of_row, read_batches, rollout_files

from .. import catalogue
from ..run_config import RunConfig
from ..scenes_by_id import scenes_by_id, scenes_of_run
from .codec import processor_name
from .rewards import dialogue_of, written_rollouts

SHARES = (0.01, 0.05, 0.2)
TRL_EPSILON = 1e-4
"""Added to the standard deviation of a group by TRL."""
TIE = 1e-9
GOOD_GRADE = 4.0
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "abstain": {"on_failure": "abstain"},
    "abstain, not required": {"on_failure": "abstain", "required": False},
    "drop_group": {"on_failure": "drop_group"},
    "value 0": {"on_failure": "value", "failure_value": 0.0},
}
FIGURES = {
    "lost": "rollouts without a reward",
    "bias_failed": "mean change of the advantage where the judge failed",
    "bias_good": f"the same, where it would have given {GOOD_GRADE:g} or more",
    "bias_judged": "mean change of the advantage where the judge answered",
    "rms": "root mean square change over all with a reward",
    "best_changed": "groups with another best rollout",
}
BIASES = ("bias_failed", "bias_good", "bias_judged")


@dataclass(frozen=True)
class Rollouts:
    """Completions in their scenes; siblings are K rows in a row."""

    completions: Sequence[Completion]
    scenes: Sequence[Scene]
    siblings: int


class Known(BatchReward):
    """Says what a reward said before, or that its judge failed."""

    def __init__(self, term: Term, scores: Mapping[int, Score], failed: frozenset[int] = frozenset()) -> None:
        self.name, self.value_range = term.name, term.range
        self._scores, self._failed = scores, failed

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """The known scores, by the identity of the completions."""
        failure = Score(None, why="planted", failure="Planted")
        return [failure if id(c) in self._failed else self._scores[id(c)] for c in completions]


def quickstart_mix() -> Mix:
    """The mix that the quickstart trains on."""
    return load_config(RunConfig, catalogue.path_of("quickstart"), []).rewards.build()


def synthetic_rollouts(scenes: int, siblings: int) -> Rollouts:
    """Half of them say the reference's sentence, the others another scene's; they drive about as the expert."""
    made = list(generate_scenes(0, "train", scenes))
    dialogue = dialogue_of(made, TrajectoryCodec.compact())
    token_ids, histories, owners = written_rollouts(dialogue, made, siblings)
    return Rollouts(dialogue.parse(token_ids, histories), owners, siblings)


def recorded_rollouts(run: Path, steps: int) -> Rollouts:
    """Those of evenly spaced training steps of a run."""
    files = rollout_files(run, "train")
    chosen = [files[i] for i in sorted({round(i) for i in np.linspace(0, len(files) - 1, steps)})]
    rows = [row for batch in read_batches(chosen) for row in batch.rows]
    scenes = scenes_by_id([row["scene_id"] for row in rows], scenes_of_run(run), Console(stderr=True), label="train")
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["step"], row["scene_id"]), []).append(row)
    siblings = max(len(group) for group in groups.values())
    whole = [row for group in groups.values() if len(group) == siblings for row in group]
    # A scene that was drawn at two steps is two groups, and the mix tells groups by the scene's id.
    owners = [replace(scenes[row["scene_id"]], id=f"{row['step']} {row['scene_id']}") for row in whole]
    return Rollouts([completion_of_row(row) for row in whole], owners, siblings)


def advantages(value_GK: np.ndarray) -> np.ndarray:
    """As TRL normalises them by group; NaN, no reward, stays NaN."""
    known_GK = np.isfinite(value_GK)
    count_G1 = known_GK.sum(axis=1, keepdims=True)
    filled_GK = np.where(known_GK, value_GK, 0.0)
    mean_G1 = filled_GK.sum(axis=1, keepdims=True) / np.maximum(count_G1, 1)
    off_GK = np.where(known_GK, value_GK - mean_G1, 0.0)
    std_G1 = np.sqrt((off_GK**2).sum(axis=1, keepdims=True) / np.maximum(count_G1 - 1, 1))
    return np.where(known_GK, np.where(count_G1 > 1, off_GK / (std_G1 + TRL_EPSILON), 0.0), np.nan)


def planted(rollouts: Rollouts, share: float, seed: int) -> np.ndarray:
    """Which decodable rows' calls failed [B]: that share of the distinct questions."""
    random = np.random.default_rng([seed, round(1e6 * share)])
    fate: dict[tuple[str, str], bool] = {}
    rows = zip(rollouts.completions, rollouts.scenes, strict=True)
    questions = [(scene.id, completion.reasoning or "") for completion, scene in rows]
    for question in dict.fromkeys(questions):
        fate[question] = bool(random.random() < share)
    decodable_B = np.array([completion.trajectory is not None for completion in rollouts.completions])
    return decodable_B & np.array([bool(question[1]) and fate[question] for question in questions])


def compared(
    clean_GK: np.ndarray, faulty_GK: np.ndarray, failed_GK: np.ndarray, good_GK: np.ndarray
) -> dict[str, float]:
    """FIGURES, of mixed values with and without faults."""
    change_GK = advantages(faulty_GK) - advantages(clean_GK)
    kept_GK = np.isfinite(faulty_GK)
    compared_G = kept_GK.any(axis=1)
    clean_best_GK = _best(clean_GK)
    changed_G = ~(_best(faulty_GK) & clean_best_GK).any(axis=1)
    return {
        "lost": float(1.0 - kept_GK.mean()),
        "bias_failed": _mean(change_GK[kept_GK & failed_GK]),
        "bias_good": _mean(change_GK[kept_GK & failed_GK & good_GK]),
        "bias_judged": _mean(change_GK[kept_GK & ~failed_GK]),
        "rms": float(np.sqrt(_mean(change_GK[kept_GK] ** 2))),
        "best_changed": _mean(changed_G[compared_G].astype(float)),
    }


def measure(rollouts: Rollouts, seeds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Policy -> share -> figure, each the median over seeds."""
    mix = quickstart_mix()
    clean = mix.score(rollouts.completions, rollouts.scenes)
    ids = [id(completion) for completion in rollouts.completions]
    known = {t.name: {i: m.scores[t.name] for i, m in zip(ids, clean, strict=True)} for t in mix.terms}
    clean_GK = _grouped([m.value for m in clean], rollouts.siblings)
    good_GK = _grouped([m.scores["critic"].value for m in clean], rollouts.siblings) >= GOOD_GRADE
    table: dict[str, dict[str, dict[str, float]]] = {}
    for policy, settings in POLICIES.items():
        for share in SHARES:
            drawn = []
            for seed in range(seeds):
                failed_B = planted(rollouts, share, seed)
                failed = frozenset(i for i, bad in zip(ids, failed_B, strict=True) if bad)
                faulty = _failing(mix, known, failed, settings).score(rollouts.completions, rollouts.scenes)
                values = _grouped([m.value for m in faulty], rollouts.siblings)
                drawn.append(compared(clean_GK, values, failed_B.reshape(clean_GK.shape), good_GK))
            median = {name: statistics.median(one[name] for one in drawn) for name in FIGURES}
            table.setdefault(policy, {})[f"{share:g}"] = median
    return table


def _failing(
    mix: Mix, known: Mapping[str, Mapping[int, Score]], failed: frozenset[int], settings: Mapping[str, Any]
) -> Mix:
    """The same mix with known scores, in which the critic failed for some completions."""
    terms = []
    for term in mix.terms:
        judge = term.name == "critic"
        reward = Known(term, known[term.name], failed if judge else frozenset())
        terms.append(replace(term, reward=reward, **(settings if judge else {})))
    return Mix(terms, gate_value=mix.gate_value, undecodable_value=mix.undecodable_value)


def _best(value_GK: np.ndarray) -> np.ndarray:
    """The best of each group, ties included."""
    filled_GK = np.where(np.isfinite(value_GK), value_GK, -np.inf)
    return np.isfinite(value_GK) & (filled_GK >= filled_GK.max(axis=1, keepdims=True) - TIE)


def _grouped(values: Sequence[float | None], siblings: int) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values]).reshape(-1, siblings)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def show(result: Mapping[str, Any]) -> str:
    """A Markdown table, with what it was measured on."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        f"{result['rollouts']} rollouts ({result['source']}), groups of {result['siblings']}, "
        f"median of {result['seeds']} seeds; {result['machine']}, {versions}",
        "",
        f"| on_failure | failed calls | lost | bias, failed | bias, failed {GOOD_GRADE:g}+ | bias, judged | RMS | "
        "best changed |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for policy, by_share in result["table"].items():
        for share, row in by_share.items():
            figures = [
                f"{row['lost']:.1%}",
                *("-" if np.isnan(row[n]) else f"{row[n]:+.3f}" for n in BIASES),
                f"{row['rms']:.3f}",
                f"{row['best_changed']:.1%}",
            ]
            lines.append(f"| {policy} | {float(share):.0%} | {' | '.join(figures)} |")
    return "\n".join([*lines, "", *(f"{name}: {what}" for name, what in FIGURES.items())])


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a failing judge does to the advantages.")
    parser.add_argument("run", type=Path, nargs="?", help="a run folder; without it rollouts are synthetic")
    parser.add_argument("--scenes", type=int, default=128, help="of synthetic rollouts")
    parser.add_argument("--siblings", type=int, default=8, help="of synthetic rollouts, per scene")
    parser.add_argument("--steps", type=int, default=8, help="training steps of the run, evenly spaced")
    parser.add_argument("--seeds", type=int, default=20, help="draws of the faults of which the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.run is None:
        rollouts = synthetic_rollouts(options.scenes, options.siblings)
    else:
        rollouts = recorded_rollouts(options.run, options.steps)
    result = {
        "schema_version": 1,
        "source": "synthetic" if options.run is None else f"of {options.steps} steps of {options.run.name}",
        "rollouts": len(rollouts.completions),
        "siblings": rollouts.siblings,
        "seeds": options.seeds,
        "machine": f"{platform.machine()} {processor_name()}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "table": measure(rollouts, options.seeds),
    }
    print(json.dumps(result) if options.json else show(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
