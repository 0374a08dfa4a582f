"""Logs become scenes: resampling, windows, splits, the leak guard, and every kind of bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import feather

from ar1_rl.driving.scene import Lane, Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.scenes import argoverse2, kitti_odometry, load_scenes
from ar1_rl.scenes.logs import Crosswalk, Log, Track, data_root, split_logs
from ar1_rl.scenes.roads import bend_rad, centerline, crosswalk_controls, inside_polygon
from ar1_rl.scenes.windows import WindowConfig, cut_windows, resample


def straight_log(duration_s: float = 12.0, speed_mps: float = 10.0, hz: float = 20.0, **changes: object) -> Log:
    """The ego drives along world +x from the origin; a car 20 m ahead drives as fast."""
    times = np.arange(round(duration_s * hz) + 1) / hz
    poses = np.column_stack([speed_mps * times, 0 * times, 0 * times])
    lead = Track(
        track_id="lead",
        kind="car",
        length_m=4.5,
        width_m=1.9,
        times_s_N=times,
        poses_N3=poses + np.array([20.0, 0.0, 0.0]),
    )
    log = Log(
        source="made_up",
        name="straight",
        path="straight.log",
        start_us=5_000_000,
        times_s_N=times,
        poses_N3=poses,
        keyframes_s_K=times,
        tracks=(lead,),
        lanes=None,
        drivable_area=None,
        crosswalks=None,
        ego_size_m=(4.8, 2.0),
    )
    return replace(log, **changes)


# Resampling


def test_resampling_is_linear_between_samples_and_nan_outside():
    times, poses = np.array([0.0, 0.2, 0.4]), np.array([[0.0, 0.0, 0.0], [2.0, 1.0, 0.4], [2.0, 3.0, 0.4]])
    got = resample(times, poses, np.array([-0.1, 0.1, 0.2, 0.3, 0.5]), max_gap_s=0.35)
    assert np.isnan(got[[0, 4]]).all()
    np.testing.assert_allclose(got[1:4], [[1.0, 0.5, 0.2], [2.0, 1.0, 0.4], [2.0, 2.0, 0.4]])


def test_resampling_takes_the_short_way_round_for_yaw():
    poses = np.array([[0.0, 0.0, 3.1], [0.0, 0.0, -3.1]])
    got = resample(np.array([0.0, 0.2]), poses, np.array([0.1]), max_gap_s=0.35)
    assert got[0, 2] == pytest.approx(np.pi)


def test_a_gap_is_not_interpolated_but_the_samples_at_its_ends_stay():
    times, poses = np.array([0.0, 0.5]), np.zeros((2, 3))
    got = resample(times, poses, np.array([0.0, 0.25, 0.5]), max_gap_s=0.35)
    assert np.isfinite(got[:, 0]).tolist() == [True, False, True]


# Windows


def test_a_window_has_16_and_64_poses_in_the_frame_of_t0():
    (scene, *_), skipped = cut_windows(straight_log(speed_mps=10.0))
    assert not skipped
    np.testing.assert_allclose(scene.observation.history_T3[:, 0], np.arange(-15, 1), atol=1e-9)
    np.testing.assert_allclose(scene.future_T3[:, 0], np.arange(1, 65), atol=1e-9)
    np.testing.assert_allclose(scene.observation.history_T3[-1], 0.0, atol=0.0)
    assert scene.t0_us == 5_000_000 + 1_500_000
    assert scene.id == "made_up/straight@6500000"
    np.testing.assert_allclose(scene.agents[0].poses_T3[15], [20.0, 0.0, 0.0], atol=1e-9)
    assert scene.agents[0].poses_T3.shape == (80, 3)
    assert scene.observation.agents[0].poses_T3.shape == (16, 3)


@pytest.mark.parametrize(("duration_s", "stride_s", "windows"), [(7.9, 0.5, 1), (12.0, 0.5, 9), (12.0, 1.0, 5)])
def test_the_number_of_windows_follows_from_length_and_stride(duration_s, stride_s, windows):
    # t0 runs from 1.5 s to duration - 6.4 s
    scenes, _ = cut_windows(straight_log(duration_s), WindowConfig(stride_s=stride_s))
    assert len(scenes) == windows
    t0 = np.array([s.t0_us for s in scenes]) / 1e6
    np.testing.assert_allclose(np.diff(t0), stride_s, atol=0.05)


def test_a_log_shorter_than_a_window_is_a_counted_skip():
    scenes, skipped = cut_windows(straight_log(duration_s=5.0))
    assert scenes == []
    assert skipped == {"straight.log: 5.0 s long, a window takes 7.9 s": 1}


def test_windows_over_a_gap_in_time_are_counted_and_the_others_kept():
    log = straight_log(duration_s=24.0)
    keep = (log.times_s_N < 12.0) | (log.times_s_N > 12.5)
    scenes, skipped = cut_windows(
        replace(log, times_s_N=log.times_s_N[keep], poses_N3=log.poses_N3[keep], keyframes_s_K=log.times_s_N[keep])
    )
    (reason,) = skipped
    assert reason == "straight.log: windows over a gap of more than 0.35 s"
    assert len(scenes) > 0 and skipped[reason] > 0
    for scene in scenes:
        start, end = scene.t0_us / 1e6 - 5.0 - 1.5, scene.t0_us / 1e6 - 5.0 + 6.4
        assert end <= 12.0 or start >= 12.5


def test_windows_over_a_jump_of_the_localisation_are_counted():
    log = straight_log()
    poses = log.poses_N3.copy()
    poses[100:, 1] += 50.0
    scenes, skipped = cut_windows(replace(log, poses_N3=poses))
    assert scenes == []
    assert skipped == {"straight.log: windows over a jump of more than 70.0 m/s": 9}


def test_speed_steps_beyond_what_tyres_give_are_counted_as_jitter():
    log = straight_log()
    poses = log.poses_N3.copy()
    poses[100, 0] += 0.5
    scenes, skipped = cut_windows(replace(log, poses_N3=poses))
    assert scenes == []
    assert skipped == {"straight.log: windows over a jitter of more than 12.0 m/s^2": 9}


def test_what_the_source_does_not_know_stays_none():
    (scene, *_), _ = cut_windows(straight_log(tracks=None))
    assert scene.agents is None and scene.observation.agents is None
    assert scene.lanes is None and scene.observation.lanes is None
    assert scene.controls is None and scene.drivable_area is None
    assert scene.observation.route == "unknown"


def test_agents_out_of_range_are_left_out_and_unseen_ticks_are_nan():
    log = straight_log()
    far = replace(log.tracks[0], track_id="far", poses_N3=log.tracks[0].poses_N3 + np.array([0.0, 90.0, 0.0]))
    late = replace(log.tracks[0], track_id="late", times_s_N=log.times_s_N[60:], poses_N3=log.tracks[0].poses_N3[60:])
    (scene, *_), _ = cut_windows(replace(log, tracks=(log.tracks[0], far, late)))
    assert [a.track_id for a in scene.agents] == ["lead", "late"]
    assert [a.track_id for a in scene.observation.agents] == ["lead"]
    assert np.isnan(scene.agents[1].poses_T3[:30]).all() and np.isfinite(scene.agents[1].poses_T3[30:]).all()


def test_an_agent_that_comes_near_only_later_is_not_seen_up_to_t0():
    log = straight_log(speed_mps=20.0)
    ahead = replace(log.tracks[0], track_id="ahead", poses_N3=np.tile([160.0, 0.0, 0.0], (len(log.times_s_N), 1)))
    (scene, *_), _ = cut_windows(replace(log, tracks=(ahead,)))
    assert [a.track_id for a in scene.agents] == ["ahead"]
    assert scene.observation.agents == ()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1.5, 5.6))
def test_nothing_after_t0_reaches_the_observation(seed, t0_s):
    log = with_road(straight_log())
    random = np.random.default_rng(seed)
    scenes, _ = cut_windows(log)
    scene = scenes[int(np.argmin([abs(s.t0_us / 1e6 - 5.0 - t0_s) for s in scenes]))]
    since_s = np.maximum(log.times_s_N - (scene.t0_us / 1e6 - 5.0) - 1e-6, 0.0)
    noise = since_s[:, None] ** 2 * random.uniform(-1.0, 1.0, 3)
    track = replace(log.tracks[0], poses_N3=log.tracks[0].poses_N3 + 10.0 * noise)
    others, _ = cut_windows(replace(log, poses_N3=log.poses_N3 + noise, tracks=(track,)))
    other = next(s for s in others if s.t0_us == scene.t0_us)
    assert other.to_row()["observation"] == scene.to_row()["observation"]
    assert other.to_row()["withheld"] != scene.to_row()["withheld"]


@settings(max_examples=25, deadline=None)
@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(-np.pi, np.pi))
def test_moving_and_turning_the_world_changes_no_scene(x, y, yaw):
    def moved(poses: np.ndarray) -> np.ndarray:
        cos, sin = np.cos(yaw), np.sin(yaw)
        turned = [poses[:, 0] * cos - poses[:, 1] * sin + x, poses[:, 0] * sin + poses[:, 1] * cos + y]
        return np.column_stack([*turned, poses[:, 2] + yaw])

    log = straight_log(duration_s=8.0)
    track = replace(log.tracks[0], poses_N3=moved(log.tracks[0].poses_N3))
    (scene,), _ = cut_windows(log)
    (other,), _ = cut_windows(replace(log, poses_N3=moved(log.poses_N3), tracks=(track,)))
    np.testing.assert_allclose(other.future_T3, scene.future_T3, atol=1e-6)
    np.testing.assert_allclose(other.agents[0].poses_T3, scene.agents[0].poses_T3, atol=1e-6)


def test_a_scene_from_a_log_survives_the_round_trip_to_a_row():
    (scene, *_), _ = cut_windows(with_road(straight_log()))
    assert Scene.from_row(json.loads(json.dumps(scene.to_row()))).to_row() == scene.to_row()


@pytest.mark.parametrize("field", ["stride_s", "max_gap_s", "range_m"])
def test_a_window_setting_that_is_not_positive_is_refused(field):
    with pytest.raises(ConfigError, match=f"{field}: got 0.0"):
        WindowConfig(**{field: 0.0})


# Roads


def with_road(log: Log) -> Log:
    """A road along +x of two lanes, with a crosswalk at 60 m < x < 64 m, and one far off the road."""
    lines = {y: np.column_stack([np.linspace(-10.0, 200.0, 106), np.full(106, y)]) for y in (0.0, 3.5)}
    return replace(
        log,
        lanes=(
            Lane(lane_id="own", centerline_N2=lines[0.0], width_m=3.5, left_id="left"),
            Lane(lane_id="left", centerline_N2=lines[3.5], width_m=3.5, right_id="own"),
        ),
        drivable_area=(np.array([[-10.0, -2.0], [200.0, -2.0], [200.0, 6.0], [-10.0, 6.0]]),),
        crosswalks=(
            Crosswalk(crosswalk_id="1", polygon_N2=np.array([[60.0, -5.0], [64.0, -5.0], [64.0, 8.0], [60.0, 8.0]])),
            Crosswalk(crosswalk_id="2", polygon_N2=np.array([[60.0, 15.0], [64.0, 15.0], [64.0, 28.0], [60.0, 28.0]])),
        ),
    )


def test_the_crosswalk_on_the_lane_ahead_is_a_control_where_the_lane_enters_it():
    (scene, *rest), _ = cut_windows(with_road(straight_log()))
    (control,) = scene.observation.controls
    assert (control.control_id, control.kind, control.lane_id) == ("crosswalk_1", "crosswalk", "own")
    np.testing.assert_allclose(control.position_2, [60.0 - 15.0, 0.0], atol=0.5)
    assert rest[-1].observation.controls[0].position_2[0] == pytest.approx(60.0 - 55.0, abs=0.5)


def test_a_crosswalk_behind_the_ego_is_no_control():
    scenes, _ = cut_windows(with_road(straight_log(duration_s=15.0)))
    passed = [s for s in scenes if s.t0_us / 1e6 - 5.0 > 6.5]
    assert passed and all(s.observation.controls == () for s in passed)


def test_a_crosswalk_is_found_over_successor_lanes_and_not_over_lanes_that_do_not_follow():
    first = Lane(lane_id="a", centerline_N2=np.array([[-5.0, 0.0], [10.0, 0.0]]), width_m=3.5, successor_ids=("b",))
    second = Lane(lane_id="b", centerline_N2=np.array([[10.0, 0.0], [40.0, 0.0]]), width_m=3.5)
    polygon = np.array([[30.0, -3.0], [33.0, -3.0], [33.0, 3.0], [30.0, 3.0]])
    crosswalk = Crosswalk(crosswalk_id="1", polygon_N2=polygon)
    (control,) = crosswalk_controls([first, second], [crosswalk], np.zeros(3), 80.0)
    assert control.lane_id == "b" and control.position_2[0] == pytest.approx(30.0, abs=0.5)
    assert crosswalk_controls([replace(first, successor_ids=()), second], [crosswalk], np.zeros(3), 80.0) == ()


def test_a_centre_line_lies_half_way_between_its_boundaries():
    line, width = centerline(np.array([[0.0, 4.0], [10.0, 4.0]]), np.array([[0.0, 0.0], [4.0, 0.0], [10.0, 0.0]]))
    np.testing.assert_allclose(line[:, 1], 2.0)
    np.testing.assert_allclose(line[[0, -1], 0], [0.0, 10.0])
    assert width == pytest.approx(4.0)


def test_a_bend_to_the_left_is_positive():
    assert bend_rad(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])) == pytest.approx(np.pi / 2)
    assert bend_rad(np.array([[0.0, 0.0], [-1.0, 0.0], [-1.0, 1.0]])) == pytest.approx(-np.pi / 2)


def test_points_are_inside_or_outside_a_concave_polygon():
    polygon = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]])
    assert inside_polygon(np.array([[1.0, 0.5], [2.0, 2.0], [3.7, 3.0], [5.0, 1.0]]), polygon).tolist() == [
        True,
        False,
        True,
        False,
    ]


# Splits


def test_every_source_with_two_logs_gives_one_to_the_test():
    episodes = ["a/1", "a/2", "b/1", "b/2", "b/3", "c/1"]
    splits = split_logs(episodes)
    assert sorted(splits) == episodes
    by_source = {s: sorted(split for e, split in splits.items() if e[0] == s) for s in "abc"}
    assert by_source == {"a": ["test", "train"], "b": ["test", "train", "validation"], "c": ["train"]}


@given(st.sets(st.text("abcdef", min_size=1, max_size=4), min_size=2, max_size=20), st.randoms())
def test_a_split_does_not_depend_on_the_order_in_which_logs_are_found(names, random):
    episodes = [f"s/{name}" for name in names]
    shuffled = random.sample(episodes, len(episodes))
    assert split_logs(episodes) == split_logs(shuffled)
    assert "test" in split_logs(episodes).values() and "train" in split_logs(episodes).values()


def test_named_logs_are_the_test_split_and_no_others():
    splits = split_logs(["a/1", "a/2", "a/3", "b/x", "b/y"], held_out=["a/2", "x"])
    assert {e for e, split in splits.items() if split == "test"} == {"a/2", "b/x"}


@pytest.mark.parametrize(("name", "words"), [("9", "matches no log; logs found: a/1, b/1"), ("1", "matches")])
def test_a_held_out_name_that_fits_no_log_or_several_is_refused(name, words):
    with pytest.raises(SceneError, match=words):
        split_logs(["a/1", "b/1"], held_out=[name])


# Files: KITTI odometry


def write_kitti(path: Path, frames: int = 120, step_m: float = 1.0) -> Path:
    """A camera that drives along its z axis."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"1 0 0 0 0 1 0 0 0 0 1 {step_m * i}\n" for i in range(frames)))
    return path


