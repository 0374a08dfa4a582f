"""What one rank meets reaches all ranks: real runs in two processes, in which one rank fails, freezes or is stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml
from tiny import TinyPolicy

from rollouts.store import read_rollouts

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 45.0
"""Importing torch, TRL and vLLM on a busy machine has to fit into it, in two processes at once."""
KILLED_AFTER_S = 30.0
"""torchrun sends SIGKILL so long after SIGTERM to a rank that another one has left behind."""

OBEDIENT = '''
"""A reward that does to its own process what a file tells it, on the rank that the file is named after."""
import os, resource, signal, time
from pathlib import Path

def judge(completion, scene, orders):
    order = Path(orders) / os.environ["RANK"]
    if order.exists():
        {
            "raise": lambda: 1 / 0,
            "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
            "freeze": lambda: os.kill(os.getpid(), signal.SIGSTOP),
            "hang": lambda: time.sleep(600),
            "fill the disk": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        }[order.read_text()]()
    return float(len(completion.token_ids) % 5)
judge.needs, judge.value_range = "text", (0.0, 4.0)
'''


@dataclass
class Run:
    """A run in two processes, under way."""

    process: subprocess.Popen[str]
    out: Path
    orders: Path

    def ranks(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def end(self, within_s: float) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=within_s)
        return self.process.returncode, output


def write_config(policy: TinyPolicy, folder: Path) -> Path:
    (folder / "own.py").write_text(OBEDIENT)
    (folder / "orders").mkdir()
    raw = {
        "recipe": "test",
        "scenes": {"train": 16, "validation": 2, "test": 2},
        "policy": {"path": str(policy.path)},
        "rollouts": {"engine": "transformers", "max_completion_tokens": 16},
        "rewards": {
            "terms": [
                {
                    "reward": f"{folder}/own.py:judge",
                    "arguments": {"orders": str(folder / "orders")},
                    "on_failure": "raise",
                }
            ]
        },
        "grpo": {"steps": 400, "scenes_per_step": 2, "samples_per_scene": 2, "evaluate_every": 400},
        "eval": {"samples_per_scene": 2, "resamples": 100},
        "launch": {"processes": 2, "timeout_s": TIMEOUT_S},
        "deepspeed": "zero2",
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(raw))
    return config


@pytest.fixture
def begin() -> Iterator[Callable[..., Run]]:
    """Begins a run and waits until it has recorded some steps; afterwards nothing of it is left."""
    begun: list[Run] = []

    def begin(config: Path, *more: str, steps: int = 3) -> Run:
        begun.append(start(config, *more))
        deadline = time.monotonic() + 400
        while len(list(begun[-1].out.glob("rollouts/train-*-rank001.parquet"))) < steps:
            assert begun[-1].process.poll() is None, begun[-1].process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return begun[-1]

    yield begin
    for run in begun:
        if run.process.poll() is None:
            for rank in run.ranks():
                rank.kill()
            run.process.communicate(timeout=30)


def start(config: Path, *more: str) -> Run:
    folder = config.parent
    command = [sys.executable, "-m", "recipes.cli", "grpo", str(config), "--out", str(folder / "run"), *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=environment
    )
    return Run(process, folder / "run", folder / "orders")


@pytest.mark.parametrize(
    ("order", "told"),
    [
        ("raise", "ZeroDivisionError"),
        ("die", "rank 1 was killed by SIGKILL"),
        ("fill the disk", "File too large"),
        ("freeze", r"rank 1 on .* gave no sign of life"),
        # Both ranks come to their rewards within the same moment: which of them is named is a matter of milliseconds.
        ("hang", r"rank \d on .*: grpo step \d+, rewards.* has stalled"),
    ],
)
def test_what_happens_to_one_rank_ends_all_and_is_told(
    tiny_policy: TinyPolicy, tmp_path: Path, begin: Callable[..., Run], order: str, told: str
) -> None:
    run = begin(write_config(tiny_policy, tmp_path))
    ranks = run.ranks()
    assert len(ranks) == 2
    (run.orders / "1").write_text(order)
    code, output = run.end(within_s=2 * TIMEOUT_S + KILLED_AFTER_S)
    assert code == 1, output
    assert re.search(told, output), output
    assert not psutil.wait_procs(ranks, timeout=1)[1], "a rank was left behind"


def test_sigterm_saves_on_all_ranks_and_exits_with_75_and_resume_goes_on(
    tiny_policy: TinyPolicy, tmp_path: Path, begin: Callable[..., Run]
) -> None:
    config = write_config(tiny_policy, tmp_path)
    run = begin(config)
    run.process.send_signal(signal.SIGTERM)
    code, output = run.end(within_s=120)
    assert code == 75, output
    assert output.count("--resume") == 1, "the first rank talks, and no other"
    (checkpoint,) = (run.out / "checkpoints" / "grpo-trainer").glob("checkpoint-*")
    reached = int(checkpoint.name.split("-")[1])
    assert {path.name for path in checkpoint.glob("rewards-rank*")} == {"rewards-rank000.json", "rewards-rank001.json"}

    resumed = begin(config, "--resume", steps=reached + 2)
    resumed.process.send_signal(signal.SIGTERM)
    code, output = resumed.end(within_s=120)
    assert code == 75, output
    rows = [row for row in read_rollouts(run.out / "rollouts") if row["policy_version"] == "step-0"]
    steps = [row["step"] for row in rows if row["reward"] is not None and row["step"] >= 0]
    assert sorted(steps) == [step for step in range(max(steps) + 1) for _ in range(4)], "each step once, by both ranks"
