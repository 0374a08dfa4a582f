"""Recorded rollouts as what they were: batches in their order, completions, and the scores they got."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.driving import Completion, Trajectory
from ar1_rl.errors import DecodeError, RunError

from .record import ROLLOUT_SCHEMA_VERSION, ScoreColumns

ALL_LABELS = "all"
EVALUATIONS = "evaluations"
"""Folder of a run with its evaluations, each named by its label and with rollouts/*.parquet of its own."""
UNUSED = ("prompt_token_ids", "logprobs")
"""Columns that no score depends on."""


@dataclass(frozen=True)
class RecordedBatch:
    """The rows of one file: the rollouts that were scored together, in their order."""

    path: Path
    rows: list[dict[str, Any]]


def rollout_files(source: Path, label: str = ALL_LABELS) -> list[Path]:
    """The rollout files of a run folder whose name begins with `label`, or the one file that `source` is.

    Labels are `train`, `validation`, `before`, `after`. RunError where there is nothing, with what there is.
    """
    if source.is_file():
        return [source]
    folder = source / "rollouts" if (source / "rollouts").is_dir() else source
    files = [*sorted(folder.glob("*.parquet")), *sorted(source.glob(f"{EVALUATIONS}/*/rollouts/*.parquet"))]
    if not files:
        raise RunError(f"{source}: no rollouts here; allowed are a run folder with rollouts/*.parquet, or such a file")
    chosen = [path for path in files if label in (ALL_LABELS, label_of(path))]
    if not chosen:
        there = ", ".join(sorted({label_of(path) for path in files}))
        raise RunError(f"{folder}: no rollouts of label {label!r}; there are {there}, or {ALL_LABELS}")
    return chosen


def label_of(path: Path) -> str:
    """What a rollout file is of: `train-000007-rank000.parquet` is of `train`, one of an evaluation of its label."""
    if path.parent.parent.parent.name == EVALUATIONS:
        return path.parent.parent.name
    return path.name.split("-")[0].removesuffix(".parquet")


def read_batches(files: list[Path]) -> Iterator[RecordedBatch]:
    """One batch per file; RunError for a file that holds no rollouts of this schema version."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    for path in files:
        try:
            columns = [name for name in parquet.read_schema(path).names if name not in UNUSED]
            rows = parquet.read_table(path, columns=columns).to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise RunError(f"{path}: cannot be read as Parquet: {error}") from error
        versions = {row.get("schema_version") for row in rows}
        if versions - {ROLLOUT_SCHEMA_VERSION} or any("completion_token_ids" not in row for row in rows):
            raise RunError(
                f"{path}: these are no rollouts of schema_version {ROLLOUT_SCHEMA_VERSION} (found {versions})"
            )
        yield RecordedBatch(path, rows)


def completion_of_row(row: Mapping[str, Any]) -> Completion:
    """The completion that a row was written from; poses are equal bit for bit."""
    poses, error = row["trajectory_T3"], row["decode_error"]
    return Completion(
        text=row["completion_text"],
        token_ids=tuple(row["completion_token_ids"]),
        reasoning=row["reasoning"],
        trajectory=None if poses is None else Trajectory(np.array(poses, dtype=np.float64), source="tokens"),
        error=None if error is None else DecodeError(error),
        text_tokens=row.get("text_tokens"),
    )


def scores_of_row(row: Mapping[str, Any]) -> dict[str, ScoreColumns]:
    """What each reward gave this row, by name; a reward that the row does not know of is absent."""
    names = [column.removesuffix(".why") for column in row if column.endswith(".why")]
    return {name: _score(row, name) for name in names if row[f"{name}.why"] is not None}


def _score(row: Mapping[str, Any], name: str) -> ScoreColumns:
    return ScoreColumns(
        value=row.get(name),
        parts=_parsed(row.get(f"{name}.parts")),
        why=row[f"{name}.why"],
        record=_parsed(row.get(f"{name}.record")),
    )


def _parsed(text: str | None) -> dict[str, Any]:
    return {} if text is None else json.loads(text)