def test_kitti_forward_is_x_and_a_turn_to_the_right_has_negative_yaw(tmp_path):
    path = tmp_path / "poses" / "00.txt"
    path.parent.mkdir()
    yaw = -np.pi / 2  # facing the first camera's right, +x
    cos, sin = np.cos(yaw), np.sin(yaw)
    path.write_text(f"1 0 0 0 0 1 0 0 0 0 1 0\n{cos} 0 {-sin} 3 0 1 0 0 {sin} 0 {cos} 5\n")
    log = kitti_odometry.read(path)
    arm = kitti_odometry.CAMERA_AHEAD_OF_REAR_AXLE_M
    np.testing.assert_allclose(log.poses_N3, [[-arm, 0.0, 0.0], [5.0, -3.0 + arm, yaw]], atol=1e-12)
    np.testing.assert_allclose(log.times_s_N, [0.0, 0.1037])


def test_kitti_frame_times_are_read_where_they_are_there(tmp_path):
    path = write_kitti(tmp_path / "poses" / "00.txt", frames=3)
    stamps = tmp_path / "sequences" / "00" / "times.txt"
    stamps.parent.mkdir(parents=True)
    stamps.write_text("0.0\n0.2\n0.5\n")
    np.testing.assert_allclose(kitti_odometry.read(path).times_s_N, [0.0, 0.2, 0.5])
    stamps.write_text("0.0\n0.2\n")
    with pytest.raises(SceneError, match=r"times.txt: 2 times for the 3 poses"):
        kitti_odometry.read(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "00.txt: the file is empty"),
        ("1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 0 0 1\n", "00.txt: line 2 has 6 numbers, 12 are right"),
        ("1 0 0 0 0 1 0 0 0 0 1 zero\n", "00.txt: line 1: could not convert"),
        ("1 0 0 0 0 1 0 0 0 0 1 0\n1 0 0 0 0 1 0 0 0 0 1 nan\n", "00.txt: line 2 holds a number that is not finite"),
        ("1 0 0 0 0 1 0 0 0 0 1 0\n", "00.txt: 1 ego poses, at least 2"),
    ],
)
def test_a_bad_kitti_file_is_an_error_that_names_file_and_reason(tmp_path, text, words):
    path = tmp_path / "poses" / "00.txt"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(SceneError, match=words):
        kitti_odometry.read(path)


