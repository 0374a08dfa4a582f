"""The real logs, where they are there: what is found, how it is split, and whether scenes and traces make sense."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ar1_rl.driving.codec import TrajectoryCodec
from ar1_rl.driving.completion import Completion
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.scene import Scene
from ar1_rl.driving.trajectory import Trajectory
from ar1_rl.metrics import nearest_agent_m, off_road_share
from ar1_rl.scenes import LOG_SOURCES, NO_TRACE, SPLITS, load_scenes
from ar1_rl.scenes.roads import lanes_at_origin
from rewards.consistency import Consistency

KITTI_WINDOWS = 400


@pytest.fixture(scope="module")
def argoverse(data_root) -> list[Scene]:
    return load_scenes("argoverse2", data_root, split="all")[0]


@pytest.fixture(scope="module")
def scenarionet(data_root) -> list[Scene]:
    return load_scenes("scenarionet", data_root, split="all", stride_s=1.0)[0]


@pytest.fixture(scope="module")
def comma(data_root) -> list[Scene]:
    return load_scenes("comma2k19", data_root, split="all")[0]


@pytest.fixture(scope="module")
def kitti(data_root) -> list[Scene]:
    return load_scenes("kitti_odometry", data_root, split="all", count=KITTI_WINDOWS)[0]


def test_the_test_split_is_large_enough_and_has_a_log_with_agents_and_map(data_root):
    parts = {split: load_scenes("real_logs", data_root, split=split, stride_s=2.0)[0] for split in SPLITS}
    episodes = {split: {scene.episode for scene in scenes} for split, scenes in parts.items()}
    assert all(scenes for scenes in parts.values())
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not episodes[one] & episodes[other]
    assert len(parts["test"]) >= 50
    assert {scene.source for scene in parts["test"]} == {"argoverse2", "kitti_odometry", "scenarionet"}
    assert {scene.source for scene in parts["train"]} == set(LOG_SOURCES) - {"physical_ai_av"}  # of comma2k19 one log
    assert any(scene.agents and scene.lanes and scene.drivable_area for scene in parts["test"])


def test_the_same_call_gives_the_same_scenes(data_root, argoverse):
    again, _ = load_scenes("argoverse2", data_root, split="all")
    assert [scene.id for scene in again] == [scene.id for scene in argoverse]
    assert [scene.to_row() for scene in again[::10]] == [scene.to_row() for scene in argoverse[::10]]


def test_scenes_survive_the_round_trip_to_a_row(argoverse, kitti, scenarionet, comma):
    for scene in [*argoverse[::10], *kitti[::40], *scenarionet[::20], *comma[::40]]:
        assert Scene.from_row(scene.to_row()).to_row() == scene.to_row()


@pytest.mark.parametrize(
    ("source", "fastest_mps", "hardest_mps2"),
    [("argoverse", 40.0, 12.0), ("kitti", 40.0, 12.0), ("scenarionet", 16.0, 8.0), ("comma", 21.0, 3.0)],
)
def test_speeds_and_headings_are_those_of_a_car(source, fastest_mps, hardest_mps2, request):
    scenes = request.getfixturevalue(source)
    poses = np.stack([np.concatenate([scene.observation.history_T3, scene.future_T3]) for scene in scenes])
    steps = np.diff(poses[..., :2], axis=1)
    assert np.linalg.norm(steps, axis=2).max() / 0.1 < fastest_mps
    # The rear axle moves along the car's heading.
    middle = poses[:, :-1, 2] + 0.5 * np.diff(np.unwrap(poses[..., 2], axis=1), axis=1)
    sideways_mps = np.abs(-np.sin(middle) * steps[..., 0] + np.cos(middle) * steps[..., 1]) / 0.1
    assert np.median(sideways_mps) < 0.1
    # As the windows' own rule has it, by the speed alone: where KITTI slips sideways for a tick, it says less.
    speed_mps = np.linalg.norm(steps, axis=2) / 0.1
    assert np.abs(np.diff(speed_mps, axis=1)).max() / 0.1 <= hardest_mps2
    turned = np.abs(np.diff(np.unwrap(poses[..., 2], axis=1), axis=1)).max() / 0.1
    assert turned < 1.5


@pytest.mark.parametrize(("source", "windows"), [("scenarionet", 192), ("comma2k19", 104)])
def test_no_window_of_the_newer_sources_is_left_out(data_root, source, windows):
    scenes, left_out = load_scenes(source, data_root, split="all", annotate=False)
    assert (len(scenes), left_out) == (windows, {})


@pytest.mark.parametrize("source", ["kitti", "comma"])
def test_kitti_and_comma_have_neither_agents_nor_map_and_say_so(source, request):
    for scene in request.getfixturevalue(source):
        assert (scene.agents, scene.lanes, scene.drivable_area, scene.controls) == (None, None, None, None)
        assert (scene.observation.agents, scene.observation.lanes) == (None, None)


@pytest.mark.parametrize("source", ["argoverse", "scenarionet"])
def test_the_expert_drives_on_the_road_and_touches_no_one(source, request):
    scenes = request.getfixturevalue(source)
    futures = np.stack([scene.future_T3 for scene in scenes])
    assert nearest_agent_m(futures, scenes).min() > 0.0
    assert off_road_share(futures, scenes).max() == 0.0
    assert all(len(scene.observation.agents) >= 5 and scene.observation.lanes for scene in scenes)
    assert all(lanes_at_origin(scene.observation.lanes) for scene in scenes)


@pytest.mark.parametrize("source", ["argoverse", "scenarionet"])
def test_boxes_stand_still_in_the_world_where_cars_are_parked(source, request):
    """A wrong transform from the ego frame would make parked cars move with the ego."""
    moved = []
    for scene in request.getfixturevalue(source)[::4]:
        for agent in scene.agents:
            seen = agent.poses_T3[np.isfinite(agent.poses_T3[:, 0]), :2]
            if agent.kind == "car" and len(seen) > 40:
                moved.append(np.linalg.norm(seen[-1] - seen[0]))
    assert np.mean(np.array(moved) < 0.5) > 0.3


@pytest.mark.parametrize("source", ["argoverse", "kitti", "scenarionet", "comma"])
def test_traces_agree_with_the_logged_future_and_read_back(source, request):
    scenes = [scene for scene in request.getfixturevalue(source) if scene.reference is not None]
    completions = [
        Completion(
            text=scene.reference.text,
            token_ids=(),
            reasoning=scene.reference.text,
            trajectory=Trajectory(poses_T3=scene.future_T3, source="log"),
            error=None,
        )
        for scene in scenes
    ]
    scores = Consistency().score_batch(completions, scenes)
    assert np.mean([score.value for score in scores]) == 1.0
    for scene in scenes:
        claims = parse_decisions(scene.reference.text)
        assert claims.decisions == scene.reference.decisions
        assert claims.components == tuple(component.name for component in scene.reference.components)


def test_causes_in_traces_are_agents_or_lanes_of_the_observation(argoverse, scenarionet):
    for scene in [*argoverse, *scenarionet]:
        if scene.reference is None:
            continue
        known = {agent.track_id for agent in scene.observation.agents}
        known |= {lane.lane_id for lane in scene.observation.lanes}
        assert all(component.element_id in known for component in scene.reference.components)


def test_traces_cover_most_windows_and_more_than_one_decision(data_root, argoverse, kitti, scenarionet, comma):
    for scenes in (argoverse, scenarionet, comma):
        assert np.mean([scene.reference is not None for scene in scenes]) >= 0.9
    assert np.mean([scene.reference is not None for scene in kitti]) >= 0.7
    decisions = Counter(s.reference.decisions for s in [*argoverse, *kitti] if s.reference is not None)
    assert len({d.longitudinal for d in decisions}) >= 4 and len({d.lateral for d in decisions}) >= 2
    bare = sum(scene.reference is None for scene in kitti)
    counts = load_scenes("kitti_odometry", data_root, split="all", count=KITTI_WINDOWS)[1]
    assert counts[NO_TRACE] == bare


def test_logged_futures_survive_the_trajectory_tokens(argoverse, kitti, scenarionet, comma):
    scenes = [*argoverse, *kitti, *scenarionet, *comma]
    codec = TrajectoryCodec.alpamayo()
    history = np.stack([scene.observation.history_T3 for scene in scenes])
    future = np.stack([scene.future_T3 for scene in scenes])
    decoded = codec.decode(codec.encode(history, future), history)
    ade = np.linalg.norm(decoded[..., :2] - future[..., :2], axis=2).mean(axis=1)
    assert np.median(ade) < 0.2


def test_safety_abstains_on_comma_and_judges_nuscenes(comma, scenarionet):
    for scenes, known in ((comma, False), (scenarionet, True)):
        futures = np.stack([scene.future_T3 for scene in scenes])
        assert (np.isfinite(off_road_share(futures, scenes)) == known).all()
        assert (np.isfinite(nearest_agent_m(futures, scenes)) == known).all()
