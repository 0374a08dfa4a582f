"""A run that was ended at any moment and resumed is the run that was never ended: rollouts, rewards and weights."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dying_run import Moment, run

from recipes.checkpoints import flaws
from recipes.evaluate_policies import told
from recipes.evaluation_folder import evaluations_in, rollouts_of
from rollouts.store import read_rollouts

pytestmark = pytest.mark.engine

STEPS = 8
SFT_STEPS = 80
"""Two of them are an epoch, so that checkpoint 27 lies within one and checkpoint 54 at the end of one."""
OWN = '''
class Growing:
    """Pays more the more often it was asked: a resumed run must know how often, and every validation finds the best."""

    needs, value_range = "text", (0.0, 1.0)

    def __init__(self):
        self.asked = 0

    def __call__(self, completion, scene):
        self.asked += 1
        return (0.9 + len(completion.token_ids) % 5 / 50) * min(self.asked / 200, 1.0)

    def state_dict(self):
        return {"asked": self.asked}

    def load_state_dict(self, state):
        self.asked = state["asked"]


def scenes(split):
    """Validation is on scenes that the policy knows by heart: what it writes there can be decoded."""
    from dataclasses import replace

    from ar1_rl.scenes.synthetic import generate_scenes

    if split != "validation":
        return generate_scenes(0, split, {"train": 7, "test": 3}[split])
    known = generate_scenes(0, "train", 2)
    return [replace(scene, id=f"known/{n}", episode=f"known/{n}") for n, scene in enumerate(known)]
'''
TIMES = ("step_time", "wall_s", "seconds/rollouts", "seconds/rewards", "seconds/update")
"""What may differ between two runs that are the same."""


def small(folder: Path, engine: str) -> dict[str, Any]:
    """Two updates on each batch, two passes an update, and fewer scenes than the steps need: two epochs of batches."""
    (folder / "own.py").write_text(OWN)
    return {
        "recipe": "test",
        "scenes": {"source": f"{folder}/own.py:scenes"},
        "policy": {"tiny": {"hidden_size": 64, "layers": 1, "heads": 1, "intermediate_size": 128}},
        "sft": {"steps": SFT_STEPS, "save_every": 27, "batch_size": 4, "warmup_steps": 10, "learning_rate": 1e-2},
        "rollouts": {"engine": engine, "max_completion_tokens": 64, "max_model_tokens": 192},
        "rewards": {
            "terms": [
                {"reward": "critic", "scale": 5.0}, {"reward": "format"},
                {"reward": f"{folder}/own.py:Growing", "weight": 9.0},
            ]
        },
        "grpo": {
            "steps": STEPS, "evaluate_every": 4, "updates_per_batch": 2, "rollouts_per_pass": 4, "scenes_per_step": 2,
            "samples_per_scene": 4, "learning_rate": 3e-3,
        },
        "eval": {"samples_per_scene": 2, "resamples": 100},
        "launch": {"threads": 1},
    }  # fmt: skip


@dataclass
class Runs:
    """Runs of one config in one folder."""

    folder: Path
    config: Path

    def of(self, name: str, moment: Moment | None = None, *, resume: bool = False) -> int:
        flags = ["--resume"] if resume else []
        return run(["grpo", str(self.config), "--out", str(self.folder / name), *flags], self.log(name), moment)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def prepare(folder: Path, engine: str) -> Runs:
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(small(folder, engine)))
    runs = Runs(folder, config)
    assert runs.of("whole") == 0, runs.log("whole").read_text()
    return runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return prepare(tmp_path_factory.mktemp("resume"), "transformers")


def left_behind(run_folder: Path) -> dict[str, Any]:
    """Everything that a run leaves, but for times."""
    from safetensors.numpy import load_file

    evaluated = run_folder / "evaluations"
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    summary = json.loads((run_folder / "summary.json").read_text())
    weights = load_file(run_folder / "checkpoints" / "best" / "model.safetensors")
    last = load_file(run_folder / "checkpoints" / "grpo-trainer" / f"checkpoint-{STEPS}" / "model.safetensors")
    return {
        "files": sorted(path.name for path in (run_folder / "rollouts").iterdir()),
        "evaluations": {str(path.relative_to(run_folder)): path.is_dir() for path in evaluated.rglob("*")},
        "evaluated": [list(rollouts_of(path)) for path in evaluations_in(run_folder)],
        "measured": [{**told(path), "evaluation": "", "policy": ""} for path in evaluations_in(run_folder)],
        "checkpoints": sorted(str(path.relative_to(run_folder)) for path in (run_folder / "checkpoints").rglob("*")),
        "rollouts": list(read_rollouts(run_folder / "rollouts")),
        "metrics": [{name: value for name, value in line.items() if name not in TIMES} for line in lines],
        "summary": {name: value for name, value in summary.items() if name not in TIMES},
        "best": {name: array.tobytes() for name, array in weights.items()},
        "last": {name: array.tobytes() for name, array in last.items()},
    }


def assert_same(one: Path, other: Path, leave_out: str = "") -> None:
    """Exactly, by parts, so that a failure says which; without the metric lines of one stage."""
    expected, got = left_behind(one), left_behind(other)
    for left in (expected, got):
        left["metrics"] = [line for line in left["metrics"] if line["stage"] != leave_out]
    for part, value in expected.items():
        assert got[part] == value, f"{part} differs"


def test_the_uninterrupted_run_learns_samples_and_saves_as_the_comparison_needs(runs: Runs) -> None:
    left = left_behind(runs.folder / "whole")
    training = [row for row in left["rollouts"] if row["step"] >= 0 and row["policy_version"].startswith("step-")]
    training = [row for row in training if row["reward"] is not None and "Growing" in row]
    assert sorted({row["step"] for row in training}) == [0, 2, 4, 6], "two updates on each batch"
    by_step = [{row["scene_id"] for row in training if row["step"] == step} for step in (0, 2, 4, 6)]
    assert all(len(ids) == 2 for ids in by_step) and len(set.union(*by_step)) < 8, "a second epoch was begun"
    assert len({row["completion_text"] for row in training}) > 8
    assert len({row["reward"] for row in training if row["decode_error"] is None}) > 3, "there is something to learn"
    logged = [line["step"] for line in left["metrics"] if line["stage"] == "grpo" and "loss" in line]
    assert logged == list(range(1, STEPS + 1))
    sft = runs.folder / "whole" / "checkpoints" / "sft" / "model.safetensors"
    last = runs.folder / "whole" / "checkpoints" / "grpo-trainer" / f"checkpoint-{STEPS}" / "model.safetensors"
    assert sft.read_bytes() != last.read_bytes()


def test_the_same_seed_on_the_same_machine_is_the_same_run(runs: Runs) -> None:
    assert runs.of("again") == 0
    assert_same(runs.folder / "whole", runs.folder / "again")


def test_a_signal_within_a_batch_s_updates_ends_the_run_behind_them_and_it_resumes_exactly(runs: Runs) -> None:
    assert runs.of("signal", ("sigterm_at_step", 4)) == 75
    assert "--resume" in runs.log("signal").read_text()
    (checkpoint,) = (runs.folder / "signal" / "checkpoints" / "grpo-trainer").glob("checkpoint-*")
    assert checkpoint.name == "checkpoint-6", "the signal was seen at step 5, whose batch has another update"
    assert runs.of("signal", resume=True) == 0, runs.log("signal").read_text()
    assert_same(runs.folder / "whole", runs.folder / "signal")


MOMENTS: dict[str, tuple[Moment, ...]] = {
    "SFT, before its first checkpoint": (("training_step", 13),),
    "SFT, after a checkpoint within an epoch": (("training_step", 40),),
    "SFT, after a checkpoint at the end of one": (("training_step", 60),),
    "SFT is done, its folder not yet there": (("folder_gone", ("sft", 1)),),
    "evaluation before": (("rollouts_written", "before"),),
    "validation before the first step": (("rollouts_there", "validation-000000"),),
    "before the first checkpoint": (("training_step", SFT_STEPS + 5),),
    "half a checkpoint, the first": (("half_a_checkpoint", "checkpoint-4"),),
    "a checkpoint without its seal": (("unsealed", "checkpoint-4"),),
    "between checkpoints": (("training_step", SFT_STEPS + 2 * 4 + 3),),
    "half a line of metrics": (("half_a_metrics_line", 6),),
    "half a batch of rollouts": (("rollouts_written", "train-000006"),),
    "half a checkpoint, after a whole one": (("half_a_checkpoint", "checkpoint-8"),),
    "the last checkpoint without its seal": (("unsealed", "checkpoint-8"),),
    "an older checkpoint half removed": (("older_half_removed", "checkpoint-4"),),
    "the best policy being replaced": (("folder_gone", ("best", 2)),),
    "evaluation after": (("rollouts_there", "after"),),
    "twice: in training, and while the resumed run takes away what came after the checkpoint": (
        ("training_step", SFT_STEPS + 2 * 4 + 3),
        ("cutting_on_resume", "grpo"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("when", MOMENTS)
def test_a_run_killed_at_any_moment_resumes_exactly(runs: Runs, when: str) -> None:
    name = f"killed-{list(MOMENTS).index(when)}"
    for number, moment in enumerate(MOMENTS[when]):
        assert runs.of(name, moment, resume=number > 0) == -9, runs.log(name).read_text()
    assert runs.of(name, resume=True) == 0, runs.log(name).read_text()
    assert_same(runs.folder / "whole", runs.folder / name)


@pytest.mark.slow
def test_a_signal_in_sft_saves_it_and_it_resumes_exactly(runs: Runs) -> None:
    assert runs.of("sft", ("sigterm_at_sft_step", 31)) == 75
    (checkpoint,) = (runs.folder / "sft" / "checkpoints" / "sft-trainer").glob("checkpoint-*")
    assert checkpoint.name == "checkpoint-31"
    assert runs.of("sft", resume=True) == 0, runs.log("sft").read_text()
    # The lines of SFT are means over the steps since the last one, and there is one more.
    assert_same(runs.folder / "whole", runs.folder / "sft", leave_out="sft")


@pytest.mark.slow
def test_a_checkpoint_that_the_disk_has_no_room_for_stops_the_run_with_a_message(runs: Runs) -> None:
    """A limit on the size of files stands in for the disk: the weights fit, the optimizer's state does not."""
    weights = runs.folder / "whole" / "checkpoints" / "best" / "model.safetensors"
    assert runs.of("limited", ("no_file_larger_after", ("train-000006", weights.stat().st_size + 20_000))) == 1
    log = runs.log("limited").read_text()
    assert "RunError: could not write, a disk or quota is full" in log and "Traceback" not in log
    assert "the last whole checkpoint is checkpoint-4. Make room and go on with --resume" in log
    checkpoints = runs.folder / "limited" / "checkpoints" / "grpo-trainer"
    assert flaws(checkpoints / "checkpoint-4") == [] and flaws(checkpoints / "checkpoint-8") == ["it was not finished"]
    assert runs.of("limited", resume=True) == 0, runs.log("limited").read_text()
    assert_same(runs.folder / "whole", runs.folder / "limited")


