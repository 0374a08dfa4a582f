"""Meta-actions on drives whose controls are known. T = 64 ticks at 10 Hz unless said otherwise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving.meta_actions import (
    LATERAL_ACTIONS,
    LONGITUDINAL_ACTIONS,
    meta_action_segments,
    read_meta_actions,
    segments_and_speed,
)
from ar1_rl.driving.segments import Segment, above
from ar1_rl.errors import ConfigError

TICKS = 64
TIME_S = np.arange(TICKS) * 0.1


def drive(speed_mps: np.ndarray | float, curvature: np.ndarray | float = 0.0) -> np.ndarray:
    """Poses [64, 3] of a drive with these speeds [m/s] and curvatures [1/m] at each tick."""
    speed = np.broadcast_to(speed_mps, (TICKS,)).astype(float)
    turn = np.broadcast_to(curvature, (TICKS,)) * speed * 0.1
    yaw = np.cumsum(turn)
    middle = yaw - 0.5 * turn
    return np.stack([np.cumsum(speed * np.cos(middle)) * 0.1, np.cumsum(speed * np.sin(middle)) * 0.1, yaw], axis=1)


def only(poses_T3: np.ndarray) -> tuple[list[str], list[str]]:
    """Names of the segments on both axes."""
    actions = meta_action_segments(poses_T3[None])[0]
    return [s.name for s in actions.longitudinal], [s.name for s in actions.lateral]


@pytest.mark.parametrize(
    ("speed_mps", "names"),
    [
        (10.0, ["maintain_speed"]),
        (0.0, ["stop"]),
        (0.2, ["maintain_speed"]),
        (-2.0, ["reverse"]),
        (5.0 + 0.5 * TIME_S, ["gentle_acceleration"]),
        (5.0 + 2.0 * TIME_S, ["strong_acceleration"]),
        (15.0 - 0.5 * TIME_S, ["gentle_deceleration"]),
        (20.0 - 2.0 * TIME_S, ["strong_deceleration"]),
        # 0.1 m/s² over 6.4 s is 0.64 m/s: under both bounds.
        (10.0 + 0.1 * TIME_S, ["maintain_speed"]),
        # 10 m/s at -2.5 m/s² stands after 4 s.
        (np.maximum(0.0, 10.0 - 2.5 * TIME_S), ["strong_deceleration", "stop"]),
        # 3 s at speed, then braking.
        (np.where(TIME_S < 3.0, 12.0, 12.0 - 2.0 * (TIME_S - 3.0)), ["maintain_speed", "strong_deceleration"]),
    ],
)
def test_speed_profiles_read_as_what_they_are(speed_mps: np.ndarray | float, names: list[str]) -> None:
    assert only(drive(speed_mps))[0] == names


@pytest.mark.parametrize(
    ("speed_mps", "curvature", "names"),
    [
        (10.0, 0.0, ["go_straight"]),
        (8.0, 1 / 60, ["steer_left"]),
        (8.0, -1 / 60, ["steer_right"]),
        # R = 12 m, 5 m/s: 0.083 rad/m through more than a quarter circle.
        (5.0, 1 / 12, ["sharp_steer_left"]),
        (5.0, -1 / 12, ["sharp_steer_right"]),
        # 0.001 rad/m is under the 0.0015 of steering.
        (10.0, 0.001, ["go_straight"]),
        # Backwards the heading turns against the curvature: v is negative.
        (-2.0, -0.05, ["reverse_left"]),
        (-2.0, 0.05, ["reverse_right"]),
        (0.0, 0.0, ["go_straight"]),
    ],
)
def test_bends_read_as_what_they_are(speed_mps: float, curvature: float, names: list[str]) -> None:
    assert only(drive(speed_mps, curvature))[1] == names


def test_a_lane_change_is_steering_there_and_back() -> None:
    curvature = 0.014 * np.sin(2 * np.pi * TIME_S / 4.0) * (TIME_S < 4.0)
    poses = drive(10.0, curvature)
    assert 3.0 < poses[-1, 1] < 4.0
    assert only(poses)[1] == ["steer_left", "steer_right", "go_straight"]


def test_the_stop_begins_where_the_vehicle_stands() -> None:
    """Standing from tick 40 on; smoothing over 5 ticks may move the cut by two."""
    segments = meta_action_segments(drive(np.maximum(0.0, 10.0 - 2.5 * TIME_S))[None])[0].longitudinal
    assert segments[0].start == 0
    assert abs(segments[1].start - 40) <= 2
    assert segments[1] == Segment(segments[0].end, TICKS, "stop")


def test_a_blip_shorter_than_the_shortest_segment_is_absorbed() -> None:
    """A brake of 0.4 s: 4 ticks, less than 8."""
    speed = 10.0 - 2.0 * np.clip(TIME_S - 3.0, 0.0, 0.4)
    assert only(drive(speed))[0] == ["maintain_speed"]


def test_the_speed_at_the_first_tick_is_that_of_the_second() -> None:
    poses = drive(np.linspace(5.0, 8.0, TICKS))
    speed = segments_and_speed(poses[None])[1][0]
    assert speed[0] == speed[1]
    assert speed[1] == pytest.approx(5.0 + 3.0 / 63.0)


@pytest.mark.parametrize("ticks", [2, 3, 7])
def test_short_trajectories_are_read_as_one_segment(ticks: int) -> None:
    longitudinal, lateral = read_meta_actions(drive(10.0)[None, :ticks])
    assert longitudinal.tolist() == [["maintain_speed"] * ticks]
    assert lateral.tolist() == [["go_straight"] * ticks]


def test_half_the_rate_reads_the_same_drive_alike() -> None:
    poses = drive(np.maximum(0.0, 10.0 - 2.5 * TIME_S))
    assert [s.name for s in meta_action_segments(poses[None, 1::2], dt_s=0.2)[0].longitudinal] == only(poses)[0]


@pytest.mark.parametrize(
    ("poses", "dt_s", "message"),
    [
        (np.zeros((64, 3)), 0.1, r"\(64, 3\)"),
        (np.zeros((1, 1, 3)), 0.1, "T >= 2"),
        (np.full((1, 4, 3), np.nan), 0.1, "NaN"),
        (np.zeros((1, 4, 3)), 0.0, "dt_s is 0"),
    ],
)
def test_what_cannot_be_read_is_refused(poses: np.ndarray, dt_s: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_meta_actions(poses, dt_s)


@st.composite
def drives(draw: st.DrawFn) -> np.ndarray:
    """Smooth random drives: speed and curvature wander, now and then backwards or standing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    speed = rng.uniform(-3.0, 15.0) + np.cumsum(np.cumsum(rng.normal(0.0, 0.03, TICKS)))
    curvature = np.cumsum(rng.normal(0.0, 0.004, TICKS))
    return drive(speed, curvature)


