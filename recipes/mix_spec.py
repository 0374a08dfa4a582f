"""Which rewards a word on the command line means: a shipped recipe, a run folder, a YAML file, a preset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import RootModel

from ar1_rl.config import check_config, load_config
from rewards.loading import MixConfig
from rewards.presets import PRESETS

from . import catalogue


class _AnyMapping(RootModel[dict[str, Any]]):
    """A YAML file whose keys tell what it is."""


def yaml_of(spec: str) -> Path | None:
    """The YAML file that a word stands for, or None where it is no file, run folder or recipe."""
    if Path(spec).is_dir():
        return Path(spec) / "config.yaml"
    if spec.endswith((".yaml", ".yml")) or spec in catalogue.names():
        return catalogue.path_of(spec)
    return None


def read_mapping(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The top level of a YAML file, with `key.path=value` overrides."""
    return load_config(_AnyMapping, path, overrides).root


def mix_config_in(raw: dict[str, Any], source: str) -> MixConfig | None:
    """The mix of a run config (`rewards`) or of a file that is one (`terms`, `preset`); None where it is neither."""
    mix = raw.get("rewards", raw)
    if not isinstance(mix, dict) or not {"terms", "preset"} & set(mix):
        return None
    return check_config(MixConfig, mix, source=source)


def mix_config_of(spec: str) -> MixConfig:
    """The mix that a word names; ConfigError says what there is."""
    if spec in PRESETS:
        return MixConfig(preset=spec)
    path = yaml_of(spec) or catalogue.path_of(spec)
    raw = read_mapping(path)
    # Neither `rewards` nor `terms`: the strict check says what is missing.
    return mix_config_in(raw, str(path)) or check_config(MixConfig, raw, source=str(path))
