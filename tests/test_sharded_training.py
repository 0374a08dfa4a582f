"""GRPO in two processes is GRPO in one: the same rollouts give the same loss, gradient norm and weights.

How far apart the figures of one and of two processes may be, and why they are apart at all: each rank pads its rollouts
to its own longest and adds up its own part, so float32 rounds differently. Per token that is 2e-7 in a log-probability;
the importance ratio of a rollout sums it over 64 tokens, and so does the loss. Adam divides each gradient by its own
size, so that where a gradient is nearly nothing but rounding, its weight moves by a step of a size that rounding
decides: the weights are compared as a whole, by the distance that they have gone. Measured: loss 2e-6, gradient norm
2e-5 of itself, weights 1e-4 of the way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[1]
STEPS = 3
LOSS_APART, GRADIENT_NORM_APART, WEIGHTS_APART = 1e-5, 2e-4, 1e-3
LORA = {"lora": {"rank": 4, "alpha": 8.0}}
WRAPPERS = {None: "DistributedDataParallel", "zero2": "DeepSpeedEngine", "zero3": "DeepSpeedEngine"}
LAUNCH = """
import sys
from recipes.launch import LaunchConfig, launch
sys.exit(launch(LaunchConfig(processes=2), sys.argv[1:]))
"""

Train = Callable[..., Path]


@pytest.fixture(scope="module")
def train(taught_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Three steps of a policy that has learnt to write, each way of training once; the run folder."""
    work = tmp_path_factory.mktemp("sharded")
    rewards = yaml.safe_load((ROOT / "recipes" / "configs" / "quickstart.yaml").read_text())["rewards"]

    def train(processes: int, deepspeed: str | None = None, *, lora: bool = False) -> Path:
        kind = "lora" if lora else "whole"
        out = work / f"{kind}-{deepspeed or 'plain'}-{processes}"
        if out.exists():
            return out
        given = [] if processes == 1 else [str(train(1, lora=lora) / "rollouts")]
        raw = {
            "recipe": "sharded",
            "scenes": {"train": 16, "validation": 2, "test": 1},
            "policy": {"path": str(taught_policy), **(LORA if lora else {})},
            "rollouts": {"max_completion_tokens": 64, "max_model_tokens": 192, "max_sequences": 64},
            "rewards": rewards,
            # A divergence from the policy at the start, of a second model or of the one without its adapters.
            "grpo": {
                "loss": "ar1" if lora else "dapo",
                "kl_coef": 0.05,
                "steps": STEPS,
                "scenes_per_step": 4,
                "samples_per_scene": 4,
                "evaluate_every": STEPS,
                "learning_rate": 1e-3,
            },
            "eval": {"samples_per_scene": 2},
            "launch": {"processes": processes},
            "deepspeed": deepspeed,
        }
        config = work / f"{out.name}.yaml"
        config.write_text(yaml.safe_dump(raw))
        script = [str(ROOT / "tests" / "sharded_training.py"), str(config), str(out), *given]
        command = [sys.executable, *(["-c", LAUNCH] if processes > 1 else []), *script]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=work, env=environment, timeout=900)
        assert done.returncode == 0, done.stdout + done.stderr
        return out

    return train


def logged(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if "loss" in row]


def weights(run: Path, step: int) -> np.ndarray:
    """All that was trained, after so many steps, as one vector."""
    with np.load(run / "weights.npz") as saved:
        return np.concatenate([saved[name].ravel() for name in sorted(saved) if name.startswith(f"{step}/")])


@pytest.mark.parametrize("lora", [False, True], ids=["whole", "lora"])
@pytest.mark.parametrize("deepspeed", [None, "zero2", "zero3"], ids=["plain", "zero2", "zero3"])
def test_two_processes_train_as_one_does(train: Train, deepspeed: str | None, lora: bool) -> None:
    one, two = train(1, lora=lora), train(2, deepspeed, lora=lora)
    told = json.loads((two / "told.json").read_text())
    assert told["wrapper"] == WRAPPERS[deepspeed]
    assert told["engine"].startswith("vllm.")
    # Every request has a seed of its own: vLLM in two processes draws what vLLM in one draws.
    assert told["drawn"] == STEPS * 16 and told["agreeing"] >= told["drawn"] - 1

    assert len(logged(one)) == len(logged(two)) == STEPS
    for alone, together in zip(logged(one), logged(two), strict=True):
        assert alone["reward"] == pytest.approx(together["reward"], abs=1e-6)
        assert together["loss"] == pytest.approx(alone["loss"], abs=LOSS_APART)
        assert together["grad_norm"] == pytest.approx(alone["grad_norm"], rel=GRADIENT_NORM_APART)
        assert alone["grad_norm"] > 0.01
    assert np.array_equal(weights(one, 0), weights(two, 0))
    for step in range(1, STEPS + 1):
        way = np.linalg.norm(weights(one, step) - weights(one, 0))
        assert np.linalg.norm(weights(two, step) - weights(one, step)) < WEIGHTS_APART * way


