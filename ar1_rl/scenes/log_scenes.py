"""Scenes from folders of real logs: found, split by log, cut into windows, thinned and annotated; all or log by log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..driving.scene import Scene
from ..errors import SceneError
from .logs import LogSource, data_root, split_logs
from .windows import WindowConfig, cut_windows

NO_TRACE = "windows kept without a reference trace: their motion is none of the known decisions"
"""The one entry in the counts of what was left out whose windows are among the scenes."""


@dataclass(frozen=True, kw_only=True)
class LogFolder:
    """Which windows of which logs; a log that cannot be read is counted as skipped, or stops with its SceneError."""

    sources: Mapping[str, LogSource]
    root: str | Path | None
    split: str
    """"train", "validation", "test" or "all"."""
    window: WindowConfig
    annotate: bool
    """Whether to write a rule-based reference trace for each window."""
    held_out: Sequence[str]
    skip_bad: bool
    count: int | None
    """At most so many scenes, see `shares`; None: all."""

    def load(self) -> tuple[list[Scene], Counter[str]]:
        """All scenes, and what was left out by reason."""
        skipped: Counter[str] = Counter()
        by_log = {episode: windows for episode, windows in self._cut(self._paths(skipped), skipped) if windows}
        if self.count is not None:
            wanted = shares({episode: len(windows) for episode, windows in by_log.items()}, self.count)
            by_log = {episode: spaced(windows, wanted[episode]) for episode, windows in by_log.items()}
        scenes = self._annotated([scene for windows in by_log.values() for scene in windows])
        bare = sum(scene.reference is None for scene in scenes) if self.annotate else 0
        return scenes, skipped + Counter({NO_TRACE: bare} if bare else {})

    def stream(self, shard: int, shards: int, skipped: Counter[str]) -> Iterator[Scene]:
        """The same scenes one after another, those of every `shards`-th log; one log is in memory at a time.

        With a `count` all logs are read once more before, since what a log gives depends on what the others have. What
        is left out is counted in `skipped`.
        """
        paths = self._paths(skipped)
        wanted: dict[str, int] | None = None
        if self.count is not None:
            counts = {episode: len(windows) for episode, windows in self._cut(paths, Counter()) if windows}
            wanted = shares(counts, self.count)
        own = dict(list(paths.items())[shard::shards])
        for episode, windows in self._cut(own, skipped):
            for scene in self._annotated(windows if wanted is None else spaced(windows, wanted.get(episode, 0))):
                if self.annotate and scene.reference is None:
                    skipped[NO_TRACE] += 1
                yield scene

    def _paths(self, skipped: Counter[str]) -> dict[str, Path]:
        """Episode -> path of every log of the split; further copies of a log are counted as skipped."""
        root = data_root(self.root)
        paths: dict[str, Path] = {}
        for name, source in self.sources.items():
            for path in source.find(root):
                episode = f"{name}/{source.name_of(path)}"
                if episode in paths:
                    skipped[f"{path}: log {episode} is already read from {paths[episode]}"] += 1
                else:
                    paths[episode] = path
        if not paths:
            looked = "; ".join(f"{name}: {source.layout}" for name, source in self.sources.items())
            raise SceneError(
                f"no logs beneath {root}; looked for {looked}. Set AR1_RL_DATA to the folder that holds them"
            )
        splits = split_logs(list(paths), self.held_out)
        return {episode: path for episode, path in paths.items() if self.split in ("all", splits[episode])}

    def _cut(self, paths: Mapping[str, Path], skipped: Counter[str]) -> Iterator[tuple[str, list[Scene]]]:
        for episode, path in paths.items():
            try:
                log = self.sources[episode.split("/")[0]].read(path)
            except SceneError as error:
                if not self.skip_bad:
                    raise
                skipped[str(error)] += 1
                continue
            windows, reasons = cut_windows(log, self.window)
            skipped += reasons
            yield episode, windows

    def _annotated(self, scenes: list[Scene]) -> list[Scene]:
        from .reference_trace import reference_traces

        if not self.annotate:
            return scenes
        traces = reference_traces(scenes)
        return [s if t is None else replace(s, annotations=(t,)) for s, t in zip(scenes, traces, strict=True)]


def shares(counts: Mapping[str, int], count: int) -> dict[str, int]:
    """How many scenes each log gives to `count` at most: as many one as another, as far as they have them."""
    given: dict[str, int] = {}
    for i, name in enumerate(sorted(counts, key=lambda name: counts[name])):
        given[name] = min(counts[name], count // (len(counts) - i))
        count -= given[name]
    return given


def spaced(scenes: Sequence[Scene], share: int) -> list[Scene]:
    """So many of the scenes, evenly spaced, in their order."""
    return [scenes[k * len(scenes) // share] for k in range(share)]
