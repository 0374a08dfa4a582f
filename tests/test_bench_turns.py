"""The benches that compare training steps: their arithmetic by hand, and one run of each with real vLLM and TRL."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest

from recipes.bench import overlap, step
from recipes.bench.judge import latency
from recipes.bench.turns import medians, paired_ratio, training_config

APART = {"step_s": 5.0, "generation_s": 1.5, "scoring_s": 2.0, "processor_s": 3.0}


def test_the_ideal_is_the_longer_of_generation_and_scoring_plus_the_update() -> None:
    assert overlap.ideal_s(APART) == pytest.approx(2.0 + 1.5)
    assert overlap.ideal_s({**APART, "generation_s": 2.5}) == pytest.approx(2.5 + 0.5)


def test_ratios_are_of_neighbours_and_then_the_median() -> None:
    ours = [{"step_s": s} for s in (1.0, 10.0, 3.3)]
    bare = [{"step_s": s} for s in (1.0, 10.0, 3.0)]
    assert paired_ratio(ours, bare) == 1.0
    assert paired_ratio(ours[2:], bare[2:]) == pytest.approx(1.1)
    assert overlap.of_ideal([{"step_s": 4.2}], [APART]) == pytest.approx(1.2)
    assert medians([{"a": 1.0, "b": 5.0}, {"a": 3.0, "b": 5.0}, {"a": 2.0, "b": 6.0}]) == {"a": 2.0, "b": 5.0}


def test_latencies_are_log_normal_and_the_same_text_takes_as_long_again() -> None:
    drawn = [latency(0.3, 0.6, f"text {i}".encode()) for i in range(4000)]
    logs = [math.log(s) for s in drawn]
    assert statistics.median(drawn) == pytest.approx(0.3, rel=0.05)
    assert statistics.pstdev(logs) == pytest.approx(0.6, rel=0.05)
    assert latency(0.3, 0.6, b"text 1") == drawn[1] and latency(0.3, 0.0, b"any") == pytest.approx(0.3)
    assert latency(0.0, 0.6, b"any") == 0.0


def test_both_arms_train_on_64_rollouts_a_step() -> None:
    from ar1_rl.config import check_config
    from recipes.run_config import RunConfig

    config = check_config(RunConfig, training_config("policy", step.TERMS, overlap=False), source="bench")
    assert config.grpo.scenes_per_step * config.grpo.samples_per_scene == 64 and not config.rollouts.overlap


@pytest.mark.slow
@pytest.mark.engine
@pytest.mark.parametrize(
    ("bench", "more", "keys"),
    [
        (step, (), {"ratio", "processor_ratio"}),
        (overlap, ("--latency", "0.02"), {"of_ideal", "ideal_s", "critic"}),
    ],
    ids=["step", "overlap"],
)
def test_a_bench_is_one_command(
    bench: object, more: tuple[str, ...], keys: set[str], taught_policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the goal is reached on a busy machine is not the point here: it runs, and tells what it should."""
    code = bench.main(["--repeats", "2", "--policy", str(taught_policy), "--json", *more])  # type: ignore[attr-defined]
    result = json.loads(capsys.readouterr().out)
    assert code in (0, 1)
    assert {"machine", "cores", "threads", "versions", "repeats", "medians", "steps", *keys} <= set(result)
    assert all(len(taken) == 2 for taken in result["steps"].values()) and len(result["steps"]) >= 2
    assert all(found["step_s"] > 0.0 for found in result["medians"].values())
