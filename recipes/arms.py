"""What a comparison compares: each arm is one policy, evaluated once or once for each of several training seeds.

An arm is written `[LABEL=]FOLDER[,FOLDER...]`. A folder is an evaluation, or a run, which stands for its evaluation
after training; `RUN:before` is the one before. `*`, `?` and `[...]` stand for what they do in a shell.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ar1_rl.errors import ConfigError
from rollouts.recorded import EVALUATIONS

from .evaluation_folder import HEADER, Evaluation, evaluations_in, read_evaluation

AFTER = "after"
DECODING = ("samples_per_scene", "temperature", "top_p", "decoding")
"""What must be equal for two evaluations to have asked in the same way."""
ALLOWED = "allowed are an evaluation, a run with evaluations (RUN, RUN:before), LABEL=FOLDER,FOLDER and globs"


@dataclass(frozen=True, eq=False)
class Arm:
    """A policy: an evaluation for each training seed, and the folders they lie in."""

    label: str
    folders: tuple[Path, ...]
    evaluations: tuple[Evaluation, ...]


def read_arms(written: Sequence[str]) -> list[Arm]:
    """The arms as written on the command line; ConfigError for what is not there."""
    parts = [_label_and_places(text) for text in written]
    names = [label or _short_name(places) for label, places in parts]
    times = Counter(names)
    labels = [name if times[name] == 1 else places for name, (_, places) in zip(names, parts, strict=True)]
    folders = [tuple(folder for place in places.split(",") for folder in folders_of(place)) for _, places in parts]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"compare: got {', '.join(labels)}; name arms that look alike by LABEL=FOLDER")
    return [
        Arm(label, found, tuple(read_evaluation(folder) for folder in found))
        for label, found in zip(labels, folders, strict=True)
    ]


def folders_of(place: str) -> list[Path]:
    """The evaluations that one place stands for: one, or one for each match of a glob, in the order of their names."""
    place, which = (place, AFTER) if Path(place).exists() or ":" not in place else tuple(place.rsplit(":", 1))
    found = [place] if Path(place).exists() or not glob.has_magic(place) else sorted(glob.glob(place))
    if not found:
        raise ConfigError(f"compare: nothing matches {place!r}; {ALLOWED}")
    return [_evaluation_in(Path(path), which) for path in found]


def pairs_of(baseline: Arm, other: Arm, *, any_decoding: bool = False) -> list[tuple[Evaluation, Evaluation]]:
    """The evaluations of two arms that belong together, other's scenes in the order of the baseline's.

    One evaluation each, or as many training seeds, or one evaluation against each seed of the other arm. Raises
    ConfigError where seeds, scenes or decoding differ.
    """
    pairs = _of_the_same_seed(baseline, other)
    return [(first, _aligned(first, second, baseline.label, other.label, any_decoding)) for first, second in pairs]


def _of_the_same_seed(baseline: Arm, other: Arm) -> list[tuple[Evaluation, Evaluation]]:
    firsts, seconds = baseline.evaluations, other.evaluations
    if len(firsts) == 1 or len(seconds) == 1:
        count = max(len(firsts), len(seconds))
        return list(zip(firsts * (count // len(firsts)), seconds * (count // len(seconds)), strict=True))
    seeds = [[evaluation.header.training_seed for evaluation in arm] for arm in (firsts, seconds)]
    told = f"{baseline.label} has training seeds {_list(seeds[0])}, {other.label} has {_list(seeds[1])}"
    if all(seed is None for seed in (*seeds[0], *seeds[1])):
        if len(firsts) != len(seconds):
            raise ConfigError(f"compare: {told}; give as many evaluations of each, in the same order of seeds")
        return list(zip(firsts, seconds, strict=True))
    if sorted(map(str, seeds[0])) != sorted(map(str, seeds[1])) or len(set(seeds[0])) < len(seeds[0]):
        raise ConfigError(f"compare: {told}; give the same seeds of each, every seed once")
    by_seed = dict(zip(seeds[1], seconds, strict=True))
    return [(first, by_seed[first.header.training_seed]) for first in firsts]


def _aligned(first: Evaluation, second: Evaluation, a: str, b: str, any_decoding: bool) -> Evaluation:
    """The second with its scenes in the order of the first's."""
    different = [key for key in DECODING if getattr(first.header, key) != getattr(second.header, key)]
    if different and not any_decoding:
        told = "; ".join(f"{key}: {getattr(first.header, key)} and {getattr(second.header, key)}" for key in different)
        raise ConfigError(
            f"compare: {a} and {b} were not decoded alike ({told}); evaluate one of them again, or pass --any-decoding "
            "if the decoding is what you compare"
        )
    for evaluation, label in ((first, a), (second, b)):
        if len(set(evaluation.scene_ids)) < len(evaluation.scene_ids):
            twice = [identity for identity, times in Counter(evaluation.scene_ids).items() if times > 1]
            raise ConfigError(f"compare: {label} has {len(twice)} scenes more than once (first: {twice[0]})")
    row_of = {identity: row for row, identity in enumerate(second.scene_ids)}
    only_a = [identity for identity in first.scene_ids if identity not in row_of]
    only_b = sorted(set(second.scene_ids) - set(first.scene_ids))
    if only_a or only_b:
        parts = [
            f"{len(only)} only in {label} (first: {only[0]})" for only, label in ((only_a, a), (only_b, b)) if only
        ]
        raise ConfigError(
            f"compare: {a} has {len(first.scene_ids)} scenes, {b} has {len(second.scene_ids)}, "
            f"{len(first.scene_ids) - len(only_a)} are in both, {', '.join(parts)}; evaluate both on the same scenes"
        )
    return _reordered(second, [row_of[identity] for identity in first.scene_ids])


def _reordered(evaluation: Evaluation, rows: Sequence[int]) -> Evaluation:
    def taken(values: tuple[str | None, ...]) -> tuple[str | None, ...]:
        return tuple(values[row] for row in rows)

    return Evaluation(
        header=evaluation.header,
        scene_ids=tuple(evaluation.scene_ids[row] for row in rows),
        episodes=tuple(evaluation.episodes[row] for row in rows),
        kinds=tuple(evaluation.kinds[row] for row in rows),
        longitudinal=taken(evaluation.longitudinal),
        lateral=taken(evaluation.lateral),
        per_scene={name: values_S[list(rows)] for name, values_S in evaluation.per_scene.items()},
    )


def _evaluation_in(folder: Path, which: str) -> Path:
    """The folder itself, or that evaluation of the run it is."""
    places = [folder] if (folder / HEADER).is_file() else [folder / EVALUATIONS / which, folder / which]
    for place in places:
        if (place / HEADER).is_file():
            return place
    if not folder.exists():
        raise ConfigError(f"compare: there is no folder {folder}; {ALLOWED}")
    there = [path.name for path in evaluations_in(folder)]
    has = f"it has {', '.join(there)}: name one as {folder}:{there[0]}" if there else "it has none"
    raise ConfigError(f"compare: {folder} is no evaluation and has no finished one called {which}; {has}; {ALLOWED}")


def _label_and_places(text: str) -> tuple[str | None, str]:
    label, equals, places = text.partition("=")
    if not equals or "/" in label or Path(text).exists():
        return None, text
    return label, places


def _short_name(places: str) -> str:
    """The last folder's name tells arms apart in most cases."""
    return places if "," in places else Path(places).name or places


def _list(seeds: Sequence[int | None]) -> str:
    return ", ".join("none" if seed is None else str(seed) for seed in seeds)
