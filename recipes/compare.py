"""`ar1-rl compare A B [C ...]`: what differs between evaluated policies, and whether it is more than chance."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ar1_rl.errors import ConfigError
from ar1_rl.metrics import PRIMARY, PairedDifference
from ar1_rl.metrics.catalogue import CATALOGUE
from ar1_rl.metrics.permutation import RESAMPLES
from ar1_rl.metrics.seeds import CONFIDENCE
from ar1_rl.report.tables import ARROWS, chance

from .arms import Arm, pairs_of, read_arms
from .comparison import ALPHA, Pairs, Row, Unit, by_episode, check_graders, chosen_metrics, group_rows, metric_rows
from .console import run_console
from .looking_summary import looking_of, metrics_of_looking
from .looking_table import claims_table
from .plain import plain
from .whole_files import write_whole

SCHEMA_VERSION = 1
By = Literal["kind", "decision", "all", "none"]
BY: dict[By, tuple[str, ...]] = {
    "kind": ("kind",),
    "decision": ("longitudinal", "lateral"),
    "all": ("kind", "longitudinal", "lateral"),
    "none": (),
}
BROKEN_DOWN = ("consistency", "reasoning_score", "ade_m")
"""Metrics that are told by group unless others are asked for."""
NO_PRIMARY = "none"
FEW_UNITS = 20
"""With fewer independent scenes or episodes an interval is a rough guess."""
WIDTH = 160
"""Of tables that do not go to a terminal."""


@dataclass(frozen=True)
class Comparison:
    """The baseline against one other arm."""

    baseline: Arm
    other: Arm
    episodes: bool
    """Whether scenes were taken by episode."""
    primary: str | None
    rows: Sequence[Row]
    groups: Mapping[str, Sequence[Row]]
    """Grouping -> rows."""
    looking: Sequence[Row]
    """Whether the policies look, where they are shown frames and no other metrics were asked for."""
    roles: Mapping[str, str]
    """Metric -> "trained on" or "held out", where a policy says so."""
    not_shown: int
    """Metrics that both have and that were not asked for."""


def run(
    arms: Sequence[str],
    *,
    by: By = "all",
    metrics: Sequence[str] = (),
    primary: str | None = None,
    unit: Unit = "auto",
    any_decoding: bool = False,
    resamples: int = RESAMPLES,
    as_json: bool = False,
    out: Path | None = None,
) -> int:
    """Compare every arm with the first, print it, and write it where asked to."""
    if len(arms) < 2:
        raise ConfigError(
            f"compare: got {len(arms)} arm, two or more are needed: the baseline, then what it is held to"
        )
    read = read_arms(arms)
    comparisons = [compared(read[0], other, by, metrics, primary, unit, any_decoding, resamples) for other in read[1:]]
    looks = {arm.label: looking_of(arm.evaluations, resamples) for arm in read}
    record = as_record(comparisons, looks, resamples)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, json.dumps(record, indent=2) + "\n")
    if as_json:
        print(json.dumps(record, indent=2))
    else:
        console = run_console()
        if not console.is_terminal:
            console.width = WIDTH
        for comparison in comparisons:
            show(comparison, console)
        for label, looking in looks.items():
            if looking is not None:
                console.print(claims_table(label, looking))
                console.print(looking["told"], soft_wrap=True, highlight=False, markup=False)
    return 0


def compared(
    baseline: Arm,
    other: Arm,
    by: By,
    metrics: Sequence[str],
    primary: str | None,
    unit: Unit,
    any_decoding: bool,
    resamples: int,
) -> Comparison:
    """The rows of two arms."""
    pairs = pairs_of(baseline, other, any_decoding=any_decoding)
    chosen = chosen_metrics(pairs, metrics)
    if not chosen:
        raise ConfigError(f"compare: {baseline.label} and {other.label} share no headline metric; pass --metrics all")
    check_graders(pairs, chosen)
    if primary is not None and primary not in (*chosen, NO_PRIMARY):
        raise ConfigError(f"--primary: got {primary}, allowed: {NO_PRIMARY}, {', '.join(chosen)}")
    primary = primary or PRIMARY
    broken_down = chosen if metrics else [name for name in BROKEN_DOWN if name in chosen]
    episodes = by_episode(pairs, unit)
    looking = [] if metrics else metrics_of_looking(pairs)
    return Comparison(
        baseline=baseline,
        other=other,
        episodes=episodes,
        primary=primary if primary in chosen else None,
        rows=metric_rows(pairs, chosen, primary=primary, episodes=episodes, resamples=resamples),
        groups={
            grouping: group_rows(pairs, broken_down, grouping, episodes=episodes, resamples=resamples)
            for grouping in BY[by]
        },
        looking=metric_rows(pairs, looking, primary=None, episodes=episodes, resamples=resamples) if looking else (),
        roles=dict(_roles(pairs, [*chosen, *looking])),
        not_shown=len(set(chosen_metrics(pairs, ["all"])) - {*chosen, *looking}),
    )


def show(comparison: Comparison, console: Console) -> None:
    """Tables for people."""
    console.print(_metric_table(comparison))
    for line in _notes(comparison):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    seeds = len(comparison.rows[0].seeds)
    if seeds > 1:
        console.print(_seed_table(comparison))
    for grouping, rows in comparison.groups.items():
        if rows:
            console.print(_group_table(grouping, rows, comparison))
    if comparison.looking:
        console.print(_looking_table(comparison))


def as_record(
    comparisons: Sequence[Comparison], looks: Mapping[str, dict[str, Any] | None], resamples: int
) -> dict[str, Any]:
    """The comparisons as plain values; JSON has no NaN. `looks` is what each arm says of looking, by its label."""
    arms = {arm.label: arm for c in comparisons for arm in (c.baseline, c.other)}
    record = {
        "schema_version": SCHEMA_VERSION,
        "alpha": ALPHA,
        "confidence": CONFIDENCE,
        "resamples": resamples,
        "policies": [{**_arm_record(arm), "looking": looks[arm.label]} for arm in arms.values()],
        "comparisons": [
            {
                "baseline": c.baseline.label,
                "policy": c.other.label,
                "unit": "episode" if c.episodes else "scene",
                "interval": "seeds" if len(c.rows[0].seeds) > 1 else "scenes",
                "primary": c.primary,
                "metrics": [_row_record(row, c) for row in c.rows],
                "looking": [_row_record(row, c) for row in c.looking],
                "by": {grouping: [_row_record(row, c) for row in rows] for grouping, rows in c.groups.items()},
            }
            for c in comparisons
        ],
    }
    return plain(record)


def _roles(pairs: Pairs, metrics: Sequence[str]) -> Iterator[tuple[str, str]]:
    headers = [evaluation.header for pair in pairs for evaluation in pair]
    for name in metrics:
        if any(name in header.trained_on for header in headers):
            yield name, "trained on"
        elif any(name in header.held_out for header in headers):
            yield name, "held out"


def _metric_table(comparison: Comparison) -> Table:
    first, second = comparison.baseline.label, comparison.other.label
    table = _table(f"{second} against {first}", "metric", first, second)
    table.add_column("")
    for row in comparison.rows:
        name = row.metric + (" *" if row.metric == comparison.primary else "")
        role = comparison.roles.get(row.metric, "")
        table.add_row(_with_unit(name, row.metric), *_cells(row), role, style=_style(row))
    return table


def _looking_table(comparison: Comparison) -> Table:
    """As the table of metrics, corrected on its own."""
    first, second = comparison.baseline.label, comparison.other.label
    table = _table(f"does it look, {second} against {first}", "metric", first, second)
    for row in comparison.looking:
        table.add_row(_with_unit(row.metric, row.metric), *_cells(row), style=_style(row))
    return table


def _group_table(grouping: str, rows: Sequence[Row], comparison: Comparison) -> Table:
    title = f"by {grouping}" if grouping == "kind" else f"by {grouping} decision of the reference"
    table = _table(title, "metric", comparison.baseline.label, comparison.other.label, grouping)
    last = None
    for row in rows:
        name = _with_unit(row.metric, row.metric) if row.metric != last else ""
        table.add_row(name, escape(row.group or ""), *_cells(row), style=_style(row))
        last = row.metric
    return table


def _seed_table(comparison: Comparison) -> Table:
    """Every seed's own difference, with its interval over scenes."""
    table = Table(title="each seed, interval over its scenes", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("metric", no_wrap=True)
    for number, seed in enumerate(_training_seeds(comparison)):
        table.add_column(f"seed {number if seed is None else seed}", justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(_with_unit(row.metric, row.metric), *(_difference(s.mean, s.ci95) for s in row.seeds))
    return table


def _training_seeds(comparison: Comparison) -> list[int | None]:
    """Of the pairs, in their order; an arm of one evaluation stands against every seed of the other."""
    several = comparison.baseline if len(comparison.baseline.evaluations) > 1 else comparison.other
    return [evaluation.header.training_seed for evaluation in several.evaluations]


def _table(title: str, *headings: str) -> Table:
    """Headings left of the figures, which are the same everywhere: metric, both labels, perhaps what it is told by."""
    metric, first, second, *groups = headings
    table = Table(title=escape(title), box=box.SIMPLE_HEAD, title_justify="left")
    for heading in (metric, *groups):
        table.add_column(heading, no_wrap=True)
    for heading in (escape(first), escape(second)):
        table.add_column(heading, justify="right", overflow="fold")
    for heading in ("difference, 95 % interval", "p", "p (Holm)", "pairs", "left out"):
        table.add_column(heading, justify="right", no_wrap=heading != "left out")
    table.add_column("verdict", no_wrap=True)
    return table


def _cells(row: Row) -> list[str]:
    figures = [_figure(row.before), _figure(row.after), _difference(row.difference, row.ci95)]
    return [*figures, chance(row.p), chance(row.p_holm), str(row.pairs), str(row.left_out), row.verdict]


def _notes(comparison: Comparison) -> Iterator[str]:
    """What the figures rest on, and what is not shown."""
    rows = comparison.rows
    seeds = len(rows[0].seeds)
    units = max(seed.units for row in rows for seed in row.seeds)
    what = "episodes" if comparison.episodes else "scenes"
    if seeds > 1:
        yield f"Intervals and p are over {seeds} training seeds (Student's t): they speak of the next training run."
    else:
        yield f"Intervals (bootstrap) and p (sign flips) are over {units} {what}: they speak of these two policies."
        if units < FEW_UNITS:
            yield f"{units} {what} are few: intervals are rough guesses, and p can hardly be small."
    if comparison.primary is not None and len(rows) > 1:
        yield f"* tested first; Holm's correction is over the {len(rows)} metrics of this table."
    same = [row.metric for row in rows if row.verdict == "no difference shown"]
    if len(same) == len(rows):
        yield f"No difference shown in any of {len(rows)} metrics."
    elif same:
        yield f"No difference shown: {', '.join(same)}."
    if comparison.not_shown:
        yield f"{comparison.not_shown} more metrics are in both: --metrics all"


def _arm_record(arm: Arm) -> dict[str, Any]:
    evaluations = []
    for folder, evaluation in zip(arm.folders, arm.evaluations, strict=True):
        header = evaluation.header
        evaluations.append(
            {
                "folder": str(folder),
                "label": header.label,
                "policy": header.policy,
                "policy_version": header.policy_version,
                "training_seed": header.training_seed,
                "seed": header.seed,
                "scenes": len(evaluation.scene_ids),
                "samples_per_scene": header.samples_per_scene,
                "temperature": header.temperature,
                "top_p": header.top_p,
                "decoding": header.decoding,
            }
        )
    return {"label": arm.label, "evaluations": evaluations}


def _row_record(row: Row, comparison: Comparison) -> dict[str, Any]:
    known = CATALOGUE.get(row.metric)
    return {
        "metric": row.metric,
        "group": row.group,
        "unit": None if known is None else known.unit,
        "better": None if known is None else known.better,
        "role": comparison.roles.get(row.metric),
        "baseline": row.before,
        "policy": row.after,
        "difference": row.difference,
        "ci95": list(row.ci95),
        "p": row.p,
        "p_holm": row.p_holm,
        "pairs": row.pairs,
        "left_out": row.left_out,
        "verdict": row.verdict,
        "seeds": [
            {"training_seed": seed, **_difference_record(found)}
            for seed, found in zip(_training_seeds(comparison), row.seeds, strict=True)
        ],
    }


def _difference_record(found: PairedDifference) -> dict[str, Any]:
    return {
        "baseline": found.before,
        "policy": found.after,
        "difference": found.mean,
        "ci95": list(found.ci95),
        "p": found.p,
        "p_bootstrap": found.p_bootstrap,
        "pairs": found.pairs,
        "left_out": found.left_out,
        "units": found.units,
        "moved": found.moved,
    }


def _with_unit(name: str, metric: str) -> str:
    known = CATALOGUE.get(metric)
    if known is None:
        return escape(name)
    unit = "" if known.unit == "share" else f" \\[{known.unit}]"
    return f"{escape(name)}{unit}{ARROWS[known.better]}"


def _style(row: Row) -> str | None:
    return {"better": "green", "worse": "red"}.get(row.verdict)


def _difference(mean: float, ci95: tuple[float, float]) -> str:
    if math.isnan(mean):
        return "-"
    if math.isnan(ci95[0]):
        return f"{mean:+.3f}"
    return f"{mean:+.3f} ({ci95[0]:+.3f} … {ci95[1]:+.3f})"


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
