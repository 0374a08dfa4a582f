"""report.html of a run: what its folder holds, put together for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import Ar1RlError, ConfigError, SceneError
from ar1_rl.report.config import ReportConfig
from ar1_rl.report.page.answer import marked, meta_actions
from ar1_rl.report.page.assemble import page
from ar1_rl.report.page.panels import FAILURES, curve_panels
from ar1_rl.report.page.road import drawn_scene, path_of
from rollouts.record import ScoreColumns
from rollouts.recorded import completion_of_row, scores_of_row

from .report_change import change_rows
from .report_choice import Moved, choose, moved
from .report_later import scored_later
from .report_run import REWARD_COLUMNS, RunParts, facts, read_run, reward_rows
from .report_sides import AFTER, BEFORE, SceneFigures, Side, figures_of, rows_of, sides_of
from .scenes_by_id import scenes_by_id, scenes_of_run, seen_differently
from .whole_files import write_whole

PAGE = "report.html"
LONGEST_TEXT = 6_000
"""Characters of one text that the page holds."""
DIGITS = 5
"""Significant digits of a score."""
RECORDED = ("model", "prompt_hash", "prompt_tokens", "completion_tokens", "seconds", "cached", "failure")
"""What is told of how a critic was asked."""


Later = Mapping[str, ScoreColumns]
"""Scores that the evaluation did not ask for, by name."""


class NamedRollout(Protocol):
    """A rollout by name."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def step(self) -> int: ...  # noqa: D102
    @property
    def scene_id(self) -> str: ...  # noqa: D102
    @property
    def sample(self) -> int: ...  # noqa: D102


class Flag(Protocol):
    """A sign of a hacked reward, with what shows it."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def raised(self) -> bool | None:
        """None: it could not be measured."""
        ...

    @property
    def score(self) -> float | None: ...  # noqa: D102
    @property
    def threshold(self) -> float: ...  # noqa: D102
    @property
    def evidence(self) -> str: ...  # noqa: D102
    @property
    def rollouts(self) -> Sequence[NamedRollout]:
        """Some to look at."""
        ...


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
    """The values behind the page, as docs/report.md describes them."""
    texts = Texts()
    drawn = _scenes(run, limit, texts, console, flags or ())
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
        "flags": None if flags is None else [_flag(flag) for flag in flags],
        "curves": panels,
        "curves_told": _told_of_curves(run, panels),
        **drawn,
        "missing": run.missing,
        "texts": texts.all,
        "marks": texts.marks,
    }


@dataclass
class Texts:
    """Every text once, by number: policies and graders repeat themselves."""

    all: list[str] = field(default_factory=list)
    marks: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Claims in those that are traces."""
    _known: dict[str, int] = field(default_factory=dict)

    def number(self, text: str | None) -> int | None:
        """Of a text, which may be new."""
        if text is None:
            return None
        shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"
        if shown not in self._known:
            self._known[shown] = len(self.all)
            self.all.append(shown)
        return self._known[shown]

    def trace(self, text: str) -> int:
        """Of a reasoning trace, whose claims are read."""
        number = self.number(text)
        assert number is not None
        if number not in self.marks:
            self.marks[number] = marked(self.all[number])
        return number


def _scenes(run: RunParts, limit: int, texts: Texts, console: Console, flags: Sequence[Flag]) -> dict[str, Any]:
    sides, told = sides_of(run.folder)
    if told:
        run.missing.append(told)
    figures = {name: figures_of(side) for name, side in sides.items()}
    flagged = {rollout.scene_id for flag in flags if flag.raised for rollout in flag.rollouts}
    ids = dict.fromkeys(identity for of_side in figures.values() for identity in of_side)
    changes = {i: moved(figures.get(BEFORE, {}).get(i), figures.get(AFTER, {}).get(i)) for i in ids}
    chosen, reasons = choose(changes, limit, flagged)
    rows = {name: rows_of(side, chosen) for name, side in sides.items()}
    scenes = _scenes_at_hand(run, chosen, rows, console)
    later = scored_later(run, rows, scenes)
    drawn = [
        _scene(
            identity, changes[identity], identity in flagged, sides, figures, rows, scenes.get(identity), later, texts
        )
        for identity in chosen
    ]
    shown = sum(len(found) for of_side in rows.values() for found in of_side.values())
    there = sum(one.rollouts for of_side in figures.values() for one in of_side.values())
    return {
        "scenes": drawn,
        "scenes_told": _told_of_choice(len(drawn), len(ids), shown, there, reasons),
        "side_names": {name: side.name[:1].upper() + side.name[1:] for name, side in sides.items()},
    }


def _told_of_choice(scenes: int, all_scenes: int, rollouts: int, all_rollouts: int, reasons: Mapping[str, int]) -> str:
    if not all_scenes:
        return "No scene is shown."
    if not reasons:
        return f"All {scenes:,} scenes are shown, with all {rollouts:,} rollouts."
    mix = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    return (
        f"{scenes:,} of {all_scenes:,} scenes are shown, with {rollouts:,} of {all_rollouts:,} rollouts: {mix}. Shares "
        "among them are not those of the run. `ar1-rl report RUN --scenes N` shows more."
    )


