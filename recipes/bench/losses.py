"""Losses and ways of giving credit, side by side on the quickstart's task: one SFT a seed, one RL run a cell.

Run `python -m recipes.bench.losses OUT [--seeds 0 1 2] [--variants dapo ar1 ...] [--test 300] [--steps 40] [--json]`.
What is finished in OUT is taken as it is and a cell that was interrupted goes on, so the command may be stopped and
given again; `--show` runs nothing. Every cell is an ordinary run folder.

The figures are means over a scene's six rollouts, recomputed from the recorded ones. Differences are paired by scene
and seed, and their intervals are over scenes: how far the seeds lie apart is given beside them.

Legend: S scenes of all seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.driving import FUTURE_STEPS
from ar1_rl.errors import RunError
from ar1_rl.metrics import ade_m, paired_bootstrap
from rollouts.recorded import completion_of_row, read_batches, rollout_files

from ..scenes_by_id import scenes_by_id, scenes_of_run

RECIPE = "quickstart"
BASE = "dapo"
VARIANTS: Mapping[str, tuple[str, ...]] = {
    BASE: (),
    "grpo": ("grpo.loss=grpo",),
    "gspo": ("grpo.loss=gspo",),
    "ar1": ("grpo.loss=ar1",),
    "ar1, uncentred": ("grpo.loss=ar1", "grpo.centred=false"),
    "dapo, split": ("grpo.credit=split",),
    "dapo, weighted": ("grpo.credit=weighted",),
}
"""Name -> overrides of the recipe."""

FIGURES = {
    "consistency": "consistency ↑",
    "reasoning": "reasoning score ↑",
    "ade_m": "ADE [m] ↓",
    "minade_m": "minADE [m] ↓",
    "parsed": "decodable ↑",
}


@dataclass(frozen=True)
class Plan:
    """What is compared."""

    out: Path
    seeds: tuple[int, ...]
    variants: tuple[str, ...]
    steps: int
    test: int
    overrides: tuple[str, ...] = ()
    """For every cell, after everything else."""

    def policy(self, seed: int) -> Path:
        """The policy that a seed's cells begin with."""
        return self.out / f"seed-{seed}" / "sft" / "checkpoints" / "sft"

    def cell(self, seed: int, variant: str) -> Path:
        """The run folder of a cell."""
        return self.out / f"seed-{seed}" / variant.replace(", ", "-")

    def finished(self, seed: int, variant: str) -> bool:
        """Whether a cell has run to its end."""
        return (self.cell(seed, variant) / "summary.json").is_file()


def run_missing(plan: Plan) -> None:
    """Run every SFT and every cell that is not finished, one after the other; a variant's seeds come together."""
    for seed in plan.seeds:
        if not plan.policy(seed).is_dir():
            _ar1_rl("sft", RECIPE, f"seed={seed}", *plan.overrides, out=plan.policy(seed).parents[1])
    for variant in plan.variants:
        for seed in plan.seeds:
            if not plan.finished(seed, variant):
                _ar1_rl("grpo", RECIPE, *cell_overrides(plan, seed, variant), out=plan.cell(seed, variant))


def cell_overrides(plan: Plan, seed: int, variant: str) -> list[str]:
    """A cell begins with the policy of its seed, so of the train scenes it needs only those that RL practises on."""
    return [
        f"seed={seed}",
        f"grpo.steps={plan.steps}",
        f"scenes.train={plan.steps * 24}",
        "grpo.scenes_per_step=24",
        f"scenes.test={plan.test}",
        *VARIANTS[variant],
        *plan.overrides,
        "sft=null",
        f"policy.path={plan.policy(seed).resolve()}",
    ]


