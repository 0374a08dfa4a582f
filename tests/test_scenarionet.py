"""ScenarioNet scenarios: what is read from the files, the ego's mended clock, lights, lanes and the drivable area."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ar1_rl.errors import SceneError
from ar1_rl.metrics import off_road_share
from ar1_rl.scenes import load_scenes, scenarionet
from ar1_rl.scenes.roads import clip_ring, inside_polygon, joined_rings
from ar1_rl.scenes.scenarionet_clock import drawn_at, mended
from ar1_rl.scenes.windows import cut_windows

TICKS = 101


def track(kind: str, position_T2: np.ndarray, *, category: str = "", size: tuple[float, float] = (4.5, 1.9)) -> dict:
    count = len(position_T2)
    return {
        "type": kind,
        "metadata": {"type": category},
        "state": {
            "position": np.column_stack([position_T2, np.zeros(count)]),
            "heading": np.zeros(count),
            "velocity": np.zeros((count, 2)),
            "valid": np.ones(count),
            "length": np.full((count, 1), size[0]),
            "width": np.full((count, 1), size[1]),
            "height": np.full((count, 1), 1.5),
        },
    }


def along(start_m: float, speed_mps: float, y_m: float = 0.0, count: int = TICKS) -> np.ndarray:
    return np.column_stack([start_m + speed_mps * 0.1 * np.arange(count), np.full(count, y_m)])


def lane(y_m: float, start_m: float = -50.0, end_m: float = 150.0) -> dict[str, Any]:
    line = [(x, y_m, 0.0) for x in np.linspace(start_m, end_m, 101)]
    edges = [(start_m, y_m - 2.0), (end_m, y_m - 2.0), (end_m, y_m + 2.0), (start_m, y_m + 2.0)]
    return {"type": "LANE_SURFACE_STREET", "polyline": line, "polygon": [list(e) for e in edges]}


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high], [low, low]])


def scenario(dataset: str = "nuscenes") -> dict[str, Any]:
    """The ego drives along +x at 10 m/s on the right of two lanes; a truck 30 m ahead does as well."""
    angles = np.linspace(0.0, np.pi / 2, 20)
    bend = np.column_stack([150.0 + 10.0 * np.sin(angles), 10.0 - 10.0 * np.cos(angles)])
    return {
        "id": "made-up",
        "length": TICKS,
        "metadata": {"ts": np.arange(TICKS) * 0.1, "sdc_id": "ego", "dataset": dataset, "numbers": {1, 2}},
        "tracks": {
            "ego": track("VEHICLE", along(0.0, 10.0), category="vehicle.car", size=(1.73, 4.08)),
            "truck": track("VEHICLE", along(30.0, 10.0), category="vehicle.truck"),
            "cone": track("TRAFFIC_CONE", along(40.0, 0.0, 3.0), category="movable_object.trafficcone"),
        },
        "dynamic_map_states": {},
        "map_features": {
            "own": lane(0.0),
            "left": lane(4.0),
            "turning": {"type": "LANE_SURFACE_STREET", "polyline": bend.tolist(), "speed_limit_kmh": 100},
            "dashes": {"type": "ROAD_LINE_BROKEN_SINGLE_WHITE", "polyline": [[-50.0, 2.0], [150.0, 2.0]]},
            "boundary_0": {"type": "ROAD_LINE_SOLID_SINGLE_WHITE", "polyline": square(-500.0, 500.0)},
            "boundary_1": {"type": "ROAD_LINE_SOLID_SINGLE_WHITE", "polyline": square(20.0, 40.0)},
        },
    }


def written(folder: Path, content: object) -> Path:
    path = folder / "sd_made_up.pkl"
    path.write_bytes(pickle.dumps(content, 4))
    return path


# Real files


def test_a_nuscenes_log_has_the_figures_that_were_worked_out_by_hand(data_root):
    log = scenarionet.read(data_root / "scenarionet" / "sd_nuscenes_v1.0-mini_scene-0103.pkl")
    # 196 ticks, of which the last two are on the other clock: their seam is 1.25 m = 0.15 s at 8.3 m/s. Two messages
    # (0.04 s) were lost, so the first pose is 0.11 s late.
    assert len(log.times_s_N) == 194 and log.times_s_N[0] == pytest.approx(0.11, abs=0.005)
    assert log.duration_s == pytest.approx(193 * 0.1 + 2 * 0.02)
    step_m = np.linalg.norm(np.diff(log.poses_N3[:, :2], axis=0), axis=1)
    assert step_m.sum() == pytest.approx(117.4, abs=0.1)
    speed_mps = step_m / np.diff(log.times_s_N)
    assert (speed_mps.min(), speed_mps.max()) == (pytest.approx(1.56, abs=0.02), pytest.approx(9.12, abs=0.02))
    assert log.lights is None and log.crosswalks is None
    # t0 from 1.61 s (the first keyframe with room before it is 2.0 s) to 19.45 s - 6.4 s: 2.0, 2.5, ... 13.0
    scenes, left_out = cut_windows(log)
    assert (len(scenes), left_out) == (23, {})


def test_boxes_of_nuscenes_are_drawn_at_two_hertz_and_straight_between(data_root):
    """What `NUSCENES_TICKS_PER_KEYFRAME` rests on: no track bends but at a fifth tick."""
    for path in scenarionet.find(data_root)[:3]:
        log = scenarionet.load(path)
        bends = np.zeros(5)
        for key, item in log["tracks"].items():
            state = item["state"]
            if key != "ego" and (state["valid"] > 0.5).all():
                bend = np.abs(np.diff(state["position"][:, :2], 2, axis=0)).sum(axis=1) > 1e-6
                bends += [bend[(phase - 1) % 5 :: 5].mean() for phase in range(5)]
        assert bends[0] > 1.0 and bends[1:].max() == 0.0


def test_the_mended_clock_leaves_no_speed_steps_that_tyres_cannot_give(data_root):
    found = scenarionet.find(data_root)
    assert len(found) == 8
    for path in found:
        state = scenarionet.load(path)["tracks"]["ego"]["state"]
        poses = np.column_stack([state["position"][:, :2], state["heading"]])
        times, count = mended(poses)
        step_s = np.diff(times)
        speed = np.linalg.norm(np.diff(poses[:count, :2], axis=0), axis=1) / step_s
        assert (np.abs(np.diff(speed)) / (0.5 * (step_s[1:] + step_s[:-1]))).max() < 11.0
        assert len(poses) - count <= 8 and abs(times[0]) < 0.25


# The clock


def can_bus(lost_at: list[int], late_s: float, seam: int | None, ticks: int = 101, speed_mps: float = 10.0):
    """Poses as ScenarioNet writes them, and when each was driven."""
    true_s = late_s + 0.1 * np.arange(ticks)
    for tick in lost_at:
        true_s[tick + 1 :] += 0.02
    if seam is not None:
        true_s[seam + 1 :] = 0.1 * np.arange(seam + 1, ticks)
    return np.column_stack([speed_mps * true_s, np.zeros((ticks, 2))]), true_s


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(5, 80), max_size=6), st.floats(-0.15, 0.25), st.floats(4.0, 20.0))
def test_lost_messages_and_a_late_start_are_found_from_the_steps_and_the_seam(lost, late_s, speed_mps):
    lost_at = [tick for tick in sorted(lost) if not {tick - 1, tick - 2} & lost]
    # The seam: a step shorter than usual by more than a tenth, or longer by more than three messages.
    assume(not -0.075 < late_s + 0.02 * len(lost_at) < 0.012)
    poses, true_s = can_bus(lost_at, late_s, seam=95, speed_mps=speed_mps)
    times, count = mended(poses)
    assert count == 96
    np.testing.assert_allclose(times, true_s[:96], atol=1e-6)


def test_without_a_seam_the_first_pose_is_taken_to_be_on_time():
    poses, true_s = can_bus([20, 50, 51], late_s=0.0, seam=None)
    times, count = mended(poses)
    assert count == 101
    np.testing.assert_allclose(times, true_s, atol=1e-9)


def test_a_car_that_stands_or_creeps_keeps_its_clock():
    poses = np.zeros((101, 3))
    poses[:, 0] = np.cumsum(np.random.default_rng(0).normal(0.0, 0.01, 101))
    times, count = mended(poses)
    np.testing.assert_allclose(times, 0.1 * np.arange(count))
    assert count == 101


def test_a_box_between_keyframes_goes_on_as_it_came_to_the_last_one():
    times = 0.1 * np.arange(11)
    poses = np.column_stack([np.interp(times, [0.0, 0.5, 1.0], [0.0, 1.0, 5.0]), np.zeros((11, 2))])
    got_s, got = drawn_at(times, poses, np.array([0.0, 0.5]), np.array([0.0, 0.62]))
    # At 0.62 s: 1 m + 0.12 s at 2 m/s. The sample at 0.6 s is known only from the box at 1.0 s, so it goes.
    np.testing.assert_allclose(got_s, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.62, 0.7, 0.8, 0.9, 1.0])
    assert got[6, 0] == pytest.approx(1.24)
    np.testing.assert_allclose(got[7:, 0], [2.6, 3.4, 4.2, 5.0])


def test_nothing_that_was_drawn_after_t0_reaches_the_observation(tmp_path):
    content = scenario()
    ego = content["tracks"]["ego"]["state"]["position"]
    ego[:, 0] = can_bus([30], late_s=0.07, seam=95)[0][:, 0]
    before = {s.t0_us: s for s in cut_windows(scenarionet.read(written(tmp_path, content)))[0]}
    assert all(round(t0 / 1e4) % 50 != 0 for t0 in before)  # no window starts at a keyframe itself
    for t0_us in list(before)[::2]:
        keyframe = int(t0_us / 5e5) * 5
        changed = scenario()
        changed["tracks"]["ego"]["state"]["position"] = ego
        later = np.maximum(np.arange(TICKS) - keyframe, 0)
        changed["tracks"]["truck"]["state"]["position"][:, 1] += 0.3 * later
        after = {s.t0_us: s for s in cut_windows(scenarionet.read(written(tmp_path, changed)))[0]}
        assert after[t0_us].to_row()["observation"] == before[t0_us].to_row()["observation"]
        assert after[t0_us].to_row()["withheld"] != before[t0_us].to_row()["withheld"]


# What is read


def test_a_nuscenes_scenario_becomes_scenes_with_agents_lanes_and_area(tmp_path):
    (scene, *_), left_out = cut_windows(scenarionet.read(written(tmp_path, scenario())))
    assert not left_out and scene.t0_us == 1_500_000
    np.testing.assert_allclose(scene.future_T3[:, 0], np.arange(1, 65), atol=1e-9)
    assert scene.ego_size_m == (4.084, 1.73)  # the file has them interchanged
    agents = {agent.track_id: agent for agent in scene.agents}
    assert {key: agent.kind for key, agent in agents.items()} == {"truck": "truck", "cone": "other"}
    np.testing.assert_allclose(agents["truck"].poses_T3[15], [30.0, 0.0, 0.0], atol=1e-9)
    lanes = {item.lane_id: item for item in scene.lanes}
    assert lanes["own"].width_m == pytest.approx(4.0)
    assert (lanes["own"].left_id, lanes["own"].right_id) == ("left", None)
    assert (lanes["left"].left_id, lanes["left"].right_id) == (None, "own")
    assert lanes["own"].successor_ids == ("turning",)
    assert (lanes["own"].turn, lanes["turning"].turn) == (None, "left")
    assert lanes["turning"].width_m == pytest.approx(4.0)  # that of the lane that leads to it
    assert lanes["turning"].speed_limit_mps is None  # 100 km/h stands on every one of them
    assert scene.controls is None


def test_lanes_with_a_solid_line_between_are_no_neighbours(tmp_path):
    content = scenario()
    content["map_features"]["dashes"]["type"] = "ROAD_LINE_SOLID_SINGLE_YELLOW"
    (scene, *_), _ = cut_windows(scenarionet.read(written(tmp_path, content)))
    assert all((item.left_id, item.right_id) == (None, None) for item in scene.lanes)


def test_an_island_in_the_drivable_area_is_off_the_road(tmp_path):
    (scene, *_), _ = cut_windows(scenarionet.read(written(tmp_path, scenario())))
    (polygon,) = scene.drivable_area
    # The ego is at x = 15, the island spans 20 to 40 to the ego's left and ahead; 150 m on, the area is cut off.
    points = np.array(
        [[0.0, 0.0], [15.0, 25.0], [15.0, 45.0], [-10.0, 25.0], [-15.0 - 149.0, 0.0], [-15.0 - 151.0, 0.0]]
    )
    assert inside_polygon(points, polygon).tolist() == [True, False, True, True, True, False]
    driven = np.zeros((2, 64, 3))
    driven[1, :, :2] = [15.0, 25.0]
    np.testing.assert_allclose(off_road_share(driven, [scene, scene]), [0.0, 1.0])


def test_other_data_sets_give_the_box_centre_and_their_lights(tmp_path):
    content = scenario("waymo")
    content["tracks"]["ego"]["state"]["length"][:] = 5.0
    content["tracks"]["ego"]["state"]["width"][:] = 2.0
    states = ["LANE_STATE_STOP"] * 20 + ["LANE_STATE_GO"] * (TICKS - 20)
    light = {
        "type": "TRAFFIC_LIGHT",
        "state": {"object_state": states},
        "lane": "own",
        "stop_point": np.array([80.0, 0, 0]),
    }
    content["dynamic_map_states"] = {
        "1": light,
        "elsewhere": {**light, "lane": "left"},
        "behind": {**light, "stop_point": np.array([5.0, 0.0, 0.0])},
    }
    content["map_features"]["walk"] = {"type": "CROSSWALK", "polygon": square(60.0, 64.0) - np.array([0.0, 62.0])}
    log = scenarionet.read(written(tmp_path, content))
    np.testing.assert_allclose(log.poses_N3[0], [-0.28 * 5.0, 0.0, 0.0])
    assert (log.ego_size_m, log.ego_center_ahead_m) == ((5.0, 2.0), pytest.approx(1.4))
    (scene, *_), _ = cut_windows(log)
    assert scene.t0_us == 1_500_000  # 10 Hz: every tick may be t0
    controls = {control.control_id: control for control in scene.controls}
    assert set(controls) == {"crosswalk_walk", "light_1"}
    np.testing.assert_allclose(controls["light_1"].position_2, [80.0 - 15.0 + 1.4, 0.0], atol=1e-9)
    # t0 is tick 15 of the log, the light turns green at its tick 20.
    assert controls["light_1"].states_T == ("red",) * 20 + ("green",) * 60
    assert {c.control_id: len(c.states_T) for c in scene.observation.controls}["light_1"] == 16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("metadata"), "is no ScenarioNet scenario: KeyError 'metadata'"),
        (lambda c: c["metadata"].update(sdc_id="nobody"), "KeyError 'nobody'"),
        (lambda c: c["metadata"].update(ts=np.zeros(TICKS)), "does not increase"),
        (lambda c: c["metadata"].update(ts=np.arange(50) * 0.1), "101 positions at 50 times"),
        (lambda c: c["tracks"]["truck"]["state"]["position"].__setitem__((3, 0), np.nan), "pose that is not finite"),
        (lambda c: c["tracks"]["ego"]["state"]["valid"].fill(0.0), "has the ego at every tick of 0.1 s"),
        (lambda c: c["metadata"].update(ts=np.arange(TICKS) * 0.5), "has the ego at every tick of 0.1 s"),
        (lambda c: c["map_features"]["own"].update(polyline=[(0.0, 0.0)]), "a line of shape"),
        (lambda c: c["map_features"]["own"].pop("polyline"), "KeyError 'polyline'"),
    ],
)
def test_a_scenario_that_lacks_something_is_named_with_what_it_lacks(tmp_path, change, words):
    content = scenario()
    change(content)
    with pytest.raises(SceneError, match=rf"sd_made_up\.pkl: .*({words})"):
        scenarionet.read(written(tmp_path, content))


def test_a_pickle_that_is_no_scenario_is_an_error_not_a_crash(tmp_path):
    for content in ([1, 2], "text", None, {}):
        with pytest.raises(SceneError, match="is no ScenarioNet scenario"):
            scenarionet.read(written(tmp_path, content))


def test_tracks_and_ticks_that_are_not_valid_are_left_out(tmp_path):
    content = scenario()
    content["tracks"]["cone"]["state"]["valid"].fill(0.0)
    content["tracks"]["truck"]["state"]["valid"][40:] = 0.0
    content["tracks"]["truck"]["state"]["position"][40:] = 0.0
    (scene, *_), _ = cut_windows(scenarionet.read(written(tmp_path, content)))
    (agent,) = scene.agents
    assert np.isfinite(agent.poses_T3[:40]).all() and np.isnan(agent.poses_T3[40:]).all()


def test_scenarios_are_found_by_name_or_by_folder_and_lists_of_them_are_not(tmp_path):
    for name in ("a/sd_one.pkl", "scenarionet/two.pkl", "scenarionet/dataset_summary.pkl", "other/weights.pkl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(scenario(), 4))
    assert [path.name for path in scenarionet.find(tmp_path)] == ["sd_one.pkl", "two.pkl"]
    assert [path.name for path in scenarionet.find(tmp_path / "scenarionet")] == ["two.pkl"]
    scenes, _ = load_scenes("scenarionet", tmp_path, split="all", annotate=False)
    assert {scene.episode for scene in scenes} == {"scenarionet/sd_one", "scenarionet/two"}


# Rings


def test_a_ring_is_cut_to_a_rectangle():
    ring = clip_ring(
        np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]]), np.array([2.0, -5.0]), np.array([4.0, 5.0])
    )
    assert sorted(map(tuple, ring.tolist())) == [(2.0, 0.0), (2.0, 5.0), (4.0, 0.0), (4.0, 5.0)]
    assert len(clip_ring(ring, np.array([20.0, 20.0]), np.array([30.0, 30.0]))) == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_cut_and_joined_rings_hold_the_points_that_an_odd_number_of_rings_holds(seed):
    random = np.random.default_rng(seed)
    rings = []
    for _ in range(4):
        angle = np.sort(random.uniform(0.0, 2.0 * np.pi, 9))
        radius = random.uniform(1.0, 8.0, 9)
        rings.append(random.uniform(-5.0, 5.0, 2) + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    low, high = np.full(2, -6.0), np.full(2, 6.0)
    points = random.uniform(-5.99, 5.99, (300, 2))
    wanted = np.sum([inside_polygon(points, ring) for ring in rings], axis=0) % 2 == 1
    cut = [ring for ring in (clip_ring(ring, low, high) for ring in rings) if len(ring) >= 3]
    if not cut:
        assert not wanted.any()
        return
    joined = joined_rings(cut)
    assert (inside_polygon(points, joined) == wanted).all()
    assert np.abs(joined).max() <= 6.0 + 1e-9