def _scenes_at_hand(
    run: RunParts, chosen: Sequence[str], rows: Mapping[str, Mapping[str, list[dict[str, Any]]]], console: Console
) -> dict[str, Scene]:
    if not chosen:
        return {}
    try:
        scenes = scenes_by_id(chosen, scenes_of_run(run.folder), console, label="after")
    except (SceneError, ConfigError) as error:
        run.missing.append(f"The scenes cannot be drawn: {error}")
        return {}
    recorded = [row for of_side in rows.values() for found in of_side.values() for row in found[:1]]
    other = seen_differently(recorded, scenes)
    if other:
        run.missing.append(
            f"{len(other)} scenes are no longer what the run saw (first: {other[0]}): another version makes them "
            "differently, so their pictures may not fit the rollouts."
        )
    return scenes


def _scene(
    identity: str,
    change: Moved,
    flagged: bool,
    sides: Mapping[str, Side],
    figures: Mapping[str, Mapping[str, SceneFigures]],
    rows: Mapping[str, Mapping[str, list[dict[str, Any]]]],
    scene: Scene | None,
    later: Mapping[tuple[str, str, int], Later],
    texts: Texts,
) -> dict[str, Any]:
    reference = None if scene is None else scene.reference
    found = {name: of_side[identity] for name, of_side in rows.items() if identity in of_side}
    kinds = [side.kinds[identity] for side in sides.values() if identity in side.kinds]
    names = [
        name for name, true in (("repaired", change.repaired), ("broken", change.broken), ("flagged", flagged)) if true
    ]
    return {
        "id": identity,
        "kind": scene.kind if scene is not None else next(iter(kinds), "unknown"),
        "tags": names,
        "change": _plain(change.change),
        "gain": _plain(change.gain),
        "decision": None if reference is None else vars(reference.decisions),
        "causes": [] if reference is None else [component.name for component in reference.components],
        "reference": None if reference is None else texts.number(reference.text),
        "prompt": texts.number(next((of_side[0]["prompt_text"] for of_side in found.values()), None)),
        "road": None if scene is None else drawn_scene(scene),
        "measures": _measures({name: of_side[identity] for name, of_side in figures.items() if identity in of_side}),
        **{
            name: {
                "likely": figures[name][identity].likely,
                "rollouts": _rollouts(
                    of_side, [later.get((name, identity, row["sample"]), {}) for row in of_side], texts
                ),
            }
            for name, of_side in found.items()
        },
    }


def _measures(figures: Mapping[str, SceneFigures]) -> list[Any]:
    columns = {"consistency, mean": "consistency_mean", "reasoning, mean": "reasoning_mean"}
    return [
        [told, {name: _plain(getattr(one, column)) for name, one in figures.items()}]
        for told, column in columns.items()
        if any(getattr(one, column) is not None for one in figures.values())
    ]


def _rollouts(rows: Sequence[Mapping[str, Any]], later: Sequence[Later], texts: Texts) -> list[dict[str, Any]]:
    completions = [completion_of_row(row) for row in rows]
    actions = meta_actions([completion.trajectory for completion in completions])
    return [_rollout(*one, texts) for one in zip(rows, completions, actions, later, strict=True)]


def _rollout(
    row: Mapping[str, Any], completion: Completion, actions: list[Any] | None, later: Later, texts: Texts
) -> dict[str, Any]:
    recorded = scores_of_row(row)
    scores = [_score(name, score, False, texts) for name, score in recorded.items()]
    scores += [_score(name, score, True, texts) for name, score in later.items() if name not in recorded]
    error = completion.error or (None if completion.reasoning is not None else "no reasoning")
    text = completion.text if error is not None else completion.reasoning or ""
    return {
        "sample": row["sample"],
        "text": texts.trace(text) if error is None else texts.number(text),
        "error": None if error is None else texts.number(str(error)),
        "path": None if completion.trajectory is None else path_of(completion.trajectory.poses_T3),
        "actions": actions,
        "scores": scores,
    }


def _score(name: str, score: ScoreColumns, later: bool, texts: Texts) -> dict[str, Any]:
    told = {
        "name": name,
        "value": _plain(score.value),
        "parts": {part: _plain(value) for part, value in score.parts.items()},
        "why": texts.number(score.why) if score.why else None,
    }
    if later:
        told["later"] = True
    if score.record:
        about = [
            f"{key.replace('_', ' ')} {score.record[key]}" for key in RECORDED if score.record.get(key) is not None
        ]
        reply = score.record.get("reply")
        told["record"] = {"reply": texts.number(None if reply is None else str(reply)), "about": ", ".join(about)}
    return told


def _flag(flag: Flag) -> dict[str, Any]:
    return {
        "name": flag.name,
        "raised": flag.raised,
        "score": _plain(flag.score),
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


def _plain(value: float | None) -> float | None:
    """JSON has no NaN; and a score needs no more digits than a reader does."""
    return None if value is None or not isfinite(value) else float(f"{value:.{DIGITS}g}")


def told_page(folder: Path, console: Console) -> None:
    """Write the page at the end of a run; where it cannot be written, say why: the run itself is finished."""
    try:
        console.print(f"Report: {write_page(folder, console)}", soft_wrap=True, markup=False)
    except Ar1RlError as error:
        console.print(f"Warning: {PAGE} could not be written: {error}", style="yellow", soft_wrap=True, markup=False)
