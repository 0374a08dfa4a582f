"""The recipes that ship with the package."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

import yaml
from rich.table import Table

from ar1_rl.errors import ConfigError

FOLDER = Path(__file__).parent / "configs"


def names() -> list[str]:
    """Names of all shipped recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path_of(spec: str) -> Path:
    """A path as it is, or the file of a shipped recipe; ConfigError with the nearest name."""
    if spec.endswith((".yaml", ".yml")):
        return Path(spec)
    if spec in names():
        return FOLDER / f"{spec}.yaml"
    near = difflib.get_close_matches(spec, names(), n=1)
    hint = f"nearest: {near[0]}" if near else f"there are: {', '.join(names())}"
    raise ConfigError(f"no recipe {spec!r}; {hint}; a file of your own ends in .yaml")


def table() -> Table:
    """Every recipe with the first line of its head comment."""
    shown = Table("recipe", "what it does", "scenes", "steps")
    for name in names():
        text = (FOLDER / f"{name}.yaml").read_text()
        content = yaml.safe_load(text)
        summary = text.splitlines()[0].lstrip("# ")
        steps = content.get("grpo", {}).get("steps", "-")
        shown.add_row(name, summary, content.get("scenes", {}).get("source", "synthetic"), str(steps))
    return shown


def copy(path: Path, target: Path) -> Path:
    """Copy a recipe to a file or into a folder; nothing is overwritten."""
    written = target / path.name if target.is_dir() else target
    if written.exists():
        raise ConfigError(f"{written} exists; name another file")
    shutil.copyfile(path, written)
    return written


def make_room(out: Path) -> Path | None:
    """Move a non-empty folder aside to OUT-1, OUT-2, ... and return where it went."""
    if not out.exists() or not any(out.iterdir()):
        return None
    number = 1
    while (moved := out.with_name(f"{out.name}-{number}")).exists():
        number += 1
    out.rename(moved)
    return moved
