"""`ar1-rl curate`: rollouts of every scene, how far policy and reward disagree about them, and a dataset of the best.

Scoring comes first, batch by batch: one batch of scenes is in memory, a shard that was stopped goes on where it was,
and shards can run at the same time. Merging comes second: it reads scores and asks neither policy nor reward, so that
another divergence, sharpness or number of scenes needs no new rollouts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError
from ar1_rl.report.progress import progress
from ar1_rl.scenes import SYNTHETIC_SOURCES, stream_scenes
from rewards.composite import CompositeReward
from rewards.costs import told
from rollouts.policy import Policy

from .curation_merge import merge, summary_table
from .curation_store import SCHEMA_VERSION, CurationStore
from .open_policy import open_policy
from .run_config import RunConfig
from .stopping import StopFlag

CURATION_STEP = -2
"""As a step, in the seeds of rollouts: validation has -1."""


def curate(config: RunConfig, out: Path, console: Console, stop: StopFlag, *, merge_only: bool = False) -> None:
    """Score the scenes of the shard that the config names; merge if it is the only one, or if only that is asked."""
    store = CurationStore(out, config.curate)
    if merge_only:
        store.check(config)
    else:
        store.claim(config)
        _score_shard(config, store, console, stop)
    shards = config.curate.shards
    if merge_only or shards == 1:
        console.print(summary_table(merge(config, store)))
        console.print(f"Dataset {store.scenes_file}; a run trains on it by scenes.curated={out}", soft_wrap=True)
    else:
        console.print(f"Shard {config.curate.shard} of {shards} is done; once all are: --merge", soft_wrap=True)


def stream(config: RunConfig, skip: int = 0) -> Iterator[Scene]:
    """The train scenes of the config's shard one after another, without the first `skip`."""
    source = config.scenes
    if source.source in SYNTHETIC_SOURCES and source.train is None:
        raise ConfigError("scenes.train is unset: the synthetic source needs to know how many scenes to make")
    return stream_scenes(
        source.source,
        source.root,
        split="train",
        stride_s=source.stride_s,
        held_out=source.held_out,
        on_bad_log="skip",
        seed=config.seed,
        count=source.train,
        arguments=source.arguments,
        shard=config.curate.shard,
        shards=config.curate.shards,
        skip=skip,
    )


def score_scenes(
    policy: Policy, reward: CompositeReward, scenes: Sequence[Scene], config: RunConfig, stop: StopFlag
) -> list[dict[str, Any]]:
    """One row a scene: the rewards of its rollouts, and their mean log-probabilities per token at temperature 1."""
    k = config.curate.rollouts
    repeated = [scene for scene in scenes for _ in range(k)]
    numbers = [number for _ in scenes for number in range(k)]
    rollouts = policy.rollouts(
        repeated, numbers, run_seed=config.seed, step=CURATION_STEP, progress=lambda count: stop.check()
    )
    likelihoods = policy.engine.logprobs(
        [r.prompt_token_ids for r in rollouts],
        [r.completion.token_ids for r in rollouts],
        images=[r.images for r in rollouts],
    )
    mixed, _ = reward.grade([r.completion for r in rollouts], repeated)
    return [
        {
            "schema_version": SCHEMA_VERSION,
            "scene_id": scene.id,
            "episode": scene.episode,
            "t0_us": scene.t0_us,
            "rewards": [m.value for m in mixed[i * k : (i + 1) * k]],
            "mean_logprobs": [float(np.mean(row)) for row in likelihoods[i * k : (i + 1) * k]],
        }
        for i, scene in enumerate(scenes)
    ]


def _score_shard(config: RunConfig, store: CurationStore, console: Console, stop: StopFlag) -> None:
    settings = config.curate
    if store.is_done():
        console.print(f"Scores of shard {settings.shard} of {settings.shards} are there already")
        return
    done = len(store.parts()) * settings.scenes_per_batch
    scenes = stream(config, skip=done)
    total = None if config.scenes.train is None else len(range(settings.shard, config.scenes.train, settings.shards))
    batch = list(islice(scenes, settings.scenes_per_batch))
    if batch:
        path = str(config.curate.policy)
        policy = open_policy(Path(path), config.policy, config.rollouts, config.rollouts, version=path)
        reward = CompositeReward(config.rewards.build(), parse=_parsed_on_arrival, scenes={})
        with progress(console, f"shard {settings.shard} of {settings.shards}: scenes", total, done) as bar:
            while batch:
                store.add_part(score_scenes(policy, reward, batch, config, stop))
                bar.advance(len(batch))
                stop.check()
                batch = list(islice(scenes, settings.scenes_per_batch))
        for name, usage in reward.costs.items():
            console.print(f"{name}: {told(usage)}")
    store.finish()


def _parsed_on_arrival(token_ids: Sequence[Sequence[int]], scenes: Sequence[Scene]) -> list[Any]:
    raise AssertionError("rollouts come parsed from the policy")
