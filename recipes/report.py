"""`ar1-rl report RUN`: its page, and the signs of a hacked reward, each with its evidence."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ar1_rl.config import check_config
from ar1_rl.errors import Ar1RlError, ConfigError, RunError
from ar1_rl.report.flags import Flag, FlagThresholds, flags_of

from .console import run_console
from .report_page import write_page
from .run_history import history_of_run

SCHEMA_VERSION = 1
MARKS = {True: "[bold red]raised", False: "[green]-", None: "[yellow]?"}
NAMED = 3
"""Rollouts named in the table; JSON has all of them."""


def run(folder: Path, *, thresholds: Sequence[str] = (), scenes: int | None = None, as_json: bool = False) -> int:
    """Write the page of a run and print its flags as a table or as JSON; 0 also where some are raised."""
    bounds = read_thresholds(thresholds)
    _check_folder(folder)
    console = Console(stderr=True) if as_json else run_console()
    flags, why_not = _flags_or_why_not(folder, bounds, console)
    page = write_page(folder, console, scenes=scenes, flags=flags)
    if as_json:
        told = None if flags is None else as_record(flags)
        print(
            json.dumps(
                {"schema_version": SCHEMA_VERSION, "run": str(folder), "page": str(page), "flags": told}, indent=2
            )
        )
        return 0
    if flags is None:
        console.print(_not_looked_for(why_not), soft_wrap=True, markup=False)
    else:
        show(flags, folder, console)
    console.print(f"Report: {page}", soft_wrap=True, markup=False)
    return 0


def report_after_run(folder: Path, console: Console) -> None:
    """Write the page and name raised flags at the end of a run; where that fails, say why: the run is finished."""
    try:
        flags, why_not = _flags_or_why_not(folder, None, console)
        page = write_page(folder, console, flags=flags)
    except Ar1RlError as error:
        console.print(f"Warning: no report: {error}", style="yellow", soft_wrap=True, markup=False)
        return
    told = _not_looked_for(why_not)
    if flags is not None:
        raised = [found.name for found in flags if found.raised]
        told = f"Signs of a hacked reward: {'raised: ' + ', '.join(raised) if raised else 'none raised'}."
    console.print(f"{told} Report: {page}", soft_wrap=True, markup=False)


def _flags_or_why_not(
    folder: Path, thresholds: FlagThresholds | None, console: Console
) -> tuple[list[Flag] | None, str]:
    """The flags, or why they cannot be told; a page does not wait for them."""
    if not any((folder / "rollouts").glob("train-*.parquet")):
        return None, "there are no rollouts of training"
    try:
        return flags_of_run(folder, thresholds, console), ""
    except RunError as error:
        return None, str(error)


def _not_looked_for(why: str) -> str:
    return f"Signs of a hacked reward: not looked for, {why}."


def flags_of_run(folder: Path, thresholds: FlagThresholds | None = None, console: Console | None = None) -> list[Flag]:
    """Every flag of a run folder; ConfigError where there is none, RunError where it cannot be read."""
    _check_folder(folder)
    return flags_of(history_of_run(folder, console or Console(quiet=True)), thresholds)


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such run folder")


def read_thresholds(settings: Sequence[str]) -> FlagThresholds:
    """Thresholds with some `name=value` changed; ConfigError names what there is."""
    raw: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        try:
            raw[name] = float(text)
        except ValueError:
            told = f"{text!r} is not a number" if equals else "allowed is name=value"
            raise ConfigError(f"--threshold {setting!r}: {told}") from None
    return check_config(FlagThresholds, raw, source="--threshold")


def as_record(flags: Sequence[Flag]) -> list[dict[str, Any]]:
    """The flags as plain values; JSON has no infinity and no NaN."""
    records = [asdict(found) | {"rollouts": [shown._asdict() for shown in found.rollouts]} for found in flags]
    for record in records:
        if record["score"] is not None and not math.isfinite(record["score"]):
            record["score"] = None
    return records


def show(flags: Sequence[Flag], folder: Path, console: Console) -> None:
    """One row a flag, then the rollouts to look at."""
    raised = [found for found in flags if found.raised]
    unknown = [found for found in flags if found.raised is None]
    counts = f"{len(raised)} raised, {len(flags) - len(raised) - len(unknown)} not, {len(unknown)} not measured"
    table = Table(
        title=f"Signs of a hacked reward in {escape(str(folder))}: {counts}",
        caption="Beginning against end of training. A raised flag is a question to look into, not a verdict.",
        show_lines=True,
    )
    for heading in ("flag", "", "score", "raised above", "evidence"):
        table.add_column(heading, justify="right" if heading in ("score", "raised above") else "left")
    for found in flags:
        score = "-" if found.score is None else f"{found.score:.3f}"
        cells = (found.name, MARKS[found.raised], score, f"{found.threshold:g}", escape(found.evidence))
        table.add_row(*cells)
    console.print(table)
    for found in raised:
        named = ", ".join(f"{r.label} step {r.step} {r.scene_id} #{r.sample}" for r in found.rollouts[:NAMED])
        if named:
            console.print(f"{found.name}: see {escape(named)}", soft_wrap=True)
