"""What `ar1-rl compare` can and cannot tell, by simulation: false findings, power, and coverage of its intervals.

Run `python -m recipes.bench.power [--repeats 500] [--json]`. Everything goes through the functions that `compare`
itself calls. Legend: S scenes, N repeats.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ar1_rl.metrics import PRIMARY, holm, paired_differences

from ..comparison import ALPHA, metric_rows
from ..evaluation_folder import Evaluation, Header
from .codec import processor_name

REPEATS = 500
COVERAGE_REPEATS = 2
"""Times as many for the intervals, which are cheaper to repeat."""
RESAMPLES = 2000
AA_SCENES = 400
PLANTED, DISCORDANT, PLANTED_SCENES = 0.05, 0.10, 400
COVERAGE_SCENES = (100, 400, 1000)
EPISODES, WINDOWS = (10, 30, 100), 10
HEADER = Header(
    label="simulated",
    policy="none",
    policy_version="none",
    seed=0,
    samples_per_scene=6,
    temperature=0.6,
    top_p=0.98,
    decoding="most likely",
)
BATCH = 100
"""Repeats that share the draws of the bootstrap, which saves most of the time."""

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
"""Differences [S, N] of so many scenes and repeats."""


def sampled_once(difficulty_S: np.ndarray, unknown_S: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One evaluation of one policy: metrics of several kinds that hang together, the hard scenes being hard for all.

    Scenes that `unknown_S` marks have no grade; besides, one in fifty rollouts cannot be decoded.
    """
    quality_S = rng.normal(size=len(difficulty_S)) - difficulty_S

    def share(offset: float) -> np.ndarray:
        return (rng.random(len(quality_S)) < 1.0 / (1.0 + np.exp(-(quality_S + offset)))).astype(float)

    undecoded_S = rng.random(len(quality_S)) < 0.02
    ade_S = np.exp(-0.4 * quality_S) * rng.gamma(2.0, 0.5, size=len(quality_S))
    driven = {
        "ade_m": ade_S,
        "minade6_m": ade_S * rng.uniform(0.2, 0.8, size=len(ade_S)),
        "close_encounter_rate": 1.0 - share(3.0),
        "off_road_rate": 1.0 - share(2.5),
        "comfort": share(1.0),
    }
    words = {
        PRIMARY: share(0.5),
        "consistency_held_out": share(0.4),
        "consistency_mean": np.mean([share(0.5) for _ in range(6)], axis=0),
        "reasoning_score": np.where(unknown_S, np.nan, np.clip(np.round(3.0 + 1.2 * quality_S), 0.0, 5.0)),
        "parse_rate": 1.0 - undecoded_S,
    }
    return words | {name: np.where(undecoded_S, np.nan, values_S) for name, values_S in driven.items()}


def evaluation_of(per_scene: Mapping[str, np.ndarray]) -> Evaluation:
    """Scenes that are independent of each other."""
    count = len(next(iter(per_scene.values())))
    names = tuple(map(str, range(count)))
    return Evaluation(
        header=HEADER,
        scene_ids=names,
        episodes=names,
        kinds=("simulated",) * count,
        longitudinal=(None,) * count,
        lateral=(None,) * count,
        per_scene=dict(per_scene),
    )


def same_policy_twice(rng: np.random.Generator, scenes: int) -> tuple[Evaluation, Evaluation]:
    """An A/A pair: one policy on the same scenes, two sampling seeds."""
    difficulty_S, unknown_S = rng.normal(size=scenes), rng.random(scenes) < 0.2
    first, second = (evaluation_of(sampled_once(difficulty_S, unknown_S, rng)) for _ in range(2))
    return first, second


