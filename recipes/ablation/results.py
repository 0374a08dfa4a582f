"""What the finished cells of an ablation say: means, differences over seeds, and what they were made with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ar1_rl.metrics import holm
from ar1_rl.metrics.permutation import RESAMPLES

from ..arms import Arm, pairs_of
from ..comparison import ALPHA, Row, check_graders, metric_rows
from ..evaluation_folder import read_evaluation
from ..plain import plain
from .cells import Plan
from .config import DirectionConfig
from .running import Job, cell_job, sft_job

SCHEMA_VERSION = 1
SHOWN, OPPOSITE, NOT_SHOWN = "shown", "the opposite is shown", "not shown"


def results_of(plan: Plan) -> dict[str, Any]:
    """The record of an ablation as plain values, of the cells that are finished; others are left out.

    Differences are paired by scene within a seed; their mean, interval and p are over seeds (Student's t).
    """
    config = plan.config
    arms = {name: arm for name in config.cells if (arm := _arm(plan, name)) is not None}
    cells = {name: _cell(plan, name, arm, arms.get(config.baseline)) for name, arm in arms.items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "ablation": config.ablation,
        "recipe": config.recipe,
        "baseline": config.baseline,
        "changes": config.changes,
        "metrics": list(config.metrics),
        "made": _made(plan, list(arms)),
        "cells": cells,
        "directions": _directions(plan, arms, cells),
    }


def _arm(plan: Plan, cell: str) -> Arm | None:
    seeds = [seed for seed in plan.config.seeds if cell_job(plan, seed, cell).done(plan.out) is not None]
    folders = tuple(plan.evaluation(seed, cell) for seed in seeds)
    return Arm(cell, folders, tuple(read_evaluation(folder) for folder in folders)) if folders else None


def _cell(plan: Plan, name: str, arm: Arm, baseline: Arm | None) -> dict[str, Any]:
    cell = plan.config.cells[name]
    rows = {} if baseline is None or name == plan.config.baseline else _rows(baseline, arm, plan.config.metrics)
    means = [evaluation.means() for evaluation in arm.evaluations]
    figures = {
        metric: {
            "mean": _mean([found[metric] for found in means]),
            "by_seed": {
                str(evaluation.header.training_seed): found[metric]
                for evaluation, found in zip(arm.evaluations, means, strict=True)
            },
            "difference": _difference(rows[metric]) if metric in rows else None,
            "paper": cell.paper.get(metric),
        }
        for metric in dict.fromkeys((*plan.config.metrics, *cell.paper))
    }
    return {"title": cell.title, "train": cell.train, "seeds": len(arm.folders), "metrics": figures}


def _rows(baseline: Arm, arm: Arm, metrics: Sequence[str]) -> dict[str, Row]:
    """The difference in each metric over the seeds that both have."""
    seeds = [
        {e.header.training_seed: (f, e) for f, e in zip(a.folders, a.evaluations, strict=True)} for a in (baseline, arm)
    ]
    shared = [seed for seed in seeds[0] if seed in seeds[1]]
    if not shared:
        return {}
    first, second = (
        Arm(a.label, tuple(by[s][0] for s in shared), tuple(by[s][1] for s in shared))
        for a, by in zip((baseline, arm), seeds, strict=True)
    )
    pairs = pairs_of(first, second, any_decoding=True)
    check_graders(pairs, metrics)
    rows = metric_rows(pairs, metrics, primary=None, episodes=False, resamples=RESAMPLES)
    return {row.metric: row for row in rows}


def _difference(row: Row) -> dict[str, Any]:
    several = len(row.seeds) > 1
    return {
        "mean": plain(row.difference),
        "ci95": [plain(bound) for bound in row.ci95],
        "p": plain(row.p),
        "over": "seeds" if several else "scenes",
        "by_seed": [plain(seed.mean) for seed in row.seeds],
    }


def _directions(plan: Plan, arms: Mapping[str, Arm], cells: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each reported direction with what was measured, p corrected over all of them by Holm."""
    asked = [d for d in plan.config.directions if d.cell in arms and d.against in arms]
    found = [(d, _rows(arms[d.against], arms[d.cell], [d.metric])) for d in asked]
    known = [(d, rows[d.metric]) for d, rows in found if rows]
    corrected = holm([row.p for _, row in known])
    return [
        {
            **direction.model_dump(),
            "paper": _in_paper(plan, direction),
            "measured": _difference(row),
            "p_holm": plain(float(p)),
            "verdict": _verdict(direction, row, float(p)),
        }
        for (direction, row), p in zip(known, corrected, strict=True)
    ]


def _in_paper(plan: Plan, direction: DirectionConfig) -> float | None:
    after, before = (
        plan.config.cells[name].paper.get(direction.metric) for name in (direction.cell, direction.against)
    )
    return None if after is None or before is None else round(after - before, 6)


def _verdict(direction: DirectionConfig, row: Row, p: float) -> str:
    if math.isnan(p) or p >= ALPHA:
        return NOT_SHOWN
    return SHOWN if (row.difference > 0) == (direction.goes == "up") else OPPOSITE


def _made(plan: Plan, cells: Sequence[str]) -> dict[str, Any]:
    """With what and how long: of all finished jobs."""
    jobs: list[Job] = [sft_job(plan, seed) for seed in plan.config.seeds]
    jobs += [cell_job(plan, seed, cell) for cell in cells for seed in plan.config.seeds]
    done = [content for job in jobs if (content := job.done(plan.out)) is not None]
    environments = [content["environment"] for content in done]
    told = (
        {key: _distinct([found.get(key) for found in environments]) for key in environments[0]} if environments else {}
    )
    return {"wall_s": round(sum(content["wall_s"] for content in done), 1), "jobs": plan.config.jobs, **told}


def _distinct(values: Sequence[Any]) -> Any:
    """The one value, or all of them where cells were run with different ones."""
    texts = list(dict.fromkeys(json.dumps(value, sort_keys=True) for value in values))
    return json.loads(texts[0]) if len(texts) == 1 else [json.loads(text) for text in texts]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
