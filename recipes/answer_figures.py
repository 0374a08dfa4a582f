"""What answers are worth, and what differs between two: for scenes that are asked about in more than one way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ar1_rl.driving import Completion, Scene
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.metrics import plan_changed, trace_changed
from rewards.score import Score

Grade = Callable[[Sequence[Completion], Sequence[Scene]], Mapping[str, Sequence[Score]]]
GRADES = ("reasoning_score", "consistency")
FIGURES = (*GRADES, "ade_m")


def figures_of(completions: Sequence[Completion], scenes: Sequence[Scene], grade: Grade) -> dict[str, list[float]]:
    """`FIGURES` -> one value an answer, held to its own scene; NaN where it has none."""
    graded = grade(completions, scenes)
    nothing = [float("nan")] * len(scenes)
    values = {
        name: [np.nan if s.value is None else float(s.value) for s in graded[name]] if name in graded else nothing
        for name in GRADES
    }
    values["ade_m"] = [_ade_m(completion, scene) for completion, scene in zip(completions, scenes, strict=True)]
    return values


def compared(name: str, answer: Completion, other: Completion, plan_change_m: float) -> dict[str, float]:
    """Whether the trace and the plan of two answers differ: two metrics that begin with `name`."""
    texts = answer.reasoning or "", other.reasoning or ""
    metrics = {f"{name}_trace": float(trace_changed(*(parse_decisions(text) for text in texts)))}
    if answer.trajectory is not None and other.trajectory is not None:
        poses = answer.trajectory.poses_T3, other.trajectory.poses_T3
        metrics[f"{name}_plan"] = float(plan_changed(*poses, plan_change_m))
    return metrics


def _ade_m(completion: Completion, scene: Scene) -> float:
    if completion.trajectory is None or scene.future_T3 is None:
        return float("nan")
    apart_T2 = completion.trajectory.poses_T3[:, :2] - scene.future_T3[:, :2]
    return float(np.linalg.norm(apart_T2, axis=1).mean())
