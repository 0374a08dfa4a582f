"""Synthetic scenes: reproducible, free of leaks, driven well, and labelled so that parser and table agree."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving import LATERAL_DECISIONS, LONGITUDINAL_DECISIONS, Completion, Scene, Trajectory, TrajectoryCodec
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.geometry import box_corners, inside_any_polygon, nearest_box_m
from ar1_rl.driving.trajectory import DT_S, HISTORY_STEPS
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.scenes.synthetic import SyntheticConfig, generate_scenes
from ar1_rl.scenes.synthetic.build import DrivenWorld, drive_world, to_scene
from ar1_rl.scenes.synthetic.causes import CAUSES
from ar1_rl.scenes.synthetic.counterfactual import on_clear_road, with_light, without_element
from ar1_rl.scenes.synthetic.draw import Draw
from ar1_rl.scenes.synthetic.generate import draw_driven, parse_scene_id
from ar1_rl.scenes.synthetic.road import Road, RoadLine
from ar1_rl.scenes.synthetic.sentences import CAUSES as CAUSE_PHRASES
from ar1_rl.scenes.synthetic.sentences import DECIDED, MOST_WORDS, decisions_of, sentence
from ar1_rl.scenes.synthetic.style import STYLE
from ar1_rl.scenes.synthetic.world import EGO_LENGTH_M, TIMES_T, Actor
from rewards.consistency import Consistency

CLOSE_M = 0.5
SECONDS_PER_SCENE = 0.006
"""10,000 scenes in a minute on one core."""


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return list(generate_scenes(7, "train", 1000))


def worlds_of(kind: str, count: int) -> list[DrivenWorld]:
    config = SyntheticConfig(weights={kind: 1.0})
    return [draw_driven(3, "test", number, config)[0] for number in range(count)]


def all_sentences() -> set[tuple[str, str | None, str]]:
    found = set()
    for wording, (_, lateral) in DECIDED.items():
        sides = (None,) if lateral == "lane_keeping" else ("left", "right")
        found |= {(wording, side, sentence(wording, side, choice)) for side in sides for choice in range(800)}
    return found


def speeding_up(actor: Actor) -> Actor:
    """The same actor up to t0."""
    if actor.acceleration_mps2:
        return actor
    return replace(actor, acceleration_mps2=1.0, acceleration_start_s=0.0, final_speed_mps=actor.speed_mps + 5.0)


def rounded(row: str) -> object:
    """JSON text as values; numbers to a nanometre, so that the order of additions does not count."""
    return json.loads(row, parse_float=lambda number: round(float(number), 9) + 0.0)


def nearest_m(scene: Scene, future_T3: np.ndarray) -> float:
    if not scene.agents:
        return np.inf
    poses = np.stack([agent.poses_T3[HISTORY_STEPS:] for agent in scene.agents])
    sizes = np.array([(agent.length_m, agent.width_m) for agent in scene.agents])
    ego = np.array([scene.ego_size_m])
    return float(nearest_box_m(future_T3[None], ego, poses[None], sizes[None], np.array([0]))[0])


def completions(scenes: Sequence[Scene], futures_BT3: np.ndarray) -> list[Completion]:
    return [
        Completion(
            text="",
            token_ids=(),
            reasoning=scene.reference.text if scene.reference else None,
            trajectory=Trajectory(poses_T3=future_T3, source="expert"),
            error=None,
        )
        for scene, future_T3 in zip(scenes, futures_BT3, strict=True)
    ]


# The same seed gives the same scene


def test_a_scene_does_not_depend_on_how_many_are_generated() -> None:
    first = [scene.to_row() for scene in generate_scenes(3, "train", 6)]
    assert [scene.to_row() for scene in generate_scenes(3, "train", 2)] == first[:2]
    assert [scene.to_row() for scene in generate_scenes(3, "train", 3, start=3)] == first[3:]


def test_seeds_and_splits_have_no_scene_in_common() -> None:
    draws = [(0, "train"), (1, "train"), (0, "validation"), (0, "test")]
    scenes = [scene for seed, split in draws for scene in generate_scenes(seed, split, 50)]
    assert len({scene.id for scene in scenes}) == len({scene.episode for scene in scenes}) == 200
    assert len({json.dumps(scene.to_row()["observation"]) for scene in scenes}) == 200


def test_a_scene_id_leads_back_to_its_world() -> None:
    scene = next(generate_scenes(4, "validation", 1, start=17))
    driven, _ = draw_driven(*parse_scene_id(scene.id), SyntheticConfig())
    np.testing.assert_array_equal(driven.poses_T3[HISTORY_STEPS:], scene.future_T3)


@pytest.mark.parametrize("name", ["av2/log", "synthetic/train/1", "synthetic/dev/1/2", "synthetic/train/x/2"])
def test_a_foreign_scene_id_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="scene id"):
        parse_scene_id(name)


def test_bad_calls_say_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match="validation"):
        next(generate_scenes(0, "dev", 1))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="seed -1"):
        next(generate_scenes(-1, "train", 1))
    with pytest.raises(ConfigError, match="red_light"):
        SyntheticConfig(weights={"red_lihgt": 1.0})
    with pytest.raises(ConfigError, match="weights"):
        SyntheticConfig(weights={"red_light": -1.0})
    undrivable = SyntheticConfig({"red_light": 1.0}, largest_deceleration_mps2=-1, attempts=3)
    with pytest.raises(SceneError, match="'red_light' in 3 attempts"):
        next(generate_scenes(0, "train", 1, undrivable))


def test_a_scene_survives_the_way_through_a_dataset_row(scenes: list[Scene]) -> None:
    for scene in scenes[:100]:
        row = scene.to_row()
        assert Scene.from_row(json.loads(json.dumps(row))).to_row() == row


# What is generated


def test_all_longitudinal_and_all_lateral_decisions_occur(scenes: list[Scene]) -> None:
    references = [scene.reference for scene in scenes]
    assert {r.decisions.longitudinal for r in references if r} == set(LONGITUDINAL_DECISIONS)
    assert {r.decisions.lateral for r in references if r} == set(LATERAL_DECISIONS)


def test_kinds_occur_as_often_as_their_weights_say(scenes: list[Scene]) -> None:
    weights = SyntheticConfig().weights
    counts = Counter(scene.kind for scene in scenes)
    assert set(weights) == set(counts) == set(CAUSES)
    for kind, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(counts[kind] / 1000 - share) < 4 * np.sqrt(share / 1000)


def test_both_sides_occur_wherever_a_decision_has_one() -> None:
    for kind in ("parked_car", "turn", "route_lane_change", "merge", "aborted_lane_change"):
        assert {driven.world.cause.side for driven in worlds_of(kind, 30)} == {"left", "right"}


def test_speeds_roads_and_layouts_vary(scenes: list[Scene]) -> None:
    history = np.stack([scene.observation.history_T3 for scene in scenes])
    speed = np.linalg.norm(history[:, -1, :2] - history[:, -2, :2], axis=1) / DT_S
    assert speed.min() == 0.0
    assert speed.max() > 18.0
    assert 0.2 < (np.abs(history[:, 0, 2]) > 0.005).mean() < 0.8
    assert len({len(scene.lanes or ()) for scene in scenes}) >= 3
    assert np.ptp([lane.width_m for scene in scenes for lane in scene.lanes or ()]) > 0.4


def test_every_scene_with_a_cited_element_contains_it_up_to_t0(scenes: list[Scene]) -> None:
    for scene in scenes:
        seen = {a.track_id for a in scene.observation.agents or ()} | {c.control_id for c in scene.controls or ()}
        seen |= {lane.lane_id for lane in scene.lanes or ()} | {None}
        assert scene.reference is not None
        assert {component.element_id for component in scene.reference.components} <= seen


def test_there_are_distractors_beside_the_cause(scenes: list[Scene]) -> None:
    green = [s for s in scenes if any(c.states_T[-1] == "green" for c in s.controls or () if c.states_T)]
    assert len(green) > 80
    assert np.mean([len(scene.agents or ()) for scene in scenes if scene.kind == "clear_road"]) > 0.7


def test_agents_come_in_order_of_distance_and_names_do_not_tell_the_cause(scenes: list[Scene]) -> None:
    for scene in scenes:
        agents = scene.observation.agents or ()
        distance = [np.hypot(*agent.poses_T3[-1, :2]) for agent in agents]
        assert distance == sorted(distance)
        assert all(agent.track_id.rsplit("_", 1)[0] == agent.kind for agent in agents)


# Nothing after t0 is to be seen


def test_an_observation_ends_at_t0_with_the_ego_at_the_origin(scenes: list[Scene]) -> None:
    for scene in scenes:
        seen = scene.observation
        assert seen.history_T3.shape == (16, 3)
        np.testing.assert_allclose(seen.history_T3[-1], 0.0, atol=1e-12)
        assert all(agent.poses_T3.shape == (16, 3) for agent in seen.agents or ())
        assert all(len(control.states_T) in (0, 16) for control in seen.controls or ())


@pytest.mark.parametrize("kind", sorted(CAUSES))
def test_what_happens_after_t0_leaves_the_observation_unchanged(kind: str) -> None:
    for driven in worlds_of(kind, 3):
        world = driven.world
        later = replace(
            world,
            set_speed_mps=world.set_speed_mps + 3.0,
            reaction_s=world.reaction_s + 0.5,
            moves=tuple(move for move in world.moves if move.start_m < 0.0),
            speed_zones=(),
            destination_m=None,
            actors=tuple(speeding_up(actor) for actor in world.actors),
        )
        before, after = (to_scene(driving, "x", 0) for driving in (driven, drive_world(later)))
        assert rounded(before.to_row()["observation"]) == rounded(after.to_row()["observation"])
        assert rounded(before.to_row()["withheld"]) != rounded(after.to_row()["withheld"])


# The expert


def test_the_expert_touches_nobody_and_stays_on_the_road(scenes: list[Scene]) -> None:
    nearest = np.array([nearest_m(scene, scene.future_T3) for scene in scenes])
    assert nearest.min() > 0.0
    assert (nearest < CLOSE_M).mean() < 0.01
    for scene in scenes:
        corners = box_corners(scene.future_T3, np.array(scene.ego_size_m)).reshape(-1, 2)
        assert inside_any_polygon(corners, np.zeros(len(corners), dtype=int), [scene.drivable_area]).all(), scene.id


def test_the_expert_drives_comfortably_and_never_backwards() -> None:
    config = SyntheticConfig()
    for number in range(400):
        drive = draw_driven(11, "train", number, config)[0].drive
        assert drive.speed_T.min() >= 0.0
        assert np.abs(drive.acceleration_T).max() <= 4.0
        assert np.abs(np.diff(drive.acceleration_T)).max() / DT_S <= STYLE.jerk_mps3 + 1e-6
        assert np.abs(drive.speed_T[:-1] ** 2 * drive.curvature_T).max() <= config.largest_lateral_mps2


def test_poses_and_road_coordinates_of_a_drive_agree() -> None:
    for kind in CAUSES:
        for driven in worlds_of(kind, 4):
            placed = driven.line.place(driven.drive.s_T, driven.drive.d_T)
            assert np.hypot(*(placed - driven.poses_T3)[:, :2].T).max() < 0.15, kind


def test_the_manoeuvre_begins_after_t0() -> None:
    for kind in set(CAUSES) - {"aborted_lane_change"}:
        for driven in worlds_of(kind, 5):
            first = HISTORY_STEPS - 1 + round(driven.world.reaction_s / DT_S)
            assert 3 <= first - (HISTORY_STEPS - 1) <= 8
            assert np.ptp(driven.drive.acceleration_T[: HISTORY_STEPS - 1]) < 1e-9
            assert np.abs(driven.drive.d_T[:HISTORY_STEPS]).max() < 0.06


@pytest.mark.parametrize("kind", ["red_light", "stop_sign"])
def test_the_expert_stops_with_its_front_just_before_the_line(kind: str) -> None:
    for driven in worlds_of(kind, 40):
        front = driven.drive.s_T[-1] + EGO_LENGTH_M / 2
        assert driven.drive.speed_T[-10:].max() < 0.5
        assert 0.3 < driven.world.signals[0].s_m - front < 2.0


@pytest.mark.parametrize("kind", ["crossing_pedestrian", "parked_car", "lead_braking"])
def test_who_drives_as_on_a_clear_road_has_a_close_encounter(kind: str) -> None:
    for driven in worlds_of(kind, 25):
        scene = to_scene(driven, "x", 0)
        careless = drive_world(on_clear_road(driven.world)).poses_T3
        np.testing.assert_allclose(careless[:HISTORY_STEPS], scene.observation.history_T3, atol=0.02)
        assert nearest_m(scene, careless[HISTORY_STEPS:]) < CLOSE_M


# Counterfactuals


def test_where_the_light_is_green_instead_nothing_else_differs_and_the_expert_drives_on() -> None:
    for driven in worlds_of("red_light", 20):
        light = driven.world.signals[0].element_id
        other = drive_world(with_light(driven.world, light, "green"))
        red, green = (to_scene(drive, "x", 0) for drive in (driven, other))
        assert other.drive.speed_T[-1] >= driven.world.speed_mps - 0.2
        assert green.reference.decisions == decisions_of("clear_road")
        pair = [json.loads(scene.to_row()["observation"]) for scene in (red, green)]
        assert pair[0]["controls"][0].pop("states_T") != pair[1]["controls"][0].pop("states_T")
        assert pair[0] == pair[1]


def test_without_the_pedestrian_the_expert_does_not_yield() -> None:
    for driven in worlds_of("crossing_pedestrian", 20):
        cited = driven.world.cause.components[0].element_id
        assert cited is not None
        other = drive_world(without_element(driven.world, cited))
        assert driven.drive.speed_T.min() < driven.world.speed_mps - 1.5
        assert other.drive.speed_T.min() > driven.world.speed_mps - 0.3
        assert len(other.world.actors) == len(driven.world.actors) - 1


def test_taking_a_distractor_away_changes_neither_cause_nor_drive() -> None:
    driven = next(d for d in worlds_of("stop_sign", 40) if d.world.actors)
    other = drive_world(without_element(driven.world, driven.world.actors[0].element_id))
    assert other.world.cause == driven.world.cause
    np.testing.assert_array_equal(other.poses_T3, driven.poses_T3)


# Scripts and roads, by hand


def test_a_braking_actor_is_where_kinematics_say() -> None:
    actor = Actor("a", "car", 4.0, 2.0, s_m=20.0, speed_mps=10.0, acceleration_mps2=-2.0, final_speed_mps=6.0)
    s_T, d_T = actor.road_track()
    at = {round(t, 1): s for t, s in zip(TIMES_T, s_T, strict=True)}
    # 2 s of braking from 10 to 6 m/s cover 16 m, then 6 m/s.
    assert [at[-1.0], at[0.0], at[2.0], at[4.0]] == pytest.approx([10.0, 20.0, 36.0, 48.0])
    assert not d_T.any()


def test_a_shifting_actor_ends_in_the_other_lane() -> None:
    actor = Actor("a", "car", 4.0, 2.0, s_m=0.0, d_m=3.5, shift_m=-3.5, shift_start_s=-0.5, shift_duration_s=2.0)
    at = dict(zip(np.round(TIMES_T, 1), actor.road_track()[1], strict=True))
    assert [at[-0.5], at[0.5], at[1.5], at[6.0]] == pytest.approx([3.5, 1.75, 0.0, 0.0])


def test_a_road_of_constant_curvature_is_a_circle() -> None:
    line = RoadLine.lay_out(Road(((0.0, 0.02),)).curvature_N()).seen_from(np.array([0.0, 0.0, 0.0]))
    poses = line.place(np.array([-60.0, -60.0 + 25 * np.pi]), np.array([0.0, 2.0]))
    # A quarter of a circle of radius 50 m; 2 m further in.
    np.testing.assert_allclose(poses[1], [48.0, 50.0, np.pi / 2], atol=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(CAUSES)))
def test_a_cause_draws_a_world_that_can_be_driven(seed: int, kind: str) -> None:
    driven = drive_world(CAUSES[kind](Draw([seed])))
    assert driven.world.kind == kind
    assert np.isfinite(driven.poses_T3).all()


# Sentences


def test_every_sentence_is_read_as_the_decisions_and_causes_it_was_written_for(scenes: list[Scene]) -> None:
    named = {}
    for kind in CAUSES:
        for driven in worlds_of(kind, 12):
            named[driven.world.cause.wording] = {c.name for c in driven.world.cause.components}
    assert set(named) == set(DECIDED)
    wrong = []
    for wording, side, text in sorted(all_sentences(), key=str):
        claims = parse_decisions(text)
        right = decisions_of(wording, side)  # type: ignore[arg-type]
        read = (claims.longitudinal, claims.lateral, claims.side, set(claims.components))
        if read != (right.longitudinal, right.lateral, right.side, named[wording]):
            wrong.append((text, read))
    assert len(wrong) <= 0.01 * len(all_sentences()), wrong[:5]


def test_sentences_are_short_varied_and_of_few_words() -> None:
    texts = {text for _, _, text in all_sentences()}
    words = {word for text in texts for word in text.split()}
    assert len(words) <= 250
    assert all(word.isalpha() and word.islower() for word in words)
    assert all(6 <= len(text.split()) <= MOST_WORDS for text in texts)
    forms = Counter((wording, side) for wording, side, _ in all_sentences())
    assert min(forms.values()) >= 24
    assert set(DECIDED) <= set(CAUSE_PHRASES)


def test_reference_and_expert_are_strictly_consistent(scenes: list[Scene]) -> None:
    some = scenes[:300]
    history = np.stack([scene.observation.history_T3 for scene in some])
    future = np.stack([scene.future_T3 for scene in some])
    codec = TrajectoryCodec.compact()
    decoded = codec.decode(codec.encode(history, future), history)
    reward = Consistency(mode="strict")
    for poses, least in ((future, 0.98), (decoded, 0.96)):
        scores = reward.score_batch(completions(some, poses), some)
        assert np.mean([score.value for score in scores]) >= least


def test_ten_thousand_scenes_take_less_than_a_minute_of_one_core() -> None:
    count = 300
    begun = time.process_time()
    list(generate_scenes(1, "train", count))
    assert time.process_time() - begun < 2 * SECONDS_PER_SCENE * count