@pytest.fixture
def small_disk(runs: Runs, tmp_path: Path) -> Iterator[Path]:
    """As much room as a whole run takes without its page: too little for one more checkpoint on the way."""
    written = [path for path in (runs.folder / "whole").rglob("*") if path.suffix != ".html"]
    room = sum(path.stat().st_blocks * 512 for path in written)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.slow
def test_on_a_full_disk_the_last_checkpoint_is_left_and_with_more_room_the_run_goes_on(
    runs: Runs, small_disk: Path
) -> None:
    out = small_disk / "run"
    arguments = ["grpo", str(runs.config), "--out", str(out)]
    assert run(arguments, runs.log("full")) == 1
    log = runs.log("full").read_text()
    assert "a disk or quota is full" in log and "the last whole checkpoint is checkpoint-4" in log, log
    assert flaws(out / "checkpoints" / "grpo-trainer" / "checkpoint-4") == []
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    assert run([*arguments, "--resume"], runs.log("full")) == 0, runs.log("full").read_text()
    assert_same(runs.folder / "whole", out)


@pytest.fixture(scope="module")
def engine_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return prepare(tmp_path_factory.mktemp("resume-vllm"), "vllm")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["between checkpoints", "half a checkpoint, after a whole one"])
def test_with_vllm_a_killed_run_resumes_exactly_too(engine_runs: Runs, when: str) -> None:
    name = f"killed-{list(MOMENTS).index(when)}"
    (moment,) = MOMENTS[when]
    assert engine_runs.of(name, moment) == -9, engine_runs.log(name).read_text()
    assert engine_runs.of(name, resume=True) == 0, engine_runs.log(name).read_text()
    assert_same(engine_runs.folder / "whole", engine_runs.folder / name)


@pytest.mark.slow
def test_with_vllm_the_same_seed_is_the_same_run(engine_runs: Runs) -> None:
    assert engine_runs.of("again") == 0
    assert_same(engine_runs.folder / "whole", engine_runs.folder / "again")
