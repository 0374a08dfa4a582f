"""What a slow critic costs a training step: asked while the policy still writes, asked afterwards, and in bare TRL.

Run `python -m recipes.bench.overlap [--repeats 15] [--latency 0.3] [--sigma 0.6] [--in-flight 16] [--json]`. The critic
is a server in a process of its own with log-normal latency; 64 rollouts a step. Generation, scoring and update are
those of the arm that does one after another (`apart`); nothing can be faster than the longer of the first two plus the
third. Steps are taken in turn. `apart` and `overlap` draw the same rollouts, and the same text takes the critic the
same time; bare TRL scores with the same composite reward, once everything is drawn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .critic import judge
from .turns import Steps, measured_on, medians, policy_to_train, take_turns, told_machine, training_config

GOAL = 1.15
"""Of max(generation, scoring) + update."""


def ideal_s(apart: Mapping[str, float]) -> float:
    """max(generation, scoring) + update, of a step that does one after another."""
    generation_s, scoring_s = apart["generation_s"], apart["scoring_s"]
    return max(generation_s, scoring_s) + apart["step_s"] - generation_s - scoring_s


def of_ideal(steps: Steps, apart: Steps) -> float:
    """Median over the rounds of a step against the ideal of its neighbour."""
    return statistics.median(step["step_s"] / ideal_s(other) for step, other in zip(steps, apart, strict=True))


def measure(
    repeats: int, latency_s: float, sigma: float, in_flight: int, threads: int, policy: str | None
) -> dict[str, Any]:
    """All timings, with what they were measured on."""
    with judge(latency_s, sigma) as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        endpoint = {"backend": "endpoint", "base_url": url, "model": "judge", "in_flight": in_flight}
        terms = [
            {"reward": "critic", "scale": 5.0, "arguments": endpoint},
            {"reward": "imitation", "weight": 3.0, "scale": 5.0, "arguments": {"clip_m": 5.0}},
            {"reward": "format", "weight": 0.2},
        ]
        path = policy or policy_to_train(folder / "policy")
        overlap, apart = (training_config(path, terms, overlap=on) for on in (True, False))
        arms = {"overlap": ("ours", overlap), "apart": ("ours", apart), "bare": ("bare", apart)}
        steps = take_turns(arms, folder, repeats=repeats, threads=threads)
    return {
        **measured_on(threads),
        "repeats": repeats,
        "critic": {"latency_s": latency_s, "sigma": sigma, "in_flight": in_flight},
        "medians": {arm: medians(taken) for arm, taken in steps.items()},
        "ideal_s": statistics.median(map(ideal_s, steps["apart"])),
        "of_ideal": {arm: of_ideal(taken, steps["apart"]) for arm, taken in steps.items()},
        "steps": steps,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description="Step time with a slow critic.")
    parser.add_argument("--repeats", type=int, default=15, help="steps of each of which the median counts")
    parser.add_argument("--latency", type=float, default=0.3, help="of the critic, the median in seconds")
    parser.add_argument("--sigma", type=float, default=0.6, help="of the latency's logarithm")
    parser.add_argument("--in-flight", type=int, default=16, help="requests at once")
    parser.add_argument("--threads", type=int, default=1, help="threads of each run")
    parser.add_argument("--policy", help="folder of a policy with the compact codec (default: one is made)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    how = options.latency, options.sigma, options.in_flight, options.threads, options.policy
    result = measure(options.repeats, *how)
    if options.json:
        print(json.dumps(result))
    else:
        print(told_machine(result))
        apart = result["medians"]["apart"]
        update_s = apart["step_s"] - apart["generation_s"] - apart["scoring_s"]
        print(
            f"one after another: generation {apart['generation_s']:.2f} s, scoring {apart['scoring_s']:.2f} s, "
            f"update {update_s:.2f} s; ideal {result['ideal_s']:.2f} s"
        )
        for arm, found in result["medians"].items():
            print(f"{arm:8} step {found['step_s']:.2f} s, {result['of_ideal'][arm]:.3f} of the ideal")
        print(f"goal: {GOAL} of the ideal with overlap; {result['repeats']} steps of each, in turn")
    return 0 if result["of_ideal"]["overlap"] <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
