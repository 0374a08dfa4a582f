"""Metrics of an evaluation by hand: horizons, corners, misses, time to collision, feasibility, samples of a scene."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from driving_cases import a_scene, accelerating, circle, standing_agent, straight
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.decisions import Decisions
from ar1_rl.driving.geometry import box_distance_m
from ar1_rl.errors import ConfigError
from ar1_rl.metrics import (
    FeasibilityLimits,
    ade_m,
    contact_s,
    corner_distance_m,
    feasible,
    minade_m,
    minade_per_horizon_m,
    minade_until_m,
    missed,
    nearest_agent_m,
    pairwise_agreement,
    plan_changed,
    time_to_collision_s,
    trace_changed,
    trace_diversity,
    trajectory_diversity_m,
    until,
)

LOST = np.full((64, 3), np.nan)


def later(speed_mps: float = 10.0, offset_m: float = 0.0, from_tick: int = 0) -> np.ndarray:
    """Straight on, and so far aside from a tick on."""
    poses = straight(speed_mps)
    poses[from_tick:, 1] = offset_m
    return poses


def test_a_horizon_counts_the_ticks_up_to_it_and_no_more() -> None:
    """One m/s too fast: after n ticks 0.1 n m ahead, on average 0.1 (n + 1) / 2."""
    for horizon_s, ticks in ((1.0, 10), (3.0, 30), (5.0, 50), (6.4, 64)):
        assert ade_m(until(straight(11.0), horizon_s), until(straight(10.0), horizon_s)) == pytest.approx(
            0.1 * (ticks + 1) / 2
        )
    with pytest.raises(ConfigError, match=r"horizon 7.0 s: these futures have 64 ticks"):
        until(straight(), 7.0)


def test_the_two_conventions_of_minade_differ_where_the_best_at_first_is_not_the_best_in_the_end() -> None:
    """A: 1 m off all along. B: right for 1 s, then 4 m off. On the full horizon A is best (1.0 against 3.375)."""
    samples = np.stack([later(offset_m=1.0), later(offset_m=4.0, from_tick=10), LOST])[None]
    expert = straight()[None]
    assert minade_m(samples, expert)[0] == pytest.approx(1.0)
    assert minade_until_m(samples, expert, 1.0)[0] == pytest.approx(1.0)
    assert minade_per_horizon_m(samples, expert, 1.0)[0] == pytest.approx(0.0)
    assert np.isnan(minade_until_m(LOST[None, None], expert, 1.0)[0])


@given(arrays(float, (2, 4, 64, 3), elements=st.floats(-50, 50)), st.sampled_from([1.0, 3.0, 5.0, 6.4]))
def test_picking_anew_is_never_worse_and_more_samples_never_are(samples: np.ndarray, horizon_s: float) -> None:
    expert = np.zeros((2, 64, 3))
    anew = minade_per_horizon_m(samples, expert, horizon_s)
    assert (anew <= minade_until_m(samples, expert, horizon_s) + 1e-9).all()
    assert (anew <= minade_per_horizon_m(samples[:, :2], expert, horizon_s) + 1e-9).all()
    assert minade_until_m(samples, expert, 6.4) == pytest.approx(minade_m(samples, expert))


def test_corners_are_as_far_as_the_pose_where_the_heading_is_right_and_farther_where_it_is_not() -> None:
    """Turned about: each corner of a 4 x 2 m box goes to the opposite one, hypot(4, 2) m away."""
    turned = straight() + np.array([0.0, 0.0, math.pi])
    aside = straight(y_m=3.0)
    size, centred = np.array([[4.0, 2.0]]), np.zeros(1)
    assert corner_distance_m(aside[None], straight()[None], size, centred)[0] == pytest.approx(3.0)
    assert corner_distance_m(turned[None], straight()[None], size, centred)[0] == pytest.approx(math.hypot(4, 2))
    assert np.isnan(corner_distance_m(LOST[None], straight()[None], size, centred)[0])
    # A pose at the rear axle: the box, 1 m ahead, is swung over to the other side of it. Half of the corners move by
    # hypot(2 + 4, 2), the others by hypot(4 - 2, 2): 2 * (1 + 2) and 2 * (2 - 1) m along, 2 m across.
    swung = corner_distance_m(turned[None], straight()[None], size, np.ones(1))[0]
    assert swung == pytest.approx((math.hypot(6, 2) + math.hypot(2, 2)) / 2)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
def test_corner_distance_is_at_least_the_distance_of_the_centres(x: float, y: float, yaw: float) -> None:
    """The mean of four distances is no less than the length of the mean of the four differences."""
    moved = straight() + np.array([x, y, yaw])
    distance = corner_distance_m(moved[None], straight()[None], np.array([[4.5, 1.9]]), np.zeros(1))[0]
    assert distance >= math.hypot(x, y) - 1e-9


def test_a_scene_is_missed_when_all_samples_end_farther_than_the_threshold() -> None:
    samples = np.stack([
        np.stack([later(offset_m=3.0), later(offset_m=1.9)]),
        np.stack([later(offset_m=3.0), LOST]),
        np.stack([LOST, LOST]),
    ])  # fmt: skip
    found = missed(samples, np.stack([straight()] * 3), 2.0)
    np.testing.assert_array_equal(found, [0.0, 1.0, np.nan])


def test_the_time_to_a_standing_car_is_gap_over_speed() -> None:
    """10 m/s; at 6.4 s the ego's front is at 66 m, and the rear of the other 2 m before its centre."""
    far = a_scene(agents=(standing_agent(100.0, 0.0),))  # 98 - 66 m are 3.2 s, behind the horizon of 3 s
    assert time_to_collision_s(straight()[None], [far])[0] == pytest.approx(3.0)
    near = a_scene(agents=(standing_agent(90.0, 0.0),))
    assert time_to_collision_s(straight()[None], [near])[0] == pytest.approx(2.2)
    assert time_to_collision_s(straight()[None], [near], horizon_s=1.0)[0] == 1.0
    through = a_scene(agents=(standing_agent(30.0, 0.0),))
    assert time_to_collision_s(straight()[None], [through])[0] == 0.0


