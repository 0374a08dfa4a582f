"""A real run in miniature, with real vLLM and real TRL, is read for signs of a hacked reward and has none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
TAUGHT = [
    "scenes.train=64", "scenes.validation=4", "scenes.test=6", "sft.steps=80", "sft.learning_rate=1e-2",
    "sft.warmup_steps=10", "grpo.steps=8", "grpo.evaluate_every=8", "grpo.scenes_per_step=8",
    "grpo.samples_per_scene=4", "grpo.learning_rate=1e-5", "eval.resamples=200",
    "policy.tiny={hidden_size: 64, layers: 1, heads: 1, intermediate_size: 128}",
]  # fmt: skip
"""Enough fine-tuning to write readable traces, and enough groups a step for every flag to be measured."""


def test_a_clean_run_is_read_and_raises_no_flag(tmp_path: Path) -> None:
    def ar1_rl(*arguments: str) -> str:
        command = [sys.executable, "-m", "recipes.cli", *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run = str(tmp_path / "run")
    ar1_rl("quickstart", "--out", run, *TAUGHT)
    flags = {flag["name"]: flag for flag in json.loads(ar1_rl("report", run, "--json"))["flags"]}
    assert not [flag for flag in flags.values() if flag["raised"]]
    measured = {name for name, flag in flags.items() if flag["raised"] is not None}
    assert {"length_drift", "templates", "claim_shift", "abstention", "addresses_critic", "failures"} <= measured
