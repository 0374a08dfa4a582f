"""Our training step against a bare TRL script with the same model, data, rewards, seed and engine settings.

Run `python -m recipes.bench.step [--repeats 30] [--threads 1] [--policy FOLDER] [--json]`. The rewards are the
quickstart's, by rules and without a critic to wait for; 64 rollouts a step. A step of each is taken in turn, and the
ratio is the median over pairs of neighbours. What ours does and the other does not: seeds per rollout, records of every
rollout, a line of metrics.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from .turns import measured_on, medians, paired_ratio, policy_to_train, take_turns, told_machine, training_config

GOAL = 1.02
TERMS = (
    {"reward": "consistency", "weight": 1.5},
    {"reward": "critic", "weight": 1.0, "scale": 5.0},
    {"reward": "imitation", "weight": 3.0, "scale": 5.0, "arguments": {"clip_m": 5.0}},
    {"reward": "safety", "weight": 0.5},
    {"reward": "comfort", "weight": 0.0},
    {"reward": "format", "weight": 0.2},
)


def measure(repeats: int, threads: int, policy: str | None) -> dict[str, Any]:
    """All timings, with what they were measured on."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = training_config(policy or policy_to_train(folder / "policy"), TERMS)
        steps = take_turns(
            {"ours": ("ours", config), "bare": ("bare", config)}, folder, repeats=repeats, threads=threads
        )
    return {
        **measured_on(threads),
        "repeats": repeats,
        "medians": {arm: medians(taken) for arm, taken in steps.items()},
        "ratio": paired_ratio(steps["ours"], steps["bare"]),
        "processor_ratio": paired_ratio(steps["ours"], steps["bare"], "processor_s"),
        "steps": steps,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description="Step time against a bare TRL script.")
    parser.add_argument("--repeats", type=int, default=30, help="steps of each of which the median counts")
    parser.add_argument("--threads", type=int, default=1, help="threads of each run")
    parser.add_argument("--policy", help="folder of a policy with the compact codec (default: one is made)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    result = measure(options.repeats, options.threads, options.policy)
    if options.json:
        print(json.dumps(result))
    else:
        print(told_machine(result))
        for arm, found in result["medians"].items():
            print(f"{arm:5} " + ", ".join(f"{part.removesuffix('_s')} {s:.3f} s" for part, s in found.items()))
        print(
            f"step time, ours to bare TRL: {result['ratio']:.3f} (goal {GOAL}) over {result['repeats']} pairs; "
            f"processor time {result['processor_ratio']:.3f}"
        )
    return 0 if result["ratio"] <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
