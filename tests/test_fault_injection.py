"""GRPO runs whose judge misbehaves over HTTP: the run finishes, every fault is counted, and no grade is made up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from judge_server import JudgeProcess
from judged_run import CAUSES, LeftBehind, check_costs, check_faults, check_grades, judged_config
from rich.console import Console

from ar1_rl.config import check_config
from recipes.post_train import post_train
from recipes.run_config import RunConfig
from recipes.stopping import StopFlag

pytestmark = pytest.mark.engine


def run(raw: dict[str, Any], out: Path) -> LeftBehind:
    config = check_config(RunConfig, raw, source="test")
    post_train(config, out, Console(quiet=True), StopFlag())
    return LeftBehind(out)


def test_six_steps_with_every_kind_of_fault(taught_policy: Path, tmp_path: Path) -> None:
    shares = dict.fromkeys(CAUSES, 0.2 / len(CAUSES))
    with JudgeProcess(grade="rubric_grade", faults=shares, script=list(CAUSES), seed=1, retry_after="0.05") as judge:
        left = run(judged_config(taught_policy, judge.url), tmp_path / "run")
        log, stats = judge.log(), judge.stats()
    assert set(stats["faults"]) == set(CAUSES), "every kind was injected"
    check_run(left, log, steps=6)


def check_run(left: LeftBehind, log: list[dict[str, Any]], steps: int) -> Counter[str]:
    assert (left.folder / "summary.json").exists() and left.steps == list(range(1, steps + 1))
    check_grades(left, log)
    check_costs(left, log)
    survived = check_faults(left, log)
    assert sum(survived.values()) > 0
    assert left.failures_in_rows() == left.failures_in_state() == left.failures_in_metrics()
    assert left.failures_in_rows().total() >= survived.total(), "a failed call fails all siblings that said the same"
    return survived
