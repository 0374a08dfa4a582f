"""Training on a curated dataset: `scenes.curated` names the folder that `ar1-rl curate` wrote, or its scenes file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rich.console import Console

from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError

from .curation_store import SCENES_FILE, SCHEMA_VERSION
from .run_config import ScenesConfig
from .scenes_by_id import scenes_by_id

NEEDED = ("schema_version", "scene_id", "kept_as")


def curated_scenes(config: ScenesConfig, console: Console) -> list[Scene]:
    """The scenes that the dataset names, in its order, from the source of the config.

    ConfigError where it is no such dataset, SceneError where the source does not have a scene of it.
    """
    ids, kept_as = read_curated(Path(str(config.curated)))
    console.print(f"Curated scenes: {told_kept(kept_as)}, from {config.curated}", soft_wrap=True)
    found = scenes_by_id(ids, config, console, label="train")
    return [found[identity] for identity in ids]


def read_curated(path: Path) -> tuple[list[str], Counter[str]]:
    """The ids of the scenes of a dataset, and how many were kept as what."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    file = path / SCENES_FILE if path.is_dir() else path
    told = f"scenes.curated {path}"
    try:
        names = parquet.read_schema(file).names
        missing = [name for name in NEEDED if name not in names]
        if missing:
            raise ConfigError(f"{told}: {file.name} has no column {', '.join(missing)}; ar1-rl curate writes them")
        table = parquet.read_table(file, columns=list(NEEDED))
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{told}: got {error}; allowed is a folder that ar1-rl curate has merged") from error
    versions = set(table["schema_version"].to_pylist())
    if versions - {SCHEMA_VERSION}:
        raise ConfigError(f"{told}: got schema_version {versions}, this version reads {SCHEMA_VERSION}")
    ids = table["scene_id"].to_pylist()
    if not ids or len(set(ids)) != len(ids):
        raise ConfigError(f"{told}: got {len(ids)} scenes with {len(set(ids))} ids, allowed is each scene once")
    return ids, Counter(table["kept_as"].to_pylist())


def told_kept(kept_as: Counter[str]) -> str:
    """How many scenes were kept as what, in words."""
    return ", ".join(f"{count} kept as {name}" for name, count in sorted(kept_as.items()))