# Files: Argoverse 2

MAP_FILE = "map/log_map_archive_x____PIT_city_1.json"


def line(*points: tuple[float, float]) -> list[dict[str, float]]:
    return [{"x": x, "y": y, "z": 0.0} for x, y in points]


def write_av2(folder: Path, seconds: float = 9.0) -> Path:
    """The ego drives along city +y at 5 m/s; a parked car stands 30 m up the road, 3 m to the ego's right."""
    folder.mkdir(parents=True)
    start = 315_966_253_000_000_000
    stamps = start + np.arange(0, round(seconds * 1e9), 10_000_000)
    stamps = np.sort(np.concatenate([stamps, stamps[5::10] + 1]))
    half = np.sqrt(0.5)
    poses = {
        "timestamp_ns": stamps,
        **{name: np.full(len(stamps), value) for name, value in {"qw": half, "qx": 0.0, "qy": 0.0, "qz": half}.items()},
        "tx_m": np.full(len(stamps), 100.0),
        "ty_m": 200.0 + 5.0 * (stamps - start) / 1e9,
        "tz_m": np.zeros(len(stamps)),
    }
    feather.write_feather(pa.table(poses), folder / "city_SE3_egovehicle.feather")
    sweeps = start + np.arange(50_000_000, round(seconds * 1e9) - 50_000_000, 100_000_000)
    ahead = 30.0 - 5.0 * (sweeps - start) / 1e9
    rows = {"timestamp_ns": np.repeat(sweeps, 2), "tx_m": np.ravel([ahead, 0 * ahead], order="F")}
    rows |= {"ty_m": np.tile([-3.0, 0.0], len(sweeps)), "tz_m": np.zeros(2 * len(sweeps))}
    rows |= {name: np.full(2 * len(sweeps), float(name == "qw")) for name in ("qw", "qx", "qy", "qz")}
    rows |= {"length_m": np.full(2 * len(sweeps), 4.5), "width_m": np.full(2 * len(sweeps), 1.9)}
    names = {"track_uuid": ["parked", "ego"], "category": ["REGULAR_VEHICLE", "EGO_VEHICLE"]}
    boxes = {**rows, **{name: pair * len(sweeps) for name, pair in names.items()}}
    feather.write_feather(pa.table(boxes), folder / "annotations_with_ego.feather")
    segment = {
        "id": 1,
        "is_intersection": False,
        "lane_type": "VEHICLE",
        "left_lane_boundary": line((98.0, 190.0), (98.0, 260.0)),
        "left_lane_mark_type": "DASHED_WHITE",
        "right_lane_boundary": line((102.0, 190.0), (102.0, 260.0)),
        "right_lane_mark_type": "SOLID_WHITE",
        "successors": [2],
        "left_neighbor_id": 3,
        "right_neighbor_id": 4,
    }
    other = {**segment, "left_neighbor_id": None, "right_neighbor_id": None, "successors": []}
    shifted = {
        3: {
            "left_lane_boundary": line((94.0, 190.0), (94.0, 260.0)),
            "right_lane_boundary": line((98.0, 190.0), (98.0, 260.0)),
        },
        4: {
            "left_lane_boundary": line((102.0, 190.0), (102.0, 260.0)),
            "right_lane_boundary": line((106.0, 190.0), (106.0, 260.0)),
        },
        5: {"lane_type": "BIKE"},
        2: {
            "is_intersection": True,
            "left_lane_boundary": line((98.0, 260.0), (97.0, 263.0), (94.0, 264.0)),
            "right_lane_boundary": line((102.0, 260.0), (100.0, 266.0), (94.0, 268.0)),
        },
    }
    segments = [segment, *({**other, "id": i, **change} for i, change in shifted.items())]
    archive = {
        "lane_segments": {str(s["id"]): s for s in segments},
        "drivable_areas": {"7": {"area_boundary": line((90.0, 180.0), (110.0, 180.0), (110.0, 280.0), (90.0, 280.0))}},
        "pedestrian_crossings": {
            "8": {"id": 8, "edge1": line((96.0, 250.0), (104.0, 250.0)), "edge2": line((96.0, 253.0), (104.0, 253.0))}
        },
    }
    (folder / "map").mkdir()
    (folder / MAP_FILE).write_text(json.dumps(archive))
    return folder


