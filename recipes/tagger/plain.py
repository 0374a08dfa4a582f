"""Plain sentences: what the marked ones, written for their variety, are short of. Made of the phrases in plain.yaml."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from .marks import Marked, unmarked

PHRASES = Path(__file__).with_name("plain.yaml")
NOTHING = 1 / 12
"""Share of sentences that claim nothing; the next are shares of those that do."""
WITHOUT_CAUSE, KEEPS_LANE, WITH_MORE_BESIDE = 0.15, 0.15, 0.5
ALONG, ACROSS = 0.35, 0.25
"""Claims on one axis only; the rest claims on both."""

Group = Mapping[str, Any]
"""`phrases` that all name the `decision`."""


def plain_sentences(count: int, seed: int = 0) -> Iterator[Marked]:
    """So many plain sentences with their marks."""
    rng = random.Random(seed)
    for _ in range(count):
        line = _nothing(rng) if rng.random() < NOTHING else _acting(rng)
        yield unmarked(_capitalised(line) if rng.random() < 0.5 else line)


def _nothing(rng: random.Random) -> str:
    return rng.choice(_read()["nothing"]).format(cause=_cause(rng), other=_cause(rng))


def _acting(rng: random.Random) -> str:
    known = _read()
    kind = rng.choice(list(known["causes"]))
    alone = rng.random() < WITHOUT_CAUSE
    along = _marked(rng, known["without_cause"] if alone else known["longitudinal"][kind])
    keeping = [{"decision": "lane_keeping", "phrases": known["phrases"]["keep"]}]
    across = _marked(rng, keeping if rng.random() < KEEPS_LANE else known["lateral"].get(kind, keeping))
    draw = rng.random()
    if draw < ALONG:
        act = along
    elif draw < ALONG + ACROSS:
        act = across
    else:
        act = rng.choice(known["together"]).format(one=along, other=across)
    if alone:
        said = act + rng.choice((".", "", "!"))
    else:
        said = rng.choice(known["frames"]).format(act=act, cause=_cause(rng, kind))
    return rng.choice(known["beside"]) + said if rng.random() < WITH_MORE_BESIDE else said


def _cause(rng: random.Random, kind: str | None = None) -> str:
    causes = _read()["causes"]
    return rng.choice(causes[kind or rng.choice(list(causes))])


def _marked(rng: random.Random, groups: Sequence[Group]) -> str:
    group = rng.choice(groups)
    phrase, side = rng.choice(group["phrases"]), rng.choice(("left", "right"))
    sided = f".{side}" if "SIDE" in phrase else ""
    return f"[{phrase.replace('SIDE', side)}|{group['decision']}{sided}]"


def _capitalised(line: str) -> str:
    first = 1 if line[0] == "[" else 0
    return line[:first] + line[first].upper() + line[first + 1 :]


@cache
def _read() -> dict[str, Any]:
    return yaml.safe_load(PHRASES.read_text(encoding="utf-8"))
