"""How well the consistency checker reads texts and trajectories, measured on the gold beside it.

A text agrees when both decisions and the side are those of its label. Trajectories are compared tick by tick; ticks
near a border and in open spans do not count (`rewards/gold/README.md`). Nothing here prints.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.driving.claims import Claims
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.decisions import LATERAL_DECISIONS, LONGITUDINAL_DECISIONS, Decisions
from ar1_rl.driving.kinematics import from_t0
from ar1_rl.driving.meta_actions import read_meta_actions
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.scenes import load_scenes

from .gold.trajectories import gold_ticks, gold_trajectory
from .gold_files import ACTIONS, GoldDrive, GoldText, gold_drives, gold_texts, gold_windows, parts

Reader = Callable[[str], Claims]
Z_95 = 1.96
RESAMPLES = 2000
"""Of trajectories, for the interval of a share of ticks: the ticks of one trajectory are not independent."""
WORST = 8
"""Confusions that are listed."""
NOTHING = "nothing"
"""What stands for no claim in a confusion."""


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval. Example: `Rate(543, 565, 0.961, 0.942, 0.974)`."""

    hits: int
    total: int
    share: float | None
    """None of nothing."""
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ClassAccuracy:
    """How a class is read: of the readings how many are right, of the labels how many are found or passed over."""

    axis: str
    name: str
    precision: Rate
    recall: Rate
    abstained: Rate
    """Of the labels, those where nothing was read on this axis; for trajectories there are none."""


@dataclass(frozen=True)
class Confusion:
    """A label that was read as something else, `count` times."""

    axis: str
    label: str
    read: str
    count: int


@dataclass(frozen=True)
class TextAccuracy:
    """Of the texts of a part."""

    part: int
    agreement: Rate
    """Both decisions and the side."""
    longitudinal: Rate
    lateral: Rate
    side: Rate
    side_words: Rate
    """Of the labels with a side, those read with that side."""
    abstained: Rate
    """Of the texts that claim anything, those of which nothing was read."""
    classes: tuple[ClassAccuracy, ...]
    worst: tuple[Confusion, ...]
    wrong: tuple[str, ...]
    """The texts that were not read as labelled."""


@dataclass(frozen=True)
class DriveAccuracy:
    """Of the trajectories of a part: `kind` is "synthetic" or "logs"."""

    part: int
    kind: str
    trajectories: int
    longitudinal: Rate
    """Share of the ticks that count; its interval is a bootstrap over trajectories."""
    lateral: Rate
    whole: Rate
    """Trajectories of which every tick that counts is right on both axes."""
    classes: tuple[ClassAccuracy, ...]
    worst: tuple[Confusion, ...]


@dataclass(frozen=True)
class ConsistencyAccuracy:
    """Everything that was measured, and what could not be."""

    texts: tuple[TextAccuracy, ...]
    drives: tuple[DriveAccuracy, ...]
    left_out: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


def measure_consistency(
    read: Reader = parse_decisions, *, folder: Path | None = None, data_root: str | Path | None = None
) -> ConsistencyAccuracy:
    """Measure every part of the gold that is there.

    Args:
        read: from a text to its claims: the parser, or a language model behind `rewards.claims_llm`.
        folder: with the gold; unset: the one that ships.
        data_root: of the real logs; unset: as in `load_scenes`. Without logs their windows are left out; it is said.
    """
    texts = tuple(measure_texts(part, gold_texts(part, folder), read) for part in parts("decisions", folder))
    drives = [
        measure_drives(part, "synthetic", [(d, gold_trajectory(d.recipe or {})) for d in gold_drives(part, folder)])
        for part in parts("trajectories", folder)
    ]
    left_out = []
    for part in parts("log_windows", folder):
        try:
            drives.append(measure_drives(part, "logs", _log_poses(gold_windows(part, folder), data_root)))
        except SceneError as error:
            left_out.append(f"log windows, part {part}: {error}")
    return ConsistencyAccuracy(texts, tuple(drives), tuple(left_out))


def measure_texts(part: int, texts: Sequence[GoldText], read: Reader) -> TextAccuracy:
    """Compare what `read` makes of texts with their labels."""
    pairs = [(gold.decisions, read(gold.text).decisions) for gold in texts]
    right = [label == found for label, found in pairs]
    claiming = [(label, found) for label, found in pairs if label.longitudinal or label.lateral]
    sided = [(label, found) for label, found in pairs if label.side]
    confusions: Counter[tuple[str, str, str]] = Counter()
    for label, found in pairs:
        for axis in ("longitudinal", "lateral", "side"):
            said, got = _named(label, axis), _named(found, axis)
            if said != got:
                confusions[axis, said, got] += 1
    return TextAccuracy(
        part=part,
        agreement=rate(sum(right), len(right)),
        longitudinal=rate(sum(a.longitudinal == b.longitudinal for a, b in pairs), len(pairs)),
        lateral=rate(sum(a.lateral == b.lateral for a, b in pairs), len(pairs)),
        side=rate(sum(a.side == b.side for a, b in pairs), len(pairs)),
        side_words=rate(sum(a.side == b.side for a, b in sided), len(sided)),
        abstained=rate(sum(b.longitudinal is None and b.lateral is None for _, b in claiming), len(claiming)),
        classes=tuple(
            _class(axis, name, [(_named(a, axis), _named(b, axis)) for a, b in pairs])
            for axis, names in (("longitudinal", LONGITUDINAL_DECISIONS), ("lateral", LATERAL_DECISIONS))
            for name in names
        ),
        worst=_worst(confusions),
        wrong=tuple(gold.text for gold, good in zip(texts, right, strict=True) if not good),
    )


