"""Where scenes come from: generated ones, real logs, and sources of a user's own.

A source of the library's is added here, in `LOG_SOURCES`, and nowhere else; a user's is named by its place (`own.py`).

A new log format is a module with a `SOURCE: LogSource` (how logs are found, named and read); resampling, windows,
splits and reference traces follow from that. `SOURCES` maps every name a config may use to its loader.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from ar1_rl.driving.scene import Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.plugins import is_spec, load_object

from . import argoverse2, kitti_odometry
from .logs import SPLITS, LogSource, data_root, split_logs
from .own import WHAT, own_scenes
from .windows import WindowConfig, cut_windows

LOG_SOURCES: dict[str, LogSource] = {
    "argoverse2": argoverse2.SOURCE,
    "kitti_odometry": kitti_odometry.SOURCE,
}

SOURCES: dict[str, Callable[..., tuple[list[Scene], Counter[str]]]] = {}
"""Name -> loader; all take the keyword arguments of `load_scenes`."""

DEFAULT_SYNTHETIC_COUNT = 1000

NO_TRACE = "windows kept without a reference trace: their motion is none of the known decisions"
"""The one entry in the counts of `load_scenes` whose windows are among the scenes."""


def load_scenes(
    source_name: str,
    root: str | Path | None = None,
    *,
    split: str = "train",
    stride_s: float = 0.5,
    annotate: bool = True,
    held_out: Sequence[str] = (),
    on_bad_log: Literal["raise", "skip"] = "raise",
    seed: int = 0,
    count: int | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> tuple[list[Scene], Counter[str]]:
    """Scenes of a source and what was left out of it, by reason.

    Args:
        source_name: "synthetic", one log format by name, "real_logs" for all formats found beneath `root`, or a
            source of one's own by `path/to/file.py:name` or `package.module:name`: a callable `(split) -> scenes`, or a
            `LogSource`, of which windows, splits and reference traces are made as of the built-in formats.
        root: folder with real logs; default $AR1_RL_DATA, else ../shared/data.
        split: "train", "validation", "test" or, of real logs, "all"; see `split_logs`.
        stride_s: time between the windows of a log [s].
        annotate: write a rule-based reference trace for each window of a log.
        held_out: names of the logs that make up the test split, instead of the default choice.
        on_bad_log: a log that cannot be read stops the call with its SceneError, or is counted as skipped.
        seed: of the synthetic scenes.
        count: number of synthetic scenes (default 1,000); of real logs, see `thinned` (default all).
        arguments: keyword arguments of a source of one's own.

    Raises:
        ConfigError: an unknown source or split.
        SceneError: no folder, no logs in it, or a log that cannot be read; the message names file and reason.
    """
    loader = SOURCES.get(source_name)
    if is_spec(source_name):
        own = load_object(source_name, what=WHAT)
        if not isinstance(own, LogSource):
            return own_scenes(source_name, split, arguments or {}, count), Counter()
        loader = partial(_logs, {own.name: own})
    if loader is None:
        raise ConfigError(
            f"scene source: got {source_name!r}, allowed {', '.join(SOURCES)}, or your own by 'path/to/file.py:name' "
            "or 'package.module:name'"
        )
    allowed = SPLITS if source_name == "synthetic" else (*SPLITS, "all")
    if split not in allowed:
        raise ConfigError(f"split of {source_name}: got {split!r}, allowed {', '.join(allowed)}")
    return loader(
        root=root,
        split=split,
        window=WindowConfig(stride_s=stride_s),
        annotate=annotate,
        held_out=held_out,
        on_bad_log=on_bad_log,
        seed=seed,
        count=count,
    )


def _synthetic(*, split: str, seed: int, count: int | None, **_: object) -> tuple[list[Scene], Counter[str]]:
    from .synthetic import generate_scenes

    known = cast(Literal["train", "validation", "test"], split)
    return list(generate_scenes(seed, known, DEFAULT_SYNTHETIC_COUNT if count is None else count)), Counter()


def _logs(
    sources: Mapping[str, LogSource],
    *,
    root: str | Path | None,
    split: str,
    window: WindowConfig,
    annotate: bool,
    held_out: Sequence[str],
    on_bad_log: str,
    count: int | None,
    **_: object,
) -> tuple[list[Scene], Counter[str]]:
    paths, skipped = _find(data_root(root), sources)
    splits = split_logs(list(paths), held_out)
    scenes: list[Scene] = []
    for episode, path in paths.items():
        if split not in ("all", splits[episode]):
            continue
        try:
            log = sources[episode.split("/")[0]].read(path)
        except SceneError as error:
            if on_bad_log == "raise":
                raise
            skipped[str(error)] += 1
            continue
        cut, reasons = cut_windows(log, window)
        scenes += cut
        skipped += reasons
    if count is not None:
        scenes = thinned(scenes, count)
    if annotate:
        scenes = _annotated(scenes)
        bare = sum(scene.reference is None for scene in scenes)
        skipped += Counter({NO_TRACE: bare} if bare else {})
    return scenes, skipped


def thinned(scenes: Sequence[Scene], count: int) -> list[Scene]:
    """At most `count` scenes in their order: as many of one log as of another, as far as they go, evenly spaced."""
    by_log: dict[str, list[Scene]] = {}
    for scene in scenes:
        by_log.setdefault(scene.episode, []).append(scene)
    kept: dict[str, list[Scene]] = {}
    smallest_first = sorted(by_log, key=lambda episode: len(by_log[episode]))
    for i, episode in enumerate(smallest_first):
        windows = by_log[episode]
        share = min(len(windows), count // (len(by_log) - i))
        kept[episode] = [windows[k * len(windows) // share] for k in range(share)]
        count -= share
    return [scene for episode in by_log for scene in kept[episode]]


def _find(root: Path, sources: Mapping[str, LogSource]) -> tuple[dict[str, Path], Counter[str]]:
    """Episode -> path of every log beneath the folder; further copies of a log are counted as skipped."""
    paths: dict[str, Path] = {}
    skipped: Counter[str] = Counter()
    for name, source in sources.items():
        for path in source.find(root):
            episode = f"{name}/{source.name_of(path)}"
            if episode in paths:
                skipped[f"{path}: log {episode} is already read from {paths[episode]}"] += 1
            else:
                paths[episode] = path
    if not paths:
        looked = "; ".join(f"{name}: {source.layout}" for name, source in sources.items())
        raise SceneError(f"no logs beneath {root}; looked for {looked}. Set AR1_RL_DATA to the folder that holds them")
    return paths, skipped


def _annotated(scenes: list[Scene]) -> list[Scene]:
    from .reference_trace import reference_traces

    traces = reference_traces(scenes)
    return [s if t is None else replace(s, annotations=(t,)) for s, t in zip(scenes, traces, strict=True)]


SOURCES.update({"synthetic": _synthetic, "real_logs": partial(_logs, LOG_SOURCES)})
SOURCES.update({name: partial(_logs, {name: source}) for name, source in LOG_SOURCES.items()})
