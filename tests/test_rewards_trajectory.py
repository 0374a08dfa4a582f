"""Format, imitation, comfort, jerk, safety and collision: hand-computed values, and better never scores lower."""

from __future__ import annotations

import numpy as np
import pytest
from driving_cases import ROAD, a_scene, accelerating, circle, driven, standing_agent, straight, undecodable
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.errors import ConfigError, RewardError
from rewards import Collision, Comfort, Format, Imitation, Jerk, Safety

TRAJECTORY_REWARDS = [Imitation(), Comfort(), Jerk(), Safety(), Collision()]
SHIFTS_M = st.lists(st.floats(-8, 8), min_size=2, max_size=6)


def values(reward, futures, scene):
    scores = reward.score_batch([driven(f) for f in futures], [scene] * len(futures))
    return [score.value for score in scores]


def assert_never_lower_when_better(reward, futures, badness, scene):
    """Sorted from bad to good, the values never fall."""
    order = np.argsort(badness)[::-1]
    got = np.array(values(reward, [futures[i] for i in order], scene))
    assert (np.diff(got) >= -1e-9).all(), (np.array(badness)[order], got)


# format


@pytest.mark.parametrize(
    ("completion", "value", "why"),
    [
        (driven(straight()), 1.0, "well formed"),
        (driven(straight(), ""), 0.0, "empty"),
        (driven(straight(), "  \n"), 0.0, "empty"),
        (driven(straight(), None), 0.0, "not closed"),
        (undecodable(), 0.0, "no end"),
    ],
)
def test_format_is_one_for_a_trace_with_a_trajectory_and_says_what_is_missing(completion, value, why):
    score = Format()(completion, a_scene())
    assert score.value == value and why in score.why


# imitation


def test_imitation_is_minus_the_mean_distance_with_ade_and_fde_as_parts():
    score = Imitation()(driven(straight(11.0)), a_scene())
    assert score.value == pytest.approx(-3.25)
    assert score.parts == pytest.approx({"ade_m": 3.25, "fde_m": 6.4})


def test_squared_imitation_is_minus_the_mean_square_and_clips_at_the_square_of_the_clip():
    squared = Imitation(distance="l2_squared", clip_m=4.0)
    expected = 0.01 * sum(k * k for k in range(1, 65)) / 64
    assert squared(driven(straight(11.0)), a_scene()).value == pytest.approx(-expected)
    assert squared(driven(straight(20.0)), a_scene()).value == squared.value_range[0] == -16.0


def test_imitation_beyond_the_clip_is_the_lowest_value_but_the_parts_tell_the_truth():
    score = Imitation(clip_m=2.0)(driven(straight(11.0)), a_scene())
    assert score.value == -2.0 and score.parts["ade_m"] == pytest.approx(3.25)


def test_imitation_cannot_judge_without_an_expert_and_still_judges_the_others():
    scenes = [a_scene("a"), a_scene("b", has_future=False), a_scene("c")]
    scores = Imitation().score_batch([driven(straight(y_m=y)) for y in (1.0, 2.0, 3.0)], scenes)
    assert [s.value for s in scores] == [pytest.approx(-1.0), None, pytest.approx(-3.0)]
    assert "no expert" in scores[1].why and scores[1].failure is None


def test_an_expert_of_another_length_is_an_error_that_names_the_scene():
    with pytest.raises(RewardError, match=r"scene 'short'.*\(10, 3\)"):
        Imitation()(driven(straight()), a_scene("short", future=straight()[:10]))


@settings(max_examples=40, deadline=None)
@given(SHIFTS_M, st.sampled_from(["ade", "l2_squared"]))
def test_closer_to_the_expert_never_scores_lower(shifts, distance):
    futures = [straight(y_m=y) for y in shifts]
    assert_never_lower_when_better(Imitation(distance=distance), futures, np.abs(shifts), a_scene())


# comfort


def test_a_gentle_drive_keeps_all_bounds_and_a_tight_turn_loses_one_sixth():
    gentle, tight = Comfort().score_batch([driven(straight()), driven(circle(15.0, 20.0))], [a_scene()] * 2)
    assert gentle.value == 1.0 and gentle.why == "all bounds kept"
    assert tight.value == pytest.approx(5 / 6)
    assert tight.parts["lateral_acceleration_peak_mps2"] == pytest.approx(11.25, rel=1e-3)
    assert tight.why == "over the bound: lateral_acceleration_mps2"


def test_graded_comfort_falls_from_the_bound_to_twice_the_bound():
    graded = Comfort(mode="graded")
    for share, credit in ((0.5, 1.0), (1.0, 1.0), (1.5, 0.5), (2.0, 0.0), (3.0, 0.0)):
        score = graded(driven(accelerating(-4.05 * share, 100.0)), a_scene())
        assert score.value == pytest.approx((5 + credit) / 6, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 12), min_size=2, max_size=6), st.sampled_from(["bounds", "graded"]))
def test_softer_braking_never_scores_lower(decelerations, mode):
    futures = [accelerating(-d, 100.0) for d in decelerations]
    for reward in (Comfort(mode=mode), Jerk()):
        assert_never_lower_when_better(reward, futures, decelerations, a_scene())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(5, 200), min_size=2, max_size=6), st.sampled_from(["bounds", "graded"]))
