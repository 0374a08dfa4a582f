"""Metrics of a run's evaluations by graders that the policy was not trained on, before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ar1_rl.report.flags import HeldOut

SUFFIX = "_held_out"
"""`consistency_held_out` is the held-out twin of `consistency`."""


def held_out_of(run: Path) -> Iterator[HeldOut]:
    """Held-out metrics of RUN/evaluations/before and after, scene by scene; none where the run has no evaluations.

    These are graders' metrics, of which more is better.
    """
    import pyarrow.parquet as parquet

    before, after = (run / "evaluations" / name for name in ("before", "after"))
    if not all((folder / "evaluation.json").is_file() for folder in (before, after)):
        return
    tables = [parquet.read_table(folder / "scenes.parquet").to_pydict() for folder in (before, after)]
    places = {identity: place for place, identity in enumerate(tables[1]["scene_id"])}
    order = [(i, places[identity]) for i, identity in enumerate(tables[0]["scene_id"]) if identity in places]

    def both(name: str) -> tuple[np.ndarray, np.ndarray]:
        before_S, after_S = (np.array(table[name], dtype=float) for table in tables)
        return before_S[[i for i, _ in order]], after_S[[i for _, i in order]]

    for name in json.loads((after / "evaluation.json").read_text()).get("held_out", ()):
        if any(name not in table for table in tables):
            continue
        trained = name.replace(SUFFIX, "")
        twin = trained != name and all(trained in table for table in tables)
        of_trained = both(trained) if twin else (None, None)
        yield HeldOut(name, *both(name), trained if twin else None, *of_trained)
