"""Scenes by their ids, as recorded rollouts name them: made again from the seed, or cut again from the logs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.plugins import is_spec
from ar1_rl.report.progress import progress
from ar1_rl.scenes import SYNTHETIC_SOURCES, load_scenes
from ar1_rl.scenes.synthetic import generate_scenes, parse_scene_id
from ar1_rl.scenes.synthetic.pairs import is_paired, paired_scene
from rollouts.describe import describe

from .run_config import ScenesConfig

SPLIT_OF_LABEL = {"train": "train", "validation": "validation", "before": "test", "after": "test"}
SPLITS = ("train", "validation", "test")
SHOWN = 3


def scenes_of_run(folder: Path) -> ScenesConfig:
    """Where the scenes of a run came from, by its config.yaml; the defaults for real logs where there is none."""
    path = folder / "config.yaml"
    if not path.is_file():
        return ScenesConfig(source="real_logs")
    raw = yaml.safe_load(path.read_text())
    return check_config(ScenesConfig, raw.get("scenes") or {}, source=f"{path}, scenes")


def scenes_by_id(
    wanted: Collection[str], config: ScenesConfig, console: Console, *, label: str = "all"
) -> dict[str, Scene]:
    """Every wanted scene; SceneError names those that the source does not have.

    Synthetic ids say it all. Real logs are cut as the run cut them, by `config`, and a source of one's own is asked
    again, the split of `label` first.
    """
    own = is_spec(config.source)
    synthetic = [i for i in dict.fromkeys(wanted) if (i.startswith("synthetic/") or is_paired(i)) and not own]
    scenes = _generated(synthetic, console)
    missing = set(wanted) - set(scenes)
    first = SPLIT_OF_LABEL.get(label)
    for split in sorted(SPLITS, key=lambda name: name != first):
        if not missing:
            break
        scenes |= {scene.id: scene for scene in _loaded(config, split) if scene.id in missing}
        missing -= set(scenes)
    if missing:
        shown = ", ".join(sorted(missing)[:SHOWN])
        raise SceneError(
            f"{len(missing)} scenes of these rollouts are not in source {config.source!r} (first: {shown}); keep the "
            "rollouts in their run folder with its config.yaml, and set AR1_RL_DATA to the logs it was made from"
        )
    return scenes


def seen_differently(rows: Iterable[Mapping[str, Any]], scenes: Mapping[str, Scene]) -> list[str]:
    """Ids of scenes whose description is not in the prompt that was recorded: they are no longer what the run saw.

    Empty where no prompt holds any description: another prompt builder wrote them, and nothing can be told.
    """
    prompts = {row["scene_id"]: row["prompt_text"] for row in rows}
    same = {identity: describe(scenes[identity].observation) in prompt for identity, prompt in prompts.items()}
    return [identity for identity, equal in same.items() if not equal] if any(same.values()) else []


def _generated(ids: Sequence[str], console: Console) -> dict[str, Scene]:
    if not ids:
        return {}
    scenes = {}
    with progress(console, "scenes", len(ids)) as bar:
        for identity in ids:
            try:
                scenes[identity] = _made_again(identity)
            except ConfigError as error:
                raise SceneError(f"a rollout names a scene that cannot be made again: {error}") from error
            bar.advance()
    return scenes


def _made_again(identity: str) -> Scene:
    if is_paired(identity):
        return paired_scene(identity)
    seed, split, number = parse_scene_id(identity)
    return next(iter(generate_scenes(seed, split, 1, start=number)))


def _loaded(config: ScenesConfig, split: str) -> list[Scene]:
    count = {"train": config.train, "validation": config.validation, "test": config.test}[split]
    made = config.source in SYNTHETIC_SOURCES
    source = "real_logs" if made else config.source
    scenes, _ = load_scenes(
        source,
        config.root,
        split=split,
        stride_s=config.stride_s,
        held_out=config.held_out,
        on_bad_log="skip",
        count=None if made else count,
        arguments=None if made else config.arguments,
    )
    return scenes
