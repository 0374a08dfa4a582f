"""Graders that no policy is trained on, and what is called trained on and held out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny
from driving_cases import a_scene, driven, straight, undecodable
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.config import check_config
from ar1_rl.driving import Completion, Decisions, Trajectory
from ar1_rl.driving.decisions import COMPONENT_GROUPS
from ar1_rl.driving.scene import Control
from ar1_rl.errors import ConfigError
from ar1_rl.metrics.catalogue import CATALOGUE
from recipes.eval_config import EvalConfig, HeldOutConfig
from recipes.graders import Graders, held_out, reader_of, strict_of, trained_on
from rewards.consistency import Consistency
from rewards.critic.cause_first import ON_SIGHT, CauseFirstCritic, cause_score
from rewards.held_out_consistency import held_out_consistency
from rewards.loading import MixConfig
from rewards.score import Score

SCENES = tiny.scenes(60)
EXPERTS = [
    Completion(
        text="", token_ids=(1,), reasoning=s.reference.text, trajectory=Trajectory(s.future_T3, "tokens"), error=None
    )
    for s in SCENES
]  # fmt: skip
YIELD = (Decisions(longitudinal="stop", lateral="lane_keeping"), ("red_light",))


def mix(*terms: dict, **keys: object) -> MixConfig:
    return check_config(MixConfig, {"terms": list(terms), **keys}, source="test")


def seeing(state: str | None, **fields: object):  # type: ignore[no-untyped-def]
    """A scene with a traffic light in a state, or none, whose reference stops for a red light."""
    lights = ()
    if state is not None:
        light = Control(control_id="c", kind="traffic_light", position_2=np.zeros(2), states_T=(state,) * 16)
        lights = (light,)
    scene = a_scene(reference=YIELD)
    return replace(scene, observation=replace(scene.observation, controls=lights, **fields))


def test_experts_who_say_what_they_do_are_right_by_the_held_out_graders_too() -> None:
    for reader in ("tagger", "rules"):
        assert {s.value for s in held_out_consistency(reader).score_batch(EXPERTS, SCENES)} == {1.0}
        assert {s.value for s in CauseFirstCritic(reader).score_batch(EXPERTS, SCENES)} == {5.0}


def test_a_motion_just_past_the_bounds_of_training_is_not_past_the_held_out_ones() -> None:
    """A stop that is at 2.6 m/s when the horizon ends, and 0.25 m aside."""
    t = np.arange(1, 65) * 0.1
    deceleration = 7.4 / 6.4
    braking = straight()
    braking[:, 0] = 10 * t - deceleration * t**2 / 2
    shifting = straight()
    shifting[:, 1] = 0.25 * (1 - np.cos(np.minimum(t / 1.5, 1.0) * np.pi)) / 2
    claims = ["stop and keep the lane", "keep the lane and keep the set speed"]
    completions = [driven(braking, claims[0]), driven(shifting, claims[1])]
    scenes = [SCENES[0]] * 2
    scenes = [replace(scene, lanes=lanes_along_x()) for scene in scenes]
    trained = [s.value for s in Consistency().score_batch(completions, scenes)]
    held = [s.value for s in held_out_consistency("rules").score_batch(completions, scenes)]
    assert (trained, held) == ([1.0, 1.0], [0.0, 0.0])


def lanes_along_x():  # type: ignore[no-untyped-def]
    from ar1_rl.driving.scene import Lane

    line = np.stack([np.linspace(-50, 200, 126), np.zeros(126)], axis=1)
    return (Lane(lane_id="lane_ego", centerline_N2=line, width_m=3.6),)


def test_strict_consistency_read_off_the_graded_one_is_the_strict_one() -> None:
    rng = np.random.default_rng(0)
    shuffled = [replace(EXPERTS[i], trajectory=EXPERTS[j].trajectory) for i, j in rng.integers(0, 60, (80, 2))]
    completions = [*shuffled, *EXPERTS, undecodable(), driven(straight(), "a fine day"), driven(straight(), None)]
    scenes = [SCENES[i % 60] for i in range(len(completions))]
    strict = Consistency(mode="strict").score_batch(completions, scenes)
    graded = Consistency(mode="graded").score_batch(completions, scenes)
    assert [strict_of(score) for score in graded] == strict
    assert 0 < np.mean([s.value for s in strict]) < 1
    unread = Score(None, why="no JSON", failure="UnreadableClaims")
    assert strict_of(unread) == unread


def test_the_second_critic_counts_inventions_four_times_as_much_as_omissions() -> None:
    assert cause_score(["red_light"], ["red_light"]) == 1.0
    assert cause_score(["red_light", "pedestrian"], ["red_light"]) == pytest.approx(1.25 / 2.25)
    assert cause_score(["red_light"], ["red_light", "pedestrian"]) == pytest.approx(1.25 / 1.5)
    assert cause_score([], []) == 1.0 and cause_score([], ["red_light"]) == cause_score(["red_light"], []) == 0.0


names = st.sets(st.sampled_from(sorted(COMPONENT_GROUPS)), min_size=1, max_size=5)


@given(names, names, st.sampled_from(sorted(COMPONENT_GROUPS)))
def test_a_right_cause_more_never_lowers_the_score_and_a_wrong_one_never_raises_it(
    said: set[str], right: set[str], more: str
) -> None:
    before, after = cause_score(said, right), cause_score(said | {more}, right)
    assert after >= before - 1e-12 if more in right else after <= before + 1e-12


def test_a_cause_that_is_not_there_costs_a_point_and_one_that_nobody_can_tell_does_not() -> None:
    text = "stop at the line and keep the lane because the light is red"
    critic = CauseFirstCritic()
    scenes = [seeing("red"), seeing("green"), seeing(None)]
    unknown = replace(scenes[0], observation=replace(scenes[0].observation, controls=None))
    grades = [s.value for s in critic.score_batch([driven(straight(), text)] * 4, [*scenes, unknown])]
    assert grades == [5.0, 4.0, 4.0, 5.0]
    assert "not there: red_light" in critic(driven(straight(), text), scenes[1]).why


def test_the_second_critic_wants_both_decisions_named() -> None:
    """3 for the cause, 1 for each axis that is named and right; no near ones, and silence is none."""
    critic = CauseFirstCritic()
    grade = {
        text: critic(driven(straight(), text), seeing("red")).value
        for text in (
            "stop because the light is red",
            "yield and keep the lane because the light is red",
            "stop and keep the lane",
            "keep the set speed and keep the lane because the lane ahead is clear",
        )
    }
    assert list(grade.values()) == [4.0, 4.0, 2.0, 1.0]
    assert critic(driven(straight(), ""), seeing("red")).value == 0.0
    assert critic(driven(straight(), "stop"), a_scene()).value is None


def test_every_component_that_can_be_seen_is_one_that_there_is() -> None:
    assert set(ON_SIGHT) <= set(COMPONENT_GROUPS)


def test_the_held_out_reader_is_the_one_that_training_does_not_use() -> None:
    tagger, rules = {"reward": "consistency"}, {"reward": "consistency", "arguments": {"extractor": "rules"}}
    assert [reader_of(mix(tagger)), reader_of(mix(rules)), reader_of(None)] == ["tagger", "rules", "tagger"]
    for reader, other in (("tagger", "rules"), ("rules", "the tagger")):
        told = Graders.embedded(reader).told  # type: ignore[arg-type]
        assert told["consistency_held_out"].endswith(f"read by {other}")
        assert not told["consistency"].endswith(f"read by {other}")
    assert Graders.embedded("rules", HeldOutConfig(reader="rules")).told["consistency_held_out"].endswith("by rules")


def test_what_a_mix_rewards_is_trained_on_and_a_weight_of_0_trains_nothing() -> None:
    metrics = list(CATALOGUE)
    trained = trained_on(mix({"reward": "consistency"}, {"reward": "comfort", "weight": 0.0}), metrics)
    assert set(trained) == {"consistency", "consistency_mean", "consistency_graded", "consistency_graded_mean"}
    assert set(held_out(metrics, trained)) >= {"consistency_held_out", "reasoning_score", "reasoning_score_held_out"}
    assert not set(held_out(metrics, trained)) & set(trained)
    assert {CATALOGUE[name].better for name in held_out(metrics, trained)} == {"up"}
    endpoint = {
        "reward": "critic",
        "arguments": {"backend": "endpoint", "base_url": "http://127.0.0.1:1", "model": "m"},
    }
    assert trained_on(mix(endpoint), metrics) == (), "the embedded critic did not grade that policy"
    assert {"reasoning_score", "reasoning_score_mean"} == set(trained_on(mix({"reward": "critic"}), metrics))
    other = trained_on(mix({"reward": "critic", "arguments": {"backend": "cause_first"}}), metrics)
    assert set(other) == {"reasoning_score_held_out", "reasoning_score_held_out_mean"}
    assert {"reasoning_score"} <= set(held_out(metrics, other)) and not set(other) & set(held_out(metrics, other))
    assert {"ade_1s_m", "minade6_m", "fde_m", "miss_rate"} <= set(trained_on(mix({"reward": "imitation"}), metrics))
    assert trained_on(None, metrics) == ()
    assert "ade_m" in trained_on(check_config(MixConfig, {"preset": "ar1_trajectory"}, source="test"), metrics)


def test_thresholds_of_the_held_out_rule_are_config_keys_and_a_wrong_name_is_told() -> None:
    config = check_config(EvalConfig, {"held_out": {"motion_thresholds": {"offset_m": 0.29}}}, source="test")
    wide = Graders.embedded(held_out=config.held_out).by_metric["consistency_held_out"]
    shifting = straight()
    shifting[:, 1] = 0.25 * (1 - np.cos(np.minimum(np.arange(1, 65) / 15, 1.0) * np.pi)) / 2
    completion = driven(shifting, "keep the lane and keep the set speed")
    scene = replace(SCENES[0], lanes=lanes_along_x())
    assert wide([completion], [scene])[0].value == 1.0
    with pytest.raises(ConfigError, match=r"held_out.thresholds: unknown threshold 'lane_change_net'; nearest: lane_c"):
        Graders.embedded(held_out=HeldOutConfig(thresholds={"lane_change_net": 1.0}))
    with pytest.raises(
        ConfigError, match=r"held_out.critic: 'rewards.critic.cause_first:is_there' has no `score_batch"
    ):
        Graders.embedded(
            held_out=HeldOutConfig.model_validate({"critic": {"reward": "rewards.critic.cause_first:is_there"}})
        )


def test_another_critic_can_be_the_held_out_one() -> None:
    config = HeldOutConfig.model_validate({"critic": {"reward": "critic", "arguments": {"backend": "rubric"}}})
    graders = Graders.embedded(held_out=config)
    scores = graders.grade(EXPERTS[:4], SCENES[:4])
    assert [s.value for s in scores["reasoning_score_held_out"]] == [5.0] * 4
    assert graders.told["reasoning_score_held_out"] == "`critic` of the config"


def test_greedy_decoding_has_nothing_to_choose_from() -> None:
    with pytest.raises(ConfigError, match="best_by: there is nothing to choose from"):
        check_config(EvalConfig, {"decoding": "greedy", "best_by": {"preset": "ar1_trajectory"}}, source="test")
