"""Rewards of the run that an evaluation did not ask for: those that cost nothing are asked for the rollouts shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ar1_rl.config import check_config
from ar1_rl.driving import Scene
from ar1_rl.errors import Ar1RlError
from rewards.loading import MixConfig
from rollouts.record import ScoreColumns
from rollouts.recorded import completion_of_row

from .evaluate import score_columns
from .report_run import RunParts

FREE = ("format", "imitation", "comfort", "jerk", "safety", "collision")
"""Built-in rewards by rules: they ask nobody."""


def scored_later(
    run: RunParts, rows: Mapping[str, Mapping[str, list[dict[str, Any]]]], scenes: Mapping[str, Scene]
) -> dict[tuple[str, str, int], dict[str, ScoreColumns]]:
    """(side, scene, sample) -> scores of the free terms that the run's mix has and the row has not."""
    found = [
        (side, row)
        for side, of_side in rows.items()
        for identity, of_scene in of_side.items()
        if identity in scenes
        for row in of_scene
    ]
    terms = (run.config.get("rewards") or {}).get("terms") or ()
    lacking = [
        term
        for term in terms
        if term["reward"] in FREE and any(f"{term.get('name') or term['reward']}.why" not in row for _, row in found)
    ]
    if not found or not lacking:
        return {}
    plain = {"terms": [{**term, "weight": 1.0, "gate": None} for term in lacking]}
    try:
        mix = check_config(MixConfig, plain, source="rewards of the run").build()
        mixed = mix.score([completion_of_row(row) for _, row in found], [scenes[row["scene_id"]] for _, row in found])
    except Ar1RlError as error:
        run.missing.append(f"Rewards that the evaluation did not ask for could not be asked now: {error}")
        return {}
    return {
        (side, row["scene_id"], row["sample"]): score_columns(one)
        for (side, row), one in zip(found, mixed, strict=True)
    }
