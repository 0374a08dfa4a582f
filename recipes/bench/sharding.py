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
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .whole_run import add_arguments, machine_told, measured, parsed, print_measured

WAYS: Mapping[str, tuple[int, str | None]] = {
    "1 process": (1, None),
    "2 processes": (2, None),
    "2 processes, ZeRO-2": (2, "zero2"),
    "2 processes, ZeRO-3": (2, "zero3"),
}
"""Name -> processes and DeepSpeed settings."""
SCENES_PER_STEP, SAMPLES_PER_SCENE, COMPLETION_TOKENS = 8, 8, 64
ROLLOUTS_PER_STEP = SCENES_PER_STEP * SAMPLES_PER_SCENE
ROLLOUTS_PER_PASS = 8
"""On each rank, whatever their number."""


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
            "max_sequences": ROLLOUTS_PER_STEP // processes,
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


def measure(
    out: Path, ways: Sequence[str], *, steps: int, repeats: int, hidden_size: int, layers: int
) -> dict[str, Any]:
    """All runs that are not in `out`, in turn, and what they were measured on."""
    policy = out.resolve() / f"{hidden_size}x{layers}"
    parameters = write_policy(policy, hidden_size, layers)

    def folder(way: str, repeat: int) -> Path:
        processes, deepspeed = WAYS[way]
        return policy / f"{steps}-steps" / f"{repeat}-{processes}-{deepspeed}"

    raw = {way: config(policy, *WAYS[way], steps) for way in ways}
    return measured(raw, folder, steps=steps, repeats=repeats, parameters=parameters)


def show(result: Mapping[str, Any], console: Console) -> None:
    """The result as a person reads it."""
    console.print(machine_told(result), soft_wrap=True)
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
    add_arguments(parser, steps=5)
    parser.add_argument("--hidden", type=int, default=256, help="hidden size of the policy, a multiple of 64")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument(
        "--only", nargs="+", default=list(WAYS), choices=list(WAYS), metavar="NAME", help=", ".join(WAYS)
    )
    options = parsed(parser, arguments)
    if options.layers < 1:
        parser.error("--layers: at least 1")
    if options.hidden < 64 or options.hidden % 64:
        parser.error(f"--hidden: got {options.hidden}, allowed are multiples of 64")

    def measure_in(out: Path) -> dict[str, Any]:
        size = {"hidden_size": options.hidden, "layers": options.layers}
        return measure(out, options.only, steps=options.steps, repeats=options.repeats, **size)

    print_measured(options, measure_in, show, width=120)
    return 0


if __name__ == "__main__":
    sys.exit(main())