def measure_drives(part: int, kind: str, drives: Sequence[tuple[GoldDrive, np.ndarray]]) -> DriveAccuracy:
    """Compare the meta-actions read off trajectories [64, 3] from t0 on with their labels, tick by tick."""
    read = read_meta_actions(from_t0(np.stack([poses_T3 for _, poses_T3 in drives])))
    by_axis: dict[str, list[list[tuple[str, str]]]] = {axis: [] for axis in ACTIONS}
    for row, (drive, poses_T3) in enumerate(drives):
        for axis, names_BT in zip(ACTIONS, read, strict=True):
            labels, counted_T = gold_ticks(drive.segments[axis], drive.open_s[axis])
            found = names_BT[row, -len(poses_T3) :].tolist()
            by_axis[axis].append(
                [pair for pair, counts in zip(zip(labels, found, strict=True), counted_T, strict=True) if counts]
            )
    good = [all(a == b for axis in ACTIONS for a, b in by_axis[axis][row]) for row in range(len(drives))]
    ticks = {axis: [pair for row in rows for pair in row] for axis, rows in by_axis.items()}
    confusions = Counter((axis, a, b) for axis, pairs in ticks.items() for a, b in pairs if a != b)
    return DriveAccuracy(
        part=part,
        kind=kind,
        trajectories=len(drives),
        longitudinal=_tick_rate(by_axis["longitudinal"]),
        lateral=_tick_rate(by_axis["lateral"]),
        whole=rate(sum(good), len(good)),
        classes=tuple(_class(axis, name, ticks[axis]) for axis, names in ACTIONS.items() for name in names),
        worst=_worst(confusions),
    )


def rate(hits: int, total: int) -> Rate:
    """A share with Wilson's 95 % interval."""
    if total == 0:
        return Rate(0, 0, None, None, None)
    share, square = hits / total, Z_95**2
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = Z_95 * math.sqrt(share * (1 - share) / total + square / (4 * total**2)) / (1 + square / total)
    return Rate(hits, total, share, max(0.0, centre - half), min(1.0, centre + half))


def _tick_rate(rows: Sequence[Sequence[tuple[str, str]]]) -> Rate:
    hits_B = np.array([sum(a == b for a, b in row) for row in rows])
    ticks_B = np.array([len(row) for row in rows])
    drawn = np.random.default_rng(0).integers(len(rows), size=(RESAMPLES, len(rows)))
    shares = hits_B[drawn].sum(axis=1) / np.maximum(ticks_B[drawn].sum(axis=1), 1)
    low, high = np.quantile(shares, [0.025, 0.975])
    hits, total = int(hits_B.sum()), int(ticks_B.sum())
    return Rate(hits, total, hits / total, float(low), float(high))


def _class(axis: str, name: str, pairs: Sequence[tuple[str, str]]) -> ClassAccuracy:
    both = sum(a == b == name for a, b in pairs)
    labelled = [b for a, b in pairs if a == name]
    return ClassAccuracy(
        axis,
        name,
        precision=rate(both, sum(b == name for _, b in pairs)),
        recall=rate(both, len(labelled)),
        abstained=rate(labelled.count(NOTHING), len(labelled)),
    )


def _named(decisions: Decisions, axis: str) -> str:
    return getattr(decisions, axis) or NOTHING


def _worst(confusions: Mapping[tuple[str, str, str], int]) -> tuple[Confusion, ...]:
    ranked = sorted(confusions.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Confusion(*names, count) for names, count in ranked[:WORST])


def _log_poses(windows: Sequence[GoldDrive], data_root: str | Path | None) -> list[tuple[GoldDrive, np.ndarray]]:
    """The poses of every window; SceneError where the logs are not there, ConfigError for a window they do not have."""
    futures = {
        (scene.episode, scene.t0_us): scene.future_T3
        for source in sorted({window.source for window in windows})
        for scene in load_scenes(source, data_root, split="all", annotate=False)[0]
    }
    drives = []
    for window in windows:
        poses_T3 = futures.get((f"{window.source}/{window.log}", window.t0_us))
        if poses_T3 is None:
            raise ConfigError(f"gold window {window.name}: the logs have no such window")
        drives.append((window, poses_T3))
    return drives