def test_an_argoverse_log_is_read_with_agents_lanes_and_crosswalks_in_the_ego_frame(tmp_path):
    log = argoverse2.read(write_av2(tmp_path / "log"))
    (scene, *_), _ = cut_windows(log)
    t0_s = scene.t0_us / 1e6 - 315_966_253.0
    np.testing.assert_allclose(scene.future_T3[:, 0], 0.5 * np.arange(1, 65), atol=1e-5)
    (agent,) = scene.agents
    assert (agent.track_id, agent.kind) == ("parked", "car")
    np.testing.assert_allclose(agent.poses_T3[15], [30.0 - 5.0 * t0_s, -3.0, 0.0], atol=1e-5)
    lanes = {lane.lane_id: lane for lane in scene.lanes}
    assert sorted(lanes) == ["1", "2", "3", "4"]
    np.testing.assert_allclose(lanes["1"].centerline_N2[:, 1], 0.0, atol=1e-9)
    assert lanes["1"].width_m == pytest.approx(4.0)
    assert (lanes["1"].left_id, lanes["1"].right_id) == ("3", None)
    assert lanes["1"].successor_ids == ("2",)
    assert (lanes["1"].turn, lanes["2"].turn) == (None, "left")
    (control,) = scene.observation.controls
    np.testing.assert_allclose(control.position_2, [50.0 - 5.0 * t0_s, 0.0], atol=0.6)
    assert len(scene.drivable_area) == 1
    assert inside_polygon(scene.future_T3[:, :2], scene.drivable_area[0]).all()