def planted_pair(rng: np.random.Generator, scenes: int) -> tuple[Evaluation, Evaluation]:
    """An A/A pair but for strict consistency: a share of DISCORDANT scenes flips, PLANTED more of them up than down."""
    first, second = same_policy_twice(rng, scenes)
    draw_S = rng.random(scenes)
    up = 0.5 * (DISCORDANT + PLANTED)
    agree_S = (rng.random(scenes) < 0.65).astype(float)
    before_S = np.where(draw_S < up, 0.0, np.where(draw_S < DISCORDANT, 1.0, agree_S))
    after_S = np.where(draw_S < up, 1.0, np.where(draw_S < DISCORDANT, 0.0, agree_S))
    return (
        evaluation_of({**first.per_scene, PRIMARY: before_S}),
        evaluation_of({**second.per_scene, PRIMARY: after_S}),
    )


def found_rates(
    pair: Callable[[np.random.Generator, int], tuple[Evaluation, Evaluation]], scenes: int, repeats: int, seed: int = 0
) -> dict[str, float]:
    """How often differences are found: shares of the repeats, and of all tests in them."""
    rng = np.random.default_rng(seed)
    p, corrected, evenly, by_bootstrap = [], [], [], []
    for _ in range(repeats):
        pairs = [pair(rng, scenes)]
        names = list(pairs[0][0].per_scene)
        rows = metric_rows(pairs, names, primary=PRIMARY, episodes=False, resamples=RESAMPLES)
        p.append([row.p for row in rows])
        corrected.append([row.p_holm for row in rows])
        evenly.append(holm(p[-1]))
        by_bootstrap.append([row.seeds[0].p_bootstrap for row in rows])
    first = names.index(PRIMARY)
    below = {
        name: np.array(table) < ALPHA
        for name, table in (("p", p), ("holm", corrected), ("even", evenly), ("boot", by_bootstrap))
    }
    return {
        "metrics": len(names),
        "uncorrected, each test": float(below["p"].mean()),
        "uncorrected, most often found metric": float(below["p"].mean(axis=0).max()),
        "bootstrap p, each test": float(below["boot"].mean()),
        "uncorrected, any metric": float(below["p"].any(axis=1).mean()),
        "Holm, any metric": float(below["holm"].any(axis=1).mean()),
        "primary, uncorrected": float(below["p"][:, first].mean()),
        "primary, Holm with its weight": float(below["holm"][:, first].mean()),
        "primary, Holm without a weight": float(below["even"][:, first].mean()),
    }


def flips(up: float, down: float) -> Draw:
    """Differences of a metric of 0 and 1: these shares of scenes change."""
    return lambda rng, shape: rng.choice([1.0, -1.0, 0.0], p=[up, down, 1.0 - up - down], size=shape)