def test_who_drives_along_at_the_same_speed_or_passes_aside_is_never_met() -> None:
    ahead = standing_agent(20.0, 0.0)
    moving = replace(ahead, poses_T3=ahead.poses_T3 + np.array([1.0, 0, 0]) * np.arange(-15, 65)[:, None])
    aside = standing_agent(30.0, 2.5)
    scenes = [a_scene(agents=(moving,)), a_scene(agents=(aside,)), a_scene(agents=()), a_scene(agents=None)]
    np.testing.assert_allclose(time_to_collision_s(np.stack([straight()] * 4), scenes), [3.0, 3.0, 3.0, np.nan])


def test_an_oncoming_car_is_met_at_the_sum_of_the_speeds() -> None:
    """Both at 10 m/s; 120 m apart at t0, of which 4 m are the boxes' halves, and 100 m driven after 5 s."""
    oncoming = standing_agent(120.0, 0.0)
    driven = oncoming.poses_T3 - np.array([1.0, 0, 0]) * np.arange(-15, 65)[:, None]
    assert time_to_collision_s(straight()[None, :50], [a_scene(agents=(replace(oncoming, poses_T3=driven),))])[
        0
    ] == pytest.approx((120 - 4 - 50 * 2) / 20)


def test_neither_a_standing_ego_nor_who_comes_from_behind_counts() -> None:
    """At 1.5 s the chasing car is 3.5 m behind and 15 m/s faster, the crossing one 10.5 m away at 5 m/s."""
    behind = standing_agent(-30.0, 0.0)
    chasing = replace(behind, poses_T3=behind.poses_T3 + np.array([2.0, 0, 0]) * np.arange(-15, 65)[:, None])
    standing = np.zeros((64, 3))
    crossing = standing_agent(0.0, 20.0)
    driven = crossing.poses_T3 - np.array([0.0, 0.5, 0]) * np.arange(-15, 65)[:, None]
    scenes = [a_scene(agents=(chasing,)), a_scene(agents=(replace(crossing, poses_T3=driven),))]
    found = time_to_collision_s(np.stack([straight(5.0)[:15], standing[:15]]), scenes)
    np.testing.assert_allclose(found, [3.0, 3.0])


def test_the_first_contact_of_turned_boxes_is_at_a_corner() -> None:
    """A 2 x 2 m box turned by 45 degrees reaches sqrt(2) m ahead; it meets a wall 5 m off so much earlier."""
    a, b = np.array([[0.0, 0.0, 0.0]]), np.array([[5.0, 0.0, math.pi / 4]])
    size, wall = np.array([[2.0, 2.0]]), np.array([[0.0, 20.0]])
    assert contact_s(a, wall, b, size, np.array([[-1.0, 0.0]]))[0] == pytest.approx(5.0 - math.sqrt(2))
    assert np.isinf(contact_s(a, wall, b, size, np.array([[1.0, 0.0]]))[0])
    # Past each other, the separating axis being one of the turned box.
    assert np.isinf(contact_s(a, size, b, size, np.array([[0.0, 1.0]]))[0])


