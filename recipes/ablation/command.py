"""`ar1-rl ablate CONFIG`: run the cells that are missing, and show the table of those that are there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ar1_rl.config import load_config
from ar1_rl.errors import ConfigError

from .. import catalogue
from ..launch import EXIT_FAILED
from ..stopping import StopFlag
from ..whole_files import write_whole
from .cells import Plan
from .config import AblationConfig
from .results import results_of
from .running import Job, cell_job, run_missing, sft_job
from .tables import grids, markdown

RESULT, TABLE = "result.json", "table.md"


def run(
    spec: str,
    overrides: Sequence[str],
    *,
    out: Path | None,
    cells: Sequence[str],
    show_only: bool,
    dry_run: bool,
    as_json: bool,
    console: Console,
    stop: StopFlag,
) -> int:
    """Returns the exit code: 1 where a cell failed; the others were run all the same."""
    config = load_config(AblationConfig, catalogue.ablation_path_of(spec), overrides)
    if unknown := sorted(set(cells) - set(config.cells)):
        raise ConfigError(f"--cells: got {unknown}, allowed are {list(config.cells)}")
    plan = Plan(config, (out or Path("runs") / config.ablation).resolve())
    plan.check()
    chosen = [name for name in config.cells if not cells or name in cells]
    _tell(plan, chosen, console)
    if dry_run:
        return 0
    failed = [] if show_only else run_missing(plan, config.seeds, chosen, console, stop)
    result = results_of(plan)
    shown = grids(result)
    if result["cells"]:
        write_whole(plan.out / RESULT, json.dumps(result, indent=2) + "\n")
        write_whole(plan.out / TABLE, markdown(shown))
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        for grid in shown:
            console.print(grid.table())
        console.print(f"Wrote {plan.out / RESULT} and {TABLE}" if result["cells"] else "No cell is finished")
    for fault in failed:
        console.print(fault, style="red", markup=False, soft_wrap=True)
    return EXIT_FAILED if failed else 0


def _tell(plan: Plan, cells: Sequence[str], console: Console) -> None:
    """How much is there, and what is to be run."""
    jobs: list[Job] = [sft_job(plan, seed) for seed in plan.config.seeds]
    jobs += [cell_job(plan, seed, cell) for cell in cells for seed in plan.config.seeds]
    done = sum(job.done(plan.out) is not None for job in jobs)
    console.print(
        f"{plan.config.ablation}: {len(cells)} cells x {len(plan.config.seeds)} seeds in {plan.out}, one SFT a seed; "
        f"{done} of {len(jobs)} are finished, {plan.config.jobs} at a time",
        soft_wrap=True,
    )
