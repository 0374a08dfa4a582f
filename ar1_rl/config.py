"""One YAML file, strictly checked, with all faults at once: each with key, got, allowed and the nearest name.

Nothing heavy is imported here; each part of the library owns its model and a recipe composes them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError


class ConfigModel(BaseModel):
    """Base of every config model: frozen, no unknown keys, no silent conversions of text to numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """PyYAML reads YAML 1.1, where `4e-4` is text; here it is the number it is in YAML 1.2 and everywhere else."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def load_config(model: type[Model], path: Path, overrides: Sequence[str] = ()) -> Model:
    """Read `path`, apply `key.path=value` overrides (values are YAML) and check the whole.

    Raises ConfigError listing every fault.
    """
    raw = read_yaml(path) or {}
    if not isinstance(raw, dict):
        raise ConfigError(f"config {path}: got a {type(raw).__name__} at the top, allowed: a mapping of keys")
    apply_overrides(raw, overrides)
    return check_config(model, raw, source=str(path))


def read_yaml(path: Path) -> Any:
    """The plain values in a YAML file; ConfigError where it cannot be read."""
    try:
        return yaml.load(path.read_text(), _Loader)
    except OSError as error:
        raise ConfigError(f"config {path}: {error.strerror}; `ar1-rl recipes list` shows the shipped ones") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"config {path} is not YAML: {error}") from error


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`raw` with each `key.path=value` (values are YAML) written into it."""
    for override in overrides:
        _apply(raw, override)
    return raw


def check_config(model: type[Model], raw: Mapping[str, Any], *, source: str) -> Model:
    """Validate plain values against `model`; raises ConfigError listing every fault."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = [f"  {_fault(model, fault)}" for fault in error.errors()]
        plural = "faults" if len(faults) > 1 else "fault"
        raise ConfigError(f"{source}: {len(faults)} {plural}\n" + "\n".join(faults)) from error


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r}: allowed is key.path=value")
    *parents, last = key.split(".")
    node: Any = raw
    for name in parents:
        node = node[_index(node, name, key)] if isinstance(node, list) else node.setdefault(name, {})
        if not isinstance(node, dict | list):
            raise ConfigError(f"override {override!r}: {name!r} is a value, not a group of keys")
    value = yaml.load(text, _Loader)
    if isinstance(node, list) and last == str(len(node)):
        node.append(value)
    else:
        node[_index(node, last, key) if isinstance(node, list) else last] = value


def _index(items: list[Any], name: str, key: str) -> int:
    if not name.isdigit() or int(name) >= len(items):
        raise ConfigError(f"override {key!r}: {name!r} is not a place in a list of {len(items)}")
    return int(name)


def _fault(model: type[BaseModel], fault: Any) -> str:
    location = ".".join(str(part) for part in fault["loc"]) or "(top)"
    if fault["type"] == "extra_forbidden":
        names = _field_names(model, fault["loc"][:-1])
        near = difflib.get_close_matches(str(fault["loc"][-1]), names, n=1)
        hint = f"nearest name: {near[0]}" if near else f"allowed here: {', '.join(names)}"
        return f"{location}: unknown key; {hint}"
    if fault["type"] == "missing":
        return f"{location}: missing"
    got = repr(fault["input"])
    return f"{location}: got {got if len(got) <= 80 else got[:77] + '...'}; {fault['msg']}"


def _field_names(model: type[BaseModel], path: Sequence[Any]) -> list[str]:
    """Names allowed at `path`, as far as plain nested models go."""
    current: Any = model
    for part in path:
        field = getattr(current, "model_fields", {}).get(part)
        if field is None:
            continue
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), current)
    return list(getattr(current, "model_fields", {}))
