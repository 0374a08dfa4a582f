"""Whether memory grows: 200,000 scenes go through a run's own loaders, then 500 steps of GRPO, on a tiny policy.

Run `python -m recipes.bench.memory [--scenes 200000] [--steps 500] [--engine vllm] [--json]`. Resident memory is read
several times a second. The first tenth of every stage warms it up; what counts is the most after that, against what
there was at the end of the warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.policy.config import codec_by_name
from rollouts.dialogue import Dialogue

from ..corpus import load_corpus
from ..grpo import PolicyTraining
from ..ranks import ALONE
from ..run_config import RunConfig
from ..run_folder import RunFolder
from ..sft import fine_tune, taught_rows
from ..stopping import StopFlag
from .codec import processor_name

GOAL = 1.05
WARM_UP = 0.1
"""Share of a stage."""
INTERVAL_S = 0.1
MIB = 2**20


class Stages:
    """Resident memory [bytes] over the time of every stage."""

    def __init__(self) -> None:
        self.taken: dict[str, list[int]] = {}
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Look at it for as long as this is open."""
        done, taken = threading.Event(), self.taken.setdefault(name, [])

        def look() -> None:
            while not done.wait(INTERVAL_S):
                taken.append(resident_bytes())

        thread, started_s = threading.Thread(target=look, daemon=True), time.monotonic()
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.seconds[name] = time.monotonic() - started_s


def resident_bytes() -> int:
    """What this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(taken: list[int]) -> dict[str, float]:
    """Resident memory at the end of the warm-up and at most after it [MiB], and the ratio."""
    warm = taken[int(WARM_UP * len(taken))]
    most = max(taken[int(WARM_UP * len(taken)) :])
    return {"warm_mib": warm / MIB, "most_mib": most / MIB, "last_mib": taken[-1] / MIB, "ratio": most / warm}


def run_config(scenes: int, steps: int, engine: str, policy: str | None) -> RunConfig:
    """A run in small, with every reward of the quickstart; without a policy: its fine-tuning."""
    raw: dict[str, Any] = {
        "recipe": "bench",
        "scenes": {"train": scenes, "validation": 4, "test": 1},
        "policy": {"tiny": {"hidden_size": 32, "layers": 1, "heads": 1, "intermediate_size": 64}, "path": policy},
        "sft": {"steps": 60, "learning_rate": 1e-2, "warmup_steps": 10, "faults": {"uniform_noise": 0.03}},
        "rollouts": {"engine": engine, "max_completion_tokens": 48, "max_model_tokens": 192},
        "rewards": {
            "terms": [{"reward": name} for name in ("consistency", "imitation", "safety", "comfort", "format")]
            + [{"reward": "critic", "scale": 5.0}]
        },
        "grpo": {"steps": steps, "scenes_per_step": 2, "samples_per_scene": 4, "evaluate_every": max(1, steps // 10)},
        "eval": {"samples_per_scene": 2},
        "launch": {"threads": 1},
    }
    return check_config(RunConfig, raw, source="bench")


def measure(scenes: int, steps: int, engine: str) -> dict[str, Any]:
    """Every stage of a run whose scenes come and go."""
    import torch

    torch.set_num_threads(1)
    stages, console = Stages(), Console(stderr=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = run_config(64, 1, engine, None)
        taught = RunFolder(folder / "policy", small, resume=False)
        policy = fine_tune(small, load_corpus(small, console).examples, taught, console, StopFlag())
        config = run_config(scenes, steps, engine, str(policy))
        run = RunFolder(folder / "run", config, resume=False)
        with stages.stage(f"{scenes:,} scenes"):
            corpus = load_corpus(config, console, folder)
        with stages.stage(f"{scenes:,} traces to tokens"):
            rows = taught_rows(_dialogue(policy, config), corpus.examples, folder, console, ALONE.mark)
        spooled = len(rows)
        training = PolicyTraining(config, policy, corpus.rl, run, console)
        with stages.stage(f"{steps} steps of GRPO, {engine}"):
            training.train(corpus.validation, StopFlag(), None)
        rollouts_mib = sum(path.stat().st_size for path in run.rollouts.iterdir()) / MIB
    return {
        "machine": f"{processor_name()}, 1 thread",
        "load": round(os.getloadavg()[0], 1),
        "traces": spooled,
        "rollouts_on_disk_mib": round(rollouts_mib, 1),
        "stages": {
            name: {"seconds": round(stages.seconds[name], 1), **growth(taken)} for name, taken in stages.taken.items()
        },
    }


def _dialogue(policy: Path, config: RunConfig) -> Dialogue:
    from transformers import AutoTokenizer

    return Dialogue.of(AutoTokenizer.from_pretrained(policy), codec_by_name(config.policy.codec))


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where memory grew by more than the goal."""
    parser = argparse.ArgumentParser(description="Resident memory over scenes and steps.")
    parser.add_argument("--scenes", type=int, default=200_000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--engine", choices=("vllm", "transformers"), default="vllm")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    result = measure(options.scenes, options.steps, options.engine)
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['machine']}, load {result['load']}; memory is resident memory")
        for name, found in result["stages"].items():
            print(
                f"{name}: {found['warm_mib']:,.0f} MiB when warm, {found['most_mib']:,.0f} MiB at most, "
                f"{found['last_mib']:,.0f} MiB at the end: x {found['ratio']:.3f} (goal {GOAL}), {found['seconds']} s"
            )
    return 0 if all(found["ratio"] <= GOAL for found in result["stages"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
