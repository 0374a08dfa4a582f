"""The whole job on camera frames in miniature, with real vLLM and real TRL; and resumed, and in two processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dying_run import Moment
from test_resume import Runs, assert_same
from test_sharded_training import GRADIENT_NORM_APART, LAUNCH, LOSS_APART, WEIGHTS_APART, WRAPPERS, logged, weights

from ar1_rl.config import apply_overrides
from ar1_rl.frames import FramesConfig
from ar1_rl.metrics.catalogue import WITH_OTHER_FRAMES
from recipes.catalogue import path_of
from recipes.evaluation_folder import evaluations_in, read_evaluation
from rollouts.store import read_rollouts

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parents[1]
SMALL = [
    "scenes.train=32", "scenes.validation=2", "scenes.test=6", "sft.steps=6", "sft.batch_size=4", "sft.save_every=3",
    "grpo.steps=4", "grpo.evaluate_every=2", "grpo.scenes_per_step=2", "grpo.samples_per_scene=4", "grpo.loss=ar1",
    "eval.resamples=200", "eval.samples_per_scene=2", "eval.faithfulness_scenes=4", "launch.threads=1",
    "policy.tiny={hidden_size: 32, layers: 1, heads: 1, intermediate_size: 64}",
    "policy.vision={hidden_size: 32, layers: 1, heads: 1, intermediate_size: 64}",
]  # fmt: skip


def ar1_rl(*arguments: str) -> str:
    command = [sys.executable, "-m", "recipes.cli", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run and what it said."""
    out = tmp_path_factory.mktemp("vision") / "run"
    return out, ar1_rl("grpo", "quickstart_vision", "--out", str(out), *SMALL)


def test_sampler_and_trainer_are_one_policy_in_every_step_and_nobody_is_warned(finished: tuple[Path, str]) -> None:
    out, told = finished
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    differences = [
        line["sampling/logprob_difference/mean"] for line in lines if line["stage"] == "grpo" and "loss" in line
    ]
    print("mean |difference of log-probability| by step:", [f"{value:.1e}" for value in differences])
    assert len(differences) == 4 and max(differences) < 1e-5
    assert "not one policy" not in told


def test_every_rollout_names_its_frames_by_scene_and_way_of_rendering(finished: tuple[Path, str]) -> None:
    rows = list(read_rollouts(finished[0] / "rollouts"))
    shown = {FramesConfig.model_validate_json(row["frames"]) for row in rows}
    assert shown == {FramesConfig(cameras=("front_wide", "front_tele"), count=2, every_ticks=3)}
    assert {"synthetic", "synthetic_pairs"} == {row["scene_id"].split("/")[0] for row in rows}
    assert max(path.stat().st_size for path in (finished[0] / "rollouts").iterdir()) < 100_000, "no pixels in there"