def _ar1_rl(*arguments: str, out: Path) -> None:
    resume = ["--resume"] if (out / "config.yaml").is_file() else []
    command = [sys.executable, "-m", "recipes.cli", *arguments, "--out", str(out), *resume]
    print(f"{out.parent.name}/{out.name}", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise RunError(f"exit code {done.returncode} of: {' '.join(command)}")


def per_scene(run: Path, label: str) -> dict[str, np.ndarray]:
    """FIGURES of the recorded rollouts of an evaluation, each [S], in the order of the scenes' ids."""
    rows = [row for batch in read_batches(rollout_files(run, label)) for row in batch.rows]
    scenes = scenes_by_id([row["scene_id"] for row in rows], scenes_of_run(run), Console(quiet=True), label=label)
    by_scene: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_scene.setdefault(row["scene_id"], []).append(row)
    figures: dict[str, list[float]] = {name: [] for name in FIGURES}
    for identity in sorted(by_scene):
        siblings, expert = by_scene[identity], scenes[identity].future_T3
        assert expert is not None, "every evaluated scene has one"
        completions = [completion_of_row(row) for row in siblings]
        missing = np.full((FUTURE_STEPS, 3), np.nan)
        poses = np.stack([missing if c.trajectory is None else c.trajectory.poses_T3 for c in completions])
        ade_K = ade_m(poses, np.broadcast_to(expert, poses.shape))
        figures["consistency"].append(_mean([row["consistency"] or 0.0 for row in siblings]))
        figures["reasoning"].append(_mean([row["critic"] for row in siblings]))
        figures["ade_m"].append(_mean(ade_K))
        figures["minade_m"].append(float(np.fmin.reduce(ade_K)))
        figures["parsed"].append(float(np.mean([c.trajectory is not None for c in completions])))
    return {name: np.array(values) for name, values in figures.items()}


def _mean(values: Sequence[float | None] | np.ndarray) -> float:
    known = np.array([np.nan if value is None else value for value in values], dtype=float)
    known = known[np.isfinite(known)]
    return float(known.mean()) if len(known) else float("nan")


def measure(plan: Plan) -> dict[str, Any]:
    """Variant -> figure -> the mean after, what it gained over the SFT policy, and how it differs from the base."""
    finished = [(seed, variant) for seed in plan.seeds for variant in plan.variants if plan.finished(seed, variant)]
    after = {(seed, variant): per_scene(plan.cell(seed, variant), "after") for seed, variant in finished}
    before = {seed: per_scene(plan.cell(seed, variant), "before") for seed, variant in finished}
    table: dict[str, dict[str, Any]] = {}
    for variant in plan.variants:
        seeds = [seed for seed, name in finished if name == variant]
        if not seeds:
            continue
        with_base = [seed for seed in seeds if (seed, BASE) in after and variant != BASE]
        table[variant] = {"seeds": seeds, "grpo_s": [_grpo_s(plan.cell(seed, variant)) for seed in seeds]}
        for name in FIGURES:
            now = [after[seed, variant][name] for seed in seeds]
            table[variant][name] = {
                "after": float(np.mean([np.nanmean(values) for values in now])),
                "gain": _difference([before[seed][name] for seed in seeds], now),
                "gain_by_seed": [
                    float(np.nanmean(v) - np.nanmean(before[s][name])) for s, v in zip(seeds, now, strict=True)
                ],
                "to_base": _difference(
                    [after[seed, BASE][name] for seed in with_base], [after[seed, variant][name] for seed in with_base]
                ),
            }
    return {
        "schema_version": 1,
        "recipe": RECIPE,
        "steps": plan.steps,
        "test_scenes": plan.test,
        "before": {n: float(np.mean([np.nanmean(b[n]) for b in before.values()])) for n in FIGURES} if before else {},
        "table": table,
    }


def _difference(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> dict[str, Any] | None:
    if not first:
        return None
    found = paired_bootstrap(np.concatenate(first), np.concatenate(second))
    return {"mean": found.mean, "ci95": list(found.ci95), "p": found.p}


def _grpo_s(run: Path) -> float:
    return float(json.loads((run / "summary.json").read_text())["wall_s"]["grpo"])


def show(result: Mapping[str, Any]) -> str:
    """Two Markdown tables: what each variant gained, and how it differs from the base."""
    titles = list(FIGURES.values())
    before = [f"{result['before'].get(name, float('nan')):.3f}" for name in FIGURES]
    lines = [
        f"{result['recipe']}, {result['steps']} steps, {result['test_scenes']} test scenes a seed, six rollouts each",
        "",
        f"| gained over SFT | seeds | {' | '.join(titles)} |",
        "|---" * (2 + len(titles)) + "|",
        f"| SFT itself | | {' | '.join(before)} |",
    ]
    for variant, row in result["table"].items():
        cells = [_cell(row[name]["gain"], row[name]["gain_by_seed"]) for name in FIGURES]
        lines.append(f"| {variant} | {len(row['seeds'])} | {' | '.join(cells)} |")
    lines += ["", f"| less {BASE} | seeds | {' | '.join(titles)} |", "|---" * (2 + len(titles)) + "|"]
    for variant, row in result["table"].items():
        if row["consistency"]["to_base"] is not None:
            cells = [_cell(row[name]["to_base"]) for name in FIGURES]
            lines.append(f"| {variant} | {len(row['seeds'])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(difference: Mapping[str, Any], by_seed: Sequence[float] = ()) -> str:
    low, high = difference["ci95"]
    seeds = f"; seeds {min(by_seed):+.3f} to {max(by_seed):+.3f}" if len(by_seed) > 1 else ""
    return f"{difference['mean']:+.3f} ({low:+.3f} … {high:+.3f}{seeds})"


def main(arguments: list[str] | None = None) -> int:
    """Run what is missing, and print."""
    parser = argparse.ArgumentParser(description="Losses and credit side by side on the quickstart's task.")
    parser.add_argument("out", type=Path, help="folder of all runs; what is finished in it is kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--steps", type=int, default=40, help="GRPO steps of a cell")
    parser.add_argument("--test", type=int, default=300, help="test scenes of a seed")
    parser.add_argument("--set", nargs="+", default=[], metavar="key.path=value", help="for every SFT and cell")
    parser.add_argument("--show", action="store_true", help="run nothing, print what is finished")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    plan = Plan(
        options.out, tuple(options.seeds), tuple(options.variants), options.steps, options.test, tuple(options.set)
    )
    if not options.show:
        run_missing(plan)
    result = measure(plan)
    print(json.dumps(result) if options.json else show(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
