"""Published mixes: hand-computed values, monotonicity, and the published sign error as a negative control."""

from __future__ import annotations

import itertools

import pytest
from driving_cases import a_scene, circle, driven, standing_agent, straight, undecodable
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards import Score
from rewards.presets import (
    ar1_trajectory_mix,
    gated_value,
    gated_value_as_published,
    nvidia_gated_as_published_mix,
    nvidia_gated_mix,
)

SHARES = st.floats(0, 1)
ADES = st.floats(0, 6)


class Grader:
    """Grades a completion with the number that its reasoning is."""

    name, needs, value_range = "critic", "text", (0.0, 5.0)

    def __call__(self, completion, scene):
        return Score(float(completion.reasoning))


def faults_of_monotonicity(formula, cases):
    """(ade, comfort, reasoning) pairs for which the better of two, all else equal, is worth less."""
    return [(worse, better) for worse, better in cases if formula(*better) < formula(*worse) - 1e-12]


def better_pairs():
    grid = list(itertools.product((0.0, 1.0, 2.9, 3.0, 5.0), (0.0, 1.0), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)))
    for one in grid:
        for other in grid:
            differing = [i for i in range(3) if one[i] != other[i]]
            if len(differing) == 1:
                i = differing[0]
                if (other[i] < one[i]) == (i == 0):
                    yield one, other


def test_the_corrected_gated_reward_never_falls_when_anything_gets_better():
    assert faults_of_monotonicity(gated_value, list(better_pairs())) == []


def test_the_published_gated_reward_fails_the_same_test_and_only_by_its_reasoning():
    faults = faults_of_monotonicity(gated_value_as_published, list(better_pairs()))
    assert faults
    assert all(worse[0] == better[0] and worse[2] < better[2] for worse, better in faults)
    assert gated_value_as_published(0.0, 1.0, 1.0) == 0.0
    assert gated_value_as_published(0.0, 1.0, 0.61) == pytest.approx(0.2925)
    assert gated_value(0.0, 1.0, 1.0) == pytest.approx(0.3)


@given(ADES, SHARES, SHARES, SHARES)
def test_better_reasoning_is_never_worth_less(ade, comfort, one, other):
    assert gated_value(ade, comfort, min(one, other)) <= gated_value(ade, comfort, max(one, other))


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 2), st.integers(0, 5))
def test_the_mix_is_the_corrected_formula(excess_mps, grade):
    completion = driven(straight(10.0 + excess_mps), str(grade))
    (mixed,) = nvidia_gated_mix(critic=Grader()).score([completion], [a_scene()])
    ade = mixed.scores["imitation"].parts["ade_m"]
    assert mixed.value == pytest.approx(gated_value(ade, 1.0, grade / 5))


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 2), st.integers(0, 5))
def test_the_control_is_the_published_formula_and_says_that_it_is_one(excess_mps, grade):
    mix = nvidia_gated_as_published_mix(critic=Grader())
    (mixed,) = mix.score([driven(straight(10.0 + excess_mps), str(grade))], [a_scene()])
    ade = mixed.scores["imitation"].parts["ade_m"]
    assert mixed.value == pytest.approx(gated_value_as_published(ade, 1.0, grade / 5))
    assert "negative control" in mix.training_fault and nvidia_gated_mix().training_fault is None


def test_the_motion_reward_counts_comfort_and_no_reasoning():
    mix = nvidia_gated_mix(critic=Grader(), l2_weight=0.4, comfort_weight=0.1, reasoning_weight=0.0)
    near, far, lost = mix.score(
        [driven(straight(10.5), "0"), driven(straight(12.0), "5"), undecodable("5")], [a_scene()] * 3
    )
    assert near.value == pytest.approx(-0.4 * 1.625 / 3.0)
    assert far.value == -1.0
    assert lost.value < -1.0
    turning = a_scene(future=circle(15.0, 20.0))
    (tight,) = mix.score([driven(circle(15.0, 20.0), "0")], [turning])
    assert tight.value == pytest.approx(-0.1 / 6)


def test_ar1s_trajectory_reward_is_minus_its_three_costs():
    scene = a_scene(agents=(standing_agent(30.0, 0.0),))
    mix = ar1_trajectory_mix(l2_weight=0.5, collision_weight=2.0, jerk_weight=0.1)
    crash, swerve = mix.score([driven(straight()), driven(straight(y_m=4.0))], [scene] * 2)
    assert crash.value == pytest.approx(-2.0)
    assert swerve.value == pytest.approx(-0.5 * 16.0 - 0.1 * -swerve.scores["jerk"].value)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 12), st.floats(0, 12))
def test_ar1s_trajectory_reward_never_falls_towards_the_expert(one, other):
    near, far = sorted((one, other))
    better, worse = ar1_trajectory_mix(jerk_weight=0.0).score(
        [driven(straight(y_m=near)), driven(straight(y_m=far))], [a_scene()] * 2
    )
    assert better.value >= worse.value


def test_ar1s_trajectory_reward_does_without_agents_where_there_are_none_known():
    (mixed,) = ar1_trajectory_mix().score([driven(straight())], [a_scene(agents=None)])
    assert mixed.value == pytest.approx(0.0)
