"""The main job on real logs, in miniature: logs held out whole, rewards that abstain, a summary at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollouts.recorded import read_batches, rollout_files

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[1]


def test_real_logs_are_trained_on_and_evaluated_with_whole_logs_held_out(data_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "real"
    command = [
        sys.executable, "-m", "recipes.cli", "grpo", "recipes/configs/real_logs.yaml", "--out", str(out),
        f"scenes.root={data_root}", "scenes.train=40", "scenes.validation=4", "scenes.test=8", "sft.steps=10",
        "sft.pretrain_scenes=40", "grpo.steps=2", "grpo.evaluate_every=1", "grpo.scenes_per_step=2",
        "grpo.samples_per_scene=4", "eval.resamples=200",
        "policy.tiny={hidden_size: 32, layers: 1, heads: 1, intermediate_size: 64}",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["recipe"], summary["eval"]["scenes"]) == ("real_logs", 8)
    rows = [row for batch in read_batches(rollout_files(out)) for row in batch.rows]
    trained = {row["episode"] for row in rows if row["policy_version"].startswith("step-") and row["step"] >= 0}
    held_out = {row["episode"] for row in rows if row["policy_version"] in ("before", "after")}
    assert trained and held_out and not trained & held_out
    assert any(episode.startswith("argoverse2") for episode in held_out)