def test_an_argoverse_log_without_boxes_or_map_says_so(tmp_path):
    folder = write_av2(tmp_path / "log")
    (folder / "annotations_with_ego.feather").unlink()
    (folder / MAP_FILE).unlink()
    (scene, *_), _ = cut_windows(argoverse2.read(folder))
    assert scene.agents is None and scene.lanes is None and scene.drivable_area is None and scene.controls is None


def rewrite(path: Path, change) -> None:
    table = feather.read_table(path).to_pydict()
    change(table)
    feather.write_feather(pa.table(table), path)


def test_a_missing_argoverse_pose_file_is_named(tmp_path):
    folder = write_av2(tmp_path / "log")
    (folder / "city_SE3_egovehicle.feather").unlink()
    with pytest.raises(SceneError, match=r"city_SE3_egovehicle.feather: the file is missing"):
        load_scenes("argoverse2", tmp_path, split="all", annotate=False)


@pytest.mark.parametrize("name", ["city_SE3_egovehicle.feather", "annotations_with_ego.feather"])
def test_a_truncated_argoverse_table_is_named(tmp_path, name):
    path = write_av2(tmp_path / "log") / name
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SceneError, match=f"{name}: cannot be read as feather"):
        argoverse2.read(path.parent)


def test_a_nan_in_an_argoverse_table_is_named_with_column_and_row(tmp_path):
    path = write_av2(tmp_path / "log") / "city_SE3_egovehicle.feather"
    rewrite(path, lambda table: table["tx_m"].__setitem__(7, float("nan")))
    with pytest.raises(SceneError, match=r"city_SE3_egovehicle.feather: column tx_m is not finite in row 7"):
        argoverse2.read(path.parent)


