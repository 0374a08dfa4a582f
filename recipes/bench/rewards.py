"""How fast rollouts are rewarded: token ids to mixed reward, all rule-based rewards in their batched form, one thread.

Run `python -m recipes.bench.rewards [--scenes 64] [--siblings 8] [--repeats 7] [--profile] [--json]`. Scenes are
synthetic ones with exactly 10 agents and 3 lanes; siblings of a scene share a seeded choice of texts, among them other
scenes' texts, and drive noisy versions of the expert's path. "first" reads every text for the first time.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import platform
import pstats
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ar1_rl.driving import Agent, Completion, Lane, Scene, TrajectoryCodec
from ar1_rl.driving.decision_text import parse_decisions, parse_decisions_by_rules
from ar1_rl.driving.lane_frame import lane_paths
from ar1_rl.driving.trajectory import FUTURE_STEPS, HISTORY_STEPS
from ar1_rl.scenes.synthetic.generate import generate_scenes
from rewards import Mix, Term
from rewards.comfort import Comfort
from rewards.consistency import Consistency
from rewards.critic.embedded import RubricCritic
from rewards.format import Format
from rewards.imitation import Imitation
from rewards.safety import Safety
from rollouts.dialogue import Dialogue

from .codec import ONE_THREAD, processor_name

AGENTS, LANES = 10, 3
SAME_TEXT_SHARE = 0.5
"""Of the rollouts that say the reference's sentence; the others say another scene's."""
LARGEST_STEP = 1
"""A rollout's controls are off the expert's by up to this many bins, the same over the whole horizon."""


def rule_based_mix() -> Mix:
    """Every built-in reward that needs no model."""
    return Mix(
        [
            Term(reward=Consistency()),
            Term(reward=RubricCritic(), scale=5.0),
            Term(reward=Imitation(), scale=5.0),
            Term(reward=Safety()),
            Term(reward=Comfort()),
            Term(reward=Format()),
        ]
    )


def crowded_scenes(count: int, seed: int = 0) -> list[Scene]:
    """Synthetic scenes made up to, or cut down to, 10 agents and 3 lanes."""
    return [_crowded(scene) for scene in generate_scenes(seed, "train", count)]


def _crowded(scene: Scene) -> Scene:
    assert scene.lanes is not None and scene.agents is not None, "synthetic scenes know both"
    lanes = list(scene.lanes[:LANES])
    while len(lanes) < LANES:
        side = len(lanes) * (1 if len(lanes) % 2 else -1)
        lanes.append(
            Lane(lane_id=f"more {side}", centerline_N2=np.add(lanes[0].centerline_N2, [0.0, 3.5 * side]), width_m=3.5)
        )
    agents = list(scene.agents[:AGENTS])
    ticks = np.arange(HISTORY_STEPS + FUTURE_STEPS) - (HISTORY_STEPS - 1)
    while len(agents) < AGENTS:
        place = len(agents)
        poses = np.zeros((len(ticks), 3))
        poses[:, 0] = 15.0 * (place - 5) + (8.0 + 0.2 * place) * 0.1 * ticks
        poses[:, 1] = 7.0 if place % 2 else -7.0
        agents.append(Agent(track_id=f"more {place}", kind="car", length_m=4.5, width_m=1.9, poses_T3=poses))
    return replace(scene, lanes=tuple(lanes), agents=tuple(agents))


def written_rollouts(
    dialogue: Dialogue, scenes: Sequence[Scene], siblings: int, seed: int = 0
) -> tuple[list[tuple[int, ...]], np.ndarray, list[Scene]]:
    """Token ids, histories [B, 16, 3] and scenes of rollouts, `siblings` of each scene."""
    random = np.random.default_rng(seed)
    owners = [scene for scene in scenes for _ in range(siblings)]
    sentences = [_sentence(scene) for scene in scenes]
    texts = [
        _sentence(scene) if random.random() < SAME_TEXT_SHARE else sentences[random.integers(len(sentences))]
        for scene in owners
    ]
    histories = np.stack([scene.observation.history_T3 for scene in owners])
    futures = np.stack([_expert(scene) for scene in owners])
    codec = dialogue.codec
    tokens_BK = codec.encode(histories, futures)
    steps_B2 = random.integers(-LARGEST_STEP, LARGEST_STEP + 1, size=(len(owners), 2))
    tokens_BK = np.clip(tokens_BK + np.tile(steps_B2, codec.tokens_per_future // 2), 0, codec.bins - 1)
    written = dialogue.completion_texts(texts, histories, codec.decode(tokens_BK, histories))
    return dialogue.token_ids(written), histories, owners


def _sentence(scene: Scene) -> str:
    assert scene.reference is not None, "synthetic scenes have a reference"
    return scene.reference.text


def _expert(scene: Scene) -> np.ndarray:
    assert scene.future_T3 is not None, "synthetic scenes have an expert"
    return scene.future_T3


def dialogue_of(scenes: Sequence[Scene], codec: TrajectoryCodec) -> Dialogue:
    """The tiny policy's word-level tokenizer over the sentences of the scenes."""
    from ar1_rl.policy.tiny import build_tokenizer

    return Dialogue.of(build_tokenizer([_sentence(scene) for scene in scenes], codec), codec)


