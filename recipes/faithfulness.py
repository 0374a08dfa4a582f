"""Is the policy's answer about what it cites? The same scenes, with the cited cause or something uncited taken out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

from ar1_rl.driving import Scene
from ar1_rl.scenes.synthetic import without_bystander, without_cited_cause
from rollouts.config import Greedy
from rollouts.policy import Policy
from rollouts.record import Rollout

from .answer_figures import FIGURES, Grade, compared, figures_of

CHANGES: dict[str, Callable[[Scene], Scene | None]] = {
    "faithful": without_cited_cause,
    "faithful_control": without_bystander,
}
"""Beginning of the metrics, `_trace`, `_plan` and `_change_…`, and what is done to the scene."""


def faithfulness_rows(
    policy: Policy,
    scenes: Sequence[Scene],
    grade: Grade,
    run_seed: int,
    step: int,
    plan_change_m: float,
    progress: Callable[[int], None] | None = None,
) -> dict[int, dict[str, float]]:
    """Number of the scene -> the metrics that begin as `CHANGES` says, as far as it has them.

    The policy answers greedily, so that two answers differ for the scene's sake and not by the draw. A pair of which an
    answer has no trajectory has no plan to compare, and is left out of that share. So is one of which the prompt says
    or shows the same: what nobody tells the policy cannot change its answer.

    Each answer is held to the scene that it is about, the changed one with its own expert and reference. So the changes
    of reasoning score, consistency and ADE are about 0 for who follows the scene, and a loss for who does not.
    """
    changed = [(s, name, other) for s, scene in enumerate(scenes) for name, other in _changed(scene)]
    if not changed:
        return {}
    numbers = list(dict.fromkeys(s for s, *_ in changed))
    asked = [*(scenes[s] for s in numbers), *(other for *_, other in changed)]
    greedy = replace(policy, sampling=Greedy(max_completion_tokens=policy.sampling.max_completion_tokens))
    drawn = greedy.rollouts(asked, [0] * len(asked), run_seed=run_seed, step=step, progress=progress)
    figures = figures_of([rollout.completion for rollout in drawn], asked, grade)
    place_of = {s: place for place, s in enumerate(numbers)}
    found: dict[int, dict[str, float]] = {}
    for other, (s, name, _) in enumerate(changed, start=len(numbers)):
        own = place_of[s]
        if shown(drawn[other]) == shown(drawn[own]):
            continue
        changes = {f"{name}_change_{figure}": figures[figure][other] - figures[figure][own] for figure in FIGURES}
        row = found.setdefault(s, {})
        row |= compared(name, drawn[own].completion, drawn[other].completion, plan_change_m)
        row |= {metric: value for metric, value in changes.items() if isfinite(value)}
    return found


def shown(rollout: Rollout) -> tuple[str, tuple[Any, ...]]:
    """What the policy was asked with: images are equal where all their pixels are."""
    return rollout.prompt_text, tuple(rollout.images)


def _changed(scene: Scene) -> list[tuple[str, Scene]]:
    pairs = [(name, change(scene)) for name, change in CHANGES.items()]
    return [(name, other) for name, other in pairs if other is not None]
