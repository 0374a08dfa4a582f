"""`ar1-rl score RUN_OR_FILE --rewards MIX`: grade recorded rollouts again, without a GPU and without a model."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ar1_rl.errors import ConfigError
from ar1_rl.metrics.agreement import QUANTILES, Agreement, Distribution
from ar1_rl.report.progress import progress
from rewards.mix import Mix
from rollouts.recorded import EVALUATIONS, RecordedBatch, read_batches, rollout_files

from .console import run_console
from .mix_spec import mix_config_of
from .plain import plain
from .rescoring import Change, Comparison, Rescored, compare, rescore_batch, write_scores
from .scenes_by_id import scenes_by_id, scenes_of_run, seen_differently

SCHEMA_VERSION = 1
CHANGES_SHOWN = 10
ROLLOUTS = "rollouts"


def run(
    source: Path,
    *,
    rewards: str | None,
    label: str | None = None,
    out: Path | None = None,
    ask: bool = False,
    as_json: bool = False,
) -> int:
    """Score the rollouts again, write the new scores, print how they differ from the old ones."""
    if not source.exists():
        raise ConfigError(f"{source}: there is no such run folder or file")
    label = label or ("all" if source.is_file() else "train")
    folder = run_folder_of(source)
    spec = rewards or _own_rewards(source, folder)
    mix = mix_config_of(spec).build()
    batches = list(read_batches(rollout_files(source, label)))
    console = Console(stderr=True) if as_json else run_console()
    rescored, counts = rescore(batches, mix, folder, label, ask, console)
    comparison = compare(rescored, mix, CHANGES_SHOWN)
    written = write_scores(rescored, out or _default_out(source, folder, label, spec))
    if as_json:
        print(json.dumps(as_record(comparison, spec, written, counts), indent=2))
    else:
        show(comparison, spec, written, counts, console)
    return 0


def run_folder_of(source: Path) -> Path:
    """The folder of the run that a file of rollouts lies in; its own folder where it lies in none."""
    folder = source
    if not source.is_dir():
        folder = source.parent.parent if source.parent.name == ROLLOUTS else source.parent
    return folder.parent.parent if folder.parent.name == EVALUATIONS else folder


def rescore(
    batches: Sequence[RecordedBatch], mix: Mix, folder: Path, label: str, ask: bool, console: Console
) -> tuple[list[Rescored], dict[str, Counter[str]]]:
    """Every rollout with its new score, and per critic how many replies were read again and how many asked for."""
    from rewards.replay import replaying

    wanted = [row["scene_id"] for batch in batches for row in batch.rows]
    scenes = scenes_by_id(wanted, scenes_of_run(folder), console, label=label)
    mix, replays = (mix, {}) if ask else replaying(mix)
    other = seen_differently((row for batch in batches for row in batch.rows), scenes)
    if other:
        console.print(
            f"[yellow]{len(other)} of {len(scenes)} scenes are no longer what the run saw (first: {escape(other[0])}): "
            "another version makes them differently, so whatever looks at the scene scores them differently[/yellow]",
            soft_wrap=True,
        )
    rescored: list[Rescored] = []
    with progress(console, "rollouts", len(wanted)) as bar:
        for batch in batches:
            rescored += rescore_batch(batch, mix, replays, scenes)
            bar.advance(len(batch.rows))
    return rescored, {name: critic.counts for name, critic in replays.items()}


def show(comparison: Comparison, spec: str, written: Path, counts: dict[str, Counter[str]], console: Console) -> None:
    """Distributions, agreement, and the rollouts that changed most."""
    table = Table(title=f"{comparison.rollouts} rollouts in {comparison.batches} batches, scored again with {spec}")
    headings = ("", "", "judged", "not", "mean", "sd", *(f"{q:.0%}" for q in QUANTILES))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < 2 else "right")
    for name, (old, new) in comparison.distributions.items():
        for side, values in (("old", old), ("new", new)):
            table.add_row(name if side == "old" else "", side, *_distribution_cells(values))
    console.print(table)
    console.print(_agreement_table(comparison))
    if comparison.changes:
        console.print(_changes_table(comparison.changes))
    for name, count in counts.items():
        console.print(f"{name}: {count['replayed']} recorded replies read again, {count['asked']} asked for")
    changed = comparison.newly_judged, comparison.no_longer_judged
    console.print(f"Newly judged: {changed[0]}. No longer judged: {changed[1]}. Scores: {written}", soft_wrap=True)


def as_record(comparison: Comparison, spec: str, written: Path, counts: dict[str, Counter[str]]) -> dict[str, object]:
    """The comparison as plain values, for `--json`; JSON has no NaN."""
    return {
        "schema_version": SCHEMA_VERSION,
        "rewards": spec,
        "scores": str(written),
        "rollouts": comparison.rollouts,
        "batches": comparison.batches,
        "equal": dict(comparison.equal),
        "newly_judged": comparison.newly_judged,
        "no_longer_judged": comparison.no_longer_judged,
        "replies": {name: dict(count) for name, count in counts.items()},
        "quantiles": list(QUANTILES),
        "distributions": {
            name: {"old": plain(asdict(old)), "new": plain(asdict(new))}
            for name, (old, new) in comparison.distributions.items()
        },
        "agreement": {name: plain(asdict(figures)) for name, figures in comparison.agreements.items()},
        "changed_most": [plain(asdict(change)) for change in comparison.changes],
    }


def _own_rewards(source: Path, folder: Path) -> str:
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"{source}: there is no config.yaml beside these rollouts; name the mix by --rewards")
    return str(folder)


def _default_out(source: Path, folder: Path, label: str, spec: str) -> Path:
    """Beside the rollouts and not among them: every Parquet file there is read as rollouts."""
    what = source.stem if source.is_file() else label
    return folder / "scores" / f"{what}-{Path(spec).stem}.parquet"


def _distribution_cells(values: Distribution) -> list[str]:
    figures = (values.mean, values.sd, *values.quantiles)
    return [str(values.known), str(values.unknown), *map(_figure, figures)]


def _agreement_table(comparison: Comparison) -> Table:
    table = Table(
        title="old against new",
        caption="tau, best: among the rollouts of a scene in a batch. equal: bit for bit, or no score both times.",
    )
    for heading in ("", "both judged", "Pearson", "Spearman", "groups", "Kendall tau", "same best", "equal"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, found in comparison.agreements.items():
        table.add_row(name, *_agreement_cells(found), f"{comparison.equal[name]}/{comparison.rollouts}")
    return table


def _agreement_cells(found: Agreement) -> list[str]:
    correlations = [_figure(found.pearson), _figure(found.spearman)]
    return [str(found.both), *correlations, str(found.groups), _figure(found.kendall), _figure(found.same_best)]


def _changes_table(changes: Sequence[Change]) -> Table:
    table = Table(title="changed most", caption="moved: the place among all rollouts, in % of their number.")
    for heading in ("scene", "step", "old", "new", "moved", "why"):
        table.add_column(heading, justify="left" if heading in ("scene", "why") else "right")
    for change in changes:
        scene = f"{change.scene_id} #{change.sample}"
        figures = (_figure(change.old), _figure(change.new), f"{change.shift:+.0%}")
        table.add_row(escape(scene), str(change.step), *figures, escape(change.why))
    return table


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
