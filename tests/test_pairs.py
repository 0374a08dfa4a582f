"""Pairs of scenes that differ in what can be seen, and in nothing else that a policy of frames and history is given."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.frames import frames_of
from ar1_rl.scenes import load_scenes, stream_scenes
from ar1_rl.scenes.synthetic import generate_scenes, without_cited_cause
from ar1_rl.scenes.synthetic import pairs as module
from ar1_rl.scenes.synthetic.cited_cause import LEAST_EXPERT_CHANGE_M
from ar1_rl.scenes.synthetic.pairs import (
    DEFAULT_KINDS,
    PAIRED_KINDS,
    SEEN_PX,
    SEEN_STEP,
    PairsConfig,
    ScenePair,
    blind_ceiling,
    generate_pair,
    generate_pairs,
    is_paired,
    mixed_scenes,
    paired_scene,
    paired_scenes,
    pick_ceilings,
    picks_own_expert,
    twin_of,
)

PER_KIND = 6


@pytest.fixture(scope="module")
def pairs() -> list[ScenePair]:
    return list(generate_pairs(5, "train", PER_KIND * len(PAIRED_KINDS), tuple(PAIRED_KINDS)))


def future(scene: Scene) -> np.ndarray:
    assert scene.future_T3 is not None
    return scene.future_T3


def test_every_kind_has_its_share_and_both_members_one_past_bit_for_bit(pairs):
    assert Counter(pair.with_cause.kind for pair in pairs) == dict.fromkeys(PAIRED_KINDS, PER_KIND)
    for pair in pairs:
        one, other = (scene.observation for scene in pair.members)
        assert one.history_T3.tobytes() == other.history_T3.tobytes()
        assert one.route == other.route
        assert pair.with_cause.episode == pair.without_cause.episode
        assert pair.with_cause.id != pair.without_cause.id


def test_their_experts_decide_and_drive_otherwise(pairs):
    for pair in pairs:
        one, other = pair.members
        assert one.reference and other.reference
        assert one.reference.decisions != other.reference.decisions
        assert other.kind == "clear_road"
        apart_m = np.linalg.norm((future(one) - future(other))[:, :2], axis=1).mean()
        assert apart_m >= LEAST_EXPERT_CHANGE_M


def test_they_are_told_apart_by_their_frames(pairs):
    for pair in pairs:
        one, other = (frames_of(scene).images_CTHW3[:, -1].astype(int) for scene in pair.members)
        assert (np.abs(one - other).max(axis=-1) >= SEEN_STEP).sum() >= SEEN_PX
        assert (one == other).all(axis=-1).mean() > 0.8, "most of the picture is the same"


def test_lights_are_red_in_one_and_green_in_the_other_and_people_are_there_or_not(pairs):
    for pair in pairs:
        one, other = pair.members
        cited = one.reference.components[0].element_id  # type: ignore[union-attr]
        if one.kind == "red_light":
            states = [{c.control_id: c.states_T for c in s.observation.controls or ()}[cited] for s in (one, other)]
            assert states[0][-1] == "red" and set(states[1]) == {"green"}
        if one.kind == "crossing_pedestrian":
            people = [{a.track_id for a in s.observation.agents or ()} for s in (one, other)]
            assert people[0] - people[1] == {cited} and not people[1] - people[0]


def test_without_looking_one_of_two_is_right(pairs):
    scenes = [scene for pair in pairs for scene in pair.members]
    assert blind_ceiling(scenes) == 0.5
    # Those that stand before a light all have the same past: one group, and still one of two.
    standing = [s for pair in pairs for s in pair.members if not pair.with_cause.observation.history_T3.any()]
    assert not standing or blind_ceiling(standing) == 0.5


def test_the_ceiling_is_what_the_past_gives_away_by_hand(pairs):
    one, other = pairs[0].members
    assert blind_ceiling([one]) == 1.0
    # Two of the three that look the same are answered alike; a fourth of another past stands alone.
    third = replace(other, id="third")
    fourth = pairs[1].with_cause
    assert blind_ceiling([one, other, third, fourth]) == 0.75
    turned = replace(other, observation=replace(other.observation, route="left"))
    assert blind_ceiling([one, turned]) == 1.0, "the route is told"
    ordinary = list(generate_scenes(0, "train", 20))
    assert blind_ceiling(ordinary) > 0.9, "scenes of their own past can be known by heart"
    with pytest.raises(ConfigError, match="no scenes"):
        blind_ceiling([])


def test_the_ceiling_of_picks_is_half_for_whole_pairs_whatever_their_order_and_the_same_as_that_of_decisions(pairs):
    (a, b), (c, _) = pairs[0].members, pairs[1].members
    assert pick_ceilings([a.id, c.id, b.id]) == [0.5, 1.0, 0.5]
    scenes = [scene for pair in pairs for scene in pair.members][:-1]
    assert np.mean(pick_ceilings([scene.id for scene in scenes])) == pytest.approx(blind_ceiling(scenes))
    with pytest.raises(SceneError, match="of no pair"):
        pick_ceilings([a.id, "synthetic/test/0/3"])


def test_no_trajectory_is_nearer_to_both_experts(pairs):
    one, other = pairs[0].members
    middle = (future(one) + future(other)) / 2
    drives = np.stack([future(one), future(other), 0.6 * future(one) + 0.4 * future(other), middle + 1e3])
    own, others = picks_own_expert(drives, one, other), picks_own_expert(drives, other, one)
    assert own[:3].tolist() == [True, False, True]
    assert others[:3].tolist() == [False, True, False]
    assert not (own & others).any()
    assert not picks_own_expert(drives, one, one).any(), "as near to one as to the other is nearer to neither"


@pytest.mark.parametrize("bound", ["SEEN_PX", "LEAST_EXPERT_CHANGE_M"])
def test_worlds_are_drawn_until_a_pair_is_told_apart_by_frames_and_by_drives(bound, monkeypatch):
    monkeypatch.setattr(module, bound, 1e9)
    monkeypatch.setattr(module, "ATTEMPTS", 3)
    with pytest.raises(SceneError, match="no pair of kind 'red_light' that can be told apart in 3 attempts"):
        generate_pair("red_light", 5, "train", 0)


def test_a_twin_is_found_by_the_id_and_is_mutual(pairs):
    for pair in pairs[:4]:
        one, other = pair.members
        assert twin_of(one).to_row() == other.to_row()
        assert twin_of(other).to_row() == one.to_row()
    with pytest.raises(SceneError, match="of no pair"):
        twin_of(next(generate_scenes(0, "train", 1)))


def test_pairs_are_a_source_for_configs():
    spec = "ar1_rl.scenes.synthetic.pairs:paired_scenes"
    scenes, left_out = load_scenes(spec, split="test", count=5, arguments={"seed": 3})
    assert not left_out
    assert [scene.id for scene in scenes] == [scene.id for scene in paired_scenes("test", seed=3, count=5)]
    assert [scene.id.split("/")[1] for scene in scenes] == [DEFAULT_KINDS[i] for i in (0, 0, 1, 1, 0)]
    again = [pair.members for pair in generate_pairs(3, "test", 2, start=1)]
    assert again[0][1].to_row() == scenes[3].to_row(), "whatever else is generated"


def test_splits_and_seeds_have_no_pair_in_common():
    first = {generate_pair("red_light", *key, 0).with_cause.to_row()["observation"] for key in
             ((0, "train"), (0, "test"), (1, "train"))}  # fmt: skip
    assert len(first) == 3


def test_bad_calls_say_what_is_allowed():
    with pytest.raises(ConfigError, match=r"got 'turn', allowed \['crossing_pedestrian', 'lead_slower'"):
        generate_pair("turn", 0, "train", 0)
    with pytest.raises(ConfigError, match="scene number"):
        generate_pair("red_light", 0, "train", -1)
    with pytest.raises(ConfigError, match="got none"):
        list(generate_pairs(0, "train", 1, ()))


# pairs among ordinary scenes


def places(share: float, count: int) -> str:
    """P for a member of a pair, O for an ordinary scene."""
    scenes = mixed_scenes(0, "train", count, PairsConfig(share=share, kinds=("lead_slower",)))
    return "".join("P" if is_paired(scene.id) else "O" for scene in scenes)


def test_pairs_come_whole_and_as_soon_as_their_share_is_due() -> None:
    assert places(0.5, 8) == "OOPPOOPP"
    assert places(1.0, 5) == "PPPPO", "no pair is cut in two"
    assert places(0.25, 8) == "OOOOOOPP"


def test_a_mixture_is_a_source_of_its_own_seeded_as_any_and_the_same_whatever_part_of_it_is_asked_for() -> None:
    whole, _ = load_scenes("synthetic_pairs", split="test", seed=4, count=6)
    assert all("/test/4/" in scene.id for scene in whole) and len({scene.id for scene in whole}) == 6
    shards = [
        [s.id for s in stream_scenes("synthetic_pairs", split="test", seed=4, count=6, shard=i, shards=2)]
        for i in (0, 1)
    ]
    assert shards == [[scene.id for scene in whole[0::2]], [scene.id for scene in whole[1::2]]]
    again = [scene.id for scene in stream_scenes("synthetic_pairs", split="test", seed=4, count=6, skip=4)]
    assert again == [scene.id for scene in whole[4:]]


def test_members_and_their_worlds_are_found_again_by_id(pairs: list[ScenePair]) -> None:
    from ar1_rl.scenes.synthetic.by_id import world_of

    for member in pairs[0].members:
        again, (driven, _) = paired_scene(member.id), world_of(member.id)
        assert again.observation.history_T3.tobytes() == member.observation.history_T3.tobytes()
        assert np.array_equal(future(again), future(member)) and np.array_equal(driven.poses_T3[16:], future(member))
        assert again.episode == member.episode


def test_faults_are_planted_in_pairs_and_their_causes_taken_out_as_in_other_scenes() -> None:
    from ar1_rl.scenes.faults import FaultConfig, plant_faults

    (pair,) = generate_pairs(5, "train", 1, ("red_light",))
    habits = FaultConfig.model_validate(
        {"uniform_noise": 0.0, "habits": {"red_light": {"fault": "wrong_trajectory", "share": 1.0}}}
    )
    planted = plant_faults(pair.with_cause, 0, habits)
    assert planted.fault == "wrong_trajectory" and not np.array_equal(planted.future_T3, future(pair.with_cause))
    without = without_cited_cause(pair.with_cause)
    assert without is not None and not without.observation.controls and without.episode == pair.with_cause.episode
