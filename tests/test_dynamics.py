"""The unicycle, forwards and backwards."""

from __future__ import annotations

import numpy as np
import pytest
from drives import move, random_drives
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving.dynamics import Smoothing, estimate_speed, fit_motion, integrate, poses_to_controls
from ar1_rl.driving.smoothing import matrix_diagonals, smoother, solve_banded
from ar1_rl.errors import ConfigError, SceneError
from recipes.bench.dense_codec import dense_controls

TIMES_S = np.arange(-15, 65) * 0.1


def line(speed_mps):
    poses = np.zeros((1, 80, 3))
    poses[0, :, 0] = speed_mps * TIMES_S
    return poses[:, :16], poses[:, 16:]


def circle(speed_mps, curvature):
    yaw = speed_mps * curvature * TIMES_S
    poses = np.stack([np.sin(yaw) / curvature, (1 - np.cos(yaw)) / curvature, yaw], axis=-1)[None]
    return poses[:, :16], poses[:, 16:]


def test_one_step_follows_the_equations_of_motion():
    (pose,) = integrate(np.array([[[2.0, 0.1]]]), np.array([10.0]))
    # v' = 10.2; yaw' = 0.1 * (10 * 0.1 + 2 * 0.1^2 / 2) = 0.101; x' = 0.05 * (10 + 10.2 cos 0.101)
    assert pose[0] == pytest.approx([0.05 * (10 + 10.2 * np.cos(0.101)), 0.05 * 10.2 * np.sin(0.101), 0.101])


def test_speed_is_not_clamped_so_braking_on_goes_backwards():
    poses = integrate(np.full((1, 20, 2), [-1.0, 0.0]), np.array([1.0]))
    assert poses[0, 9, 0] == pytest.approx(0.5)  # stands after 1 s and 0.5 m
    assert poses[0, 19, 0] == pytest.approx(0.0)


def test_a_drive_goes_on_from_its_start_pose():
    controls = np.random.default_rng(0).normal(size=(3, 10, 2)) * [1.0, 0.05]
    speed = np.array([3.0, 8.0, 20.0])
    whole = integrate(controls, speed)
    second = integrate(controls[:, 4:], speed + 0.1 * controls[:, :4, 0].sum(axis=1), 0.1, whole[:, 3])
    np.testing.assert_allclose(second, whole[:, 4:], atol=1e-12)


def test_speed_and_controls_of_a_line_and_of_a_circle_are_found():
    for history, future, curvature in ((*line(12.0), 0.0), (*circle(12.0, 0.02), 0.02)):
        assert estimate_speed(history) == pytest.approx(12.0, abs=2e-3)
        controls, speed = poses_to_controls(history, future)
        assert speed == pytest.approx(12.0, abs=2e-3)
        np.testing.assert_allclose(controls[..., 0], 0.0, atol=0.02)
        np.testing.assert_allclose(controls[:, 4:-4, 1], curvature, atol=1e-4)


@pytest.mark.parametrize("noise", [(0.0, 0.0), (0.03, 0.01)])
def test_banded_fits_equal_a_dense_cholesky_solution(noise):
    history, future = random_drives(1000, seed=1, noise_m=noise[0], noise_rad=noise[1])
    controls, speed = poses_to_controls(history, future)
    acceleration, curvature, dense_speed = dense_controls(history, future)
    np.testing.assert_allclose(speed, dense_speed, atol=1e-9)
    np.testing.assert_allclose(controls[..., 0], acceleration, atol=1e-8)
    np.testing.assert_allclose(controls[..., 1], curvature, atol=1e-8)


def test_fitted_controls_drive_the_same_way_again():
    history, future = random_drives(200, seed=2, speed_mps=(3.0, 20.0))
    controls, speed = poses_to_controls(history, future)
    gap = np.linalg.norm((integrate(controls, speed) - future)[..., :2], axis=-1)
    assert gap.mean() < 0.03


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-1e3, 1e3), y=st.floats(-1e3, 1e3), yaw=st.floats(-10, 10), seed=st.integers(0, 100))
def test_controls_do_not_depend_on_where_the_world_has_its_origin(x, y, yaw, seed):
    history, future = random_drives(2, seed, noise_m=0.01, noise_rad=0.003)
    here = fit_motion(history, future)
    there = fit_motion(move(history, [x, y, yaw]), move(future, [x, y, yaw]))
    np.testing.assert_allclose(there.controls_BT2, here.controls_BT2, atol=1e-6)
    np.testing.assert_allclose(there.speed_BS, here.speed_BS, atol=1e-7)


