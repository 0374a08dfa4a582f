"""Where scenes come from: generated ones, real logs, and sources of a user's own; all of them, or one after another.

A source of the library's is added here, in `LOG_SOURCES`, and nowhere else; a user's is named by its place (`own.py`).

A new log format is a module with a `SOURCE: LogSource` (how logs are found, named and read); resampling, windows,
splits and reference traces follow from that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal, cast

from ar1_rl.driving.scene import Scene
from ar1_rl.errors import ConfigError
from ar1_rl.plugins import is_spec, load_object

from . import argoverse2, comma2k19, kitti_odometry, physical_ai_av, scenarionet
from .log_scenes import NO_TRACE, LogFolder
from .logs import SPLITS, LogSource
from .own import WHAT, stream_own_scenes
from .windows import WindowConfig

__all__ = ["LOG_SOURCES", "NO_TRACE", "SOURCES", "SYNTHETIC_SOURCES", "load_scenes", "stream_scenes"]

LOG_SOURCES: dict[str, LogSource] = {
    "argoverse2": argoverse2.SOURCE,
    "kitti_odometry": kitti_odometry.SOURCE,
    "scenarionet": scenarionet.SOURCE,
    "comma2k19": comma2k19.SOURCE,
    "physical_ai_av": physical_ai_av.SOURCE,
}

SYNTHETIC_SOURCES = ("synthetic", "synthetic_pairs")
"""Made, not read: as many scenes as are asked for."""

SOURCES = (*SYNTHETIC_SOURCES, "real_logs", *LOG_SOURCES)
"""Every name that a config may use."""

DEFAULT_SYNTHETIC_COUNT = 1000


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
        source_name: "synthetic", "synthetic_pairs" (`synthetic.pairs.mixed_scenes`), one log format by name,
            "real_logs" for all formats found beneath `root`, or a source of one's own by `path/to/file.py:name` or
            `package.module:name`: a callable `(split) -> scenes`, or a `LogSource`, of which windows, splits and
            reference traces are made as of the built-in formats.
        root: folder with real logs; default $AR1_RL_DATA, else ../shared/data.
        split: "train", "validation", "test" or, of real logs, "all"; see `split_logs`.
        stride_s: time between the windows of a log [s].
        annotate: write a rule-based reference trace for each window of a log.
        held_out: names of the logs that make up the test split, instead of the default choice.
        on_bad_log: a log that cannot be read stops the call with its SceneError, or is counted as skipped.
        seed: of the synthetic scenes.
        count: number of synthetic scenes (default 1,000); of real logs, see `log_scenes.shares` (default all).
        arguments: keyword arguments of a source of one's own, or the fields of `PairsConfig`.

    Raises:
        ConfigError: an unknown source or split.
        SceneError: no folder, no logs in it, or a log that cannot be read; the message names file and reason.
    """
    folder = _log_folder(
        source_name, root, split=split, stride_s=stride_s, annotate=annotate, held_out=held_out, on_bad_log=on_bad_log,
        count=count,
    )  # fmt: skip
    if folder is not None:
        return folder.load()
    if is_spec(source_name):
        return list(stream_own_scenes(source_name, split, arguments or {}, count)), Counter()
    if source_name == "synthetic_pairs":
        return list(_pairs(split, seed, count, arguments)), Counter()
    return list(_synthetic(split, seed, count)), Counter()


def stream_scenes(
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
    shard: int = 0,
    shards: int = 1,
    skip: int = 0,
    left_out: Counter[str] | None = None,
) -> Iterator[Scene]:
    """The scenes of `load_scenes` one after another: one shard of several, without its first `skip`.

    In memory is one scene, or the windows of one log. Synthetic scenes and those of a source of one's own go to the
    shards in turn, and of the latter every shard draws all; of real logs every shard has logs of its own.

    The arguments are those of `load_scenes`, and so are the errors; what is left out is counted in `left_out`, as far
    as the scenes have been taken.
    """
    folder = _log_folder(
        source_name, root, split=split, stride_s=stride_s, annotate=annotate, held_out=held_out, on_bad_log=on_bad_log,
        count=count,
    )  # fmt: skip
    if folder is not None:
        return islice(folder.stream(shard, shards, Counter() if left_out is None else left_out), skip, None)
    if is_spec(source_name):
        scenes = stream_own_scenes(source_name, split, arguments or {}, count)
        return islice(scenes, shard + skip * shards, None, shards)
    if source_name == "synthetic_pairs":
        return islice(_pairs(split, seed, count, arguments), shard + skip * shards, None, shards)
    return _synthetic(split, seed, count, first=shard + skip * shards, step=shards)


def _log_folder(
    name: str, root: str | Path | None, *, split: str, stride_s: float, on_bad_log: str, **settings: Any
) -> LogFolder | None:
    """The folder of logs that a source stands for; None for synthetic scenes and for a callable of a user's own."""
    if is_spec(name):
        own = load_object(name, what=WHAT)
        if not isinstance(own, LogSource):
            return None
        sources = {own.name: own}
    elif name == "real_logs":
        sources = LOG_SOURCES
    elif name in LOG_SOURCES:
        sources = {name: LOG_SOURCES[name]}
    elif name in SYNTHETIC_SOURCES:
        sources = {}
    else:
        raise ConfigError(
            f"scene source: got {name!r}, allowed {', '.join(SOURCES)}, or your own by 'path/to/file.py:name' "
            "or 'package.module:name'"
        )
    allowed = (*SPLITS, "all") if sources else SPLITS
    if split not in allowed:
        raise ConfigError(f"split of {name}: got {split!r}, allowed {', '.join(allowed)}")
    if not sources:
        return None
    return LogFolder(
        sources=sources,
        root=root,
        split=split,
        window=WindowConfig(stride_s=stride_s),
        skip_bad=on_bad_log == "skip",
        **settings,
    )


def _synthetic(split: str, seed: int, count: int | None, *, first: int = 0, step: int = 1) -> Iterator[Scene]:
    from .synthetic import generate_scenes

    known = cast(Literal["train", "validation", "test"], split)
    for number in range(first, DEFAULT_SYNTHETIC_COUNT if count is None else count, step):
        yield from generate_scenes(seed, known, 1, start=number)


def _pairs(split: str, seed: int, count: int | None, arguments: Mapping[str, Any] | None) -> Iterator[Scene]:
    from ..config import check_config
    from .synthetic.pairs import PairsConfig, mixed_scenes

    known = cast(Literal["train", "validation", "test"], split)
    config = check_config(PairsConfig, dict(arguments or {}), source="arguments of synthetic_pairs")
    return mixed_scenes(seed, known, DEFAULT_SYNTHETIC_COUNT if count is None else count, config)
