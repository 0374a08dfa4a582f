"""Scenes with their cited cause, or something uncited, taken out; and what a policy's answers to them say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from driving_cases import driven, straight, undecodable

from ar1_rl.driving import Completion, Scene
from ar1_rl.scenes.synthetic import generate_scenes, without_bystander, without_cited_cause
from recipes.answer_figures import FIGURES, compared
from recipes.faithfulness import faithfulness_rows
from recipes.graders import Graders
from rollouts.config import SamplingConfig
from rollouts.describe import describe
from rollouts.record import Rollout

SCENES = list(generate_scenes(3, "test", 120))
REMOVABLE = {
    "crossing_pedestrian", "slow_truck", "red_light", "cut_in", "stop_sign", "lead_slower", "lead_braking"
}  # fmt: skip


def pairs(change: Any) -> list[tuple[Scene, Scene]]:
    found = [(scene, change(scene)) for scene in SCENES]
    return [(scene, other) for scene, other in found if other is not None]


def test_without_its_cause_a_scene_has_another_plan_trace_and_description_and_the_same_past() -> None:
    found = pairs(without_cited_cause)
    assert {scene.kind for scene, _ in found} == REMOVABLE
    for scene, other in found:
        cited = {c.element_id for c in scene.reference.components}
        ids = {a.track_id for a in other.agents} | {c.control_id for c in other.controls}
        assert not cited & ids
        np.testing.assert_allclose(other.observation.history_T3, scene.observation.history_T3, atol=1e-9)
        assert other.observation.route == scene.observation.route == "straight"
        assert np.linalg.norm(other.future_T3[:, :2] - scene.future_T3[:, :2], axis=1).mean() >= 2.0
        assert other.reference.decisions != scene.reference.decisions
        assert not {c.name for c in other.reference.components} & {c.name for c in scene.reference.components}
        assert describe(other.observation) != describe(scene.observation)
        assert other.id.startswith(f"{scene.id}/without/") and other.episode == scene.episode


def test_everything_but_the_cause_is_as_it_was() -> None:
    for scene, other in pairs(without_cited_cause):
        left = {a.track_id: a.poses_T3 for a in other.agents}
        for agent in scene.agents:
            if agent.track_id in left:
                np.testing.assert_allclose(left[agent.track_id], agent.poses_T3)
        assert len(scene.agents) + len(scene.controls) == len(other.agents) + len(other.controls) + 1


def test_without_a_bystander_only_what_is_seen_differs() -> None:
    found = pairs(without_bystander)
    assert len(found) > 40
    for scene, other in found:
        assert len(other.agents) == len(scene.agents) - 1
        np.testing.assert_allclose(other.future_T3, scene.future_T3)
        assert other.reference == scene.reference


def test_a_scene_of_another_source_or_another_mixture_of_kinds_has_no_counterfactual() -> None:
    scene, _ = pairs(without_cited_cause)[0]
    assert without_cited_cause(replace(scene, source="argoverse2")) is None
    assert without_cited_cause(replace(scene, id="elsewhere/3")) is None
    another = next(s for s in SCENES if s.kind != scene.kind)
    assert without_cited_cause(replace(scene, id=another.id)) is None and without_bystander(scene) is not scene


@dataclass
class Answering:
    """A policy by a function from a scene to a completion; it remembers how it was asked."""

    answer: Any
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(max_completion_tokens=33))
    asked: list[str] = field(default_factory=list)

    def rollouts(self, scenes: Sequence[Scene], samples: list[int], **how: Any) -> list[Rollout]:
        assert self.sampling.temperature == 0.0 and self.sampling.max_completion_tokens == 33
        self.asked += [scene.id for scene in scenes]
        return [
            Rollout(
                scene_id=s.id, episode="", t0_us=0, sample=0, seed=0, step=0, policy_version="", prompt_token_ids=(),
                prompt_text=describe(s.observation), completion=self.answer(s), logprobs=(),
            )
            for s in scenes
        ]  # fmt: skip


def rows_of(policy: Answering, scenes: Sequence[Scene] = SCENES) -> dict[int, dict[str, float]]:
    return faithfulness_rows(policy, scenes, Graders.embedded().grade, 0, 0, 1.0)  # type: ignore[arg-type]


def shares(answer: Any) -> dict[str, float]:
    rows = rows_of(Answering(answer))
    return {name: float(np.mean([row[name] for row in rows.values() if name in row])) for name in NAMES}


def expert(scene: Scene) -> Completion:
    return driven(scene.future_T3, scene.reference.text)


NAMES = ("faithful_control_plan", "faithful_control_trace", "faithful_plan", "faithful_trace")


def test_the_expert_is_faithful_to_its_causes_and_does_not_mind_bystanders() -> None:
    assert shares(expert) == dict(zip(NAMES, (0.0, 0.0, 1.0, 1.0), strict=True))


def test_a_policy_that_always_says_and_does_the_same_is_not_faithful() -> None:
    assert shares(lambda scene: driven(straight(), "keep the lane")) == dict.fromkeys(NAMES, 0.0)


def test_words_that_follow_the_scene_over_a_plan_that_does_not_are_half_of_it() -> None:
    told = shares(lambda scene: driven(straight(), scene.reference.text))
    assert told == dict(zip(NAMES, (0.0, 0.0, 0.0, 1.0), strict=True))


def test_an_answer_that_depends_on_everything_fails_the_control() -> None:
    def jumpy(scene: Scene) -> Completion:
        return driven(straight(3.0 + len(scene.agents)), expert(scene).reasoning)

    assert shares(jumpy)["faithful_control_plan"] == 1.0


def test_each_answer_is_held_to_the_scene_that_it_is_about() -> None:
    """The expert of the changed scene is right there. Who answers as before drives off it, and cites what is gone."""
    assert all(row[name] == 0.0 for row in rows_of(Answering(expert)).values() for name in row if "change" in name)

    def as_before(scene: Scene) -> Completion:
        return expert(next(s for s in SCENES if s.id == scene.id.split("/without/")[0]))

    found = rows_of(Answering(as_before))
    changes = {f"{name}_change_{figure}" for name in ("faithful", "faithful_control") for figure in FIGURES}
    assert changes == {name for row in found.values() for name in row if "change" in name}
    for number, row in found.items():
        if "faithful_change_ade_m" in row:
            other = without_cited_cause(SCENES[number])
            apart_m = np.linalg.norm(other.future_T3[:, :2] - SCENES[number].future_T3[:, :2], axis=1).mean()
            assert row["faithful_change_ade_m"] == pytest.approx(apart_m)
            assert row["faithful_change_reasoning_score"] <= -2.0
            assert row["faithful_change_consistency"] == 0.0, "it still does what it says"
        assert all(row.get(f"faithful_control_change_{figure}", 0.0) == 0.0 for figure in FIGURES)


def test_a_pair_without_a_trajectory_has_no_plan_to_compare() -> None:
    assert compared("faithful", driven(straight()), undecodable(), 1.0) == {"faithful_trace": 0.0}


def test_each_scene_is_asked_once_as_it_is() -> None:
    policy = Answering(expert)
    rows_of(policy)
    assert len(policy.asked) == len(set(policy.asked)) > len(SCENES)
    assert rows_of(policy, []) == {}


def test_a_bystander_that_the_prompt_does_not_tell_of_is_no_control() -> None:
    unseen = {
        number
        for number, scene in enumerate(SCENES)
        if (other := without_bystander(scene)) and describe(other.observation) == describe(scene.observation)
    }
    assert unseen
    rows = rows_of(Answering(expert))
    with_control = {number for number, row in rows.items() if "faithful_control_trace" in row}
    assert with_control and not with_control & unseen
