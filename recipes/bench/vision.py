"""What it costs that a policy sees: a step of GRPO on camera frames against one on the scene in words.

Run `python -m recipes.bench.vision [--steps 8] [--repeats 3] [--out FOLDER] [--json]`. Both train untrained policies
(which hardly ever end before the last token) of the sizes, prompts and rewards of the recipes `quickstart` and
`quickstart_vision`, on as many rollouts a step, in one process on the same cores, in turn, `repeats` times. What is
finished in `--out` is taken as it is. A step lasts from one batch of rollouts on disk to the next; the first is left
out, as it warms up.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ar1_rl.config import load_config

from .. import catalogue
from ..run_config import RunConfig
from .whole_run import PARTS, add_arguments, machine_told, measured, parsed, print_measured

WAYS = {"words": "quickstart", "frames": "quickstart_vision"}
"""How the policy is told of the scene -> the recipe."""
SCENES_PER_STEP, SAMPLES_PER_SCENE = 16, 8


def config(recipe: str, policy: Path, steps: int) -> dict[str, Any]:
    """A run of the recipe's GRPO by so many steps, with as little evaluation as there can be."""
    shipped = load_config(RunConfig, catalogue.path_of(recipe), []).model_dump(mode="json", exclude_unset=True)
    frames = {"looking_scenes": 0} if "frames" in shipped["rollouts"] else {}
    return {
        "recipe": recipe,
        "scenes": {**shipped["scenes"], "train": steps * SCENES_PER_STEP, "validation": 2, "test": 2},
        "policy": {"path": str(policy), "codec": shipped["policy"]["codec"]},
        "rollouts": shipped["rollouts"],
        "rewards": shipped["rewards"],
        "grpo": {
            "steps": steps,
            "scenes_per_step": SCENES_PER_STEP,
            "samples_per_scene": SAMPLES_PER_SCENE,
            "evaluate_every": steps,
        },
        "eval": {"samples_per_scene": 1, "resamples": 100, "faithfulness_scenes": 0, **frames},
        "launch": {"processes": 1},
        "deepspeed": None,
    }


def write_policy(recipe: str, folder: Path) -> int:
    """An untrained policy of the recipe in an ordinary folder; returns its number of parameters."""
    from ar1_rl.policy.config import codec_by_name
    from ar1_rl.policy.loading import start_policy

    from ..corpus import load_split
    from ..sft import prompt_words

    shipped = load_config(RunConfig, catalogue.path_of(recipe), [])
    scenes = load_split(shipped, "train", limit=SCENES_PER_STEP)[0]
    texts = [scene.reference.text for scene in scenes if scene.reference is not None]
    codec = codec_by_name(shipped.policy.codec)
    started = start_policy(shipped.policy, [*prompt_words(shipped.rollouts, scenes), *texts], codec, seed=0)
    started.model.save_pretrained(folder)
    (started.processor or started.tokenizer).save_pretrained(folder)
    return int(started.model.num_parameters())


def measure(out: Path, *, steps: int, repeats: int) -> dict[str, Any]:
    """All runs that are not in `out`, in turn, and what they were measured on."""
    policies = {way: out.resolve() / way for way in WAYS}
    parameters = {way: write_policy(recipe, policies[way]) for way, recipe in WAYS.items()}
    raw = {way: config(recipe, policies[way], steps) for way, recipe in WAYS.items()}

    def folder(way: str, repeat: int) -> Path:
        return out.resolve() / f"{way}-{steps}-steps-{repeat}"

    return measured(raw, folder, steps=steps, repeats=repeats, parameters=parameters)


def show(result: Mapping[str, Any], console: Console) -> None:
    """The result as a person reads it."""
    console.print(machine_told(result), soft_wrap=True)
    parts = [f"{part} [s]" for part in PARTS]
    table = Table(
        "", "parameters", "prompt tokens", "s/step", *parts, "drawn tokens/s", "peak [MiB]", "s against words"
    )
    for way, row in result["ways"].items():
        table.add_row(
            way,
            f"{result['parameters'][way] / 1e6:.2f} M",
            f"{row['prompt_tokens']:.0f}",
            f"{row['step_s']:.2f}",
            *(f"{row['parts_s'][part]:.2f}" for part in PARTS),
            f"{row['tokens_per_s']:.0f}",
            f"{row['peak_mib'][0]:.0f}",
            f"x {row['step_s'] / result['ways']['words']['step_s']:.2f}",
        )
    console.print(table)
    rollouts, repeats, steps = (result[name] for name in ("rollouts_per_step", "repeats", "steps"))
    console.print(f"{rollouts} rollouts a step; medians of {repeats} runs of {steps} steps")


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A step of GRPO on camera frames against one on the scene in words.")
    add_arguments(parser, steps=8)
    options = parsed(parser, arguments)

    def measure_in(out: Path) -> dict[str, Any]:
        return measure(out, steps=options.steps, repeats=options.repeats)

    print_measured(options, measure_in, show, width=140)
    return 0


if __name__ == "__main__":
    sys.exit(main())
