"""The rollouts before and after that a run has, read in two passes: a few figures of all scenes, then whole rows.

Where a run was not evaluated, its first and last validation stand in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ar1_rl.errors import RunError

BEFORE, AFTER = "before", "after"
REASONING = ("critic", "reasoning", "reasoning_score")
"""Columns that may hold the grade of the reasoning, the first one there is."""
ANSWERS, LIKELIHOOD = "answers", "likelihood"
"""Whether a rollout is the one that answers for its scene, and its log-probability under the policy at temperature 1,
where the evaluation recorded them; else the sum of the log-probabilities that it was drawn with says which is likely.
"""
UNREAD = ("prompt_token_ids", "logprobs")


@dataclass(frozen=True)
class Side:
    """Rollout files of one policy, and what to call it."""

    name: str
    files: tuple[Path, ...]
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Scenario types by scene, where the evaluation has them."""


@dataclass
class SceneFigures:
    """One scene on one side; means are over what is known, None where nothing is."""

    likely: int = 0
    """Which sample is the most likely one."""
    consistency: float | None = None
    """Of the most likely rollout."""
    consistency_mean: float | None = None
    reasoning_mean: float | None = None
    undecodable: int = 0
    rollouts: int = 0


def sides_of(folder: Path) -> tuple[dict[str, Side], str]:
    """The sides there are, by `BEFORE` and `AFTER`, and what to say of them where they are not an evaluation."""
    for find in (_evaluated, _evaluated_at_first):
        sides = find(folder)
        if sides:
            lack = next((side for side in (BEFORE, AFTER) if side not in sides), None)
            return sides, "" if lack is None else f"There is no evaluation {lack} the training (yet)."
    steps = sorted({path.name.split("-")[1] for path in (folder / "rollouts").glob("validation-*.parquet")})
    sides = {
        side: Side(f"validation at step {int(step)}", tuple(_files(folder / "rollouts", f"validation-{step}")))
        for side, step in zip((BEFORE, AFTER), dict.fromkeys((steps[0], steps[-1])) if steps else (), strict=False)
    }
    told = "The run has no evaluation (yet): scenes of its first and last validation are shown instead."
    return (
        sides,
        told if sides else "There are no rollouts of an evaluation or a validation (yet), so no scene is shown.",
    )


def _evaluated(folder: Path) -> dict[str, Side]:
    sides = {}
    for name in (BEFORE, AFTER):
        where = folder / "evaluations" / name
        files = tuple(sorted((where / "rollouts").glob("*.parquet")))
        if files:
            sides[name] = Side(name, files, _kinds(where / "scenes.parquet"))
    return sides


def _evaluated_at_first(folder: Path) -> dict[str, Side]:
    """As runs were laid out before evaluations had folders of their own."""
    found = {name: tuple(_files(folder / "rollouts", name)) for name in (BEFORE, AFTER)}
    return {name: Side(name, files) for name, files in found.items() if files}


def _files(folder: Path, label: str) -> list[Path]:
    return sorted(folder.glob(f"{label}-*.parquet"))


def _kinds(path: Path) -> dict[str, str]:
    import pyarrow.parquet as parquet

    if not path.is_file():
        return {}
    table = parquet.read_table(path, columns=["scene_id", "kind"])
    return dict(zip(table["scene_id"].to_pylist(), table["kind"].to_pylist(), strict=True))


class _Row(NamedTuple):
    sample: int
    answers: bool
    likelihood: float
    consistency: float | None
    reasoning: float | None
    undecodable: bool


def figures_of(side: Side) -> dict[str, SceneFigures]:
    """Every scene of a side, in the order of its rollouts."""
    rows: dict[str, list[_Row]] = {}
    for path in side.files:
        for identity, row in _light_rows(path):
            rows.setdefault(identity, []).append(row)
    return {identity: _figures(of_scene) for identity, of_scene in rows.items()}


def _light_rows(path: Path) -> Iterator[tuple[str, _Row]]:
    there = _columns(path)
    reasoning = next((name for name in REASONING if name in there), None)
    names = ("scene_id", "sample", ANSWERS, LIKELIHOOD, "consistency", reasoning, "decode_error")
    likelihood = LIKELIHOOD if LIKELIHOOD in there else "logprobs"
    table = _table(path, [*(name for name in names if name in there), *({likelihood} - {LIKELIHOOD})])
    read = {name: table[name].to_pylist() if name in there else [None] * table.num_rows for name in names}
    if likelihood != LIKELIHOOD:
        read[LIKELIHOOD] = [sum(row or ()) for row in table[likelihood].to_pylist()]
    for identity, sample, answers, known, agrees, grade, error in zip(*(read[name] for name in names), strict=True):
        wrong = error is not None
        yield identity, _Row(sample, bool(answers), known, 0.0 if agrees is None and wrong else agrees, grade, wrong)


def _figures(rows: Sequence[_Row]) -> SceneFigures:
    answer = max(rows, key=lambda row: (row.answers, row.likelihood))
    return SceneFigures(
        likely=answer.sample,
        consistency=answer.consistency,
        consistency_mean=_mean([row.consistency for row in rows]),
        reasoning_mean=_mean([row.reasoning for row in rows]),
        undecodable=sum(row.undecodable for row in rows),
        rollouts=len(rows),
    )


def rows_of(side: Side, wanted: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Whole rows of the wanted scenes by scene, in the order of the samples."""
    import pyarrow.compute as compute

    rows: dict[str, list[dict[str, Any]]] = {}
    chosen = compute.field("scene_id").isin(list(wanted))
    for path in side.files:
        table = _table(path, [name for name in _columns(path) if name not in UNREAD], filters=chosen)
        for row in table.to_pylist():
            rows.setdefault(row["scene_id"], []).append(row)
    return {identity: sorted(found, key=lambda row: row["sample"]) for identity, found in rows.items()}


def _columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        return list(parquet.read_schema(path).names)
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{path}: cannot be read as Parquet: {error}") from error


def _table(path: Path, columns: Sequence[str], filters: Any = None) -> Any:
    import pyarrow.parquet as parquet

    return parquet.read_table(path, columns=list(columns), filters=filters)


def _sums(lists: Any) -> list[float]:
    return [0.0 if row is None else float(sum(row)) for row in lists.to_pylist()]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
