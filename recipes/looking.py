"""Does the policy look? The same scenes with black frames, and with another scene's: what changes, and by how much."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from ar1_rl.driving import COT_END, COT_START, Completion, Scene
from ar1_rl.frames import CameraFrames
from ar1_rl.scenes.synthetic.pairs import is_paired, picks_own_expert, twin_of
from rewards.score import Score
from rollouts.config import Greedy
from rollouts.policy import Policy
from rollouts.record import Rollout
from rollouts.vision.sight import Sight

from .faithfulness import compared

Grade = Callable[[Sequence[Completion], Sequence[Scene]], Mapping[str, Sequence[Score]]]
OWN, BLIND, SHUFFLED = "own", "blind", "shuffled"
GRADES = ("reasoning_score", "consistency")


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
    values = {name: _figures([r.completion for r in rolled], scenes, grade) for name, rolled in answers.items()}
    nats = {name: _reference_nats(policies[name], scenes) for name in (OWN, BLIND)}
    found: dict[int, dict[str, float]] = {}
    for s in range(len(scenes)):
        row = {"picks_expert": values[OWN]["picks_expert"][s]}
        for name in (BLIND, SHUFFLED):
            row[f"{name}_picks_expert"] = values[name]["picks_expert"][s]
            for figure in (*GRADES, "ade_m"):
                row[f"{name}_change_{figure}"] = values[name][figure][s] - values[OWN][figure][s]
            row |= compared(name, answers[OWN][s].completion, answers[name][s].completion, plan_change_m)
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


def _figures(completions: Sequence[Completion], scenes: Sequence[Scene], grade: Grade) -> dict[str, list[float]]:
    """Figure -> one value a scene, NaN where it has none."""
    graded = grade(completions, scenes)
    values = {
        name: [np.nan if s.value is None else float(s.value) for s in graded[name]] for name in GRADES if name in graded
    }
    values |= {name: [np.nan] * len(scenes) for name in GRADES if name not in graded}
    values["ade_m"] = [_ade_m(completion, scene) for completion, scene in zip(completions, scenes, strict=True)]
    values["picks_expert"] = [_picks(completion, scene) for completion, scene in zip(completions, scenes, strict=True)]
    return values


def _ade_m(completion: Completion, scene: Scene) -> float:
    if completion.trajectory is None or scene.future_T3 is None:
        return float("nan")
    apart_T2 = completion.trajectory.poses_T3[:, :2] - scene.future_T3[:, :2]
    return float(np.linalg.norm(apart_T2, axis=1).mean())


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