def test_a_missing_argoverse_column_is_named(tmp_path):
    path = write_av2(tmp_path / "log") / "annotations_with_ego.feather"
    rewrite(path, lambda table: table.pop("width_m"))
    with pytest.raises(SceneError, match=r"annotations_with_ego.feather: lacks columns \['width_m'\]"):
        argoverse2.read(path.parent)


def test_boxes_far_in_time_from_any_ego_pose_are_an_error(tmp_path):
    path = write_av2(tmp_path / "log") / "annotations_with_ego.feather"
    rewrite(path, lambda table: table["timestamp_ns"].__setitem__(0, 315_966_252_000_000_000))
    with pytest.raises(SceneError, match="a box has no ego pose within 10 ms"):
        argoverse2.read(path.parent)


@pytest.mark.parametrize(
    ("text", "words"), [('{"lane_segments": {', "cannot be read as JSON"), ("{}", "is no Argoverse 2 map")]
)
def test_a_broken_argoverse_map_is_named(tmp_path, text, words):
    folder = write_av2(tmp_path / "log")
    (folder / MAP_FILE).write_text(text)
    with pytest.raises(SceneError, match=words):
        argoverse2.read(folder)


# The loader


def test_a_missing_folder_is_an_error_that_says_what_to_set(tmp_path):
    with pytest.raises(SceneError, match="set AR1_RL_DATA"):
        load_scenes("real_logs", tmp_path / "nothing")
    with pytest.raises(SceneError, match=r"no logs beneath .* Set AR1_RL_DATA"):
        load_scenes("real_logs", tmp_path)


