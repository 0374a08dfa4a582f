"""Trajectories as tokens: agreement with the published facts, round trips, and every malformed input refused."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from drives import by_numpy, mean_displacement, move, random_drives
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving.codec import TrajectoryCodec
from ar1_rl.driving.dynamics import Smoothing, estimate_speed, integrate
from ar1_rl.driving.meta_actions import read_meta_actions
from ar1_rl.driving.quantisation import Grid
from ar1_rl.errors import DecodeError, SceneError
from recipes.bench import codec as bench
from recipes.bench.dense_codec import ACCELERATION_MEAN, ACCELERATION_STD, dense_decode, dense_encode

ALPAMAYO, COMPACT = TrajectoryCodec.alpamayo(), TrajectoryCodec.compact()
CODECS = pytest.mark.parametrize("codec", [ALPAMAYO, COMPACT], ids=lambda codec: codec.name)
TIMES_S = np.arange(80) * 0.1 - 1.5


def split(poses):
    poses = move(poses, -poses[:, 15] * [1, 1, 0])
    poses = move(poses, -poses[:, 15] * [0, 0, 1])
    return poses[:, :16], poses[:, 16:]


def drive(speed, curvature):
    """A drive of one vehicle from its speed at 80 ticks and its curvature in the 79 steps between."""
    controls = np.stack([np.diff(speed) / 0.1, np.broadcast_to(curvature, 79)], axis=-1)[None]
    poses = integrate(controls, speed[:1])
    return split(np.concatenate([np.zeros((1, 1, 3)), poses], axis=1))


def ease(x):
    x = np.clip(x, 0, 1)
    return x**3 * (10 - 15 * x + 6 * x**2)


def shift(speed_mps, offset_m, *, there_s=4.0, back=False):
    """Sideways by an offset at constant speed along x, and back again."""
    y = offset_m * ease(TIMES_S / there_s)
    if back:
        y = y - offset_m * ease((TIMES_S - there_s) / there_s)
    x = speed_mps * TIMES_S
    return split(np.stack([x, y, np.arctan2(np.gradient(y, 0.1), speed_mps)], axis=-1)[None])


def round_trip(codec, history, future):
    return codec.decode(codec.encode(history, future), history)


@CODECS
def test_ids_fill_the_vocabulary_the_codec_declares(codec):
    history, future = random_drives(300, seed=0, noise_m=0.2, noise_rad=0.1)
    tokens, past = codec.encode(history, future), codec.encode_history(history)
    assert tokens.shape == (300, codec.tokens_per_future) and tokens.dtype == np.int64
    assert past.shape == (300, codec.tokens_per_history) and past.dtype == np.int64
    assert tokens.min() >= 0 and tokens.max() < codec.bins
    assert past.min() >= codec.bins and past.max() < codec.vocabulary_size == codec.bins + codec.history_bins


def test_alpamayo_has_the_published_layout():
    assert (ALPAMAYO.bins, ALPAMAYO.history_bins, ALPAMAYO.tokens_per_future, ALPAMAYO.tokens_per_history) == (
        3000,
        1000,
        128,
        48,
    )


@pytest.mark.parametrize("noise", [(0.0, 0.0), (0.02, 0.005)])
def test_alpamayo_gives_the_tokens_of_the_published_scheme_in_float32(noise):
    """Two float32 solvers differ by rounding where a control lies at the edge between two bins."""
    history, future = random_drives(1500, seed=4, speed_mps=(0.0, 15.0), noise_m=noise[0], noise_rad=noise[1])
    history, future = history.astype(np.float32), future.astype(np.float32)
    tokens = ALPAMAYO.encode(history, future)
    expected = dense_encode(history, future, by_numpy)
    assert (tokens == expected).mean() >= 0.999
    assert np.abs(tokens - expected).max() <= 1


def test_alpamayo_in_double_precision_gives_the_very_tokens_of_the_dense_solution():
    history, future = random_drives(1000, seed=5, speed_mps=(0.0, 35.0), noise_m=0.02, noise_rad=0.005)
    exact = dataclasses.replace(ALPAMAYO, precision="float64")
    assert (exact.encode(history, future) == dense_encode(history, future, by_numpy)).mean() >= 0.99999


def test_alpamayo_decodes_to_the_published_poses_within_a_millimetre():
    history, future = random_drives(1000, seed=6)
    tokens = ALPAMAYO.encode(history, future)
    expected = dense_decode(tokens, history.astype(np.float32))
    assert np.abs(ALPAMAYO.decode(tokens, history) - expected)[..., :2].max() < 1e-3


def test_alpamayo_history_is_differences_behind_a_zero_pose():
    history = np.zeros((1, 16, 3))
    history[0, :, 0] = np.arange(-15, 1) * 1.0  # 10 m/s
    tokens = (ALPAMAYO.encode_history(history) - 3000).reshape(16, 3)
    # x: -15 m is clamped to 0, then 1 m is (1 + 4) / 8 * 999 = 624.4; a zero y is 499.5, rounded to even
    assert tokens[:, 0].tolist() == [0] + [624] * 15
    assert set(tokens[:, 1]) == {500} and set(tokens[:, 2]) == {500}


def test_alpamayo_ids_interleave_acceleration_and_curvature_on_an_even_grid():
    history, future = drive(np.full(80, 10.0), 0.0)
    tokens = ALPAMAYO.encode(history, future).reshape(64, 2)
    # zero acceleration: (-0.029027 / 0.681043 + 10) / 20 * 2999 = 1493.1; zero curvature: 1498.0
    assert set(tokens[8:-8, 0]) == {1493} and set(tokens[8:-8, 1]) == {1498}
    levels = ALPAMAYO.acceleration.levels
    assert levels[0] == pytest.approx(ACCELERATION_MEAN - 10 * ACCELERATION_STD)
    assert levels[-1] == pytest.approx(ACCELERATION_MEAN + 10 * ACCELERATION_STD)


def test_later_public_code_zeroes_curvature_at_walking_pace():
    speed = np.maximum(6.0 - 2.0 * np.maximum(TIMES_S, 0.0), 0.0)
    history, future = drive(speed, 0.05)
    guarded = dataclasses.replace(ALPAMAYO, smoothing=Smoothing(curvature_limit=0.33, standing_mps=0.6))
    assert set(guarded.encode(history, future).reshape(64, 2)[32:, 1]) == {1498}
    assert set(ALPAMAYO.encode(history, future).reshape(64, 2)[32:, 1]) != {1498}


@pytest.mark.parametrize(("codec", "bound_m"), [(ALPAMAYO, 0.03), (COMPACT, 0.05)], ids=["alpamayo", "compact"])
def test_smooth_drives_come_back_within_centimetres(codec, bound_m):
    """A one-sided test at three standard errors of the mean over 1,200 drives."""
    history, future = random_drives(1200, seed=7, speed_mps=(0.0, 30.0))
    displacement = mean_displacement(round_trip(codec, history, future), future)
    assert displacement.mean() + 3 * displacement.std() / np.sqrt(1200) <= bound_m


@settings(max_examples=30, deadline=None)
@given(x=st.floats(-500, 500), y=st.floats(-500, 500), yaw=st.floats(-7, 7), seed=st.integers(0, 50))
@CODECS
def test_tokens_do_not_depend_on_where_the_world_has_its_origin(codec, x, y, yaw, seed):
    history, future = random_drives(4, seed)
    moved_history, moved_future = move(history, [x, y, yaw]), move(future, [x, y, yaw])
    tokens, moved = codec.encode(history, future), codec.encode(moved_history, moved_future)
    # Moving a world rounds its coordinates; a value at the edge of a bin may then fall to the other side.
    assert (tokens == moved).mean() > 0.97
    np.testing.assert_allclose(
        codec.decode(tokens, moved_history), move(codec.decode(tokens, history), [x, y, yaw]), atol=1e-3
    )
    assert (codec.encode_history(history) == codec.encode_history(moved_history)).mean() > 0.9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), speed=st.floats(2.0, 30.0))
@CODECS
def test_any_smooth_drive_survives_its_tokens(codec, seed, speed):
    history, future = random_drives(3, seed, speed_mps=(speed, speed))
    assert mean_displacement(round_trip(codec, history, future), future).max() < 0.4


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_sequence_of_future_tokens_decodes_to_finite_poses(seed):
    tokens = np.random.default_rng(seed).integers(0, COMPACT.bins, (2, COMPACT.tokens_per_future))
    assert np.isfinite(COMPACT.decode(tokens, np.zeros((2, 16, 3)))).all()


def test_compact_has_an_exact_zero_and_reaches_tight_turns_and_hard_braking():
    middle = COMPACT.bins // 2
    for grid in (COMPACT.acceleration, COMPACT.curvature):
        assert grid.levels[middle] == 0.0
        np.testing.assert_allclose(grid.levels, -grid.levels[::-1], atol=1e-15)
    assert COMPACT.curvature.levels[-1] >= 1 / 6
    assert COMPACT.acceleration.levels[0] <= -5.0
    assert COMPACT.curvature.levels[middle + 1] < 0.0015 / 2  # two steps still do not read as steering


def test_compact_holds_a_lane_without_steering():
    for speed in (3.0, 12.0, 30.0):
        history, future = drive(np.full(80, speed), 0.0)
        tokens = COMPACT.encode(history, future).reshape(16, 2)
        assert set(tokens[:, 1]) == {COMPACT.bins // 2}
        noisy = future + np.random.default_rng(0).normal(size=future.shape) * [0.01, 0.01, 0.001]
        _, lateral = read_meta_actions(round_trip(COMPACT, history, noisy))
        assert set(lateral[0]) == {"go_straight"}


@pytest.mark.parametrize("start_mps", [4.0, 9.0, 16.0])
@pytest.mark.parametrize("braking", [2.0, 4.0, 6.0])
def test_compact_brakes_to_a_standstill_and_stays(start_mps, braking):
    speed = np.maximum(start_mps - braking * np.maximum(TIMES_S, 0.0), 0.0)
    history, future = drive(speed, 0.0)
    decoded = round_trip(COMPACT, history, future)
    travelled = np.diff(decoded[0, :, 0])
    assert travelled.min() >= -1e-9
    settled_s = start_mps / braking + 0.8  # two holds after the standstill
    assert np.abs(travelled[TIMES_S[17:] > settled_s]).max(initial=0.0) <= 0.05 * 0.1
    assert mean_displacement(decoded, future)[0] < 0.15


def test_a_standing_vehicle_decodes_to_standing():
    history, future = np.zeros((1, 16, 3)), np.zeros((1, 64, 3))
    assert not round_trip(COMPACT, history, future).any()
    assert np.abs(round_trip(ALPAMAYO, history, future)[..., :2]).max() < 0.05


@pytest.mark.parametrize(("offset_m", "back"), [(3.5, False), (0.6, True)], ids=["lane change", "nudge"])
def test_a_lane_change_and_a_nudge_still_read_as_such_after_compact(offset_m, back):
    """Over 80 random ones, as single segments may be as short as the reader's shortest."""
    random = np.random.default_rng(11)
    there_s = random.uniform(2.4, 3.1, 80) if back else random.uniform(3.5, 5.5, 80)
    drives = [
        shift(random.uniform(6, 18), random.choice([-1, 1]) * offset_m, there_s=duration, back=back)
        for duration in there_s
    ]
    history, future = (np.concatenate(part) for part in zip(*drives, strict=True))
    decoded = round_trip(COMPACT, history, future)
    assert mean_displacement(decoded, future).max() < 0.05
    _, before = read_meta_actions(np.concatenate([history, future], axis=1))
    _, after = read_meta_actions(np.concatenate([history, decoded], axis=1))
    assert (before == after).mean() > 0.9
    assert np.mean([set(one) == set(other) for one, other in zip(before, after, strict=True)]) > 0.8


