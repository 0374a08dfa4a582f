"""Marked sentences: plain text in which the words that claim a decision stand in brackets.

`[slow down|speed_adaptation] for the bend, then [speed up|>set_speed_tracking]`; the README beside this file has the
rules. Pure functions on text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ar1_rl.driving.claims import Axis
from ar1_rl.driving.decisions import LATERAL_DECISIONS, LONGITUDINAL_DECISIONS, SIDED_DECISIONS
from ar1_rl.driving.tagger.tags import STANDINGS
from ar1_rl.errors import ConfigError

SIGNS = {">": "later", "!": "negated", "?": "possible"}
_MARK = re.compile(r"\[([^\[\]|]+)\|([^\[\]|]+)\]")


class Mark(NamedTuple):
    """Words of a text, `text[start:end]`, that claim a decision."""

    start: int
    end: int
    axis: Axis
    decision: str
    side: str | None
    standing: str
    """One of `ar1_rl.driving.tagger.tags.STANDINGS`."""


class Marked(NamedTuple):
    """A text without its brackets, and its marks."""

    text: str
    marks: tuple[Mark, ...]


def unmarked(line: str) -> Marked:
    """Take the brackets off a line; ConfigError says which rule of marking it breaks.

    Example: `unmarked("[Stop|stop].").marks == (Mark(0, 4, "longitudinal", "stop", None, "first"),)`.
    """
    text, marks, done = "", [], 0
    for found in _MARK.finditer(line):
        text += line[done : found.start()]
        start = len(text)
        text += found.group(1)
        marks += [_mark(start, len(text), label.strip()) for label in found.group(2).split("+")]
        done = found.end()
    text += line[done:]
    if set("[]|") & set(text):
        raise ConfigError(f"a bracket or bar that belongs to no mark, in: {line}")
    for axis in ("longitudinal", "lateral"):
        first = {(mark.decision, mark.side) for mark in marks if mark.axis == axis and mark.standing == STANDINGS[0]}
        if len({decision for decision, _ in first}) > 1 or len({side for _, side in first if side}) > 1:
            raise ConfigError(
                f"two first actions on the {axis} axis ({sorted(first, key=str)}), allowed is one: {line}"
            )
    return Marked(text, tuple(marks))


def _mark(start: int, end: int, label: str) -> Mark:
    standing = STANDINGS[0]
    # Of two signs the one that takes the claim back counts: what is later and negated is negated.
    while label[:1] in SIGNS:
        standing = SIGNS[label[0]] if standing in (STANDINGS[0], "later") else standing
        label = label[1:]
    decision, _, side = label.partition(".")
    if decision not in (*LONGITUDINAL_DECISIONS, *LATERAL_DECISIONS):
        raise ConfigError(f"mark {label!r}: no decision {decision!r}")
    if side and (side not in ("left", "right") or decision not in SIDED_DECISIONS):
        raise ConfigError(f"mark {label!r}: side {side!r}, allowed are left and right, and only with a sided decision")
    axis: Axis = "longitudinal" if decision in LONGITUDINAL_DECISIONS else "lateral"
    return Mark(start, end, axis, decision, side or None, standing)


def read_marked(folder: Path) -> Iterator[Marked]:
    """Every marked text of the `*.txt` files of a folder, each text once; ConfigError names file and line."""
    seen: set[str] = set()
    for path in sorted(folder.glob("*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                marked = unmarked(line)
            except ConfigError as error:
                raise ConfigError(f"{path.name}, line {number}: {error}") from None
            fold = " ".join(marked.text.lower().split())
            if fold and fold not in seen:
                seen.add(fold)
                yield marked