def test_the_data_root_comes_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("AR1_RL_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("AR1_RL_DATA")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SceneError, match=r"\.\./shared/data"):
        data_root()


def test_an_unknown_source_or_split_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"scene source: got 'waymo', allowed .*kitti_odometry"):
        load_scenes("waymo", tmp_path)
    with pytest.raises(ConfigError, match="split of kitti_odometry: got 'dev', allowed train"):
        load_scenes("kitti_odometry", tmp_path, split="dev")


def test_logs_of_all_formats_are_found_anywhere_and_split_by_log(tmp_path):
    for name in ("00", "01", "02"):
        write_kitti(tmp_path / "deep" / "down" / "poses" / f"{name}.txt")
    write_av2(tmp_path / "one")
    write_av2(tmp_path / "more" / "two")
    parts = {split: load_scenes("real_logs", tmp_path, split=split, annotate=False) for split in ("train", "test")}
    everything, skipped = load_scenes("real_logs", tmp_path, split="all", annotate=False)
    assert not skipped
    assert {s.episode for s in everything} == {
        "argoverse2/one",
        "argoverse2/two",
        *(f"kitti_odometry/0{i}" for i in range(3)),
    }
    episodes = {split: {s.episode for s in scenes} for split, (scenes, _) in parts.items()}
    assert not episodes["train"] & episodes["test"]
    assert {e.split("/")[0] for e in episodes["test"]} == {"argoverse2", "kitti_odometry"}