@pytest.mark.parametrize("side", [1, -1])
def test_compact_turns_a_corner(side):
    radius_m, speed_mps = 7.0, 5.5
    turning_s = radius_m * np.pi / 2 / speed_mps
    steps_s = TIMES_S[:-1]
    curvature = side / radius_m * (ease((steps_s - 0.5) / 0.8) - ease((steps_s - 0.5 - turning_s) / 0.8))
    history, future = drive(np.full(80, speed_mps), curvature)
    decoded = round_trip(COMPACT, history, future)
    assert mean_displacement(decoded, future)[0] < 0.06
    assert decoded[0, -1, 2] == pytest.approx(side * np.pi / 2, abs=0.03)


def test_compact_history_tells_speed_acceleration_and_curvature():
    history, _ = random_drives(500, seed=8, speed_mps=(0.0, 30.0))
    ids = COMPACT.encode_history(history) - COMPACT.bins
    state = COMPACT.history
    assert np.abs(state.speed.levels[ids[:, 0]] - estimate_speed(history)).max() <= 0.25 + 1e-9
    history, _ = drive(10.0 + 1.5 * TIMES_S, 0.03)
    _, _, acceleration, curvature = COMPACT.encode_history(history)[0] - COMPACT.bins
    assert state.acceleration.levels[acceleration] == pytest.approx(1.5, abs=0.1)
    assert state.curvature.levels[curvature] == pytest.approx(0.03, rel=0.1)


