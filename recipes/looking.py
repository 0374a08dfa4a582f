"""Does the policy look? The same scenes with black frames, and with another scene's: what changes, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from ar1_rl.driving import COT_END, COT_START, Completion, Scene
from ar1_rl.frames import CameraFrames
from ar1_rl.scenes.synthetic.pairs import is_paired, picks_own_expert, twin_of
from rollouts.config import Greedy
from rollouts.policy import Policy
from rollouts.record import Rollout
from rollouts.vision.sight import Sight

from .answer_figures import FIGURES, Grade, compared, figures_of

OWN, BLIND, SHUFFLED = "own", "blind", "shuffled"


def looking_rows(
    policy: Policy,
    scenes: Sequence[Scene],
    grade: Grade,
    run_seed: int,
    step: int,
    plan_change_m: float,
    progress: Callable[[int], None] | None = None,
) -> dict[int, dict[str, float]]:
    """Number of the scene -> metrics of looking, as far as it has them; empty for a policy that is shown no frames.

    The policy answers greedily, so that two answers differ for the frames' sake and not by the draw. Another scene's
    frames are those of the next scene of another episode, so never those of a twin.
    """
    sight = policy.dialogue.sight
    if sight is None or not scenes:
        return {}
    policies = {OWN: policy, BLIND: _shown(policy, black(sight)), SHUFFLED: _shown(policy, of_others(sight, scenes))}
    answers: dict[str, list[Rollout]] = {}
    for name, one in policies.items():
        greedy = replace(one, sampling=Greedy(max_completion_tokens=policy.sampling.max_completion_tokens))
        answers[name] = greedy.rollouts(scenes, [0] * len(scenes), run_seed=run_seed, step=step, progress=progress)
    completions = {name: [rollout.completion for rollout in rolled] for name, rolled in answers.items()}
    figures = {name: figures_of(told, scenes, grade) for name, told in completions.items()}
    picks = {name: [_picks(*one) for one in zip(told, scenes, strict=True)] for name, told in completions.items()}
    nats = {name: _reference_nats(policies[name], scenes) for name in (OWN, BLIND)}
    found: dict[int, dict[str, float]] = {}
    for s in range(len(scenes)):
        row = {"picks_expert": picks[OWN][s]}
        for name in (BLIND, SHUFFLED):
            row[f"{name}_picks_expert"] = picks[name][s]
            for figure in FIGURES:
                row[f"{name}_change_{figure}"] = figures[name][figure][s] - figures[OWN][figure][s]
            row |= compared(name, completions[OWN][s], completions[name][s], plan_change_m)
        row["blind_change_reference_nats"] = nats[BLIND][s] - nats[OWN][s]
        found[s] = {name: value for name, value in row.items() if np.isfinite(value)}
    return found


def black(sight: Sight) -> Sight:
    """The same prompts with black frames."""
    return sight.instead(lambda scene: sight.read(scene).blackened())


def of_others(sight: Sight, scenes: Sequence[Scene]) -> Sight:
    """The same prompts with the frames of the next scene of another episode; its own where there is none."""
    others: dict[str, Scene] = {}
    for s, scene in enumerate(scenes):
        following = chain(scenes[s + 1 :], scenes[:s])
        others[scene.id] = next((other for other in following if other.episode != scene.episode), scene)

    def read(scene: Scene) -> CameraFrames:
        return sight.read(others[scene.id])

    return sight.instead(read)


def _shown(policy: Policy, sight: Sight) -> Policy:
    return replace(policy, dialogue=replace(policy.dialogue, sight=sight))


def _picks(completion: Completion, scene: Scene) -> float:
    """1 where the trajectory is nearer to the scene's expert than to its twin's; an undecodable one picks nothing."""
    if not is_paired(scene.id):
        return float("nan")
    if completion.trajectory is None:
        return 0.0
    return float(picks_own_expert(completion.trajectory.poses_T3[None], scene, twin_of(scene))[0])


def _reference_nats(policy: Policy, scenes: Sequence[Scene]) -> list[float]:
    """Mean log-probability of a token of the reference trace [nats]; NaN where a scene has none."""
    known = [s for s, scene in enumerate(scenes) if scene.reference is not None]
    asked: list[Any] = policy.dialogue.ask_about([scenes[s] for s in known])
    traces = [scenes[s].reference for s in known]
    texts = policy.dialogue.token_ids([f"{COT_START}{t.text}{COT_END}" for t in traces if t is not None])
    scored = policy.engine.logprobs([p.token_ids for p in asked], texts, images=[p.images for p in asked])
    means = dict(zip(known, (float(np.mean(row)) for row in scored), strict=True))
    return [means.get(s, float("nan")) for s in range(len(scenes))]