TRAINED = [(None, True), ("zero2", False), ("zero3", False), ("zero2", True), ("zero3", True)]


@pytest.fixture(scope="module")
def exported(train: Train, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str | None, bool], Path]:
    """The last checkpoint of every way of training, written by `ar1-rl export`."""
    from recipes import cli

    folder = tmp_path_factory.mktemp("exported")
    written = {}
    for deepspeed, lora in TRAINED:
        run = train(2, deepspeed, lora=lora)
        target = folder / f"{deepspeed}-{lora}"
        assert cli.main(["export", str(run / f"checkpoints/grpo-trainer/checkpoint-{STEPS}"), str(target)]) == 0
        written[deepspeed, lora] = target
    return written


@pytest.mark.parametrize(("deepspeed", "lora"), TRAINED)
def test_an_exported_checkpoint_has_the_trained_weights(
    train: Train, exported: dict[tuple[str | None, bool], Path], deepspeed: str | None, lora: bool
) -> None:
    """With adapters: W + (alpha / rank) B A, worked out here from the adapters themselves."""
    from safetensors.numpy import load_file

    run, found = train(2, deepspeed, lora=lora), load_file(exported[deepspeed, lora] / "model.safetensors")
    with np.load(run / "weights.npz") as saved:
        trained = {name.removeprefix(f"{STEPS}/"): saved[name] for name in saved if name.startswith(f"{STEPS}/")}
    if not lora:
        assert set(found) <= set(trained) and len(found) == len({id(v) for v in found.values()})
        for name, weight in found.items():
            assert np.array_equal(weight, trained[name]), name
        return
    (base,) = {json.loads(path.read_text())["base_model_name_or_path"] for path in run.rglob("adapter_config.json")}
    before = load_file(Path(base) / "model.safetensors")
    adapted = [name for name in before if np.abs(found[name] - before[name]).max() > 0]
    assert len(adapted) == 7, "the seven linear layers of the only block"
    for name in adapted:
        a, b = (trained[f"base_model.model.{name.removesuffix('.weight')}.lora_{x}.default.weight"] for x in "AB")
        assert np.allclose(found[name], before[name] + (8.0 / 4) * b @ a, rtol=0, atol=1e-6)


def test_every_exported_checkpoint_is_served_by_plain_vllm_and_read_by_plain_transformers(
    train: Train, exported: dict[tuple[str | None, bool], Path], tmp_path: Path
) -> None:
    """So is an adapter folder by transformers as it is, while its base is there."""
    from recipes.export import ADAPTER, export
    from rollouts.store import read_rollouts

    row = next(read_rollouts(train(1) / "rollouts"))
    folders = [str(folder) for folder in exported.values()]
    script = str(ROOT / "tests" / "served_plainly.py")
    command = [sys.executable, script, json.dumps(row["prompt_token_ids"]), *folders]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=900)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert set(told) == set(folders)
    for folder, written in told.items():
        assert written["vllm"] == written["transformers"], folder

    from transformers import AutoModelForCausalLM, AutoTokenizer

    adapter = train(2, "zero3", lora=True) / "checkpoints" / "best"
    assert (adapter / ADAPTER).exists() and not (adapter / "model.safetensors").exists()
    read = AutoModelForCausalLM.from_pretrained(adapter)
    assert any("lora_" in name for name, _ in read.named_parameters())
    whole = tmp_path / "whole"
    assert export(train(2, "zero3", lora=True), whole) == adapter
    assert len(AutoTokenizer.from_pretrained(whole)) == len(AutoTokenizer.from_pretrained(adapter))
