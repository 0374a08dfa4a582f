"""How fast trajectories become tokens: the banded solver against dense Cholesky, on one thread.

Run `python -m recipes.bench.codec [--count 4096] [--repeats 7] [--json]`. The dense baselines solve the same four
systems (speed of the history, yaw, speed, acceleration and curvature of the future) without assembling them, so they
are faster than a dense encoder could be.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ar1_rl.driving.codec import TrajectoryCodec
from ar1_rl.driving.dynamics import integrate
from ar1_rl.driving.trajectory import FUTURE_STEPS, HISTORY_STEPS

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Read by the linear algebra libraries once, when they are loaded."""

SYSTEM_SIZES = (HISTORY_STEPS, FUTURE_STEPS, FUTURE_STEPS, FUTURE_STEPS, FUTURE_STEPS)
"""Unknowns of the linear systems behind one encoding."""


def drives(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random smooth drives, as histories [count, 16, 3] and futures [count, 64, 3] in the frame of t0."""
    random = np.random.default_rng(seed)
    time_s = np.arange(HISTORY_STEPS + FUTURE_STEPS - 1) * 0.1
    waves = np.sin(time_s * random.uniform(0.3, 1.5, (2, count, 1)) + random.uniform(0, 6, (2, count, 1)))
    poses = integrate(np.stack([waves[0], 0.02 * waves[1]], axis=-1), random.uniform(8.0, 20.0, count))
    poses = np.concatenate([np.zeros((count, 1, 3)), poses], axis=1)
    offset, yaw = poses - poses[:, HISTORY_STEPS - 1, None], poses[:, HISTORY_STEPS - 1, 2, None]
    x = np.cos(yaw) * offset[..., 0] + np.sin(yaw) * offset[..., 1]
    y = np.cos(yaw) * offset[..., 1] - np.sin(yaw) * offset[..., 0]
    poses = np.stack([x, y, offset[..., 2]], axis=-1)
    return poses[:, :HISTORY_STEPS], poses[:, HISTORY_STEPS:]


def dense_loop(matrices: list[np.ndarray], rights: list[np.ndarray]) -> None:
    """One dense Cholesky solve after another, in numpy."""
    for batch, right in zip(matrices, rights, strict=True):
        for matrix, vector in zip(batch, right, strict=True):
            lower = np.linalg.cholesky(matrix)
            np.linalg.solve(lower.T, np.linalg.solve(lower, vector))


def dense_batch(matrices: list[np.ndarray], rights: list[np.ndarray]) -> None:
    """All dense Cholesky solves of a kind in one call, in torch."""
    import torch

    torch.set_num_threads(1)
    for batch, right in zip(matrices, rights, strict=True):
        lower = torch.linalg.cholesky(torch.from_numpy(batch))
        torch.cholesky_solve(torch.from_numpy(right)[..., None], lower)


def median_s(work: Callable[[], object], repeats: int) -> float:
    """Median processor time [s] of some calls, after one to warm up: on one thread, what it takes undisturbed."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def measure(count: int, repeats: int) -> dict[str, Any]:
    """All timings, with what they were measured on."""
    history, future = drives(count)
    alpamayo, compact = TrajectoryCodec.alpamayo(), TrajectoryCodec.compact()
    tokens, few = alpamayo.encode(history, future), compact.encode(history, future)
    random = np.random.default_rng(0)
    matrices, rights = [], []
    for size in SYSTEM_SIZES:
        off_diagonal = np.diff(np.eye(size), n=3, axis=0)
        matrix = off_diagonal.T @ off_diagonal + 2.0 * np.eye(size)
        matrices.append(np.repeat(matrix[None].astype(np.float32), count, axis=0))
        rights.append(random.normal(size=(count, size)).astype(np.float32))
    timings = {
        "alpamayo.encode": median_s(lambda: alpamayo.encode(history, future), repeats),
        "alpamayo.decode": median_s(lambda: alpamayo.decode(tokens, history), repeats),
        "compact.encode": median_s(lambda: compact.encode(history, future), repeats),
        "compact.decode": median_s(lambda: compact.decode(few, history), repeats),
        "dense Cholesky, numpy loop": median_s(lambda: dense_loop(matrices, rights), 1),
    }
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    try:
        import torch
    except ImportError:
        pass
    else:
        versions["torch"] = torch.__version__
        timings["dense Cholesky, torch batch"] = median_s(lambda: dense_batch(matrices, rights), min(repeats, 3))
    encode_s = timings["alpamayo.encode"]
    return {
        "trajectories": count,
        "repeats": repeats,
        "threads": 1,
        "machine": f"{platform.machine()} {processor_name()}",
        "versions": versions,
        "median_s": timings,
        "speedup": {name: value / encode_s for name, value in timings.items() if name.startswith("dense")},
    }


def processor_name() -> str:
    """The model of the processor, as the kernel names it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of the trajectory codec.")
    parser.add_argument("--count", type=int, default=4096, help="trajectories in one batch")
    parser.add_argument("--repeats", type=int, default=7, help="timed calls of which the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        command = [sys.executable, "-m", "recipes.bench.codec", *(sys.argv[1:] if arguments is None else arguments)]
        return subprocess.call(command, env={**os.environ, **ONE_THREAD})
    result = measure(options.count, options.repeats)
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"{result['machine']}, 1 thread, {', '.join(f'{k} {v}' for k, v in result['versions'].items())}")
    for name, seconds in result["median_s"].items():
        print(f"{name:30} {1e3 * seconds:9.1f} ms for {options.count} ({1e6 * seconds / options.count:7.1f} us each)")
    for name, ratio in result["speedup"].items():
        print(f"alpamayo.encode is {ratio:.0f} times as fast as {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
