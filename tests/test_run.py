"""The whole job in miniature, with real vLLM and real TRL: what it leaves behind, stops cleanly, and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from ar1_rl.metrics.catalogue import CATALOGUE
from recipes.evaluate import METRICS
from recipes.evaluation_folder import evaluations_in, read_evaluation, rollouts_of
from rollouts.store import read_rollouts

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "scenes.train=96", "scenes.validation=4", "scenes.test=6", "sft.steps=12", "grpo.steps=4", "grpo.evaluate_every=2",
    "grpo.scenes_per_step=2", "grpo.samples_per_scene=4", "eval.resamples=200",
    "policy.tiny={hidden_size: 32, layers: 1, heads: 1, intermediate_size: 64}",
]  # fmt: skip


def ar1_rl(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recipes.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd or ROOT, env=environment, timeout=300)


HAS_TENSORBOARD = find_spec("tensorboard") is not None


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "quickstart"
    followed = ["report.trackers=[tensorboard]", "report.completions=true"] if HAS_TENSORBOARD else []
    done = ar1_rl("quickstart", "--out", str(out), *SMALL, *followed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reasoning-action consistency" in done.stdout
    return out


def test_a_run_leaves_every_file_with_its_schema_version(finished: Path) -> None:
    for name in ("summary.json", "environment.json"):
        assert json.loads((finished / name).read_text())["schema_version"] == 1
    assert yaml.safe_load((finished / "config.yaml").read_text())["schema_version"] == 1
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert {line["schema_version"] for line in lines} == {1}
    assert {line["stage"] for line in lines} == {"sft", "grpo"}
    assert (finished / "curves.png").stat().st_size > 5_000
    assert (finished / "scenes.png").stat().st_size > 5_000


def test_a_run_leaves_its_page_with_the_scenes_before_and_after(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "All 6 scenes are shown, with all 72 rollouts." in page and "The scenes cannot be drawn" not in page


def test_the_parts_of_every_step_are_timed(finished: Path) -> None:
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["stage"] == "grpo" and "loss" in line]
    assert len(steps) == 4
    for line in steps:
        parts = [line[f"seconds/{part}"] for part in ("rollouts", "rewards", "update")]
        assert min(parts) >= 0.0 and parts[0] > 0.0 and parts[2] > 0.0
        assert sum(parts) < line["step_time"] + 5.0


@pytest.mark.skipif(not HAS_TENSORBOARD and os.environ.get("CI", "").lower() != "true", reason="no tensorboard here")
def test_figures_go_to_tensorboard_and_completions_with_their_rewards_into_tables(finished: Path) -> None:
    import pyarrow.parquet as parquet
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard"))
    events.Reload()
    assert [point.step for point in events.Scalars("train/terms/critic")] == [1, 2, 3, 4]
    (first, *_, last) = sorted((finished / "checkpoints/grpo-trainer/completions").glob("*.parquet"))
    assert (first.name, last.name) == ("completions_00001.parquet", "completions_00004.parquet")
    table = parquet.read_table(last)
    assert {"prompt", "completion", "mix", "critic", "format", "advantage"} <= set(table.column_names)
    assert table.num_rows == 8


def test_the_summary_has_the_published_format(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["eval"] == {"scenes": 6, "samples_per_scene": 6, "temperature": 0.6, "top_p": 0.98}
    assert {"total", "sft", "grpo", "eval"} <= set(summary["wall_s"])
    for side in ("before", "after"):
        assert set(summary[side]) == set(METRICS)
    for name in METRICS:
        assert {"mean", "ci95", "p"} <= set(summary["delta"][name])
        assert len(summary["delta"][name]["ci95"]) == 2


def test_both_evaluations_lie_in_folders_of_their_own_and_are_what_the_summary_tells(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert [path.name for path in evaluations_in(finished)] == ["after", "before"]
    scenes = set()
    for side in ("before", "after"):
        done = read_evaluation(finished / "evaluations" / side)
        assert set(done.per_scene) == set(CATALOGUE)
        assert {name: done.means()[name] for name in METRICS} == summary[side]
        rows = list(rollouts_of(finished / "evaluations" / side))
        assert len(rows) == 6 * 6 and len({row["seed"] for row in rows}) == 36
        assert {row["policy_version"] for row in rows} == {side} == {done.header.policy_version}
        assert {"critic", "critic_held_out", "consistency", "consistency_held_out", "likelihood"} <= set(rows[0])
        scenes.add(done.scene_ids)
    assert len(scenes) == 1
    before, after = (read_evaluation(finished / "evaluations" / side).header for side in ("before", "after"))
    assert before.trained_on == () and {"consistency", "reasoning_score", "ade_m"} <= set(after.trained_on)
    assert not {"comfort", "consistency_held_out"} & set(after.trained_on), "comfort has the weight 0"
    assert {"consistency_held_out", "reasoning_score_held_out", "faithful_plan"} <= set(after.held_out)
    assert not list((finished / "rollouts").glob("before-*")) and not list((finished / "rollouts").glob("after-*"))


def test_every_rollout_is_recorded_with_its_own_seed(finished: Path) -> None:
    rows = list(read_rollouts(finished / "rollouts"))
    training = [
        row
        for row in rows
        if row["policy_version"].startswith("step-") and row["reward"] is not None and row["step"] >= 0
    ]
    assert len(training) == 4 * 2 * 4
    assert len({row["seed"] for row in training}) == len(training)
    assert {row["step"] for row in training} == {0, 1, 2, 3}
    for row in training:
        assert len(row["logprobs"]) == len(row["completion_token_ids"])
        assert {"consistency", "critic", "imitation", "safety", "comfort", "format"} <= set(row)


def test_sampler_and_trainer_agree_after_weight_syncs(finished: Path) -> None:
    """In float32 the log-probabilities of vLLM and of the trainer are the same up to rounding, also after updates."""
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    gaps = [line[k] for line in lines for k in line if k == "sampling/sampling_logp_difference/mean"]
    assert len(gaps) == 4 and max(map(float, gaps)) < 1e-5


def test_the_best_checkpoint_is_an_ordinary_hugging_face_folder(finished: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = finished / "checkpoints" / "best"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.get_input_embeddings().num_embeddings == len(tokenizer)


def test_a_run_is_read_for_signs_of_a_hacked_reward_and_one_that_is_too_short_says_so(finished: Path) -> None:
    done = ar1_rl("report", str(finished), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    flags = {flag["name"]: flag for flag in json.loads(done.stdout)["flags"]}
    assert not [flag for flag in flags.values() if flag["raised"]]
    assert "it takes 12 scenes" in flags["length_drift"]["evidence"]


def test_a_second_quickstart_keeps_the_first(finished: Path) -> None:
    from recipes import catalogue

    moved = catalogue.make_room(finished)
    assert moved == finished.with_name("quickstart-1") and (moved / "summary.json").exists()
    moved.rename(finished)


def test_grpo_refuses_a_folder_that_is_not_empty(finished: Path) -> None:
    done = ar1_rl("grpo", "quickstart", "--out", str(finished), *SMALL)
    assert done.returncode == 2 and "is not empty" in done.stdout


def test_resuming_with_another_config_is_refused(finished: Path) -> None:
    done = ar1_rl("grpo", "quickstart", "--out", str(finished), *SMALL, "grpo.learning_rate=0.1", "--resume")
    assert done.returncode == 2 and "another config (different: grpo)" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_75_and_resume_finishes_it(tmp_path: Path, signal_number: int) -> None:
    out = tmp_path / "stopped"
    arguments = ["quickstart", "--out", str(out), *SMALL, "grpo.steps=40", "grpo.evaluate_every=20"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        [sys.executable, "-m", "recipes.cli", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    deadline = time.monotonic() + 240
    while len(list(out.glob("rollouts/train-*.parquet"))) < 3:
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(0.2)
    run.send_signal(signal_number)
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 75, output
    assert "--resume" in output
    before = len(list(read_rollouts(out / "rollouts")))
    assert before > 0
    done = ar1_rl(*arguments, "--resume")
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [
        row["step"]
        for row in read_rollouts(out / "rollouts")
        if row["policy_version"].startswith("step-") and row["step"] >= 0
    ]
    assert sorted(steps) == sorted(step for step in range(40) for _ in range(8))
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    logged = [line["step"] for line in lines if line["stage"] == "grpo" and "reward" in line]
    assert logged == list(range(1, 41))
