"""The scenes of the page: which are drawn, and everything that was written, driven and scored in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from rich.console import Console

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.report.page.answer import meta_actions
from ar1_rl.report.page.road import drawn_scene, path_of
from ar1_rl.report.page.texts import Texts
from rollouts.record import ScoreColumns
from rollouts.recorded import completion_of_row, scores_of_row

from .report_choice import Moved, choose, moved
from .report_later import scored_later
from .report_pictures import Picture, pictures_of
from .report_run import RunParts
from .report_sides import AFTER, BEFORE, SceneFigures, Side, figures_of, rows_of, sides_of
from .scenes_by_id import scenes_by_id, scenes_of_run, seen_differently

DIGITS = 5
"""Significant digits of a score."""
RECORDED = ("model", "prompt_hash", "prompt_tokens", "completion_tokens", "seconds", "cached", "failure")
"""What is told of how a critic was asked."""

Rows = Mapping[str, Mapping[str, list[dict[str, Any]]]]
"""Side -> scene -> its rollouts."""
Later = Mapping[str, ScoreColumns]
"""Scores that the evaluation did not ask for, by name."""


@dataclass(frozen=True)
class Drawn:
    """What is known of the scenes that are drawn, by scene id."""

    sides: Mapping[str, Side]
    figures: Mapping[str, Mapping[str, SceneFigures]]
    """Side -> scene."""
    rows: Rows
    changes: Mapping[str, Moved]
    scenes: Mapping[str, Scene]
    """Those at hand."""
    later: Mapping[tuple[str, str, int], Later]
    """Of (side, scene, sample)."""
    flagged: Collection[str]
    pictures: Mapping[str, list[Picture]]
    """What the policy saw, of a run on frames."""


def scenes_content(
    run: RunParts, limit: int, flagged: Collection[str], texts: Texts, console: Console
) -> dict[str, Any]:
    """At most `limit` scenes with their rollouts, what to say of the choice, and what the sides are called."""
    sides, told = sides_of(run.folder)
    if told:
        run.missing.append(told)
    figures = {name: figures_of(side) for name, side in sides.items()}
    ids = dict.fromkeys(identity for of_side in figures.values() for identity in of_side)
    changes = {i: moved(figures.get(BEFORE, {}).get(i), figures.get(AFTER, {}).get(i)) for i in ids}
    chosen, reasons = choose(changes, limit, flagged)
    rows = {name: rows_of(side, chosen) for name, side in sides.items()}
    scenes = _at_hand(run, chosen, rows, console)
    pictures = pictures_of(rows, scenes, run.missing)
    drawn = Drawn(sides, figures, rows, changes, scenes, scored_later(run, rows, scenes), flagged, pictures)
    shown = sum(len(found) for of_side in rows.values() for found in of_side.values())
    there = sum(one.rollouts for of_side in figures.values() for one in of_side.values())
    return {
        "scenes": [_scene(identity, drawn, texts) for identity in chosen],
        "scenes_told": _told_of_choice(len(chosen), len(ids), shown, there, reasons),
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


def _at_hand(run: RunParts, chosen: Sequence[str], rows: Rows, console: Console) -> dict[str, Scene]:
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


def _scene(identity: str, drawn: Drawn, texts: Texts) -> dict[str, Any]:
    scene, change = drawn.scenes.get(identity), drawn.changes[identity]
    reference = None if scene is None else scene.reference
    rows = {name: of_side[identity] for name, of_side in drawn.rows.items() if identity in of_side}
    kinds = [side.kinds[identity] for side in drawn.sides.values() if identity in side.kinds]
    tags = {"repaired": change.repaired, "broken": change.broken, "flagged": identity in drawn.flagged}
    return {
        "id": identity,
        "kind": scene.kind if scene is not None else next(iter(kinds), "unknown"),
        "tags": [name for name, true in tags.items() if true],
        "change": _plain(change.change),
        "gain": _plain(change.gain),
        "decision": None if reference is None else vars(reference.decisions),
        "causes": [] if reference is None else [component.name for component in reference.components],
        "reference": None if reference is None else texts.number(reference.text),
        "prompt": texts.number(next((of_side[0]["prompt_text"] for of_side in rows.values()), None)),
        "pictures": drawn.pictures.get(identity, []),
        "road": None if scene is None else drawn_scene(scene),
        "measures": _measures({name: drawn.figures[name][identity] for name in rows}),
        **{name: _side(name, identity, of_side, drawn, texts) for name, of_side in rows.items()},
    }


def _side(name: str, identity: str, rows: Sequence[Mapping[str, Any]], drawn: Drawn, texts: Texts) -> dict[str, Any]:
    later = [drawn.later.get((name, identity, row["sample"]), {}) for row in rows]
    return {"likely": drawn.figures[name][identity].likely, "rollouts": _rollouts(rows, later, texts)}


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
    told: dict[str, Any] = {
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


def _plain(value: float | None) -> float | None:
    """JSON has no NaN; and a score needs no more digits than a reader does."""
    return None if value is None or not isfinite(value) else float(f"{value:.{DIGITS}g}")
