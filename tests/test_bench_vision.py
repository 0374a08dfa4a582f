"""The bench of seeing: both arms have the same work, the table says what the figures are, and it runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ar1_rl.config import check_config
from recipes.bench.vision import WAYS, config, main, show
from recipes.bench.whole_run import Run, summary
from recipes.run_config import RunConfig


def taken(step_s: float, prompt_tokens: float) -> Run:
    return Run(
        (step_s, step_s), 128 * 50.0, 128 * prompt_tokens, {"rollouts": 0.5, "rewards": 0.25, "update": 1.0}, (900.0,)
    )


@pytest.mark.parametrize("way", list(WAYS))
def test_both_ways_are_valid_runs_with_the_same_work(way: str, tmp_path: Path) -> None:
    checked = check_config(RunConfig, config(WAYS[way], tmp_path, steps=5), source=way)
    assert (checked.rollouts.frames is None) == (way == "words")
    assert (checked.grpo.scenes_per_step, checked.grpo.samples_per_scene, checked.scenes.train) == (16, 8, 80)
    assert checked.rollouts.max_completion_tokens == 64


def test_seconds_are_told_against_those_of_words() -> None:
    """1.5 s against 1 s; 128 rollouts of 50 tokens in 1.5 s are 4,267 tokens a second."""
    shown = io.StringIO()
    result = {
        "machine": "m", "cores": 2, "versions": {"torch": "1"}, "parameters": {"words": 380_000, "frames": 660_000},
        "rollouts_per_step": 128, "repeats": 1, "steps": 3,
        "ways": {"words": summary([taken(1.0, 40.0)], 128), "frames": summary([taken(1.5, 82.0)], 128)},
    }  # fmt: skip
    show(result, Console(file=shown, width=160))
    assert all(figure in shown.getvalue() for figure in ("x 1.50", "4267", " 82 ", "0.66 M"))


@pytest.mark.parametrize("wrong", ["--steps=2", "--repeats=0"])
def test_what_cannot_be_measured_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([wrong])
    assert caught.value.code == 2


@pytest.mark.slow
@pytest.mark.engine
def test_the_bench_is_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--steps", "3", "--repeats", "1", "--out", str(tmp_path), "--json"]) == 0
    ways = json.loads(capsys.readouterr().out)["ways"]
    assert ways["words"]["step_s"] > 0.0 and ways["frames"]["tokens_per_s"] > 0.0
    # Four images of 6 tokens each, and what is around them.
    assert 24 < ways["frames"]["prompt_tokens"] < 128
