"""Evaluation folders as documented, written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

KINDS = ("red_light", "cut_in", "turn")


def write_evaluation(
    folder: Path, per_scene: Mapping[str, Any], *, names: list[str] | None = None, per_episode: int = 1, **header: Any
) -> Path:
    """An evaluation as documented: evaluation.json and scenes.parquet."""
    count = len(next(iter(per_scene.values())))
    folder.mkdir(parents=True)
    settings = {"samples_per_scene": 6, "temperature": 0.6, "top_p": 0.98, "decoding": "most likely"}
    told = {"label": "after", "policy": "a policy", "policy_version": "1", "seed": 0, "training_seed": None}
    lists = {"trained_on": ["consistency"], "held_out": ["consistency_held_out"]}
    content = {"schema_version": 1, **told, **settings, **lists, "scenes": count, "means": {}, **header}
    (folder / "evaluation.json").write_text(json.dumps(content))
    names = names or [f"scene {i}" for i in range(count)]
    columns = {
        "scene_id": names,
        "episode": [f"episode {i // per_episode}" for i in range(count)],
        "kind": [KINDS[i % 3] for i in range(count)],
        "longitudinal": [("stop", "yield", None)[i % 3] for i in range(count)],
        "lateral": ["lane_keeping"] * count,
    }
    values = {
        name: pa.array(np.asarray(v, dtype=float), pa.float64(), from_pandas=True) for name, v in per_scene.items()
    }
    parquet.write_table(pa.table({**columns, **values}), folder / "scenes.parquet")
    return folder