def test_a_log_that_lies_there_twice_is_read_once(tmp_path):
    for place in ("a", "b"):
        write_kitti(tmp_path / place / "poses" / "00.txt")
    scenes, skipped = load_scenes("kitti_odometry", tmp_path, split="all", annotate=False)
    assert len({s.id for s in scenes}) == len(scenes) > 0
    assert list(skipped.values()) == [1] and "is already read from" in next(iter(skipped))


def test_a_broken_log_stops_the_loader_or_is_counted_as_asked(tmp_path):
    write_kitti(tmp_path / "poses" / "00.txt")
    (tmp_path / "poses" / "01.txt").write_text("1 2 3\n")
    with pytest.raises(SceneError, match=r"01.txt: line 1 has 3 numbers"):
        load_scenes("kitti_odometry", tmp_path, split="all", annotate=False)
    scenes, skipped = load_scenes("kitti_odometry", tmp_path, split="all", annotate=False, on_bad_log="skip")
    assert {s.episode for s in scenes} == {"kitti_odometry/00"}
    ((reason, number),) = skipped.items()
    assert "01.txt: line 1 has 3 numbers" in reason and number == 1


def test_a_short_log_is_reported_by_the_loader(tmp_path):
    write_kitti(tmp_path / "poses" / "00.txt", frames=30)
    scenes, skipped = load_scenes("kitti_odometry", tmp_path, split="all", annotate=False)
    assert scenes == [] and list(skipped.values()) == [1]
    assert "00.txt: 3.0 s long, a window takes 7.9 s" in next(iter(skipped))


@pytest.mark.parametrize(("count", "kept"), [(2, (1, 1)), (7, (3, 4)), (20, (9, 11)), (99, (9, 34))])
def test_a_count_takes_as_many_windows_of_a_short_log_as_of_a_long_one(tmp_path, count, kept):
    write_kitti(tmp_path / "poses" / "00.txt", frames=120)
    write_kitti(tmp_path / "poses" / "01.txt", frames=240)
    scenes, _ = load_scenes("kitti_odometry", tmp_path, split="all", annotate=False, count=count)
    assert len({scene.id for scene in scenes}) == len(scenes)
    assert tuple(sum(s.episode.endswith(name) for s in scenes) for name in ("00", "01")) == kept


def test_synthetic_scenes_come_through_the_same_loader():
    scenes, skipped = load_scenes("synthetic", split="validation", seed=3, count=4)
    assert len(scenes) == 4 and not skipped
    again, _ = load_scenes("synthetic", split="validation", seed=3, count=4)
    assert [scene.to_row() for scene in scenes] == [scene.to_row() for scene in again]
    with pytest.raises(ConfigError, match=r"split of synthetic: got 'all'"):
        load_scenes("synthetic", split="all")
