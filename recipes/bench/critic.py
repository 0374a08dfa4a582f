"""How long a batch of rollouts waits for a critic: an endpoint with a fixed latency, in a process of its own.

Run `python -m recipes.bench.critic [--rollouts 512] [--in-flight 32] [--latency 0.3] [--repeats 5] [--json]`. Every
text is new to the critic. The ideal is rollouts / in flight x latency; the requests of one batch cannot be faster.
"""

from __future__ import annotations

import argparse
import importlib.metadata as metadata
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ar1_rl.driving import Completion, Scene
from ar1_rl.scenes.synthetic.generate import generate_scenes
from rewards import EndpointCritic

from .codec import processor_name

SCENES = 64
GOAL = 1.15
"""Of the ideal."""
PACKAGES = ("openai", "tenacity")


@contextmanager
def judge(latency_s: float, sigma: float = 0.0) -> Iterator[str]:
    """The address of a judge that answers each request after so long, in the median of a log-normal with `sigma`."""
    command = [sys.executable, "-m", "recipes.bench.judge", "--latency", str(latency_s), "--sigma", str(sigma)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def rollouts(count: int, scenes: Sequence[Scene], batch: str) -> tuple[list[Completion], list[Scene]]:
    """Completions with a text of their own each, and their scenes."""
    asked = [scenes[i % len(scenes)] for i in range(count)]
    texts = [f"{scene.reference.text} ({batch} {i})" for i, scene in enumerate(asked) if scene.reference is not None]
    made = [Completion(text=t, token_ids=(), reasoning=t, trajectory=None, error=None) for t in texts]
    assert len(made) == count, "synthetic scenes have references"
    return made, asked


def timed_s(critic: EndpointCritic, completions: Sequence[Completion], scenes: Sequence[Scene]) -> tuple[float, float]:
    """Seconds and processor seconds that grading takes; all must be graded."""
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    scores = critic.score_batch(completions, scenes)
    ended = time.perf_counter() - start_s, time.process_time() - start_cpu_s
    assert all(score.value == 4.0 for score in scores), "the judge gives everyone a 4"
    return ended


def measure(count: int, in_flight: int, latency_s: float, repeats: int) -> dict[str, Any]:
    """All timings, with what they were measured on."""
    scenes = list(generate_scenes(0, "train", SCENES))
    with judge(latency_s) as url, tempfile.TemporaryDirectory() as folder:
        critic = EndpointCritic(url, "judge", in_flight=in_flight, cache=Path(folder) / "replies.sqlite")
        timed_s(critic, *rollouts(in_flight, scenes, "warm up"))
        fresh = [timed_s(critic, *rollouts(count, scenes, f"batch {i}")) for i in range(repeats)]
        cached = [timed_s(critic, *rollouts(count, scenes, f"batch {i}")) for i in range(repeats)]
    ideal_s = count / in_flight * latency_s
    median_s = statistics.median(seconds for seconds, _ in fresh)
    return {
        "rollouts": count,
        "in_flight": in_flight,
        "latency_s": latency_s,
        "repeats": repeats,
        "machine": f"{platform.machine()} {processor_name()}",
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
        "ideal_s": ideal_s,
        "median_s": median_s,
        "all_s": [seconds for seconds, _ in fresh],
        "of_ideal": median_s / ideal_s,
        "processor_s": statistics.median(cpu_s for _, cpu_s in fresh),
        "cached_s": statistics.median(seconds for seconds, _ in cached),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description="Throughput of a critic behind an endpoint.")
    parser.add_argument("--rollouts", type=int, default=512, help="in one batch")
    parser.add_argument("--in-flight", type=int, default=32, help="requests at once")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds that the endpoint takes for each")
    parser.add_argument("--repeats", type=int, default=5, help="batches of which the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    result = measure(options.rollouts, options.in_flight, options.latency, options.repeats)
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['machine']}, {', '.join(f'{k} {v}' for k, v in result['versions'].items())}")
        print(
            f"{result['rollouts']} rollouts, {result['in_flight']} in flight, {result['latency_s']} s each: "
            f"{result['median_s']:.2f} s, {result['of_ideal']:.3f} of the ideal {result['ideal_s']:.2f} s "
            f"(goal {GOAL}); all: {', '.join(f'{s:.2f}' for s in result['all_s'])}"
        )
        print(f"processor {result['processor_s']:.2f} s; from the cache {1e3 * result['cached_s']:.0f} ms")
    return 0 if result["of_ideal"] <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
