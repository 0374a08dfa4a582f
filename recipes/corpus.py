"""The scenes of a run: what SFT is taught, what RL practises on, what validates, and what is held out."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
from rich.console import Console

from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.report.progress import progress
from ar1_rl.scenes import SYNTHETIC_SOURCES, load_scenes, stream_scenes
from ar1_rl.scenes.faults import LabelledTrace, plant_faults
from ar1_rl.scenes.synthetic import generate_scenes

from .answers import taught_answers
from .curated import curated_scenes
from .practice import practice_order
from .run_config import RunConfig, ScenesConfig
from .scenes_by_id import scenes_by_id
from .sft import Example
from .spool import Picked, Spool

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Corpus:
    """All scenes of a run. The splits share no log and no synthetic seed. Only those for validation are in memory."""

    examples: Sequence[Example]
    """SFT traces; empty if the run has no SFT."""
    rl: Sequence[Scene]
    """Those of the train split, or the curated ones among them, in the order in which steps take them; later epochs
    are further items. Empty if there are fewer than a step takes."""
    practice: int
    """How many there are to practise on."""
    validation: list[Scene]
    test: Sequence[Scene]
    skipped: Counter[str]
    """Windows of real logs that were left out, by reason."""


def load_corpus(
    config: RunConfig,
    console: Console,
    folder: Path | None = None,
    mark: Callable[[str], None] = lambda doing: None,
) -> Corpus:
    """Load every split; SceneError names a split that came out empty.

    Train and test scenes go to files without a name, on the file system of `folder`. `mark` hears what is being done,
    for a watch.
    """
    skipped: Counter[str] = Counter()
    mark("scenes of the validation split")
    validation, left_out = load_split(config, "validation", console)
    skipped += left_out
    mark("scenes of the test split")
    test: Spool[Scene] = Spool(folder)
    test.extend(split_scenes(config, "test", skipped, console))
    held_out: dict[Split, Sequence[Scene]] = {"validation": validation, "test": test}
    scenes: Spool[Scene] = Spool(folder)
    lessons = _Lessons(config, folder)
    if config.scenes.curated is None or config.sft is not None:
        mark("scenes of the train split")
        for scene in _apart(held_out, split_scenes(config, "train", skipped, console)):
            lessons.offer(len(scenes), scene)
            scenes.append(scene)
            mark("scenes of the train split")
    if skipped:
        console.print("Left out of the logs: " + ", ".join(f"{reason} {n}" for reason, n in sorted(skipped.items())))
    counts = {"train": len(scenes)} | {split: len(held) for split, held in held_out.items()}
    console.print("Scenes: " + ", ".join(f"{split} {count}" for split, count in counts.items()))
    practice = range(len(scenes))
    if config.scenes.curated is not None:
        mark("curated scenes")
        scenes.extend(_apart(held_out, curated_scenes(config.scenes, console)))
        practice = range(len(practice), len(scenes))
    if config.sft is not None and config.sft.pretrain_scenes:
        for scene in _generating(config.seed, "train", config.sft.pretrain_scenes, console):
            lessons.offer(len(scenes), scene)
            scenes.append(scene)
            mark("synthetic scenes for SFT")
    if config.sft is not None and config.sft.answers is not None:
        mark("answers for SFT")
        traces = taught_answers(Path(config.sft.answers), console)
        by_id = scenes_by_id(list(traces), config.scenes, console, label="train")
        for scene in _apart(held_out, (by_id[identity] for identity in traces)):
            lessons.add(len(scenes), traces[scene.id])
            scenes.append(scene)
    return Corpus(
        examples=lessons.of(scenes, counts["train"], console),
        rl=Picked(scenes, _order(config, practice)),
        practice=len(practice),
        validation=validation,
        test=Picked(test, range(len(test))),
        skipped=skipped,
    )


def _order(config: RunConfig, practice: range) -> Sequence[int]:
    """The places among `practice` that GRPO takes, one step after another."""
    wanted = config.grpo.batches * config.grpo.scenes_per_step
    chosen = np.random.default_rng([config.seed, 1]).permutation(practice)[:wanted]
    order = practice_order(len(chosen), config.grpo.scenes_per_step, config.grpo.batches, config.seed)
    return array("q", (int(chosen[place]) for place in order))


def load_split(
    config: RunConfig, split: Split, console: Console | None = None, *, limit: int | None = None
) -> tuple[list[Scene], Counter[str]]:
    """The scenes of one split (at most `limit`), and the windows left out of it by reason."""
    source = config.scenes
    wanted = {"train": source.train, "validation": source.validation, "test": source.test}[split]
    if limit is not None:
        wanted = limit if wanted is None else min(limit, wanted)
    if source.source == "synthetic":
        return list(_generating(config.seed, split, _wanted_synthetic(split, wanted), console)), Counter()
    scenes, left_out = load_scenes(
        source.source,
        source.root,
        split=split,
        stride_s=source.stride_s,
        held_out=source.held_out,
        on_bad_log="skip",
        seed=config.seed,
        count=_known_count(source, split, wanted),
        arguments=source.arguments,
    )
    if not scenes:
        raise _empty(split, source.source, left_out)
    return scenes, left_out


def split_scenes(
    config: RunConfig, split: Split, skipped: Counter[str], console: Console | None = None
) -> Iterator[Scene]:
    """The scenes of one split one after another; what is left out of logs is counted in `skipped`."""
    source = config.scenes
    wanted = {"train": source.train, "validation": source.validation, "test": source.test}[split]
    if source.source == "synthetic":
        yield from _generating(config.seed, split, _wanted_synthetic(split, wanted), console)
        return
    scene = None
    for scene in stream_scenes(
        source.source,
        source.root,
        split=split,
        stride_s=source.stride_s,
        held_out=source.held_out,
        on_bad_log="skip",
        seed=config.seed,
        count=_known_count(source, split, wanted),
        arguments=source.arguments,
        left_out=skipped,
    ):
        yield scene
    if scene is None:
        raise _empty(split, source.source, skipped)


def _known_count(source: ScenesConfig, split: Split, count: int | None) -> int | None:
    return _wanted_synthetic(split, count) if source.source in SYNTHETIC_SOURCES else count


def _wanted_synthetic(split: Split, count: int | None) -> int:
    if count is None:
        raise ConfigError(f"scenes.{split} is unset: the synthetic source needs to know how many scenes to make")
    return count


def _empty(split: Split, source: str, left_out: Mapping[str, int]) -> SceneError:
    return SceneError(f"no {split} scenes from source {source!r}; left out: {dict(left_out)}")


def _apart(held_out: Mapping[Split, Sequence[Scene]], train: Iterable[Scene]) -> Iterator[Scene]:
    """The train scenes; SceneError where two splits hold windows of one drive."""
    home: dict[str, Split] = {}
    for split, scenes in held_out.items():
        for scene in scenes:
            _check_home(scene, home.setdefault(scene.episode, split), split)
    for scene in train:
        _check_home(scene, home.get(scene.episode, "train"), "train")
        yield scene


def _check_home(scene: Scene, home: Split, split: Split) -> None:
    if home != split:
        raise SceneError(
            f"episode {scene.episode!r} has scenes in {split} and in {home}; "
            "a drive belongs whole into one split, or the evaluation sees what was trained on"
        )


def _generating(seed: int, split: Split, count: int, console: Console | None) -> Iterator[Scene]:
    if console is None:
        yield from generate_scenes(seed, split, count)
        return
    with progress(console, f"{split} scenes", count) as bar:
        for scene in generate_scenes(seed, split, count):
            yield scene
            bar.advance()


class _Lessons:
    """What SFT is taught: reference traces, with the configured faults in the synthetic ones, or a policy's answers."""

    def __init__(self, config: RunConfig, folder: Path | None) -> None:
        self._config = config
        self._places = array("q")
        self._traces: Spool[LabelledTrace] = Spool(folder)
        self._faults: Counter[str] = Counter()

    def offer(self, place: int, scene: Scene) -> None:
        """Take the trace of a scene, if it has one and the run learns from it."""
        if self._config.sft is None or self._config.sft.answers is not None:
            return
        if scene.reference is None or scene.future_T3 is None:
            return
        trace = LabelledTrace(text=scene.reference.text, future_T3=scene.future_T3, fault=None)
        if self._config.sft.faults is not None and scene.source == "synthetic":
            trace = plant_faults(scene, self._config.seed, self._config.sft.faults)
        self.add(place, trace)

    def add(self, place: int, trace: LabelledTrace) -> None:
        """Take a trace for the scene at a place."""
        self._places.append(place)
        self._traces.append(trace)
        if trace.fault is not None:
            self._faults[trace.fault] += 1

    def of(self, scenes: Sequence[Scene], train: int, console: Console) -> Sequence[Example]:
        """The traces with their scenes, which lie in `scenes` at the places that were offered."""
        if self._config.sft is None:
            return []
        if not self._places:
            raise SceneError(
                f"SFT learns from scenes with a reference trace and an expert's future, and none of the {train} "
                "train scenes has both; leave `sft` out of the config, or set sft.pretrain_scenes"
            )
        if self._faults:
            shares = [f"{name} {n / len(self._places):.1%}" for name, n in sorted(self._faults.items())]
            console.print(f"Label faults planted in the SFT corpus: {', '.join(shares)}")
        return Examples(Picked(scenes, self._places), self._traces)


@dataclass(frozen=True)
class Examples(Sequence[Example]):
    """SFT traces with their scenes, put together when they are asked for."""

    scenes: Sequence[Scene]
    traces: Sequence[LabelledTrace]

    def __len__(self) -> int:
        return len(self.traces)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        if isinstance(place, slice):
            pairs = zip(self.scenes[place], self.traces[place], strict=True)
            return [Example(scene, trace) for scene, trace in pairs]
        return Example(self.scenes[place], self.traces[place])
