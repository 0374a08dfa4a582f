"""Metrics of a run's evaluations by graders that the policy was not trained on, before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ar1_rl.report.flags import HeldOut

SUFFIX = "_held_out"
FALLING = ("ade", "fde", "encounter", "off_road", "miss_rate", "ttc", "corner_distance")
"""Words in the names of metrics that are better when lower."""
NEITHER = ("diversity", "trace_words", "stability", "coverage", "parse_rate")
"""Metrics that describe, and are neither better nor worse."""


def held_out_of(run: Path) -> Iterator[HeldOut]:
    """Held-out metrics of RUN/evaluations/before and after, scene by scene; none where the run has no evaluations."""
    import pyarrow.parquet as parquet

    before, after = (run / "evaluations" / name for name in ("before", "after"))
    if not all((folder / "scenes.parquet").is_file() for folder in (before, after)):
        return
    tables = [parquet.read_table(folder / "scenes.parquet").to_pydict() for folder in (before, after)]
    places = {identity: place for place, identity in enumerate(tables[1]["scene_id"])}
    order = [(i, places[identity]) for i, identity in enumerate(tables[0]["scene_id"]) if identity in places]
    names = json.loads((after / "evaluation.json").read_text())["held_out"]

    def both(name: str) -> tuple[np.ndarray, np.ndarray]:
        columns = [np.array(table[name], dtype=float) for table in tables]
        sign = -1.0 if any(word in name for word in FALLING) else 1.0
        return sign * columns[0][[i for i, _ in order]], sign * columns[1][[i for _, i in order]]

    for name in names:
        if any(word in name for word in NEITHER) or any(name not in table for table in tables):
            continue
        trained = name.replace(SUFFIX, "")
        twin = trained != name and all(trained in table for table in tables)
        before_S, after_S = both(name)
        trained_before_S, trained_after_S = both(trained) if twin else (None, None)
        yield HeldOut(
            name=name,
            before_S=before_S,
            after_S=after_S,
            trained_name=trained if twin else None,
            trained_before_S=trained_before_S,
            trained_after_S=trained_after_S,
        )