def test_the_page_shows_the_frames(finished: tuple[Path, str]) -> None:
    page = (finished[0] / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 6 * 2 and "The scenes cannot be drawn" not in page


def test_both_evaluations_tell_whether_the_policy_looks(finished: tuple[Path, str]) -> None:
    import numpy as np

    for folder in evaluations_in(finished[0]):
        measured = read_evaluation(folder).per_scene
        for metric in WITH_OTHER_FRAMES:
            known = int(np.isfinite(measured[metric.name]).sum())
            if "picks_expert" in metric.name:
                assert known == 2, "of six scenes, OOPPOO, two are a pair"
        assert np.isfinite(measured["blind_change_reference_nats"]).all()


def test_the_saved_policy_is_evaluated_and_exported_by_its_folder_alone(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    from ar1_rl.policy.loading import load_policy

    out = tmp_path / "exported"
    ar1_rl("export", str(finished[0]), str(out))
    loaded, best = load_policy(str(out), "float32"), load_policy(str(finished[0] / "checkpoints/best"), "float32")
    assert loaded.processor is not None and best.processor is not None
    assert loaded.processor.tokens_per_image == best.processor.tokens_per_image
    for one, other in zip(loaded.model.parameters(), best.model.parameters(), strict=True):
        assert one.equal(other)


# resume and shards


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("vision-resume")
    raw = apply_overrides(yaml.safe_load(path_of("quickstart_vision").read_text()), SMALL)
    raw["rollouts"]["engine"] = "transformers"
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(raw))
    made = Runs(folder, config)
    assert made.of("whole") == 0, made.log("whole").read_text()
    return made


# left_behind of test_resume reads the last checkpoint of eight steps; here there are four.
@pytest.mark.slow
@pytest.mark.parametrize(
    "moment", [("training_step", 5), ("training_step", 6 + 3), ("half_a_checkpoint", "checkpoint-4")],
    ids=["SFT", "GRPO", "checkpoint"],
)  # fmt: skip
def test_a_run_on_frames_killed_at_any_moment_resumes_exactly(
    runs: Runs, moment: Moment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("test_resume.STEPS", 4)
    name = f"killed-{moment[1]}"
    assert runs.of(name, moment) == -9, runs.log(name).read_text()
    assert runs.of(name, resume=True) == 0, runs.log(name).read_text()
    assert_same(runs.folder / "whole", runs.folder / name)


TAUGHT = [
    "scenes.train=16", "scenes.validation=1", "scenes.test=1", "sft.steps=80", "sft.batch_size=16", "sft.faults=null",
    "sft.learning_rate=1e-2", "sft.warmup_steps=10", "launch.threads=1",
    "policy.tiny={hidden_size: 64, layers: 1, heads: 1, intermediate_size: 128}",
    "policy.vision={hidden_size: 32, layers: 1, heads: 1, intermediate_size: 64}",
]  # fmt: skip
STEPS = 3


@pytest.mark.slow
def test_zero_2_in_two_processes_trains_on_frames_as_one_process_does(tmp_path: Path) -> None:
    """As tests/test_sharded_training.py has it for text: the same rollouts give the same loss, gradient and weights."""
    import numpy as np

    ar1_rl("sft", "quickstart_vision", "--out", str(tmp_path / "taught"), *TAUGHT)
    recipe = yaml.safe_load(path_of("quickstart_vision").read_text())
    raw = {
        **{name: recipe[name] for name in ("recipe", "rewards")},
        "scenes": {**recipe["scenes"], "train": 16, "validation": 2, "test": 1},
        "policy": {"path": str(tmp_path / "taught" / "checkpoints" / "sft")},
        "rollouts": {**recipe["rollouts"], "temperature": 1.0, "max_sequences": 64},
        "grpo": {
            "steps": STEPS, "scenes_per_step": 4, "samples_per_scene": 4, "evaluate_every": STEPS, "kl_coef": 0.05,
            "learning_rate": 1e-3,
        },
        "eval": {"samples_per_scene": 2},
    }  # fmt: skip
    for name, processes, deepspeed in (("one", 1, None), ("two", 2, "zero2")):
        config = tmp_path / f"{name}.yaml"
        config.write_text(yaml.safe_dump({**raw, "launch": {"processes": processes}, "deepspeed": deepspeed}))
        given = [] if name == "one" else [str(tmp_path / "one" / "rollouts")]
        script = [str(ROOT / "tests" / "sharded_training.py"), str(config), str(tmp_path / name), *given]
        command = [sys.executable, *(["-c", LAUNCH] if processes > 1 else []), *script]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
    one, two = tmp_path / "one", tmp_path / "two"
    told = json.loads((two / "told.json").read_text())
    assert told["wrapper"] == WRAPPERS["zero2"] and told["agreeing"] >= told["drawn"] - 1
    assert len(logged(one)) == len(logged(two)) == STEPS
    for alone, together in zip(logged(one), logged(two), strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], abs=LOSS_APART)
        assert together["grad_norm"] == pytest.approx(alone["grad_norm"], rel=GRADIENT_NORM_APART)
        assert alone["grad_norm"] > 0.01
    way = np.linalg.norm(weights(one, STEPS) - weights(one, 0))
    assert np.linalg.norm(weights(two, STEPS) - weights(one, STEPS)) < WEIGHTS_APART * way
