"""The rollouts before and after that a run has, read in two passes: a few figures of all scenes, then whole rows.

Where a run was not evaluated, its first and last validation stand in.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ar1_rl.errors import RunError

BEFORE, AFTER = "before", "after"
REASONING = ("critic", "reasoning", "reasoning_score")
"""Columns that may hold the grade of the reasoning, the first one there is."""
LIKELIHOOD = "likelihood"
"""Log-probability of the whole completion under the policy at temperature 1, where the evaluation recorded it."""
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


def figures_of(side: Side) -> dict[str, SceneFigures]:
    """Every scene of a side, in the order of its rollouts."""
    rows: dict[str, list[tuple[int, float, float | None, float | None, bool]]] = {}
    for path in side.files:
        columns = _columns(path)
        reasoning = next((name for name in REASONING if name in columns), None)
        wanted = [
            "scene_id",
            "sample",
            "decode_error",
            *(c for c in ("consistency", reasoning, LIKELIHOOD) if c in columns),
        ]
        table = _table(path, [*wanted, *([] if LIKELIHOOD in columns else ["logprobs"])])
        read = {name: table[name].to_pylist() for name in wanted}
        count = table.num_rows
        nothing = [None] * count
        likelihoods = read.get(LIKELIHOOD) or _sums(table["logprobs"])
        for identity, sample, error, likelihood, consistency, grade in zip(
            read["scene_id"], read["sample"], read["decode_error"], likelihoods,
            read.get("consistency", nothing), read.get(reasoning or "", nothing), strict=True,
        ):  # fmt: skip
            agrees = 0.0 if consistency is None and error is not None else consistency
            rows.setdefault(identity, []).append((sample, likelihood, agrees, grade, error is not None))
    return {identity: _figures(of_scene) for identity, of_scene in rows.items()}


def _figures(rows: Sequence[tuple[int, float, float | None, float | None, bool]]) -> SceneFigures:
    sample, _, consistency, _, _ = max(rows, key=lambda row: row[1])
    return SceneFigures(
        likely=sample,
        consistency=consistency,
        consistency_mean=_mean([row[2] for row in rows]),
        reasoning_mean=_mean([row[3] for row in rows]),
        undecodable=sum(row[4] for row in rows),
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


def parsed(text: str | None) -> dict[str, Any]:
    """JSON text of a structured column."""
    return {} if not text else json.loads(text)
