"""How many camera frames of synthetic scenes are rendered a second, on one core.

Run `python -m recipes.bench.frames [--scenes 200] [--width 96] [--height 64] [--json]`. The goal is for 96 x 64 pixels.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from typing import Any

import numpy as np

from ar1_rl.frames import FramesConfig, frames_of
from ar1_rl.scenes.synthetic import generate_scenes

from .codec import processor_name

GOAL_PER_S = 300.0
"""Frames of 96 x 64 pixels on one core."""
BLOCKS = 10
"""The scenes are timed in so many blocks, of which the median counts."""


def measure(scenes: int, width_px: int, height_px: int) -> dict[str, Any]:
    """Frames a second of processor time, over scenes of all kinds."""
    config = FramesConfig(width_px=width_px, height_px=height_px)
    drawn = list(generate_scenes(0, "train", scenes))
    frames_of(drawn[0], config)
    rates = []
    for first in range(BLOCKS):
        start, frames = time.process_time(), 0
        for scene in drawn[first::BLOCKS]:
            frames += int(np.prod(frames_of(scene, config).images_CTHW3.shape[:2]))
        rates.append(frames / (time.process_time() - start))
    return {
        "scenes": scenes,
        "size": [width_px, height_px],
        "cameras": 2,
        "frames_a_camera": config.count,
        "frames_per_s": float(np.median(rates)),
        "slowest_block_per_s": min(rates),
        "machine": f"{platform.machine()} {processor_name()}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description="Speed of rendering camera frames.")
    parser.add_argument("--scenes", type=int, default=200, help=f"scenes rendered, at least {BLOCKS}")
    parser.add_argument("--width", type=int, default=96, help="of a frame [px]")
    parser.add_argument("--height", type=int, default=64, help="of a frame [px]")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    result = measure(max(options.scenes, BLOCKS), options.width, options.height)
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['machine']}, 1 process, {', '.join(f'{k} {v}' for k, v in result['versions'].items())}")
        print(
            f"{result['frames_per_s']:.0f} frames/s of {options.width} x {options.height} (median of {BLOCKS} blocks, "
            f"slowest {result['slowest_block_per_s']:.0f}; processor time; goal {GOAL_PER_S:.0f} at 96 x 64)"
        )
    return 0 if result["frames_per_s"] >= GOAL_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