def test_a_wider_turn_never_scores_lower(radii, mode):
    futures = [circle(12.0, r) for r in radii]
    assert_never_lower_when_better(Comfort(mode=mode), futures, [-r for r in radii], a_scene())


def test_jerk_is_minus_its_mean_and_a_steady_drive_has_none():
    steady, jolting = accelerating(1.0), straight()
    jolting[:, 0] += 0.3 * np.sin(3.0 * np.arange(1, 65) * 0.1)
    soft, hard = values(Jerk(), [steady, jolting], a_scene())
    assert soft == pytest.approx(0.0, abs=1e-6)
    assert -20.0 <= hard < -1.0


# safety


def test_safety_is_the_mean_of_clearance_and_time_on_the_road():
    # The ego is 2 m wide and at 3.5 m: it passes the car's side at 0.5 m, and its left edge stays on the road.
    scene = a_scene(agents=(standing_agent(30.0, 1.0),), road=ROAD)
    score = Safety()(driven(straight(y_m=3.5)), scene)
    assert score.parts == pytest.approx({"distance_m": 0.5, "collision": 0.0, "off_road_share": 0.0})
    assert score.value == pytest.approx((0.5 + 1.0) / 2)
    off = Safety()(driven(straight(y_m=4.5)), scene)
    assert off.value == pytest.approx((1.0 + 0.0) / 2) and "off the road" in off.why


def test_a_collision_has_no_clearance():
    scene = a_scene(agents=(standing_agent(30.0, 0.0),))
    assert Safety()(driven(straight()), scene).value == pytest.approx(0.5)
    assert Collision()(driven(straight()), scene).value == -1.0
    assert Collision()(driven(straight(y_m=3.0)), scene).value == 0.0


def test_safety_judges_by_what_the_scene_knows_and_abstains_where_it_knows_nothing():
    car = (standing_agent(30.0, 0.0),)
    scenes = [a_scene(agents=car, road=None), a_scene(agents=None), a_scene(agents=None, road=None), a_scene()]
    scores = Safety().score_batch([driven(straight())] * 4, scenes)
    assert [s.value for s in scores] == [0.0, 1.0, None, 1.0]
    assert "distance_m" not in scores[1].parts and "off_road_share" not in scores[0].parts
    assert Collision()(driven(straight()), a_scene(agents=None)).value is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 12), min_size=2, max_size=6))
def test_more_room_to_a_parked_car_never_scores_lower(lateral_m):
    scene = a_scene(agents=(standing_agent(30.0, 0.0),), road=None)
    futures = [straight(y_m=y) for y in lateral_m]
    for reward in (Safety(), Collision()):
        assert_never_lower_when_better(reward, futures, [-y for y in lateral_m], scene)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 64), min_size=2, max_size=6))
def test_less_time_off_the_road_never_scores_lower(ticks):
    futures = []
    for count in ticks:
        future = straight()
        future[64 - count :, 1] = 7.0
        futures.append(future)
    assert_never_lower_when_better(Safety(), futures, ticks, a_scene())


# all of them


@pytest.mark.parametrize("reward", TRAJECTORY_REWARDS, ids=lambda r: r.name)
def test_an_undecodable_completion_is_neither_free_nor_an_escape(reward):
    with pytest.raises(RewardError, match="score it through a Mix"):
        reward.score_batch([driven(straight()), undecodable()], [a_scene()] * 2)


@pytest.mark.parametrize("reward", [*TRAJECTORY_REWARDS, Format()], ids=lambda r: r.name)
def test_a_batch_scores_as_one_by_one_and_stays_within_the_declared_range(reward):
    rng = np.random.default_rng(0)
    futures = [straight(v, y) for v, y in zip(rng.uniform(0, 40, 12), rng.normal(0, 3, 12), strict=True)]
    futures += [circle(v, r) for v, r in zip(rng.uniform(1, 20, 8), rng.uniform(5, 100, 8), strict=True)]
    scenes = [a_scene("a", agents=(standing_agent(20.0, 3.0),)), a_scene("b", agents=(), road=None)]
    rows = [scenes[i % 2] for i in range(20)]
    completions = [driven(f) for f in futures]
    batch = reward.score_batch(completions, rows)
    for completion, scene, score in zip(completions, rows, batch, strict=True):
        assert reward(completion, scene).value == pytest.approx(score.value)
        assert reward.value_range[0] <= score.value <= reward.value_range[1]


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: Imitation(distance="l1"), "allowed 'ade', 'l2_squared'"),
        (lambda: Imitation(clip_m=0.0), "above 0 m"),
        (lambda: Comfort(mode="soft"), "allowed 'bounds', 'graded'"),
        (lambda: Safety(clear_m=50.0), "up to 5.0 m"),
        (lambda: Jerk(clip_mps3=-1.0), "above 0 m/s³"),
        (lambda: Comfort(bounds={"jerk_mps3": 0.0}), "comfort bound jerk_mps3"),
    ],
)
def test_settings_that_cannot_work_are_refused(make, fault):
    with pytest.raises(ConfigError, match=fault):
        make()
