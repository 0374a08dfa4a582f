"""The recipes and the ablations of recipes that ship with the package."""

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
    return sorted({*_shipped()} - {*ablations()})


def ablations() -> list[str]:
    """Names of all shipped ablations."""
    return [name for name in _shipped() if "\nablation:" in (FOLDER / f"{name}.yaml").read_text()]


def path_of(spec: str) -> Path:
    """A path as it is, or the file of a shipped recipe; ConfigError with the nearest name."""
    return _path_of("recipe", spec, names())


def ablation_path_of(spec: str) -> Path:
    """A path as it is, or the file of a shipped ablation."""
    return _path_of("ablation", spec, ablations())


def shipped_path_of(name: str) -> Path:
    """The file of a shipped recipe or ablation."""
    return _path_of("recipe or ablation", name, _shipped())


def _shipped() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _path_of(kind: str, spec: str, known: list[str]) -> Path:
    if spec.endswith((".yaml", ".yml")):
        return Path(spec)
    if spec in known:
        return FOLDER / f"{spec}.yaml"
    if spec in ablations():
        raise ConfigError(f"{spec} is an ablation and no recipe: ar1-rl ablate {spec}")
    near = difflib.get_close_matches(spec, known, n=1)
    hint = f"nearest: {near[0]}" if near else f"there are: {', '.join(known)}"
    raise ConfigError(f"no {kind} {spec!r}; {hint}; a file of your own ends in .yaml")


def table() -> Table:
    """Every recipe and ablation with the first line of its head comment."""
    shown = Table("name", "what it does", "run it by", "scenes", "steps")
    for name in (*names(), *ablations()):
        text = shipped_path_of(name).read_text()
        content = yaml.safe_load(text)
        summary = text.splitlines()[0].lstrip("# ")
        if "ablation" in content:
            shown.add_row(name, summary, "ablate", f"those of {content['recipe']}", "")
        else:
            steps = content.get("grpo", {}).get("steps", "-")
            shown.add_row(name, summary, "grpo", content.get("scenes", {}).get("source", "synthetic"), str(steps))
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
