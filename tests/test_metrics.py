from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from driving_cases import a_scene, accelerating, circle, standing_agent, straight

from ar1_rl.errors import SceneError
from ar1_rl.metrics import (
    COMFORT_NAMES,
    ComfortBounds,
    ade_m,
    comfort_kept,
    comfort_peaks,
    comfort_use,
    encounter_rates,
    fde_m,
    minade_m,
    nearest_agent_m,
    off_road_share,
)


def test_a_path_3_m_aside_and_4_m_ahead_is_5_m_off_everywhere():
    poses = straight()
    poses[:, :2] += (4.0, 3.0)
    assert ade_m(poses[None], straight()[None])[0] == pytest.approx(5.0)
    assert fde_m(poses[None], straight()[None])[0] == pytest.approx(5.0)


def test_one_mps_too_fast_ends_6_4_m_ahead_and_is_3_25_m_off_on_average():
    assert fde_m(straight(11.0), straight(10.0)) == pytest.approx(6.4)
    assert ade_m(straight(11.0), straight(10.0)) == pytest.approx(0.1 * 65 / 2)


def test_the_best_of_k_is_picked_once_and_leaves_undecodable_samples_out():
    lost = np.full((64, 3), np.nan)
    samples = np.stack([np.stack([straight(12.0), straight(11.0), lost]), np.stack([lost, lost, lost])])
    best = minade_m(samples, np.stack([straight(), straight()]))
    assert best[0] == pytest.approx(3.25)
    assert np.isnan(best[1])


def test_the_distance_is_to_where_agents_go_and_not_to_where_they_were_at_t0():
    leaving = standing_agent(20.0, 0.0)
    leaving = replace(leaving, poses_T3=leaving.poses_T3 + np.array([1.0, 0, 0]) * np.arange(-15, 65)[:, None])
    scenes = [a_scene("standing", agents=(standing_agent(20.0, 0.0),)), a_scene("leaving", agents=(leaving,))]
    distance = nearest_agent_m(np.stack([straight(), straight()]), scenes, cap_m=100.0)
    np.testing.assert_allclose(distance, [0.0, 16.0])


def test_passing_a_parked_car_at_one_metre_is_an_encounter_below_two_but_not_below_one():
    scenes = [a_scene(agents=(standing_agent(30.0, 3.0),)), a_scene(agents=()), a_scene(agents=None)]
    distance = nearest_agent_m(np.stack([straight()] * 3), scenes)
    np.testing.assert_allclose(distance, [1.0, 5.0, np.nan])
    rates = encounter_rates(distance)
    assert rates[1.0] == 0.0 and rates[2.0] == 0.5


def test_a_threshold_of_zero_counts_collisions_and_no_known_scene_gives_nan():
    assert encounter_rates(np.array([0.0, 0.3, np.nan]), (0.0, 0.5)) == {0.0: 0.5, 0.5: 1.0}
    assert np.isnan(encounter_rates(np.array([np.nan]), (0.5,))[0.5])


def test_agents_with_too_few_ticks_are_named():
    short = replace(standing_agent(20.0, 0.0), poses_T3=np.zeros((16, 3)))
    with pytest.raises(SceneError, match=r"scene 's', agent '20.0,0.0': 0 future poses"):
        nearest_agent_m(straight()[None], [a_scene(agents=(short,))])


def test_a_corner_over_the_edge_is_off_the_road_from_the_tick_at_which_it_is():
    drifting = straight()
    drifting[32:, 1] = 4.5  # half of 2 m width: the left corners are at 5.5 m, the road ends at 5 m
    scenes = [a_scene(), a_scene(), a_scene(road=None), a_scene(road=())]
    share = off_road_share(np.stack([straight(), drifting, straight(), straight()]), scenes)
    np.testing.assert_allclose(share, [0.0, 0.5, np.nan, 1.0])


def test_batches_that_mix_scenes_answer_as_one_by_one():
    rng = np.random.default_rng(1)
    scenes = [
        a_scene("a", agents=(standing_agent(30.0, 2.5), standing_agent(10.0, -4.0))),
        a_scene("b", agents=()),
        a_scene("c", agents=(standing_agent(15.0, 3.2),), road=None),
        a_scene("d", agents=None, road=(np.array([[-20.0, -1.2], [30.0, -1.2], [30.0, 1.2], [-20.0, 1.2]]),)),
    ]
    rows = [scenes[i] for i in rng.integers(0, 4, 20)]
    poses = np.stack([straight(v, y) for v, y in zip(rng.uniform(2, 12, 20), rng.normal(0, 0.5, 20), strict=True)])
    for metric in (nearest_agent_m, off_road_share):
        alone = [metric(poses[i : i + 1], [rows[i]])[0] for i in range(20)]
        np.testing.assert_allclose(metric(poses, rows), alone)


def test_nothing_to_measure_is_no_error():
    assert len(nearest_agent_m(np.zeros((0, 64, 3)), [])) == len(off_road_share(np.zeros((0, 64, 3)), [])) == 0


def test_a_gentle_drive_keeps_all_bounds_and_a_hard_one_breaks_just_its_own():
    kept = comfort_kept(np.stack([straight(), accelerating(-5.0, 35.0), circle(15.0, 20.0), accelerating(3.0)]))
    broken = [{name for name, good in zip(COMFORT_NAMES, row, strict=True) if not good} for row in kept]
    assert broken == [
        set(),
        {"longitudinal_acceleration_mps2"},
        {"lateral_acceleration_mps2"},
        {"longitudinal_acceleration_mps2"},
    ]


def test_braking_and_speeding_up_have_bounds_of_their_own():
    use = comfort_use(comfort_peaks(np.stack([accelerating(-4.0, 30.0), accelerating(4.0)])))
    assert use[0, 0] == pytest.approx(4.0 / 4.05)
    assert use[1, 0] == pytest.approx(4.0 / 2.40)
    wide = comfort_use(comfort_peaks(accelerating(4.0)[None]), ComfortBounds(acceleration_mps2=8.0))
    assert wide[0, 0] == pytest.approx(0.5)


def test_the_ego_box_lies_ahead_of_a_pose_at_the_rear_axle():
    """Ego front at 6.4 m + half of 4 m, agent's rear at 20 - 2 m: 9.6 m apart, and 1.35 m less with the axle's pose."""
    scene = a_scene("standing", agents=(standing_agent(20.0, 0.0),))
    at_axle = replace(scene, ego_center_ahead_m=1.35)
    poses = np.stack([straight(1.0), straight(1.0)])
    np.testing.assert_allclose(nearest_agent_m(poses, [scene, at_axle], cap_m=100.0), [9.6, 8.25])
