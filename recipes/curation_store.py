"""The folder of a curated dataset: scores in closed files of a batch each, by shard, and the scenes that are kept.

    OUT/config.yaml
    OUT/scores/shard-000-of-004/part-000000.parquet ...   every scene with rewards and log-probabilities of its rollouts
    OUT/scores/shard-000-of-004/done.json
    OUT/scenes.parquet, OUT/summary.json                  what is kept, as what, and why

Several shards may write at once, from several machines that share the folder; each file has one writer and appears
whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ar1_rl.curation.config import CurateConfig
from ar1_rl.errors import ConfigError, RunError

from .run_config import RunConfig
from .whole_files import PARTIAL, write_table

SCHEMA_VERSION = 1
SCENES_FILE = "scenes.parquet"

DECIDE_THE_SCENES = ("seed", "scenes", "policy", "rollouts", "rewards", "curate.rollouts")
"""What the scores of a scene depend on, beside the weights of the policy."""

DECIDE_THE_SCORES = ("weights", *DECIDE_THE_SCENES, "curate.scenes_per_batch", "curate.shards")
"""What files of scores depend on, too."""

EDGE_BYTES = 2**20
"""Of the beginning and of the end of a file of weights that tell it from another one."""


class CurationStore:
    """OUT of one curation, seen by one of its shards."""

    def __init__(self, path: Path, settings: CurateConfig) -> None:
        self.path = path
        self.shard = self._shard_folder(settings.shard, settings.shards)

    def claim(self, config: RunConfig) -> None:
        """Make the folder, or see that it is of this config; ConfigError if it holds something else."""
        if config.curate.policy is None:
            raise ConfigError("curate.policy is unset: name the folder of the policy, for instance by --policy")
        if self._config_file.exists():
            self.check(config, DECIDE_THE_SCORES)
        elif self.path.exists() and any(path.suffix != PARTIAL for path in self.path.iterdir()):
            raise ConfigError(f"{self.path} is not empty and holds no curation; choose another --out")
        content = {
            "schema_version": SCHEMA_VERSION,
            "identity": identity(config),
            "config": config.model_dump(mode="json"),
        }
        self.path.mkdir(parents=True, exist_ok=True)
        _replace(self._config_file, yaml.safe_dump(content, sort_keys=False))
        self.shard.mkdir(parents=True, exist_ok=True)

    def check(self, config: RunConfig, keys: Sequence[str] = DECIDE_THE_SCENES) -> None:
        """ConfigError if the scores in the folder are of a config that differs in these keys of `identity`."""
        before, now = self._stored(), identity(config)
        changed = [key for key in keys if before[key] != now[key]]
        if changed:
            raise ConfigError(
                f"{self.path} holds scores of another config (different: {', '.join(changed)}); "
                "go on with the config it has, or choose another --out"
            )

    @property
    def _config_file(self) -> Path:
        return self.path / "config.yaml"

    def _stored(self) -> dict[str, Any]:
        if not self._config_file.exists():
            raise ConfigError(f"{self.path} holds no scores (config.yaml is missing); score the scenes first")
        stored: dict[str, Any] = yaml.safe_load(self._config_file.read_text())["identity"]
        return stored

    @property
    def scenes_file(self) -> Path:
        """The dataset."""
        return self.path / SCENES_FILE

    def parts(self) -> list[Path]:
        """Files of scores of this shard, in order."""
        return sorted(self.shard.glob("part-*.parquet"))

    def is_done(self) -> bool:
        """Whether every scene of this shard has its scores."""
        return (self.shard / "done.json").exists()

    def add_part(self, rows: Sequence[dict[str, Any]]) -> None:
        """The scores of one more batch."""
        import pyarrow as pa

        schema = pa.schema(
            [
                ("schema_version", pa.int64()),
                ("scene_id", pa.string()),
                ("episode", pa.string()),
                ("t0_us", pa.int64()),
                ("rewards", pa.list_(pa.float64())),
                ("mean_logprobs", pa.list_(pa.float64())),
            ]
        )
        path = self.shard / f"part-{len(self.parts()):06d}.parquet"
        write_table(pa.Table.from_pylist(list(rows), schema=schema), path)

    def finish(self) -> None:
        """Mark this shard as done."""
        import pyarrow.parquet as parquet

        scenes = sum(int(parquet.read_metadata(path).num_rows) for path in self.parts())
        self._write_json(self.shard / "done.json", {"scenes": scenes})

    def all_parts(self) -> list[Path]:
        """Files of scores of all shards; RunError names the shards that are not done."""
        shards = int(self._stored()["curate.shards"])
        folders = [self._shard_folder(shard, shards) for shard in range(shards)]
        missing = [str(i) for i, folder in enumerate(folders) if not (folder / "done.json").exists()]
        if missing:
            raise RunError(
                f"{self.path}: shards {', '.join(missing)} of {shards} are not done; "
                f"run each of them with --shard I/{shards}, then merge"
            )
        return [path for folder in folders for path in sorted(folder.glob("part-*.parquet"))]

    def write_summary(self, summary: dict[str, Any]) -> None:
        """summary.json."""
        self._write_json(self.path / "summary.json", summary)

    def _write_json(self, path: Path, content: dict[str, Any]) -> None:
        _replace(path, json.dumps({"schema_version": SCHEMA_VERSION, **content}, indent=2))

    def _shard_folder(self, shard: int, shards: int) -> Path:
        return self.path / "scores" / f"shard-{shard:03d}-of-{shards:03d}"


def identity(config: RunConfig) -> dict[str, Any]:
    """What scores depend on, by DECIDE_THE_SCORES. Calls with the same may share a folder."""
    plain = config.model_dump(mode="json")
    scenes = {key: value for key, value in plain["scenes"].items() if key not in ("validation", "test", "curated")}
    policy = config.curate.policy
    return {
        "weights": None if policy is None else weights_fingerprint(Path(policy)),
        "seed": plain["seed"],
        "scenes": scenes,
        "policy": {key: plain["policy"][key] for key in ("codec", "dtype")},
        "rollouts": plain["rollouts"],
        "rewards": plain["rewards"],
        **{f"curate.{key}": plain["curate"][key] for key in ("rollouts", "scenes_per_batch", "shards")},
    }


def weights_fingerprint(folder: Path) -> str:
    """Tells the weights in a folder from others, without reading all of them: names, sizes, beginnings and ends."""
    files = sorted(path for path in folder.glob("*") if path.suffix in (".safetensors", ".bin"))
    if not files:
        raise ConfigError(f"curate.policy: {folder} holds no weights (*.safetensors); allowed is a policy's folder")
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(EDGE_BYTES))
            file.seek(max(0, size - EDGE_BYTES))
            digest.update(file.read())
    return digest.hexdigest()[:16]


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    partial.write_text(text)
    os.replace(partial, path)
