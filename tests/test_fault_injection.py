"""GRPO runs whose judge misbehaves over HTTP: the run finishes, every fault is counted, and no grade is made up.

Where the judge is gone for good, the run stops with a message, and goes on once there is one again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from judge_server import JudgeProcess
from judged_run import CAUSES, LeftBehind, check_costs, check_faults, check_grades, judged_config

from recipes.cli import EXIT_FAILED, main
from rollouts.store import read_rollouts

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[1]


def start(raw: dict[str, Any], out: Path, *flags: str) -> int:
    """The exit code of a run through the command line, in this process."""
    path = out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(raw))
    return main(["grpo", str(path), "--out", str(out), *flags])


def judge_of(rate: float, **settings: Any) -> JudgeProcess:
    """First every kind of fault once, then the given share of all calls."""
    shares = dict.fromkeys(CAUSES, rate / len(CAUSES))
    return JudgeProcess(
        grade="rubric_grade", script=list(CAUSES), faults=shares, seed=1, retry_after="0.05", **settings
    )


def check_run(left: LeftBehind, log: list[dict[str, Any]], steps: int) -> Counter[str]:
    """Everything that holds of a finished run, whatever went wrong on the way; returns the faults that survived."""
    assert (left.folder / "summary.json").exists() and left.steps == list(range(1, steps + 1))
    check_grades(left, log)
    check_costs(left, log)
    survived = check_faults(left, log)
    assert {"malformed_json", "wrong_schema", "nan_grade"} <= set(survived), "after these nothing is tried again"
    assert left.failures_in_rows() == left.failures_in_state() == left.failures_in_metrics()
    assert left.failures_in_rows().total() >= survived.total(), "a failed call fails all siblings that said the same"
    return survived


def test_six_steps_with_every_kind_of_fault(taught_policy: Path, tmp_path: Path) -> None:
    with judge_of(0.2) as judge:
        assert start(judged_config(taught_policy, judge.url), tmp_path / "run") == 0
        log, stats = judge.log(), judge.stats()
    assert set(stats["faults"]) == set(CAUSES), "every kind was injected"
    check_run(LeftBehind(tmp_path / "run"), log, steps=6)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_sixty_steps_at_three_rates(taught_policy: Path, tmp_path: Path, rate: float) -> None:
    changes = {"grpo__steps": 60, "grpo__evaluate_every": 30}
    with judge_of(rate) as judge:
        assert start(judged_config(taught_policy, judge.url, **changes), tmp_path / "run") == 0
        log, stats = judge.log(), judge.stats()
    injected = sum(stats["faults"].values())
    assert 0.4 * rate * stats["calls"] <= injected <= 2 * rate * stats["calls"] + len(CAUSES)
    left = LeftBehind(tmp_path / "run")
    survived = check_run(left, log, steps=60)
    rows = left.failures_in_rows().total()
    assert any(row["reward"] is None for _, _, row in left.rows) and any(row["reward"] for _, _, row in left.rows)
    print(
        f"\nrate {rate}: {stats['calls']} attempts, {injected} faults, {survived.total()} survived, "
        f"{rows} of {len(left.judged)} judgements failed: {dict(left.failures_in_rows())}"
    )


def test_a_judge_that_dies_stops_the_run_which_goes_on_once_it_is_back(
    taught_policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    out, dead_after = tmp_path / "run", 14
    critic = {"timeout_s": 2.0, "give_up_after": 4}
    with JudgeProcess(grade="rubric_grade", crashes_after=dead_after) as judge:
        port = urlsplit(judge.url).port
        raw = judged_config(taught_policy, judge.url, critic=critic, rewards__failure_window=16)
        assert start(raw, out) == EXIT_FAILED
    said = " ".join(capsys.readouterr().out.split())
    assert "RunError: stopped: reward 'critic' failed for" in said
    assert "Transport" in said and "go on with --resume" in said and "Traceback" not in said
    assert "All reward functions returned None" not in caplog.text, "said once, by cause"
    stopped = LeftBehind(out)
    assert 1 <= len(stopped.steps) < 6 and not (out / "summary.json").exists()
    assert stopped.steps == list(range(1, len(stopped.steps) + 1))
    before = stopped.failures_in_rows()
    assert before == stopped.failures_in_state() == stopped.failures_in_metrics()
    assert set(before) <= {"Transport", "GaveUp"} and before["Transport"] > 0
    assert sum(one.row["critic"] is not None for one in stopped.judged) >= dead_after, "what was judged is kept"

    with JudgeProcess(grade="rubric_grade", port=port) as judge:
        assert start(raw, out, "--resume") == 0
    whole = LeftBehind(out)
    assert whole.steps == list(range(1, 7)) and (out / "summary.json").exists()
    drawn = Counter(step for label, step, _ in whole.rows if label == "train")
    assert drawn == dict.fromkeys(range(6), 16), "every step is recorded once"
    assert whole.failures_in_rows() == whole.failures_in_metrics() == whole.failures_in_state() == before


def test_a_run_that_may_not_go_on_without_a_grade_stops_at_the_first_and_starts_over_without_a_trace(
    taught_policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends before its first checkpoint, so that resuming begins with the first step again."""
    out = tmp_path / "run"
    with JudgeProcess(grade="rubric_grade", crashes_after=20) as judge:
        port = urlsplit(judge.url).port
        raw = judged_config(taught_policy, judge.url, grpo__steps=3)
        raw["rewards"]["terms"][0]["on_failure"] = "raise"
        assert start(raw, out) == EXIT_FAILED
    said = " ".join(capsys.readouterr().out.split())
    assert "RewardError: reward 'critic' failed on scene 'synthetic/" in said and "Traceback" not in said
    assert LeftBehind(out).rows, "what was graded before can be read"
    with JudgeProcess(grade="rubric_grade", port=port) as judge:
        assert start(raw, out, "--resume") == 0
        log = judge.log()
    left = LeftBehind(out)
    assert left.steps == [1, 2, 3]
    assert [line["step"] for line in left.metrics if "validation/reward" in line] == [0, 3]
    assert not left.failures_in_rows()
    check_grades(left, log)
    check_costs(left, log)


@pytest.mark.slow
def test_a_judge_that_dies_stops_both_ranks_which_say_it_once(taught_policy: Path, tmp_path: Path) -> None:
    with JudgeProcess(grade="rubric_grade", crashes_after=14) as judge:
        raw = judged_config(taught_policy, judge.url, critic={"give_up_after": 4}, rewards__failure_window=16)
        (config := tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
        call = ["grpo", str(config), "--processes", "2", "--out", str(tmp_path / "run")]
        done = subprocess.run(
            [sys.executable, "-m", "recipes.cli", *call],
            capture_output=True, text=True, timeout=400, check=False, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == EXIT_FAILED, said
    assert said.count("RunError: stopped: reward 'critic' failed for") == 1 and "Traceback" not in said
    assert "Transport" in said and "go on with --resume" in said
    files = sorted((tmp_path / "run" / "rollouts").glob("train-*.parquet"))
    assert {file.stem[-len("rank000") :] for file in files} == {"rank000", "rank001"}
    assert list(read_rollouts(tmp_path / "run" / "rollouts")), "what was drawn can be read"
