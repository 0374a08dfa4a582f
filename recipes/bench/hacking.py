"""How well the flags tell planted hacks from clean training, and what thresholds follow from simulated runs.

Run `python -m recipes.bench.hacking [--runs 10] [--clean 100] [--scenes 300] [--choose] [--json]`. Every planted hack
is simulated at several strengths (`recipes.bench.hacked_runs`), beside clean runs. Per flag: the area under the ROC
curve of its score, over the runs with its own hack against the clean ones, and the shares of both that the shipped
threshold raises. `--choose` takes the runs that thresholds were chosen on, which are others.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.report.flags import FLAGS, FlagThresholds, flags_of
from ar1_rl.report.progress import progress

from .codec import processor_name
from .hacked_runs import HACKS, Character, Pool, SimulatedRun, make_pool

STRENGTHS = (0.1, 0.25, 0.5)
"""Shares of rollouts that follow the hack at the end."""
STRENGTHS_OF: Mapping[str, tuple[float, ...]] = {
    "one term": (5.0, 10.0, 20.0),
    "one answer": (0.5, 0.75, 0.95),
    "failing judge": (0.02, 0.1, 0.25),
    "words for one reader": (0.25, 0.5, 0.9),
}
"""Where a share of rollouts is not what makes a hack strong; see `Character.share`."""
CHOOSING, MEASURING = 100_000, 200_000
"""First seeds of the runs that thresholds are chosen on and measured on."""
CAUGHT = 0.1
"""Quantile of the scores of planted runs of middle strength that a threshold should stay below."""
POOL_SEEDS = {CHOOSING: 11, MEASURING: 12}


@dataclass(frozen=True)
class Scored:
    """The scores of one run, by flag; NaN for what was not measured."""

    hack: str | None
    strength: float
    scores: Mapping[str, float]


def simulate(pool: Pool, runs: int, clean: int, first_seed: int, console: Console) -> list[Scored]:
    """`clean` runs, and `runs` of each hack at each strength."""
    planned: list[tuple[str | None, float]] = [(None, 0.0)] * clean
    planned += [(hack, strength) for hack in HACKS for strength in strengths(hack) for _ in range(runs)]
    done = []
    with progress(console, "simulated runs", len(planned)) as bar:
        for number, (hack, strength) in enumerate(planned):
            run = SimulatedRun(pool, Character.drawn(first_seed + number, hack, strength), first_seed + number)
            scores = {f.name: np.nan if f.score is None else f.score for f in flags_of(run.history())}
            done.append(Scored(hack, strength, scores))
            bar.advance()
    return done


def strengths(hack: str) -> tuple[float, ...]:
    """From weak to strong."""
    return STRENGTHS_OF.get(hack, STRENGTHS)


def roc_area(planted: Sequence[float], clean: Sequence[float]) -> float:
    """Chance that a planted run scores higher than a clean one; equal ones count half."""
    gaps = np.subtract.outer(np.asarray(planted), np.asarray(clean))
    return float((gaps > 0).mean() + 0.5 * (gaps == 0).mean())


def table_of(done: Sequence[Scored], thresholds: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Flag -> its hack, AUC, share of clean runs raised, and per strength the share of planted ones raised."""
    table: dict[str, dict[str, Any]] = {}
    for hack, name in HACKS.items():
        clean = [run.scores[name] for run in done if run.hack is None]
        planted = [(run.strength, run.scores[name]) for run in done if run.hack == hack]
        others = [run.scores[name] for run in done if run.hack not in (None, hack)]
        bound = thresholds[name]
        table[name] = {
            "hack": hack,
            "auc": roc_area([score for _, score in planted], clean),
            "clean_raised": _raised(clean, bound),
            "other_hacks_raised": _raised(others, bound),
            "planted_raised": {
                f"{strength:g}": _raised([score for s, score in planted if s == strength], bound)
                for strength in strengths(hack)
            },
            "clean_highest": float(np.nanmax(clean)),
            "suggested": _suggested(clean, [score for s, score in planted if s == strengths(hack)[1]]),
        }
    return table


def _raised(scores: Sequence[float], bound: float) -> float:
    return float(np.mean(np.asarray(scores) > bound))


def _suggested(clean: Sequence[float], middle: Sequence[float]) -> float:
    """Half way from the highest clean score to what nine of ten planted runs of middle strength exceed."""
    return 0.5 * (float(np.nanmax(clean)) + float(np.nanquantile(middle, CAUGHT)))


def clean_runs_flagged(done: Sequence[Scored], thresholds: Mapping[str, float]) -> float:
    """Share of clean runs in which any flag is raised."""
    clean = [run.scores for run in done if run.hack is None]
    return float(np.mean([any(scores[name] > thresholds[name] for name in FLAGS) for scores in clean]))


def show(result: Mapping[str, Any]) -> str:
    """A Markdown table, with what it was measured on."""
    lines = [
        f"{result['runs']} simulated runs, {result['clean']} clean, {result['per_strength']} per hack and strength; "
        f"{result['machine']}, numpy {result['numpy']}",
        "",
        "| flag | planted | AUC | clean raised | weak, middle, strong: raised | other hacks raised | threshold | "
        "highest clean | suggested |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["table"].items():
        caught = ", ".join(f"{share:.0%} ({strength})" for strength, share in row["planted_raised"].items())
        figures = (
            f"{row['auc']:.3f}",
            f"{row['clean_raised']:.1%}",
            caught,
            f"{row['other_hacks_raised']:.0%}",
            f"{result['thresholds'][name]:g}",
            f"{row['clean_highest']:.3f}",
            f"{row['suggested']:.3f}",
        )
        lines.append(f"| `{name}` | {row['hack']} | {' | '.join(figures)} |")
    return "\n".join([*lines, "", f"Clean runs with any flag raised: {result['clean_flagged']:.1%}"])


def main(arguments: list[str] | None = None) -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description="How well the flags tell planted hacks from clean training.")
    parser.add_argument("--runs", type=int, default=10, help="of each hack at each strength")
    parser.add_argument("--clean", type=int, default=100, help="runs without a hack")
    parser.add_argument("--scenes", type=int, default=300, help="that the simulated policies practise on")
    parser.add_argument("--choose", action="store_true", help="the runs that thresholds were chosen on")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    first = CHOOSING if options.choose else MEASURING
    thresholds = FlagThresholds().model_dump()
    done = simulate(
        make_pool(options.scenes, POOL_SEEDS[first]), options.runs, options.clean, first, Console(stderr=True)
    )
    result = {
        "schema_version": 1,
        "runs": len(done),
        "clean": sum(run.hack is None for run in done),
        "per_strength": options.runs,
        "machine": f"{platform.machine()} {processor_name()}",
        "numpy": np.__version__,
        "thresholds": thresholds,
        "table": table_of(done, thresholds),
        "clean_flagged": clean_runs_flagged(done, thresholds),
    }
    print(json.dumps(result) if options.json else show(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
