"""The bench of sharding: its figures by hand, finished runs that are not run again, and one with real DeepSpeed."""

from __future__ import annotations

import io
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.errors import RunError
from recipes.bench import sharding, whole_run
from recipes.bench.sharding import WAYS, config, main, show
from recipes.bench.whole_run import Run, mean_tokens, peak_bytes, run, step_lines, step_seconds, summary
from recipes.run_config import RunConfig

FASTER = Run(
    step_s=(4.0, 6.0, 5.0), tokens_per_step=3_000.0, prompt_tokens_per_step=640.0,
    parts_s={"rollouts": 2.0, "rewards": 1.0, "update": 2.0}, peak_mib=(1_000.0, 900.0),
)  # fmt: skip
SLOWER = Run(
    step_s=(8.0, 8.0, 20.0), tokens_per_step=3_200.0, prompt_tokens_per_step=640.0,
    parts_s={"rollouts": 3.0, "rewards": 1.0, "update": 4.0}, peak_mib=(1_200.0, 1_100.0),
)  # fmt: skip


def test_a_step_lasts_from_one_batch_on_disk_to_the_next_of_the_slowest_rank_and_the_first_is_left_out(
    tmp_path: Path,
) -> None:
    written = {
        "train-00000-rank000": 10.0, "train-00000-rank001": 12.0, "train-00001-rank000": 21.0,
        "train-00001-rank001": 20.0, "train-00002-rank000": 24.0, "train-00002-rank001": 25.0,
        "train-00003-rank000": 31.5, "before-rank000": 99.0,
    }  # fmt: skip
    for name, at_s in written.items():
        path = tmp_path / f"{name}.parquet"
        path.touch()
        os.utime(path, (at_s, at_s))
    assert step_seconds(tmp_path) == [4.0, 6.5]


def test_tokens_of_a_step_are_the_mean_length_of_64_completions(tmp_path: Path) -> None:
    lines = [{"completions/mean_length": 50.0}, {"eval_reward": 1.0}, {"completions/mean_length": 60.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert mean_tokens(step_lines(tmp_path / "metrics.jsonl"), 64) == 55.0 * 64


def test_medians_are_of_the_medians_of_runs_and_of_each_rank() -> None:
    """Medians of runs 5, 8, 8: 8 s a step, 64 / 8 rollouts a second; ranks 1,200 and 1,100 MiB."""
    found = summary([FASTER, SLOWER, SLOWER], 64)
    assert found["step_s"] == 8.0 and found["step_s_range"] == [5.0, 8.0]
    assert found["rollouts_per_s"] == 8.0
    assert found["tokens_per_s"] == pytest.approx((3_000 + 3_200 + 3_200) / 3 / 8.0)
    assert found["peak_mib"] == [1_200.0, 1_100.0]
    assert found["prompt_tokens"] == 10.0 and found["parts_s"] == SLOWER.parts_s


@pytest.mark.parametrize("way", list(WAYS))
def test_every_way_is_a_valid_run_of_the_same_work(way: str, tmp_path: Path) -> None:
    checked = check_config(RunConfig, config(tmp_path, *WAYS[way], steps=5), source=way)
    assert checked.grpo.scenes_per_step * checked.grpo.samples_per_scene == 64
    assert checked.grpo.rollouts_per_pass == sharding.ROLLOUTS_PER_PASS
    assert checked.rollouts.max_sequences * checked.launch.ranks == 64
    assert checked.scenes.train == 5 * 8


def test_the_peak_of_a_process_is_what_the_kernel_remembers() -> None:
    assert peak_bytes(os.getpid()) == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, rel=0.05)


def test_what_is_finished_is_read_and_what_failed_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def failing(raw: Any, folder: Path) -> Run:
        asked.append(folder)
        folder.mkdir(parents=True)
        raise RunError("no memory")

    monkeypatch.setattr(whole_run, "_run", failing)
    with pytest.raises(RunError, match="no memory"):
        run({}, tmp_path / "cell")
    monkeypatch.setattr(whole_run, "_run", lambda raw, folder: folder.mkdir() or FASTER)
    assert run({}, tmp_path / "cell") == FASTER
    monkeypatch.setattr(whole_run, "_run", failing)
    assert run({}, tmp_path / "cell") == FASTER
    assert len(asked) == 1


def test_throughput_is_told_against_the_first_way() -> None:
    shown = io.StringIO()
    result = {
        "machine": "m", "cores": 2, "versions": {"torch": "1"}, "parameters": 1_000_000, "rollouts_per_step": 64,
        "repeats": 1, "steps": 5, "ways": {"1 process": summary([SLOWER], 64), "2 processes": summary([FASTER], 64)},
    }  # fmt: skip
    show(result, Console(file=shown, width=160))
    assert "throughput against 1 process" in shown.getvalue() and "x 1.60" in shown.getvalue()


@pytest.mark.parametrize("wrong", ["--steps=2", "--repeats=0", "--hidden=100", "--layers=0", "--only=3"])
def test_what_cannot_be_measured_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([wrong])
    assert caught.value.code == 2


@pytest.mark.slow
@pytest.mark.engine
def test_the_bench_is_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two processes with ZeRO-2, as small and short as can be; given again, nothing is run."""
    asked = ["--hidden", "64", "--layers", "1", "--steps", "3", "--repeats", "1", "--only", "2 processes, ZeRO-2"]
    assert main([*asked, "--out", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {"machine", "cores", "versions", "parameters", "repeats", "ways", "runs"} <= set(result)
    (way,) = result["ways"].values()
    assert way["step_s"] > 0.0 and way["tokens_per_s"] > 0.0
    assert len(way["peak_mib"]) == 2 and min(way["peak_mib"]) > 100.0
    assert main([*asked, "--out", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == result["runs"]
