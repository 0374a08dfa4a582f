"""The gold beside the consistency checker, read strictly: a label that cannot be right is a named error.

Parts are numbered: `decisions_1.jsonl`, `trajectories_1.jsonl`, `log_windows_1.jsonl`. What the labels mean is written
in `rewards/gold/README.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

from ar1_rl.driving.decisions import Decisions
from ar1_rl.driving.meta_actions import LATERAL_ACTIONS, LONGITUDINAL_ACTIONS
from ar1_rl.errors import ConfigError

HORIZON_S = 6.4
ACTIONS = {"longitudinal": LONGITUDINAL_ACTIONS, "lateral": LATERAL_ACTIONS}
_TEXT_KEYS = ({"text", "longitudinal", "lateral", "side"}, {"note"})
_SPAN_KEYS = {"longitudinal", "lateral", "open_s"}
_DRIVE_KEYS = ({"id", "recipe", *_SPAN_KEYS}, {"note"})
_WINDOW_KEYS = ({"source", "log", "t0_us", *_SPAN_KEYS}, {"note"})


@dataclass(frozen=True)
class GoldText:
    """A text and what it claims."""

    text: str
    decisions: Decisions


@dataclass(frozen=True)
class GoldDrive:
    """Labelled segments of a drive: of a recipe, or of a window of a log (`source`, `log`, `t0_us`)."""

    name: str
    segments: Mapping[str, Sequence[Mapping[str, Any]]]
    """Axis -> segments with `action`, `from_s`, `to_s`, without gaps from 0 to 6.4 s."""
    open_s: Mapping[str, Sequence[Sequence[float]]]
    """Axis -> spans that do not count."""
    recipe: Mapping[str, Any] | None = None
    source: str = ""
    log: str = ""
    t0_us: int = 0


def parts(kind: str, folder: Path | None = None) -> list[int]:
    """Numbers of the parts of a kind ("decisions", "trajectories", "log_windows") that are there."""
    names = [entry.name for entry in (_folder(folder)).iterdir()]
    numbers = (re.fullmatch(rf"{kind}_(\d+)\.jsonl", name) for name in names)
    return sorted(int(number.group(1)) for number in numbers if number)


def gold_texts(part: int, folder: Path | None = None) -> list[GoldText]:
    """The texts of a part; ConfigError lists every line that breaks a rule."""
    name = f"decisions_{part}.jsonl"
    rows = _rows(name, folder, *_TEXT_KEYS)
    faults: list[str] = []
    texts: list[GoldText] = []
    seen: dict[str, int] = {}
    for number, row in rows:
        fold = " ".join(str(row["text"]).lower().split())
        if not fold:
            faults.append(f"line {number}: no text")
        elif fold in seen:
            faults.append(f"line {number}: the text of line {seen[fold]} again")
        seen[fold] = number
        try:
            texts.append(GoldText(row["text"], Decisions(row["longitudinal"], row["lateral"], row["side"])))
        except ConfigError as error:
            faults.append(f"line {number}: {error}")
        if row["side"] not in (None, "left", "right"):
            faults.append(f"line {number}: side {row['side']!r}, allowed left, right and null")
    _raise(name, faults)
    return texts


def gold_drives(part: int, folder: Path | None = None) -> list[GoldDrive]:
    """The trajectories of a part, as recipes; ConfigError lists every line that breaks a rule."""
    name = f"trajectories_{part}.jsonl"
    rows = _rows(name, folder, *_DRIVE_KEYS)
    faults = _twice([row["id"] for _, row in rows]) + _span_faults(rows)
    _raise(name, faults)
    return [GoldDrive(row["id"], row, row["open_s"], recipe=row["recipe"]) for _, row in rows]


def gold_windows(part: int, folder: Path | None = None) -> list[GoldDrive]:
    """The windows of real logs of a part; ConfigError lists every line that breaks a rule."""
    name = f"log_windows_{part}.jsonl"
    rows = _rows(name, folder, *_WINDOW_KEYS)
    names = [f"{row['source']}/{row['log']}@{row['t0_us']}" for _, row in rows]
    _raise(name, _twice(names) + _span_faults(rows))
    return [
        GoldDrive(name, row, row["open_s"], source=row["source"], log=row["log"], t0_us=row["t0_us"])
        for name, (_, row) in zip(names, rows, strict=True)
    ]


def _folder(folder: Path | None) -> Any:
    return folder if folder is not None else resources.files("rewards") / "gold"


def _rows(name: str, folder: Path | None, required: set[str], optional: set[str]) -> list[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line, all keys known."""
    rows, faults = [], []
    for number, line in enumerate((_folder(folder) / name).read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            faults.append(f"line {number}: no JSON ({error})")
            continue
        if not isinstance(row, dict) or not required <= set(row) <= required | optional:
            got = sorted(row) if isinstance(row, dict) else type(row).__name__
            faults.append(f"line {number}: keys {got}, needed {sorted(required)}, allowed {sorted(optional)} besides")
            continue
        rows.append((number, row))
    _raise(name, faults)
    return rows


def _twice(names: Sequence[str]) -> list[str]:
    return [f"line {number}: {name!r} again" for number, name in enumerate(names, 1) if name in names[: number - 1]]


def _span_faults(rows: Sequence[tuple[int, dict[str, Any]]]) -> list[str]:
    faults = []
    for number, row in rows:
        for axis, actions in ACTIONS.items():
            segments = row[axis]
            unknown = sorted({str(s["action"]) for s in segments} - set(actions))
            if unknown:
                faults.append(f"line {number}: {axis} actions {unknown}, allowed {actions}")
            ends = [0.0, *(s["to_s"] for s in segments)]
            gap = any(s["from_s"] != end for s, end in zip(segments, ends, strict=False)) or ends[-1] != HORIZON_S
            if gap or any(a >= b for a, b in pairwise(ends)):
                faults.append(f"line {number}: {axis} segments do not follow one another from 0 to {HORIZON_S} s")
    return faults


def _raise(name: str, faults: Sequence[str]) -> None:
    if faults:
        raise ConfigError(f"gold {name}: " + "; ".join(faults))
