from __future__ import annotations

import numpy as np
import pytest
from driving_cases import accelerating, circle, straight
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving.kinematics import NUPLAN_WINDOWS, PLAIN_DIFFERENCES, Windows, from_t0, motion, slope
from ar1_rl.driving.trajectory import from_frame, wrap_angle
from ar1_rl.errors import ConfigError

WINDOWS = pytest.mark.parametrize("windows", [PLAIN_DIFFERENCES, NUPLAN_WINDOWS])


@WINDOWS
def test_a_steady_turn_of_20_m_radius_at_15_mps_pulls_at_11_25_mps2_from_the_first_tick_to_the_last(windows):
    rates = motion(from_t0(circle(15.0, 20.0)[None]), windows=windows)
    np.testing.assert_allclose(rates.lateral_acceleration_mps2_BU, 11.25, rtol=1e-3)
    np.testing.assert_allclose(rates.yaw_rate_radps_BU, 0.75, rtol=1e-9)
    for rate in (rates.acceleration_mps2_BU, rates.jerk_mps3_BU, rates.yaw_acceleration_radps2_BU):
        np.testing.assert_allclose(rate, 0.0, atol=1e-6)


@WINDOWS
def test_a_steady_acceleration_reads_the_same_at_every_tick_and_has_no_jerk(windows):
    rates = motion(from_t0(accelerating(-2.0, 20.0)[None]), windows=windows)
    np.testing.assert_allclose(rates.acceleration_mps2_BU, -2.0, atol=1e-9)
    np.testing.assert_allclose(rates.longitudinal_jerk_mps3_BU, 0.0, atol=1e-8)
    np.testing.assert_allclose(rates.speed_mps_BU[0, [0, -1]], [20.0 - 0.1, 20.0 - 2.0 * 6.35], atol=1e-9)


@given(st.floats(-100.0, 100.0))
def test_an_angle_is_brought_into_one_turn_and_stays_the_same_direction(angle):
    wrapped = wrap_angle(np.array(angle))
    assert -np.pi < wrapped <= np.pi
    np.testing.assert_allclose([np.cos(wrapped), np.sin(wrapped)], [np.cos(angle), np.sin(angle)], atol=1e-12)


def test_half_a_turn_is_written_with_a_plus():
    np.testing.assert_array_equal(wrap_angle(np.array([np.pi, -np.pi, 3 * np.pi, 0.1])), [np.pi, np.pi, np.pi, 0.1])


def test_reversing_has_a_negative_speed():
    np.testing.assert_allclose(motion(from_t0(straight(-3.0)[None])).speed_mps_BU, -3.0)


def test_a_yaw_that_wraps_is_no_spin():
    poses = circle(10.0, 10.0)
    poses[:, 2] = (poses[:, 2] + np.pi) % (2 * np.pi) - np.pi
    np.testing.assert_allclose(motion(from_t0(poses[None])).yaw_rate_radps_BU, 1.0, rtol=1e-9)


def test_a_step_in_acceleration_gives_the_jerk_of_its_window():
    speed = np.concatenate([np.full(10, 5.0), 5.0 + 0.2 * np.arange(1, 21)])  # 0, then 2 m/s²
    x = np.concatenate([[0.0], np.cumsum(speed) * 0.1])
    poses = np.stack([x, np.zeros(31), np.zeros(31)], axis=1)[None]
    assert motion(poses).jerk_mps3_BU.max() == pytest.approx(20.0)
    # Slope over 15 samples of which 7 or 8 are stepped: 1.5 x step / (window length), less the discreteness.
    smooth = motion(poses, windows=Windows(jerk=15)).jerk_mps3_BU.max()
    assert smooth == pytest.approx(2.0 * sum(range(0, 8)) / (sum(k * k for k in range(-7, 8)) * 0.1))


def test_slopes_are_those_of_a_least_squares_line_and_only_where_the_window_is_full():
    values = np.random.default_rng(0).normal(size=(3, 12))
    got = slope(values, 0.1, 5)
    assert got.shape == (3, 8)
    for row in range(3):
        for start in range(8):
            line = np.polyfit(np.arange(5) * 0.1, values[row, start : start + 5], 1)[0]
            assert got[row, start] == pytest.approx(line)


@settings(max_examples=30, deadline=None)
@given(st.floats(-3, 3), st.floats(-100, 100), st.floats(-100, 100), st.integers(0, 1000))
def test_rates_do_not_depend_on_where_the_world_puts_its_origin(yaw, x, y, seed):
    rng = np.random.default_rng(seed)
    controls = rng.normal(0, 0.02, 65).cumsum()
    poses = np.stack([np.arange(65) * 0.8, controls, np.gradient(controls, 0.8)], axis=1)[None]
    here, there = motion(poses), motion(from_frame(poses, np.array([x, y, yaw])))
    for name, rate in vars(here).items():
        np.testing.assert_allclose(getattr(there, name), rate, atol=1e-5, err_msg=name)


def test_a_path_shorter_than_its_windows_is_refused():
    with pytest.raises(ConfigError, match="17 are needed"):
        motion(np.zeros((1, 10, 3)), windows=NUPLAN_WINDOWS)
    with pytest.raises(ConfigError, match="2 or more"):
        Windows(jerk=1)
