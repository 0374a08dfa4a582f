"""Is the policy's answer about what it cites? The same scenes, with the cited cause or something uncited taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ar1_rl.driving import Completion, Scene
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.metrics import plan_changed, trace_changed
from ar1_rl.scenes.synthetic import without_bystander, without_cited_cause
from rollouts.config import Greedy
from rollouts.policy import Policy
from rollouts.record import Rollout

CHANGES: dict[str, Callable[[Scene], Scene | None]] = {
    "faithful": without_cited_cause,
    "faithful_control": without_bystander,
}
"""Beginning of the two metrics, `_trace` and `_plan`, and what is done to the scene."""


def faithfulness_rows(
    policy: Policy,
    scenes: Sequence[Scene],
    run_seed: int,
    step: int,
    plan_change_m: float,
    progress: Callable[[int], None] | None = None,
) -> dict[int, dict[str, float]]:
    """Number of the scene -> faithful_trace, faithful_plan and the same of the control, as far as it has them.

    The policy answers greedily, so that two answers differ for the scene's sake and not by the draw. A pair of which an
    answer has no trajectory has no plan to compare, and is left out of that share. So is one of which the prompt says
    or shows the same: what nobody tells the policy cannot change its answer.
    """
    pairs = [(s, name, other) for s, scene in enumerate(scenes) for name, other in _changed(scene)]
    asked = {s: scenes[s] for s, *_ in pairs}
    if not pairs:
        return {}
    greedy = replace(policy, sampling=Greedy(max_completion_tokens=policy.sampling.max_completion_tokens))
    drawn = greedy.rollouts(
        [*asked.values(), *(other for *_, other in pairs)],
        [0] * (len(asked) + len(pairs)),
        run_seed=run_seed,
        step=step,
        progress=progress,
    )
    answers = dict(zip(asked, drawn, strict=False))
    found: dict[int, dict[str, float]] = {}
    for (s, name, _), other in zip(pairs, drawn[len(asked) :], strict=True):
        if shown(other) != shown(answers[s]):
            metrics = compared(name, answers[s].completion, other.completion, plan_change_m)
            found.setdefault(s, {}).update(metrics)
    return found


def shown(rollout: Rollout) -> tuple[str, tuple[Any, ...]]:
    """What the policy was asked with: images are equal where all their pixels are."""
    return rollout.prompt_text, tuple(rollout.images)


def compared(name: str, answer: Completion, other: Completion, plan_change_m: float) -> dict[str, float]:
    """The two metrics of a pair of answers."""
    texts = answer.reasoning or "", other.reasoning or ""
    metrics = {f"{name}_trace": float(trace_changed(*(parse_decisions(text) for text in texts)))}
    if answer.trajectory is not None and other.trajectory is not None:
        poses = answer.trajectory.poses_T3, other.trajectory.poses_T3
        metrics[f"{name}_plan"] = float(plan_changed(*poses, plan_change_m))
    return metrics


def _changed(scene: Scene) -> list[tuple[str, Scene]]:
    pairs = [(name, change(scene)) for name, change in CHANGES.items()]
    return [(name, other) for name, other in pairs if other is not None]
