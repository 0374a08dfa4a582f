"""report.html of a run: what its folder holds, put together for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from rich.console import Console

from ar1_rl.report.config import ReportConfig
from ar1_rl.report.flags import Flag
from ar1_rl.report.page.assemble import page
from ar1_rl.report.page.panels import FAILURES, curve_panels
from ar1_rl.report.page.texts import Texts

from .report_change import change_rows
from .report_looking import looking_content
from .report_run import REWARD_COLUMNS, RunParts, facts, read_run, reward_rows
from .report_scenes import scenes_content
from .whole_files import write_whole

PAGE = "report.html"


def write_page(
    folder: Path, console: Console, *, scenes: int | None = None, flags: Sequence[Flag] | None = None
) -> Path:
    """Write report.html into a run folder; `scenes` unset: as many as its config says. `flags` None: not looked for."""
    run = read_run(folder)
    settings = run.config.get("report") or {}
    limit = scenes or settings.get("scenes") or ReportConfig().scenes
    target = folder / PAGE
    write_whole(target, page(page_content(run, limit, console, flags)))
    return target


def page_content(run: RunParts, limit: int, console: Console, flags: Sequence[Flag] | None = None) -> dict[str, Any]:
    """The values behind the page, all of them plain."""
    texts = Texts()
    flagged = {rollout.scene_id for flag in flags or () if flag.raised for rollout in flag.rollouts}
    drawn = scenes_content(run, limit, flagged, texts, console)
    panels = curve_panels(run.metrics)
    name = run.config.get("recipe") or run.folder.name
    return {
        "schema_version": 1,
        "title": f"{name}, seed {run.config['seed']}" if "seed" in run.config else str(name),
        "subtitle": f"{run.folder.resolve().name} · ar1-rl {run.environment.get('ar1_rl', 'of an unknown version')}",
        "run": {
            "facts": facts(run),
            "rewards": reward_rows(run.config),
            "reward_columns": REWARD_COLUMNS,
            "files": list(run.texts.items()),
        },
        "change": change_rows(run),
        "looking": looking_content(run),
        "flags": None if flags is None else [_flag(flag) for flag in flags],
        "curves": panels,
        "curves_told": _told_of_curves(run, panels),
        **drawn,
        "missing": run.missing,
        "texts": texts.all,
        "marks": texts.marks,
    }


def _flag(flag: Flag) -> dict[str, Any]:
    return {
        "name": flag.name,
        "raised": flag.raised,
        "score": flag.score if flag.score is None or isfinite(flag.score) else None,
        "threshold": flag.threshold,
        "evidence": flag.evidence,
        "rollouts": [
            [r.scene_id, f"{r.label}, step {r.step}, {r.scene_id}, sample {r.sample + 1}"] for r in flag.rollouts
        ],
    }


def _told_of_curves(run: RunParts, panels: Sequence[Mapping[str, Any]]) -> str:
    if not panels:
        return "There are no curves yet."
    if any(panel["group"] == FAILURES for panel in panels) or not any(
        row.get("stage") == "grpo" for row in run.metrics
    ):
        return ""
    return "No judge failed in this run: there is no count of failed judgements."
