"""What an evaluation says of looking, with intervals: for summary.json and the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from ar1_rl.driving import Scene
from ar1_rl.metrics import mean_interval
from ar1_rl.metrics.catalogue import WITH_OTHER_FRAMES
from ar1_rl.scenes.synthetic.pairs import blind_ceiling

from .evaluation_folder import Evaluation


def looking_summary(
    before: Evaluation, after: Evaluation, scenes: Iterable[Scene], resamples: int
) -> dict[str, Any] | None:
    """Metric -> mean and interval before and after, and the ceiling of a policy that does not look; None without any.

    `scenes` are those of the evaluation. Intervals are over episodes, which the members of a pair share.
    """
    told = {"before": _intervals(before, resamples), "after": _intervals(after, resamples)}
    if not told["before"] and not told["after"]:
        return None
    picked = zip(after.scene_ids, after.per_scene["picks_expert"], strict=True)
    asked = {identity for identity, value in picked if isfinite(value)}
    paired = [scene for scene in scenes if scene.id in asked]
    return {"blind_ceiling": blind_ceiling(paired) if paired else None, "paired_scenes": len(paired), **told}


def told_of_looking(summary: dict[str, Any]) -> str | None:
    """One line for the terminal, where there are pairs."""
    if not summary["paired_scenes"]:
        return None
    sides = [
        f"{_told(summary[side], 'picks_expert')} {side} RL (black frames {_told(summary[side], 'blind_picks_expert')})"
        for side in ("before", "after")
    ]
    return (
        f"Of {summary['paired_scenes']} scenes in pairs the policy drives nearer to the own expert than to the twin's "
        f"in {', '.join(sides)}; without looking at most {summary['blind_ceiling']:.2f}"
    )


def _intervals(evaluation: Evaluation, resamples: int) -> dict[str, dict[str, Any]]:
    found = {}
    for metric in WITH_OTHER_FRAMES:
        values_S = evaluation.per_scene.get(metric.name)
        if values_S is None:
            continue
        mean, low, high = mean_interval(values_S, evaluation.episodes, resamples=resamples)
        if isfinite(mean):
            known = [value if isfinite(value) else None for value in (low, high)]
            found[metric.name] = {"mean": mean, "ci95": known}
    return found


def _told(side: dict[str, Any], name: str) -> str:
    if name not in side:
        return "-"
    low, high = side[name]["ci95"]
    interval = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
    return f"{side[name]['mean']:.2f}{interval}"
