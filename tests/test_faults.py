"""Planted label faults: as many as the config says, of the sorts it says, and of the effect that it is made for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ar1_rl.config import check_config
from ar1_rl.driving import Completion, Scene, Trajectory
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.trajectory import DT_S
from ar1_rl.errors import ConfigError
from ar1_rl.scenes.faults import HABITS, NOISE, FaultConfig, LabelledTrace, plant_faults
from ar1_rl.scenes.synthetic import SyntheticConfig, generate_scenes
from rewards.consistency import Consistency
from rewards.critic.embedded import RubricCritic

SEED = 5
MODES = FaultConfig(
    habits={kind: habit.model_copy(update={"share": 1.0}) for kind, habit in HABITS.items()}, uniform_noise=0.0
)
"""What a policy would write that has learnt the most frequent trace of every kind."""


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(generate_scenes(8, "train", 1200))


@pytest.fixture(scope="module")
def planted(scenes: list[Scene]) -> list[LabelledTrace]:
    return [plant_faults(scene, SEED) for scene in scenes]


@pytest.fixture(scope="module")
def modes(scenes: list[Scene]) -> list[LabelledTrace]:
    return [plant_faults(scene, SEED, MODES) for scene in scenes]


def graded(scenes: list[Scene], traces: list[LabelledTrace]) -> tuple[np.ndarray, np.ndarray]:
    """Strict consistency and rubric grade of every trace."""
    completions = [Completion("", (), trace.text, Trajectory(trace.future_T3, "expert"), None) for trace in traces]
    scores = [reward.score_batch(completions, scenes) for reward in (Consistency("strict"), RubricCritic())]
    consistency, grade = (np.array([score.value for score in row], dtype=float) for row in scores)
    return consistency, grade


def by_weight(scenes: list[Scene], values: np.ndarray) -> dict[str, float]:
    """What each kind adds to the mean over scenes, at the exact weights of the mixture."""
    weights = SyntheticConfig().weights
    kinds = np.array([scene.kind for scene in scenes])
    return {kind: weight / sum(weights.values()) * values[kinds == kind].mean() for kind, weight in weights.items()}


def test_the_same_scene_and_seed_give_the_same_trace(scenes: list[Scene], planted: list[LabelledTrace]) -> None:
    again = [plant_faults(scene, SEED) for scene in reversed(scenes[:100])][::-1]
    assert [(t.text, t.fault) for t in again] == [(t.text, t.fault) for t in planted[:100]]
    other = [plant_faults(scene, SEED + 1) for scene in scenes[:100]]
    assert [t.fault for t in other] != [t.fault for t in again]


def test_each_kind_has_its_fault_as_often_as_the_config_says(scenes: list[Scene], planted: list[LabelledTrace]) -> None:
    config = FaultConfig()
    for kind, habit in HABITS.items():
        faults = [t.fault for s, t in zip(scenes, planted, strict=True) if s.kind == kind and t.fault != NOISE]
        assert set(faults) == {habit.fault, None}
        share = np.mean([fault == habit.fault for fault in faults])
        assert abs(share - habit.share) < 4 * np.sqrt(habit.share * (1 - habit.share) / len(faults))
    noise = np.mean([t.fault == NOISE for t in planted])
    assert abs(noise - config.uniform_noise) < 4 * np.sqrt(config.uniform_noise / len(planted))


def test_right_labels_keep_a_share_that_exploration_can_find(scenes: list[Scene], planted: list[LabelledTrace]) -> None:
    for kind in HABITS:
        right = np.mean([t.fault is None for s, t in zip(scenes, planted, strict=True) if s.kind == kind])
        assert 0.2 < right < 0.5


def test_kinds_without_a_habit_are_labelled_right_but_for_noise(
    scenes: list[Scene], planted: list[LabelledTrace]
) -> None:
    for scene, trace in zip(scenes, planted, strict=True):
        if scene.kind not in HABITS:
            assert trace.fault in (None, NOISE)
        if trace.fault is None:
            assert scene.reference is not None
            assert trace.text == scene.reference.text
            assert trace.future_T3 is scene.future_T3


def test_a_wrong_decision_is_said_of_the_right_trajectory(scenes: list[Scene], modes: list[LabelledTrace]) -> None:
    for scene, trace in zip(scenes, modes, strict=True):
        if trace.fault == "wrong_decision":
            said, right = parse_decisions(trace.text), scene.reference.decisions
            assert (said.longitudinal, said.lateral) != (right.longitudinal, right.lateral)
            assert trace.future_T3 is scene.future_T3


def test_a_wrong_cause_leaves_the_decision_and_names_nothing_right(
    scenes: list[Scene], modes: list[LabelledTrace]
) -> None:
    for scene, trace in zip(scenes, modes, strict=True):
        if trace.fault == "wrong_cause":
            said, right = parse_decisions(trace.text), scene.reference
            assert (said.longitudinal, said.lateral) == (right.decisions.longitudinal, right.decisions.lateral)
            assert said.components
            assert not set(said.components) & {component.name for component in right.components}


def test_a_wrong_trajectory_drives_straight_on_under_the_right_text(
    scenes: list[Scene], modes: list[LabelledTrace]
) -> None:
    seen = 0
    for scene, trace in zip(scenes, modes, strict=True):
        if trace.fault == "wrong_trajectory":
            seen += 1
            speed = np.linalg.norm(np.diff(trace.future_T3[:, :2], axis=0), axis=1) / DT_S
            now = np.linalg.norm(scene.observation.history_T3[-2, :2]) / DT_S
            assert trace.text == scene.reference.text
            assert np.abs(speed - now).max() < 0.2
            assert np.abs(trace.future_T3 - scene.future_T3)[:, :2].max() > 0.4
    assert seen > 80


def test_noise_says_what_is_decided_elsewhere(scenes: list[Scene]) -> None:
    for scene in scenes[:200]:
        trace = plant_faults(scene, SEED, FaultConfig(uniform_noise=1.0))
        said, right = parse_decisions(trace.text), scene.reference.decisions
        assert trace.fault == NOISE
        assert (said.longitudinal, said.lateral) != (right.longitudinal, right.lateral)


def test_the_modes_are_inconsistent_in_about_a_third_of_the_scenes_three_to_one_by_text(
    scenes: list[Scene], modes: list[LabelledTrace]
) -> None:
    consistency, _ = graded(scenes, modes)
    parts = by_weight(scenes, 1.0 - consistency)
    assert 0.31 <= sum(parts.values()) <= 0.35
    by_text = sum(part for kind, part in parts.items() if kind in HABITS and HABITS[kind].fault == "wrong_decision")
    assert by_text / sum(parts.values()) == pytest.approx(3 / 4, abs=0.05)


def test_the_modes_earn_about_three_points_of_five(scenes: list[Scene], modes: list[LabelledTrace]) -> None:
    _, grade = graded(scenes, modes)
    assert 2.85 <= sum(by_weight(scenes, grade).values()) <= 3.1


def test_the_right_traces_are_consistent_and_earn_five(scenes: list[Scene]) -> None:
    right = [plant_faults(scene, SEED, FaultConfig(habits={}, uniform_noise=0.0)) for scene in scenes]
    consistency, grade = graded(scenes, right)
    assert consistency.mean() > 0.98
    assert grade.mean() > 4.95


def test_a_scene_of_another_config_is_refused(scenes: list[Scene]) -> None:
    scene = next(s for s in scenes if s.kind == "parked_car")
    with pytest.raises(ConfigError, match="another config"):
        plant_faults(scene, SEED, MODES, SyntheticConfig(weights={"turn": 1.0}))
    with pytest.raises(ConfigError, match="no reference"):
        plant_faults(replace(scene, annotations=()), SEED, MODES)
    with pytest.raises(ConfigError, match="scene id"):
        plant_faults(replace(scene, id="a log"), SEED, MODES)


@pytest.mark.parametrize(
    ("raw", "allowed"),
    [
        ({"uniform_noise": 1.5}, "uniform_noise"),
        ({"habits": {"turn": {"fault": "wrong_trajectory", "share": -0.1}}}, "habits.turn.share"),
        ({"habits": {"turn": {"fault": "wrong_decision", "wording": "turn"}}}, "clear_road"),
        ({"habits": {"turn": {"fault": "wrong_words"}}}, "wrong_cause"),
        ({"habits": {"trun": {"fault": "wrong_trajectory"}}}, "crossing_pedestrian"),
    ],
)
def test_a_faulty_fault_config_says_what_is_allowed(raw: dict[str, object], allowed: str) -> None:
    with pytest.raises(ConfigError, match=allowed):
        check_config(FaultConfig, raw, source="faults")
