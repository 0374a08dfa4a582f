"""How fast trajectories become tokens and back: the codec against the published scheme solved densely, on one thread.

Run `python -m recipes.bench.codec [--count 4096] [--repeats 7] [--json]`. Both are timed on the same float32 poses.
Their results must be the same within `TOLERANCE`, else the exit code is 1.
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
from dataclasses import replace
from typing import Any

import numpy as np

from ar1_rl.driving.codec import TrajectoryCodec
from ar1_rl.driving.dynamics import integrate
from ar1_rl.driving.trajectory import FUTURE_STEPS, HISTORY_STEPS

from .dense_codec import dense_decode, dense_encode

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Read by the linear algebra libraries once, when they are loaded."""

TOLERANCE = {
    "tokens off by, at most [bins]": 1,
    "tokens that differ in float64": 1e-5,
    "poses off by, at most [m]": 1e-3,
}
"""Two float32 solvers round differently, which takes a control near the edge between two bins over it: one bin is
0.0045 m/s^2 or 0.00017 1/m. In float64 hardly any is so near."""
ENCODE_GOAL = 20.0
"""Times as fast as the dense one."""


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
    """All timings and how well the results agree, with what it was measured on."""
    import torch

    torch.set_num_threads(1)
    history, future = (poses.astype(np.float32) for poses in drives(count))
    alpamayo, compact = TrajectoryCodec.alpamayo(), TrajectoryCodec.compact()
    tokens, few = alpamayo.encode(history, future), compact.encode(history, future)
    timings = {
        "alpamayo.encode": median_s(lambda: alpamayo.encode(history, future), repeats),
        "alpamayo.decode": median_s(lambda: alpamayo.decode(tokens, history), repeats),
        "dense Cholesky, encode": median_s(lambda: dense_encode(history, future), min(repeats, 3)),
        "dense Cholesky, decode": median_s(lambda: dense_decode(tokens, history), min(repeats, 3)),
        "compact.encode": median_s(lambda: compact.encode(history, future), repeats),
        "compact.decode": median_s(lambda: compact.decode(few, history), repeats),
    }
    ratios = {way: timings[f"dense Cholesky, {way}"] / timings[f"alpamayo.{way}"] for way in ("encode", "decode")}
    agreed = agreement(alpamayo, history, future)
    return {
        "trajectories": count,
        "repeats": repeats,
        "threads": 1,
        "machine": f"{platform.machine()} {processor_name()}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__},
        "median_s": timings,
        "speedup": ratios,
        "agreement": agreed,
        "within_tolerance": all(agreed[name] <= bound for name, bound in TOLERANCE.items()),
    }


def agreement(codec: TrajectoryCodec, history: np.ndarray, future: np.ndarray) -> dict[str, float]:
    """How far the codec's tokens and decoded poses are from the dense scheme's; bounded by `TOLERANCE`."""
    tokens, dense_tokens = codec.encode(history, future), dense_encode(history, future)
    apart = (codec.decode(tokens, history) - dense_decode(tokens, history))[..., :2]
    exact = replace(codec, precision="float64")
    history_64, future_64 = history.astype(np.float64), future.astype(np.float64)
    return {
        "tokens that differ": float((tokens != dense_tokens).mean()),
        "tokens off by, at most [bins]": int(np.abs(tokens - dense_tokens).max()),
        "tokens that differ in float64": float(
            (exact.encode(history_64, future_64) != dense_encode(history_64, future_64)).mean()
        ),
        "poses off by, at most [m]": float(np.hypot(apart[..., 0], apart[..., 1]).max()),
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
    code = 0 if result["within_tolerance"] else 1
    if options.json:
        print(json.dumps(result))
        return code
    print(f"{result['machine']}, 1 thread, {', '.join(f'{k} {v}' for k, v in result['versions'].items())}")
    for name, seconds in result["median_s"].items():
        print(f"{name:30} {1e3 * seconds:9.1f} ms for {options.count} ({1e6 * seconds / options.count:7.1f} us each)")
    encode, decode = result["speedup"]["encode"], result["speedup"]["decode"]
    print(f"times as fast as dense Cholesky: encode {encode:.1f} (goal {ENCODE_GOAL:.0f}), decode {decode:.1f}")
    print(f"results {'are the same' if code == 0 else 'DIFFER'}:")
    for name, value in result["agreement"].items():
        bound = f" (allowed: {TOLERANCE[name]:g})" if name in TOLERANCE else ""
        print(f"  {name} {value:.3g}{bound}")
    return code


if __name__ == "__main__":
    sys.exit(main())