def skewed(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Exponential."""
    return rng.exponential(size=shape) - 0.9


def very_skewed(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Log-normal."""
    return rng.lognormal(size=shape) - 1.5


def distances(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Changes of a skewed error, in proportion to it: a heavy tail to either side."""
    return rng.gamma(0.8, 1.5, size=shape) * (np.exp(rng.normal(-0.1, 0.5, size=shape)) - 1.0)


def some_unknown(draw: Draw, share: float = 0.3) -> Draw:
    """The same with a share of scenes that do not have the metric."""
    return lambda rng, shape: np.where(rng.random((shape[0], 1)) < share, np.nan, draw(rng, shape))


SIMULATED: dict[str, tuple[Draw, float]] = {
    "binary, 10 % of scenes flip, net 0": (flips(0.05, 0.05), 0.0),
    "binary, 10 % flip, net 0.05": (flips(0.075, 0.025), 0.05),
    "binary, 10 % flip, 30 % unknown": (some_unknown(flips(0.075, 0.025)), 0.05),
    "binary, 30 % flip, net 0.2": (flips(0.25, 0.05), 0.2),
    "binary, 5 % flip, all up": (flips(0.05, 0.0), 0.05),
    "binary, 3 % flip, net 0.02": (flips(0.025, 0.005), 0.02),
    "skewed (exponential)": (skewed, 0.1),
    "skewed (exponential), 30 % unknown": (some_unknown(skewed), 0.1),
    "heavy tails (distances)": (distances, 1.2 * (float(np.exp(0.025)) - 1.0)),
    "very skewed (log-normal, sigma 1)": (very_skewed, float(np.exp(0.5)) - 1.5),
}
"""Name -> how differences are drawn, and their true mean."""


def coverage(draw: Draw, truth: float, scenes: int, repeats: int, seed: int = 0) -> float:
    """How often the 95 % interval holds the true mean."""
    rng = np.random.default_rng(seed)
    held = 0
    for batch in range(-(-repeats // BATCH)):
        count = min(BATCH, repeats - batch * BATCH)
        held += _held(draw(rng, (scenes, count)), None, truth, seed=batch)
    return held / repeats


def episode_coverage(episodes: int, windows: int, repeats: int, seed: int = 0) -> dict[str, float]:
    """The same where half of the variance is of the episode, whose windows overlap: resampled by episode, and not."""
    rng = np.random.default_rng(seed)
    held = {"episode": 0, "scene": 0}
    for batch in range(-(-repeats // BATCH)):
        count = min(BATCH, repeats - batch * BATCH)
        episode_S = np.repeat(np.arange(episodes), rng.integers(1, 2 * windows, size=episodes))
        delta_SN = rng.normal(size=(episodes, count))[episode_S] + rng.normal(size=(len(episode_S), count))
        held["episode"] += _held(delta_SN, episode_S.tolist(), 0.0, seed=batch)
        held["scene"] += _held(delta_SN, None, 0.0, seed=batch)
    return {unit: times / repeats for unit, times in held.items()}


def _held(delta_SN: np.ndarray, episodes_S: list[int] | None, truth: float, seed: int) -> int:
    """In how many of the repeats the interval holds the truth."""
    found = paired_differences(np.zeros_like(delta_SN), delta_SN, episodes_S, resamples=RESAMPLES, seed=seed)
    return sum(one.ci95[0] - 1e-9 <= truth <= one.ci95[1] + 1e-9 for one in found)


def measure(repeats: int) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Section, what it is about, and figures of that, as they come."""
    yield "A/A", f"one policy twice, {AA_SCENES} scenes", found_rates(same_policy_twice, AA_SCENES, repeats)
    yield "planted", _planted(), found_rates(planted_pair, PLANTED_SCENES, repeats)
    many = COVERAGE_REPEATS * repeats
    for name, (draw, truth) in SIMULATED.items():
        yield "coverage", name, {f"{count}": coverage(draw, truth, count, many) for count in COVERAGE_SCENES}
    for count in EPISODES:
        yield "coverage by", f"{count} episodes of {WINDOWS} windows", episode_coverage(count, WINDOWS, many)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="recipes.bench.power", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--json", action="store_true", dest="as_json")
    options = parser.parse_args()
    counted = {"findings": options.repeats, "coverage": COVERAGE_REPEATS * options.repeats}
    if options.as_json:
        sections: dict[str, dict[str, Mapping[str, Any]]] = {}
        for section, about, figures in measure(options.repeats):
            sections.setdefault(section, {})[about] = figures
        told = {"repeats": counted, "resamples": RESAMPLES, "processor": processor_name(), **sections}
        print(json.dumps(told, indent=2))
        return 0
    print(f"{counted['findings']} repeats, {counted['coverage']} of intervals, {RESAMPLES} resamples each")
    print(processor_name())
    for section, about, figures in measure(options.repeats):
        if section.startswith("coverage"):
            shares = "  ".join(f"{name} {share:.1%}" for name, share in figures.items())
            print(f"{section}  {about:36} {shares}", flush=True)
        else:
            print(f"{section}: {about}; found at {ALPHA:g}:", flush=True)
            for what, rate in figures.items():
                print(f"  {what:40} {rate:g}" if what == "metrics" else f"  {what:40} {rate:7.1%}", flush=True)
    return 0


def _planted() -> str:
    return f"{DISCORDANT:.0%} of {PLANTED_SCENES} scenes flip, {PLANTED:g} more up than down, all else as in A/A"


if __name__ == "__main__":
    sys.exit(main())