def test_heading_may_pass_the_half_turn_wrapped_or_not():
    history, future = circle(8.0, 0.1)  # 5.1 rad in 6.4 s
    wrapped = future.copy()
    wrapped[..., 2] = (future[..., 2] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(poses_to_controls(history, wrapped)[0], poses_to_controls(history, future)[0], atol=1e-9)


def test_curvature_is_cut_and_zeroed_at_walking_pace_only_where_asked():
    history, future = circle(0.5, 0.5)
    free = poses_to_controls(history, future)[0][..., 1]
    assert free.max() > 0.4
    limited = poses_to_controls(history, future, smoothing=Smoothing(curvature_limit=0.33))[0][..., 1]
    assert limited.max() == 0.33
    standing = poses_to_controls(history, future, smoothing=Smoothing(standing_mps=0.6))[0][..., 1]
    assert not standing.any()


def test_results_do_not_depend_on_what_else_is_in_the_batch():
    history, future = random_drives(600, seed=3)
    together, _ = poses_to_controls(history, future)
    for i in (0, 511, 512, 599):
        np.testing.assert_allclose(
            poses_to_controls(history[i : i + 1], future[i : i + 1])[0][0], together[i], atol=1e-9
        )


@settings(max_examples=50, deadline=None)
@given(steps=st.integers(1, 12), width=st.integers(0, 4), batch=st.integers(1, 4), seed=st.integers(0, 1000))
def test_banded_solver_agrees_with_numpy(steps, width, batch, seed):
    random = np.random.default_rng(seed)
    factor = np.tril(np.triu(random.normal(size=(batch, steps, steps))), width)
    matrices = factor.swapaxes(1, 2) @ factor + np.eye(steps)
    right = random.normal(size=(batch, steps))
    diagonals = np.concatenate([matrix_diagonals(matrix, width) for matrix in matrices], axis=2)
    expected = np.linalg.solve(matrices, right[..., None])[..., 0]
    np.testing.assert_allclose(solve_banded(diagonals, right.T).T, expected, atol=1e-9)


def test_smoother_leaves_what_its_penalty_does_not_see():
    data = 3.0 + 2.0 * np.arange(20)  # the second difference of a line is zero
    np.testing.assert_allclose(smoother(20, 2, 1e-4, 0.0, 0.1, False) @ data, data, atol=1e-9)


def test_short_histories_work():
    assert estimate_speed(line(5.0)[0][:, -2:]) == pytest.approx(5.0, abs=1e-3)


def test_an_empty_batch_gives_an_empty_result():
    controls, speed = poses_to_controls(np.zeros((0, 16, 3)), np.zeros((0, 64, 3)))
    assert controls.shape == (0, 64, 2) and speed.shape == (0,)
    assert integrate(controls, speed).shape == (0, 64, 3)


def test_wrong_input_is_refused_with_its_name():
    history, future = line(5.0)
    broken = future.copy()
    broken[0, 3, 1] = np.nan
    with pytest.raises(SceneError, match=r"future: NaN.*\[0\]"):
        poses_to_controls(history, broken)
    with pytest.raises(SceneError, match="history: got shape"):
        estimate_speed(history[0])
    with pytest.raises(SceneError, match="1 histories and 2 futures"):
        poses_to_controls(history, np.repeat(future, 2, axis=0))
    with pytest.raises(SceneError, match="history: cannot be read"):
        estimate_speed([["left"]])
    with pytest.raises(ConfigError, match="dt_s"):
        estimate_speed(history, dt_s=0.0)
    with pytest.raises(ConfigError, match="wants"):
        integrate(np.zeros((1, 5, 2)), np.zeros(2))
    with pytest.raises(ConfigError, match="start poses"):
        integrate(np.zeros((1, 5, 2)), np.zeros(1), 0.1, np.zeros((2, 3)))
    with pytest.raises(ConfigError, match="finite"):
        integrate(np.full((1, 5, 2), np.inf), np.zeros(1))
