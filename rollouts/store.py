"""Rollouts on disk: one closed Parquet file per batch and rank, readable as soon as it is there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ar1_rl.errors import RunError

from .record import ROLLOUT_SCHEMA_VERSION, Rollout, ScoreColumns


def rollout_row(rollout: Rollout, reward: float | None, scores: Mapping[str, ScoreColumns]) -> dict[str, Any]:
    """The columns of one rollout. Structured values (parts, critic records) are JSON text."""
    completion = rollout.completion
    trajectory = completion.trajectory
    row: dict[str, Any] = {
        "schema_version": ROLLOUT_SCHEMA_VERSION,
        "scene_id": rollout.scene_id,
        "episode": rollout.episode,
        "t0_us": rollout.t0_us,
        "step": rollout.step,
        "sample": rollout.sample,
        "seed": rollout.seed,
        "policy_version": rollout.policy_version,
        "prompt_text": rollout.prompt_text,
        "prompt_token_ids": list(rollout.prompt_token_ids),
        "completion_text": completion.text,
        "completion_token_ids": list(completion.token_ids),
        "logprobs": list(rollout.logprobs),
        "reasoning": completion.reasoning,
        "text_tokens": completion.text_tokens,
        "trajectory_T3": None if trajectory is None else trajectory.poses_T3.tolist(),
        "decode_error": None if completion.error is None else str(completion.error),
        "reward": reward,
    }
    if rollout.frames is not None:
        # With the scene's id this tells which pixels they were; a copy would be the bulk of the file.
        row["frames"] = rollout.frames.model_dump_json()
    for name, score in scores.items():
        row[name] = score.value
        row[f"{name}.parts"] = json.dumps(dict(score.parts))
        row[f"{name}.why"] = score.why
        if score.record:
            row[f"{name}.record"] = json.dumps(dict(score.record))
    return row


class RolloutStore:
    """Writes batches of rollout rows into a folder, and reads them back."""

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.folder = folder
        self._rank = rank
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, label: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write one batch under a temporary name, then rename it: a reader never sees half a file."""
        import pyarrow as pa
        import pyarrow.parquet as parquet

        # A column without any value would lose its type.
        types = {
            "reward": pa.float64(),
            "trajectory_T3": pa.list_(pa.list_(pa.float64())),
            "decode_error": pa.string(),
            "text_tokens": pa.int64(),
        }
        path = self.folder / f"{label}-rank{self._rank:03d}.parquet"
        partial = path.with_suffix(".partial")
        columns = list(dict.fromkeys(name for row in rows for name in row))
        data = {name: [row.get(name) for row in rows] for name in columns}
        table = pa.table({name: pa.array(values, type=types.get(name)) for name, values in data.items()})
        parquet.write_table(table, partial, compression="zstd")
        os.replace(partial, path)
        return path


def read_rollouts(folder: Path) -> Iterator[dict[str, Any]]:
    """Every rollout row of a run, file by file in name order."""
    import pyarrow.parquet as parquet

    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise RunError(f"{folder}: no rollouts here (expected *.parquet); is this the rollouts/ folder of a run?")
    for path in files:
        yield from parquet.read_table(path).to_pylist()