@given(
    arrays(float, (6, 3), elements=st.floats(-6, 6)), arrays(float, (6, 2), elements=st.floats(-4, 4)),
    arrays(float, (6, 2), elements=st.floats(0.5, 5)),
)  # fmt: skip
def test_boxes_are_apart_before_the_contact_and_touch_at_it(
    others: np.ndarray, velocity: np.ndarray, size: np.ndarray
) -> None:
    ego, ego_size = np.zeros((6, 3)), np.full((6, 2), 2.0)
    when = contact_s(ego, ego_size, others, size, velocity)
    for t in (0.0, 0.5, 1.0, 2.0, 3.7):
        there = others + np.concatenate([velocity * t, np.zeros((6, 1))], axis=1)
        apart = box_distance_m(ego, ego_size, there, size)
        assert (apart[when > t + 1e-6] > -1e-9).all()
        assert (apart[when > t + 1e-6] > 0.0).all()
    met = np.isfinite(when)
    touching = others[met] + np.concatenate([velocity[met] * when[met, None], np.zeros((met.sum(), 1))], axis=1)
    assert (box_distance_m(ego[met], ego_size[met], touching, size[met]) < 1e-6).all()


def test_a_collision_has_no_time_left() -> None:
    rng = np.random.default_rng(0)
    scenes = [a_scene(agents=(standing_agent(x, y),)) for x, y in rng.uniform([10, -6], [60, 6], (40, 2))]
    poses = np.stack([straight(v, y) for v, y in rng.uniform([3, -1], [12, 1], (40, 2))])
    hit = nearest_agent_m(poses, scenes) == 0.0
    assert hit.any() and (time_to_collision_s(poses, scenes)[hit] == 0.0).all()


def test_what_no_car_can_do_is_infeasible_by_its_own_limit() -> None:
    """0.3 1/m is a radius of 3.3 m; 12 m/s on a radius of 13 m asks for 11.1 m/s² sideways."""
    spin = np.zeros((64, 3))
    spin[:, 2] = np.linspace(0.0, 1.0, 64)
    drives = np.stack([straight(), circle(3.0, 4.0), circle(3.0, 3.0), circle(12.0, 13.0), accelerating(-11.0), spin])
    # From t0 on: the speed before is not known, so a first step at any speed is none of the accelerations.
    assert feasible(drives).tolist() == [True, True, False, False, False, False]
    assert feasible(drives, FeasibilityLimits(curvature_per_m=0.5, lateral_acceleration_mps2=12.0)).tolist() == [
        True, True, True, True, False, False
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"curvature_per_m: got 0"):
        FeasibilityLimits(curvature_per_m=0.0)


def test_agreement_is_the_chance_that_two_samples_claim_the_same() -> None:
    stop, keep = Decisions(longitudinal="stop"), Decisions(lateral="lane_keeping")
    assert pairwise_agreement([stop] * 6) == 1.0
    assert pairwise_agreement([stop, stop, stop, keep]) == pytest.approx(3 / 6)
    assert pairwise_agreement([stop, keep, None, None]) == 0.0
    assert np.isnan(pairwise_agreement([stop]))


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=8))
def test_agreement_is_that_of_all_pairs_and_knows_no_order(claims: list[str]) -> None:
    pairs = [(a, b) for i, a in enumerate(claims) for j, b in enumerate(claims) if i != j]
    expected = np.mean([a == b for a, b in pairs])
    assert pairwise_agreement(claims) == pytest.approx(expected) == pytest.approx(pairwise_agreement(claims[::-1]))


def test_traces_are_as_diverse_as_the_word_pairs_they_do_not_share() -> None:
    """ "keep the lane" has 4 pairs with its ends; "keep the road" shares 2 of the 6 that both have."""
    assert trace_diversity(["keep the lane", "Keep  the lane"]) == 0.0
    assert trace_diversity(["keep the lane", "keep the road"]) == pytest.approx(1 - 2 / 6)
    assert trace_diversity(["stop", "go"]) == 1.0
    assert trace_diversity(["", ""]) == 0.0
    assert np.isnan(trace_diversity(["alone"]))


def test_trajectories_are_as_diverse_as_they_are_apart() -> None:
    """1 m, 2 m and 3 m apart: 2 m on average; one that cannot be decoded is nobody's neighbour."""
    poses = np.stack([straight(), straight(y_m=1.0), straight(y_m=3.0), LOST])
    assert trajectory_diversity_m(poses) == pytest.approx((1 + 3 + 2) / 3)
    assert np.isnan(trajectory_diversity_m(np.stack([straight(), LOST])))


def test_another_decision_side_or_cause_is_another_trace_and_other_words_are_none() -> None:
    read = parse_decisions
    red = "stop at the line because the light is red"
    assert not trace_changed(read(red), read("since the light is red stop at the line"))
    assert trace_changed(read(red), read("stop at the line because a stop sign is ahead"))
    assert trace_changed(read(red), read("keep the set speed because the light is red"))
    assert trace_changed(read("change lanes left"), read("change lanes right"))


def test_plans_differ_from_the_threshold_on() -> None:
    assert plan_changed(straight(), straight(y_m=1.0), 1.0)
    assert not plan_changed(straight(), straight(y_m=0.99), 1.0)
