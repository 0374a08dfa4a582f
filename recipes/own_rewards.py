"""`ar1-rl rewards`: which rewards there are, and a template for one's own."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ar1_rl.errors import Ar1RlError, ConfigError
from rewards.loading import BUILT_IN, installed_rewards, load_preset, load_reward
from rewards.presets import PRESETS
from rewards.terms import Term

from .reward_template import TEMPLATE

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Listed:
    """One line of `rewards list`."""

    name: str
    kind: str
    """"built in", "preset", or the package that offers it."""
    summary: str
    range: str = ""
    needs: str = ""


def list_rewards(console: Console, *, as_json: bool) -> int:
    """Print every reward and preset; returns the exit code."""
    listed = [*_built_in(), *_presets(), *_installed()]
    if as_json:
        print(json.dumps({"schema_version": SCHEMA_VERSION, "rewards": [asdict(row) for row in listed]}, indent=2))
        return 0
    table = Table("reward", "kind", "what it does", "range", "needs")
    for row in listed:
        table.add_row(*map(escape, (row.name, row.kind, row.summary, row.range, row.needs)))
    console.print(table)
    console.print("Your own: path/to/file.py:name or package.module:name; `ar1-rl rewards new FILE` writes a template")
    return 0


def write_template(path: Path) -> str:
    """Write the template, and return the line that checks it; nothing is overwritten."""
    if path.suffix != ".py":
        raise ConfigError(f"{path}: a file of rewards ends in .py")
    if path.exists():
        raise ConfigError(f"{path} exists; name another file")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE.format(file=path))
    return f"ar1-rl check-rewards {path}:keeps_going"


def _built_in() -> Iterator[Listed]:
    for name, made_by in BUILT_IN.items():
        yield _line(name, "built in", load_reward(name), made_by)


def _presets() -> Iterator[Listed]:
    for name, preset in PRESETS.items():
        mix = load_preset(name)
        kind = "control" if preset.control else "preset"
        lowest = min(mix.lowest, mix.gate_value) if mix.gated else mix.lowest
        yield Listed(name, kind, _summary(preset.build), f"{lowest:g} to {mix.highest:g}", "trajectory")


def _installed() -> Iterator[Listed]:
    for entry in installed_rewards():
        package = entry.dist.name if entry.dist is not None else entry.module
        if entry.name in BUILT_IN:
            yield Listed(entry.name, package, f"hidden by the built-in one; name it by {entry.value}")
            continue
        try:
            target = entry.load()
        except Exception as error:
            yield Listed(entry.name, package, f"does not load: {type(error).__name__}: {error}")
            continue
        try:
            yield _line(entry.name, package, load_reward(entry.value), target)
        except Ar1RlError:
            # It needs arguments before it can be asked for its range.
            yield _line(entry.name, package, target, target)


def _line(name: str, kind: str, reward: Any, described: Callable[..., Any]) -> Listed:
    declared = inspect.isclass(reward) and isinstance(getattr(reward, "value_range", None), property)
    if declared:
        return Listed(name, kind, _summary(described), "by its settings", getattr(reward, "needs", ""))
    term = Term(reward=reward)
    low, high = term.range
    return Listed(name, kind, _summary(described), f"{low:g} to {high:g}", str(term.needs))


def _summary(target: Callable[..., Any]) -> str:
    """The first statement of the docstring."""
    text = " ".join((inspect.getdoc(target) or "no docstring").split("\n\n")[0].split())
    return text.split(". ")[0].split("; ")[0].rstrip(".")
