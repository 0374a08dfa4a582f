"""`ar1-rl compare`: what is paired, what is refused, what is told, and what it can tell from chance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import write_evaluation
from scipy import stats

from ar1_rl.errors import ConfigError
from ar1_rl.metrics import HEADLINE, PRIMARY, in_order
from ar1_rl.metrics.catalogue import CATALOGUE
from recipes.arms import pairs_of, read_arms
from recipes.bench import power
from recipes.cli import main

SCENES = 300


def metrics(seed: int, **changed: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    drawn = {
        "consistency": (rng.random(SCENES) < 0.6).astype(float),
        "consistency_held_out": (rng.random(SCENES) < 0.6).astype(float),
        "reasoning_score": rng.integers(0, 6, SCENES).astype(float),
        "ade_m": rng.exponential(size=SCENES),
        "trace_words": rng.integers(5, 20, SCENES).astype(float),
    }
    return {**drawn, **changed}


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write_evaluation(tmp_path / "one", metrics(0))


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> str:
    assert main(["compare", *map(str, arguments)]) == code
    return capsys.readouterr().out


def compared(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    by = [] if "--by" in arguments else ["--by", "none"]
    return json.loads(told(capsys, *arguments, *by, "--json"))


def row_of(record: Mapping[str, Any], metric: str, comparison: int = 0) -> dict[str, Any]:
    return next(row for row in record["comparisons"][comparison]["metrics"] if row["metric"] == metric)


# What is told


def test_a_difference_is_told_with_both_means_interval_p_and_what_it_means(
    tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = metrics(0)
    better = first["consistency"].copy()
    better[np.flatnonzero(better == 0.0)[:40]] = 1.0
    nearer = np.where(np.arange(SCENES) < 10, np.nan, first["ade_m"] + 0.2)
    two = write_evaluation(tmp_path / "two", {**first, "consistency": better, "ade_m": nearer})
    record = compared(capsys, one, two)
    consistency = row_of(record, "consistency")
    assert consistency["difference"] == pytest.approx(40 / SCENES)
    assert consistency["policy"] - consistency["baseline"] == pytest.approx(40 / SCENES)
    low, high = consistency["ci95"]
    # 40 of 300 went up: a standard error of sqrt(.133 * .867 / 300) = .0196.
    assert (low, high) == pytest.approx((0.133 - 0.039, 0.133 + 0.039), abs=0.003)
    assert consistency["p"] == pytest.approx(2 / 2**40)
    assert (consistency["verdict"], consistency["role"], consistency["better"]) == ("better", "trained on", "up")
    ade = row_of(record, "ade_m")
    assert (ade["pairs"], ade["left_out"], ade["verdict"]) == (290, 10, "worse")
    same = row_of(record, "consistency_held_out")
    assert (same["p"], same["verdict"], same["role"]) == (1.0, "no difference shown", "held out")


def test_the_table_says_where_no_difference_is_shown(
    tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = metrics(0)
    two = write_evaluation(tmp_path / "two", {**first, "ade_m": first["ade_m"] - 0.1})
    out = told(capsys, one, two)
    assert "two against one" in out and "ade_m [m] ↓" in out and "better" in out
    assert "No difference shown: consistency, consistency_held_out, reasoning_score." in out
    assert "over 300 scenes" in out and "1 more metrics" in out
    assert "by kind" in out and "red_light" in out and "by longitudinal decision of the reference" in out
    assert "by kind" not in told(capsys, one, two, "--by", "none")
    only = told(capsys, one, two, "--metrics", "trace_words", "--by", "decision")
    assert "trace_words" in only and "consistency" not in only and "by kind" not in only


def test_scenes_are_told_by_kind_and_decision(tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = metrics(0)
    turns = np.arange(SCENES) % 3 == 2
    two = write_evaluation(tmp_path / "two", {**first, "ade_m": first["ade_m"] + np.where(turns, 0.5, 0.0)})
    groups = compared(capsys, one, two, "--metrics", "ade_m", "--by", "all")["comparisons"][0]["by"]
    assert [row["group"] for row in groups["kind"]] == ["cut_in", "red_light", "turn"]
    assert [row["difference"] for row in groups["kind"]] == pytest.approx([0.0, 0.0, 0.5])
    assert [row["pairs"] for row in groups["kind"]] == [100, 100, 100]
    assert [row["verdict"] for row in groups["kind"]] == ["no difference shown"] * 2 + ["worse"]
    # The one that differs is the smallest of three.
    assert groups["kind"][2]["p_holm"] == pytest.approx(3 * groups["kind"][2]["p"])
    assert [row["group"] for row in groups["longitudinal"]] == ["none", "stop", "yield"]
    assert [row["group"] for row in groups["lateral"]] == ["lane_keeping"]


def test_scenes_are_paired_by_name_and_not_by_place(
    tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = np.random.default_rng(1).permutation(SCENES)
    shuffled = {name: values[order] for name, values in metrics(0).items()}
    two = write_evaluation(tmp_path / "two", shuffled, names=[f"scene {i}" for i in order])
    record = compared(capsys, one, two, "--metrics", "all")
    assert all(row["p"] == 1.0 and row["difference"] == 0.0 for row in record["comparisons"][0]["metrics"])


def test_the_record_is_written_to_a_file_and_three_policies_are_held_to_the_first(
    tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two, three = (write_evaluation(tmp_path / name, metrics(seed)) for name, seed in (("two", 1), ("three", 2)))
    told(capsys, one, f"mine={two}", three, "--out", tmp_path / "deep" / "found.json")
    record = json.loads((tmp_path / "deep" / "found.json").read_text())
    assert record["schema_version"] == 1
    assert [(c["baseline"], c["policy"]) for c in record["comparisons"]] == [("one", "mine"), ("one", "three")]
    assert [policy["label"] for policy in record["policies"]] == ["one", "mine", "three"]
    assert record["policies"][1]["evaluations"][0]["folder"] == str(two)


def test_windows_of_one_log_are_taken_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = metrics(0), metrics(1)
    one, two = (write_evaluation(tmp_path / name, m, per_episode=30) for name, m in (("one", first), ("two", second)))
    by_episode = compared(capsys, one, two)["comparisons"][0]
    assert by_episode["unit"] == "episode" and by_episode["metrics"][0]["seeds"][0]["units"] == 10
    assert "10 episodes are few" in told(capsys, one, two)
    by_scene = compared(capsys, one, two, "--unit", "scene")["comparisons"][0]
    assert by_scene["unit"] == "scene" and by_scene["metrics"][0]["seeds"][0]["units"] == SCENES


def test_the_primary_metric_is_tested_first(tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    consistency = metrics(0)["consistency"].copy()
    consistency[np.flatnonzero(consistency == 0.0)[:15]] = 1.0
    consistency[np.flatnonzero(metrics(0)["consistency"] == 1.0)[:3]] = 0.0
    two = write_evaluation(tmp_path / "two", metrics(0, consistency=consistency))
    p = stats.binomtest(3, 18).pvalue  # 0.0075
    first = compared(capsys, one, two)
    assert first["comparisons"][0]["primary"] == "consistency"
    assert row_of(first, "consistency")["p_holm"] == pytest.approx(p / 0.9)
    # One of four that are alike, and one of the three others of another primary metric.
    assert row_of(compared(capsys, one, two, "--primary", "none"), "consistency")["p_holm"] == pytest.approx(4 * p)
    other = compared(capsys, one, two, "--primary", "ade_m")
    assert row_of(other, "consistency")["p_holm"] == pytest.approx(p / (0.1 / 3))
    assert "allowed: none, consistency" in told(capsys, one, two, "--primary", "consistensy", code=2)


# Several seeds


def three_seeds(root: Path, name: str, gains: list[float], seeds: list[int]) -> None:
    for gain, seed in zip(gains, seeds, strict=True):
        ade = np.random.default_rng(seed).exponential(size=SCENES) - gain
        write_evaluation(
            root / name / f"seed{seed}" / "evaluations" / "after", metrics(seed, ade_m=ade), training_seed=seed
        )


def test_every_seed_is_shown_and_the_interval_is_students_over_seeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    three_seeds(tmp_path, "sft", [0.0, 0.0, 0.0], [0, 1, 2])
    three_seeds(tmp_path, "rl", [0.18, 0.21, 0.19], [0, 1, 2])
    arms = [f"sft={tmp_path}/sft/seed*", f"rl={tmp_path}/rl/seed2,{tmp_path}/rl/seed0,{tmp_path}/rl/seed1"]
    row = row_of(compared(capsys, *arms), "ade_m")
    gains = [-0.18, -0.21, -0.19]
    assert [seed["training_seed"] for seed in row["seeds"]] == [0, 1, 2]
    assert [seed["difference"] for seed in row["seeds"]] == pytest.approx(gains)
    assert row["ci95"] == pytest.approx(stats.t.interval(0.95, 2, np.mean(gains), stats.sem(gains)))
    assert row["p"] == pytest.approx(stats.ttest_1samp(gains, 0.0).pvalue)
    assert row["pairs"] == 3 * SCENES
    out = told(capsys, *arms)
    assert "rl against sft" in out and "3 training seeds" in out
    assert all(f"seed {seed}" in out for seed in (0, 1, 2)) and "-0.210" in out


def test_one_evaluation_stands_against_every_seed(tmp_path: Path, one: Path) -> None:
    for seed in (0, 1):
        write_evaluation(tmp_path / f"rl{seed}", metrics(seed + 5), training_seed=seed)
    baseline, other = read_arms([str(one), f"{tmp_path}/rl?"])
    assert [first.header.training_seed for first, _ in pairs_of(baseline, other)] == [None, None]
    assert [second.header.training_seed for _, second in pairs_of(baseline, other)] == [0, 1]


def test_seeds_that_do_not_match_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    three_seeds(tmp_path, "sft", [0.0, 0.0], [0, 1])
    three_seeds(tmp_path, "rl", [0.1, 0.1], [0, 7])
    out = told(capsys, f"{tmp_path}/sft/*", f"{tmp_path}/rl/*", code=2)
    assert "training seeds 0, 1" in out and "0, 7" in out


def test_headline_metrics_exist_and_come_first_the_primary_one_before_all() -> None:
    assert set(HEADLINE) <= set(CATALOGUE)
    assert in_order(["trace_words", "ade_m", "fde_m", PRIMARY]) == [PRIMARY, "ade_m", "trace_words", "fde_m"]


# What is refused


def test_a_run_stands_for_its_evaluation_after_and_before_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for which, seed in (("before", 0), ("after", 1)):
        write_evaluation(tmp_path / "run" / "evaluations" / which, metrics(seed), label=which)
    record = compared(capsys, f"{tmp_path}/run:before", tmp_path / "run")
    folders = [policy["evaluations"][0]["folder"] for policy in record["policies"]]
    assert [Path(folder).name for folder in folders] == ["before", "after"]
    assert [policy["label"] for policy in record["policies"]] == ["run:before", "run"]
    out = told(capsys, f"{tmp_path}/run:befor", tmp_path / "run", code=2)
    assert "no finished one called befor" in out and "it has after, before" in out


def test_other_scenes_are_refused_with_counts(tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fewer = {name: values[:290] for name, values in metrics(0).items()}
    names = [f"scene {i}" for i in range(280)] + [f"other {i}" for i in range(10)]
    two = write_evaluation(tmp_path / "two", fewer, names=names)
    out = " ".join(told(capsys, one, two, code=2).split())
    assert "one has 300 scenes, two has 290, 280 are in both" in out
    assert "20 only in one (first: scene 280), 10 only in two (first: other 0)" in out


def test_other_decoding_is_refused_unless_it_is_what_is_compared(
    tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = write_evaluation(tmp_path / "two", metrics(1), temperature=0.0, samples_per_scene=1)
    out = " ".join(told(capsys, one, two, code=2).split())
    assert "samples_per_scene: 6 and 1; temperature: 0.6 and 0.0" in out
    assert "two against one" in told(capsys, one, two, "--any-decoding")
    other_seed = write_evaluation(tmp_path / "three", metrics(2), seed=9)
    assert "three against one" in told(capsys, one, other_seed)


@pytest.mark.parametrize(
    ("arms", "words"),
    [
        (["one"], "two or more are needed"),
        (["one", "nowhere"], "there is no folder"),
        (["one", "nowhere*"], "nothing matches"),
        (["one", "one"], "name arms that look alike by LABEL=FOLDER"),
        (["one", "empty"], "it has none"),
    ],
)
def test_what_cannot_be_compared_is_named(
    tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str], arms: list[str], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    out = " ".join(told(capsys, *(tmp_path / arm for arm in arms), code=2).split())
    assert words in out


def test_grades_of_different_graders_are_refused(tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told_one, told_two = ({"reasoning_score": name} for name in ("a rubric", "a model"))
    two, three = (
        write_evaluation(tmp_path / n, metrics(1), graders=g) for n, g in (("two", told_one), ("three", told_two))
    )
    out = " ".join(told(capsys, two, three, code=2).split())
    assert "reasoning_score was graded differently (a model; a rubric)" in out
    told(capsys, two, three, "--metrics", "consistency", "--by", "none")
    told(capsys, one, two, "--by", "none")


def test_a_metric_that_is_not_there_is_named(tmp_path: Path, one: Path, capsys: pytest.CaptureFixture[str]) -> None:
    two = write_evaluation(tmp_path / "two", metrics(1))
    assert "ade_cm is not in all" in told(capsys, one, two, "--metrics", "ade_cm", code=2)


def test_a_scene_that_is_there_twice_is_refused(tmp_path: Path, one: Path) -> None:
    baseline, _ = read_arms([f"a={one}", f"b={one}"])
    twice = replace(baseline.evaluations[0], scene_ids=("scene 0",) * SCENES)
    with pytest.raises(ConfigError, match="more than once"):
        pairs_of(baseline, replace(baseline, label="b", evaluations=(twice,)))


# What it can tell from chance


def test_one_policy_sampled_twice_differs_at_the_nominal_rate() -> None:
    found = power.found_rates(power.same_policy_twice, 200, repeats=200)
    repeats, tests = 200, 200 * found["metrics"]
    assert found["uncorrected, any metric"] > 0.2
    # Exact tests of few changes are below their level; the family keeps 5 %, up to the error of 200 repeats.
    assert 0.02 < found["uncorrected, each test"] < 0.05 + 3 * (0.05 * 0.95 / tests) ** 0.5
    assert found["Holm, any metric"] * repeats <= stats.binom.ppf(0.99, repeats, 0.05)


def test_a_planted_change_of_consistency_is_found() -> None:
    found = power.found_rates(power.planted_pair, 400, repeats=300)
    # By the exact distribution: 0.874 uncorrected, 0.866 at nine tenths of alpha.
    assert found["primary, Holm with its weight"] >= 0.85
    assert found["primary, uncorrected"] >= found["primary, Holm with its weight"]
    assert found["primary, Holm without a weight"] < 0.8


@pytest.mark.parametrize("scenes", [100, 400])
@pytest.mark.parametrize("name", [name for name in power.SIMULATED if "3 %" not in name and "log-normal" not in name])
def test_the_interval_holds_the_truth_in_93_to_97_of_100(name: str, scenes: int) -> None:
    draw, truth = power.SIMULATED[name]
    assert 0.93 <= power.coverage(draw, truth, scenes, repeats=1000) <= 0.97


def test_overlapping_windows_need_an_interval_over_episodes() -> None:
    held = power.episode_coverage(30, 10, repeats=500)
    assert 0.93 <= held["episode"] <= 0.97 and held["scene"] < 0.75