def median_s(work: Callable[[], object], repeats: int, forget: Callable[[], None] | None) -> float:
    """Median processor time [s] of some calls; `forget` empties caches before each, else one call warms them up."""
    if forget is None:
        work()
    seconds = []
    for _ in range(repeats):
        if forget is not None:
            forget()
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def forget_everything() -> None:
    """Empty the caches of texts read and lane paths laid."""
    parse_decisions.cache_clear()
    parse_decisions_by_rules.cache_clear()
    lane_paths.cache_clear()


def measure(scenes_count: int, siblings: int, repeats: int, codec_name: str) -> dict[str, Any]:
    """All timings, with what they were measured on."""
    codec = {"compact": TrajectoryCodec.compact, "alpamayo": TrajectoryCodec.alpamayo}[codec_name]()
    scenes = crowded_scenes(scenes_count)
    dialogue = dialogue_of(scenes, codec)
    token_ids, histories, owners = written_rollouts(dialogue, scenes, siblings)
    mix = rule_based_mix()

    def parse() -> list[Completion]:
        return dialogue.parse(token_ids, histories)

    def everything() -> object:
        return mix.score(parse(), owners)

    completions = parse()
    outcomes = [mixed.outcome for mixed in mix.score(completions, owners)]
    assert outcomes.count("scored") == len(outcomes), "every rollout of the bench can be decoded and judged"
    timings = {
        "token ids to mixed reward": median_s(everything, repeats, None),
        "token ids to mixed reward, first": median_s(everything, repeats, forget_everything),
        "token ids to completions": median_s(parse, repeats, None),
        "mix": median_s(lambda: mix.score(completions, owners), repeats, None),
    }
    for term in mix.terms:
        score = term.reward.score_batch
        timings[term.name] = median_s(lambda score=score: score(completions, owners), repeats, None)  # type: ignore[misc]
    first = mix.terms[0].reward.score_batch
    timings["consistency, first"] = median_s(lambda: first(completions, owners), repeats, forget_everything)
    rollouts = len(owners)
    return {
        "schema_version": 1,
        "rollouts": rollouts,
        "scenes": scenes_count,
        "siblings": siblings,
        "agents": AGENTS,
        "lanes": LANES,
        "codec": codec_name,
        "repeats": repeats,
        "threads": 1,
        "machine": f"{platform.machine()} {processor_name()}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "median_s": timings,
        "rollouts_per_s": {name: rollouts / seconds for name, seconds in timings.items()},
    }


def profiled(scenes_count: int, siblings: int, codec_name: str) -> None:
    """Print where the processor time of one call goes."""
    codec = {"compact": TrajectoryCodec.compact, "alpamayo": TrajectoryCodec.alpamayo}[codec_name]()
    scenes = crowded_scenes(scenes_count)
    dialogue = dialogue_of(scenes, codec)
    token_ids, histories, owners = written_rollouts(dialogue, scenes, siblings)
    mix = rule_based_mix()
    mix.score(dialogue.parse(token_ids, histories), owners)
    profile = cProfile.Profile()
    profile.runcall(lambda: mix.score(dialogue.parse(token_ids, histories), owners))
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Speed of the rule-based rewards.")
    parser.add_argument("--scenes", type=int, default=64, help="scenes in one batch")
    parser.add_argument("--siblings", type=int, default=8, help="rollouts of each scene")
    parser.add_argument("--codec", choices=("compact", "alpamayo"), default="compact")
    parser.add_argument("--repeats", type=int, default=7, help="timed calls of which the median counts")
    parser.add_argument("--profile", action="store_true", help="print where the time goes, and measure nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        command = [sys.executable, "-m", "recipes.bench.rewards", *(sys.argv[1:] if arguments is None else arguments)]
        return subprocess.call(command, env={**os.environ, **ONE_THREAD})
    if options.profile:
        profiled(options.scenes, options.siblings, options.codec)
        return 0
    result = measure(options.scenes, options.siblings, options.repeats, options.codec)
    if options.json:
        print(json.dumps(result))
        return 0
    print(f"{result['machine']}, 1 thread, {', '.join(f'{k} {v}' for k, v in result['versions'].items())}")
    print(f"{result['rollouts']} rollouts, {siblings_text(result)}, median of {options.repeats}, processor time")
    for name, seconds in result["median_s"].items():
        print(f"{name:34} {1e3 * seconds:8.1f} ms {result['rollouts_per_s'][name]:10,.0f} rollouts/s")
    return 0


def siblings_text(result: dict[str, Any]) -> str:
    """What the rollouts are of."""
    return (
        f"{result['siblings']} each of {result['scenes']} scenes with {result['agents']} agents and "
        f"{result['lanes']} lanes, codec {result['codec']}"
    )


if __name__ == "__main__":
    sys.exit(main())