def test_a_grid_gives_the_nearest_level_and_clamps():
    even = Grid(bins=5, centre=0.0, reach=2.0)
    assert even.levels.tolist() == [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert even.nearest(np.array([-9.0, -0.6, 0.4, 1.51, 9.0])).tolist() == [0, 1, 2, 4, 4]
    fine = Grid(bins=9, centre=0.0, reach=1.0, sharpness=3.0)
    values = np.linspace(-1.2, 1.2, 301)
    expected = np.abs(values[:, None] - fine.levels).argmin(axis=1)
    np.testing.assert_allclose(
        np.abs(fine.levels[fine.nearest(values)] - values), np.abs(fine.levels[expected] - values)
    )


def test_text_of_tokens_reads_back():
    assert ALPAMAYO.to_text([5, 1999]) == "<i5><i1999>"
    assert ALPAMAYO.from_text("<i5><i1999>").tolist() == [5, 1999]
    assert ALPAMAYO.from_text("").tolist() == []
    history, future = random_drives(1, seed=9)
    tokens = COMPACT.encode(history, future)[0]
    np.testing.assert_array_equal(COMPACT.from_text(COMPACT.to_text(tokens)), tokens)


@pytest.mark.parametrize(
    "text",
    [
        "i5",
        "<i5> <i6>",
        "<i05>",
        "<i-1>",
        "<i5",
        "<i>",
        "<i1.5>",
        "<i178>",
        "<i5>\n",
        "x<i5>",
        "<i99999999999>",
        "<i٣>",
    ],
)
def test_text_with_anything_foreign_is_refused(text):
    with pytest.raises(DecodeError):
        COMPACT.from_text(text)


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet="<i>0123 x", max_size=20))
def test_text_is_either_read_exactly_or_refused(text):
    try:
        tokens = COMPACT.from_text(text)
    except DecodeError:
        return
    assert COMPACT.to_text(tokens) == text


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@CODECS
def test_every_malformed_token_row_is_refused(codec, data):
    count = codec.tokens_per_future
    row = [codec.bins // 2] * count
    fault = data.draw(st.sampled_from(["short", "long", "foreign"]))
    if fault == "short":
        row = row[: data.draw(st.integers(0, count - 1))]
    elif fault == "long":
        row = row + [0] * data.draw(st.integers(1, 5))
    else:
        foreign = st.integers(codec.bins, 2**62) | st.integers(-(2**62), -1)
        row[data.draw(st.integers(0, count - 1))] = data.draw(foreign)
    with pytest.raises(DecodeError):
        codec.decode([row], np.zeros((1, 16, 3)))


@CODECS
def test_wrong_shapes_and_kinds_are_refused(codec):
    history, count = np.zeros((1, 16, 3)), codec.tokens_per_future
    for tokens in (
        np.zeros(count, int),
        np.zeros((1, count)),
        [[0] * count, [0]],
        [["a"] * count],
        np.zeros((2, count), int),
    ):
        with pytest.raises(DecodeError):
            codec.decode(tokens, history)
    with pytest.raises(DecodeError, match="allowed are 0 to"):
        codec.to_text([codec.vocabulary_size])
    with pytest.raises(SceneError, match="future: got shape"):
        codec.encode(history, np.zeros((1, 63, 3)))
    with pytest.raises(SceneError, match="1 histories and 2 futures"):
        codec.encode(history, np.zeros((2, 64, 3)))
    with pytest.raises(SceneError, match="history: NaN"):
        codec.encode_history(np.full((1, 16, 3), np.nan))


@CODECS
def test_an_empty_batch_is_an_empty_result(codec):
    history = np.zeros((0, 16, 3))
    tokens = codec.encode(history, np.zeros((0, 64, 3)))
    assert tokens.shape == (0, codec.tokens_per_future)
    assert codec.decode(tokens, history).shape == (0, 64, 3)
    assert codec.encode_history(history).shape == (0, codec.tokens_per_history)


def test_the_bench_finds_the_same_results_as_the_dense_scheme():
    result = bench.measure(count=200, repeats=1)
    assert result["within_tolerance"] and set(bench.TOLERANCE) < set(result["agreement"])
    assert result["agreement"]["tokens that differ"] < 0.005
    ratios = {
        way: result["median_s"][f"dense Cholesky, {way}"] / result["median_s"][f"alpamayo.{way}"]
        for way in ("encode", "decode")
    }
    assert result["speedup"] == ratios


def test_the_bench_fails_where_results_differ(monkeypatch, capsys):
    for name, value in bench.ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bench, "dense_encode", lambda history, future: dense_encode(history, future) + 2)
    assert bench.main(["--count", "50", "--repeats", "1"]) == 1
    told = capsys.readouterr().out
    assert "results DIFFER" in told and re.search(r"tokens off by, at most \[bins\] [23] \(allowed: 1\)", told)
