"""The scenes of a run: what SFT is taught, what RL practises on, what validates, and what is held out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Console

from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.report.progress import progress
from ar1_rl.scenes import load_scenes
from ar1_rl.scenes.faults import LabelledTrace, plant_faults
from ar1_rl.scenes.synthetic import generate_scenes

from .curated import curated_scenes
from .run_config import RunConfig
from .sft import Example

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Corpus:
    """All scenes of a run. The splits share no log and no synthetic seed."""

    examples: list[Example]
    """SFT traces; empty if the run has no SFT."""
    rl: list[Scene]
    """Scenes of the train split, or the curated ones among them."""
    validation: list[Scene]
    test: list[Scene]
    skipped: Counter[str]
    """Windows of real logs that were left out, by reason."""


def load_corpus(config: RunConfig, console: Console) -> Corpus:
    """Load every split; SceneError names a split that came out empty."""
    skipped: Counter[str] = Counter()
    splits: dict[Split, list[Scene]] = {}
    for split in SPLITS:
        if split == "train" and config.scenes.curated is not None and config.sft is None:
            continue
        splits[split], left_out = load_split(config, split, console)
        skipped += left_out
    if skipped:
        console.print("Left out of the logs: " + ", ".join(f"{reason} {n}" for reason, n in sorted(skipped.items())))
    practice = splits["train"] if config.scenes.curated is None else curated_scenes(config.scenes, console)
    _check_apart({**splits, "train": [*splits.get("train", ()), *practice]})
    console.print("Scenes: " + ", ".join(f"{split} {len(scenes)}" for split, scenes in splits.items()))
    rng = np.random.default_rng([config.seed, 1])
    wanted = config.grpo.batches * config.grpo.scenes_per_step
    order = rng.permutation(len(practice))[:wanted]
    return Corpus(
        examples=_examples(config, splits.get("train", []), console),
        rl=[practice[i] for i in order],
        validation=splits["validation"],
        test=splits["test"],
        skipped=skipped,
    )


def load_split(
    config: RunConfig, split: Split, console: Console | None = None, *, limit: int | None = None
) -> tuple[list[Scene], Counter[str]]:
    """The scenes of one split (at most `limit`), and the windows left out of it by reason."""
    source = config.scenes
    wanted = {"train": source.train, "validation": source.validation, "test": source.test}[split]
    if limit is not None:
        wanted = limit if wanted is None else min(limit, wanted)
    if source.source == "synthetic":
        if wanted is None:
            raise ConfigError(f"scenes.{split} is unset: the synthetic source needs to know how many scenes to make")
        return _generated(config.seed, split, wanted, console), Counter()
    scenes, left_out = load_scenes(
        source.source,
        source.root,
        split=split,
        stride_s=source.stride_s,
        held_out=source.held_out,
        on_bad_log="skip",
        count=wanted,
        arguments=source.arguments,
    )
    if not scenes:
        raise SceneError(f"no {split} scenes from source {source.source!r}; left out: {dict(left_out)}")
    return scenes, left_out


def _check_apart(splits: Mapping[Split, Sequence[Scene]]) -> None:
    """SceneError where two splits hold windows of one drive."""
    home: dict[str, Split] = {}
    for split, scenes in splits.items():
        for scene in scenes:
            if home.setdefault(scene.episode, split) != split:
                raise SceneError(
                    f"episode {scene.episode!r} has scenes in {home[scene.episode]} and in {split}; "
                    "a drive belongs whole into one split, or the evaluation sees what was trained on"
                )


def _generated(seed: int, split: Split, count: int, console: Console | None) -> list[Scene]:
    if console is None:
        return list(generate_scenes(seed, split, count))
    scenes = []
    with progress(console, f"{split} scenes", count) as bar:
        for scene in generate_scenes(seed, split, count):
            scenes.append(scene)
            bar.advance()
    return scenes


def _examples(config: RunConfig, scenes: Sequence[Scene], console: Console) -> list[Example]:
    """What SFT is taught: reference traces, with the configured faults in the synthetic ones."""
    if config.sft is None:
        return []
    whole = [scene for scene in scenes if scene.reference is not None and scene.future_T3 is not None]
    examples = [_example(scene, config) for scene in whole]
    if config.sft.pretrain_scenes:
        extra = _generated(config.seed, "train", config.sft.pretrain_scenes, console)
        examples += [_example(scene, config) for scene in extra]
    if not examples:
        raise SceneError(
            f"SFT learns from scenes with a reference trace and an expert's future, and none of the {len(scenes)} "
            "train scenes has both; leave `sft` out of the config, or set sft.pretrain_scenes"
        )
    faults = Counter(e.trace.fault for e in examples if e.trace.fault is not None)
    if faults:
        shares = ", ".join(f"{name} {n / len(examples):.1%}" for name, n in sorted(faults.items()))
        console.print(f"Label faults planted in the SFT corpus: {shares}")
    return examples


def _example(scene: Scene, config: RunConfig) -> Example:
    assert config.sft is not None and scene.reference is not None and scene.future_T3 is not None
    if config.sft.faults is None or scene.source != "synthetic":
        return Example(scene, LabelledTrace(text=scene.reference.text, future_T3=scene.future_T3, fault=None))
    return Example(scene, plant_faults(scene, config.seed, config.sft.faults))