@settings(max_examples=60, deadline=None)
@given(drives(), st.floats(-3.0, 3.0), st.floats(-500.0, 500.0), st.floats(-500.0, 500.0))
def test_moving_and_turning_the_world_changes_nothing(poses: np.ndarray, angle: float, x: float, y: float) -> None:
    cos, sin = np.cos(angle), np.sin(angle)
    moved = np.stack(
        [
            x + cos * poses[:, 0] - sin * poses[:, 1],
            y + sin * poses[:, 0] + cos * poses[:, 1],
            np.remainder(poses[:, 2] + angle + np.pi, 2 * np.pi) - np.pi,
        ],
        axis=1,
    )
    assert meta_action_segments(moved[None]) == meta_action_segments(poses[None])


@settings(max_examples=60, deadline=None)
@given(drives())
def test_the_mirror_image_swaps_left_and_right(poses: np.ndarray) -> None:
    swap = {"left": "right", "right": "left"}
    here, there = meta_action_segments(poses[None])[0], meta_action_segments((poses * [1.0, -1.0, -1.0])[None])[0]
    assert there.longitudinal == here.longitudinal
    renamed = ["_".join(swap.get(word, word) for word in s.name.split("_")) for s in here.lateral]
    assert [s.name for s in there.lateral] == renamed
    assert [(s.start, s.end) for s in there.lateral] == [(s.start, s.end) for s in here.lateral]


@given(st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.9, 1.0, 1.1, 1.15, 2.0]), min_size=6, max_size=6), st.booleans())
def test_a_bound_is_crossed_where_it_is_passed_by_a_share_of_it(signal: list[float], mirrored: bool) -> None:
    sign = -1.0 if mirrored else 1.0
    signal_BT = sign * np.array(signal).reshape(2, 3)
    for row, found in zip(signal_BT, above(signal_BT, sign, 0.15), strict=True):
        state = row[0] >= sign if sign > 0.0 else row[0] > sign
        for tick, value in enumerate(row.tolist()):
            if tick and (value >= sign + 0.15 or value <= sign - 0.15):
                state = value >= sign + 0.15
            assert found[tick] == state


@settings(max_examples=30, deadline=None)
@given(st.lists(drives(), min_size=1, max_size=5))
def test_segments_cover_all_ticks_and_agree_with_the_names_per_tick(batch: list[np.ndarray]) -> None:
    poses = np.stack(batch)
    per_tick = read_meta_actions(poses)
    for i, actions in enumerate(meta_action_segments(poses)):
        assert actions == meta_action_segments(poses[i : i + 1])[0]
        for segments, names, known in zip(actions, per_tick, (LONGITUDINAL_ACTIONS, LATERAL_ACTIONS), strict=True):
            spelled = [s.name for s in segments for _ in range(s.start, s.end)]
            assert spelled == names[i].tolist()
            assert set(spelled) <= set(known)
            assert all(a.end == b.start and a.name != b.name for a, b in pairwise(segments))
