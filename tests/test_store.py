"""Rollouts on disk: every column of the format, and closed files only."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ar1_rl.driving import Completion, Trajectory
from ar1_rl.errors import DecodeError, RunError
from rollouts.record import Rollout, ScoreColumns
from rollouts.store import RolloutStore, read_rollouts, rollout_row

COLUMNS = [
    "scene_id",
    "episode",
    "t0_us",
    "step",
    "sample",
    "seed",
    "policy_version",
    "prompt_text",
    "prompt_token_ids",
    "completion_text",
    "completion_token_ids",
    "logprobs",
    "reasoning",
    "trajectory_T3",
    "decode_error",
    "reward",
]


def rollout(good: bool) -> Rollout:
    completion = Completion(
        text="<|cot_start|>stop",
        token_ids=(1, 2),
        reasoning="stop" if good else None,
        trajectory=Trajectory(np.arange(192.0).reshape(64, 3), "tokens") if good else None,
        error=None if good else DecodeError("3 trajectory tokens, 32 are right"),
    )
    return Rollout(
        scene_id="s", episode="e", t0_us=5, sample=2, seed=2**62, step=7, policy_version="sft", prompt_text="speed",
        prompt_token_ids=(3, 4), completion=completion, logprobs=(-0.5, -1.0),
    )  # fmt: skip


def test_a_rollout_comes_back_with_every_column(tmp_path: Path) -> None:
    store = RolloutStore(tmp_path)
    scores = {"critic": ScoreColumns(value=4.0, parts={"causes_f1": 0.8}, why="close", record={"model": "rubric"})}
    path = store.write(
        "train-000007", [rollout_row(rollout(True), 1.5, scores), rollout_row(rollout(False), None, scores)]
    )
    assert path.name == "train-000007-rank000.parquet"
    good, bad = read_rollouts(tmp_path)
    assert set(COLUMNS) <= set(good)
    assert good["schema_version"] == 1
    assert (good["seed"], good["reward"], good["critic"]) == (2**62, 1.5, 4.0)
    assert json.loads(good["critic.parts"]) == {"causes_f1": 0.8}
    assert good["critic.why"] == "close" and json.loads(good["critic.record"]) == {"model": "rubric"}
    assert np.array_equal(good["trajectory_T3"], np.arange(192.0).reshape(64, 3))
    assert bad["trajectory_T3"] is None and bad["decode_error"] == "3 trajectory tokens, 32 are right"
    assert bad["reward"] is None


def test_a_half_written_file_is_not_read(tmp_path: Path) -> None:
    RolloutStore(tmp_path).write("train-000000", [rollout_row(rollout(True), 1.0, {})])
    (tmp_path / "train-000001-rank000.partial").write_bytes(b"PAR1 half")
    assert len(list(read_rollouts(tmp_path))) == 1


def test_a_folder_without_rollouts_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no rollouts here"):
        list(read_rollouts(tmp_path))
