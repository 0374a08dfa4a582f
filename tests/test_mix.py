"""The mix: one place for weights, gates, required terms, failures and completions that cannot be decoded."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest
from driving_cases import a_scene, driven, standing_agent, straight, undecodable
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.errors import ConfigError, RewardError
from rewards import Collision, Format, Gate, Imitation, Mix, Safety, Score, Term
from rewards.consistency import Consistency

SCENE = a_scene()
NAN = float("nan")


def says(value, **attributes):
    """A reward that gives each completion the number its reasoning is, or `value`."""

    def reward(completion, scene):
        return float(completion.reasoning) if value is None else value

    for name, attribute in {"needs": "text", "value_range": (-10.0, 10.0), **attributes}.items():
        setattr(reward, name, attribute)
    return reward


def spoken(*values):
    return [driven(straight(), str(value)) for value in values]


def mixed_values(mix, completions, scenes=None):
    return [m.value for m in mix.score(completions, scenes or [SCENE] * len(completions))]


# weights


def test_the_sum_is_weight_times_value_less_offset_over_scale_and_every_score_is_kept():
    mix = Mix(
        [
            Term(reward=Imitation(clip_m=5.0), weight=2.0, scale=5.0),
            Term(reward=says(4.0), name="critic", weight=1.0, offset=3.0, scale=2.0),
            Term(reward=Format(), weight=0.0),
        ]
    )
    (mixed,) = mix.score([driven(straight(11.0))], [SCENE])
    assert mixed.value == pytest.approx(2.0 * -3.25 / 5.0 + (4.0 - 3.0) / 2.0)
    assert mixed.outcome == "scored"
    assert {name: score.value for name, score in mixed.scores.items()} == pytest.approx(
        {"imitation": -3.25, "critic": 4.0, "format": 1.0}
    )


def test_no_completions_give_no_scores():
    assert Mix([Term(reward=Format())]).score([], []) == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=2), st.floats(0, 5), st.floats(0.1, 5), st.floats(-5, 5))
def test_a_better_term_never_lowers_the_mix(values, weight, scale, offset):
    mix = Mix(
        [
            Term(reward=says(None), name="a", weight=weight, scale=scale, offset=offset, gate=Gate(0.0)),
            Term(reward=Format(), weight=1.0),
        ]
    )
    worse, better = mixed_values(mix, spoken(*sorted(values)))
    assert worse <= better
    assert mix.undecodable_value < worse


# undecodable completions


def test_an_undecodable_completion_ranks_below_the_worst_decodable_one_and_its_text_is_still_scored():
    mix = Mix([Term(reward=Imitation(clip_m=5.0)), Term(reward=Format()), Term(reward=says(2.0), name="critic")])
    far, lost = mix.score([driven(straight(40.0), ""), undecodable()], [SCENE] * 2)
    assert far.value == pytest.approx(-5.0 + 0.0 + 2.0)
    assert lost.value == mix.undecodable_value < mix.lowest <= far.value
    assert lost.outcome == "undecodable"
    assert lost.scores["critic"].value == 2.0 and lost.scores["format"].value == 0.0
    assert lost.scores["imitation"].value is None and "not asked" in lost.scores["imitation"].why


def test_by_default_it_lies_a_tenth_of_the_range_below():
    mix = Mix([Term(reward=Imitation(clip_m=5.0)), Term(reward=Format())])
    assert (mix.lowest, mix.highest) == (-5.0, 1.0)
    assert mix.undecodable_value == pytest.approx(-5.6)


def test_an_undecodable_completion_keeps_its_value_where_the_judges_fail():
    mix = Mix([Term(reward=says(None), name="a")])
    lost, unread = mix.score([undecodable("not a number"), driven(straight(), "not a number")], [SCENE] * 2)
    assert lost.value == mix.undecodable_value
    assert unread.value is None


def test_a_declared_value_that_could_outrank_a_decodable_completion_is_refused():
    with pytest.raises(ConfigError, match=r"undecodable_value: got -5, allowed below -5"):
        Mix([Term(reward=Imitation(clip_m=5.0))], undecodable_value=-5.0)
    with pytest.raises(ConfigError, match=r"allowed below -7"):
        Mix([Term(reward=Imitation(clip_m=5.0), gate=Gate(-3.0))], gate_value=-7.0, undecodable_value=-6.0)
    assert Mix([Term(reward=Imitation(clip_m=5.0))], undecodable_value=-5.1).undecodable_value == -5.1


def test_a_reward_without_a_lowest_value_needs_a_clip_or_no_weight():
    with pytest.raises(ConfigError, match="imitation: no finite range"):
        Mix([Term(reward=Imitation(clip_m=None))])
    mix = Mix([Term(reward=Imitation(clip_m=None), weight=0.0), Term(reward=Format())])
    assert mix.score([driven(straight(40.0))], [SCENE])[0].scores["imitation"].value < -90.0


# could not judge


def test_a_required_term_without_a_value_leaves_the_row_unjudged():
    mix = Mix([Term(reward=Imitation()), Term(reward=Format())])
    scenes = [a_scene("a", has_future=False), a_scene("b")]
    unjudged, judged = mix.score([driven(straight())] * 2, scenes)
    assert (unjudged.value, unjudged.outcome) == (None, "unjudged")
    assert unjudged.why == "imitation could not be judged"
    assert judged.value == 1.0
    assert mix.failures == {}, "a scene without an expert is no failure"


def test_a_term_that_only_records_never_holds_a_row_up():
    mix = Mix([Term(reward=Imitation(), weight=0.0), Term(reward=Format())])
    assert mixed_values(mix, [driven(straight())], [a_scene(has_future=False)]) == [1.0]


def test_an_optional_term_that_is_missing_for_one_sibling_is_left_out_for_all_of_them():
    def sometimes(completion, scene):
        return None if completion.reasoning == "x" else 1.0

    mix = Mix([Term(reward=sometimes, weight=2.0, required=False), Term(reward=says(3.0), name="other")])
    one, other = a_scene("one"), a_scene("other")
    texts, scenes = ["a", "x", "a", "a"], [one, one, other, other]
    completions = [driven(straight(), text) for text in texts]
    assert mixed_values(mix, completions, scenes) == [3.0, 3.0, 5.0, 5.0]


def test_a_scene_without_agents_is_judged_without_the_optional_collision():
    mix = Mix([Term(reward=Collision(), required=False), Term(reward=Imitation())])
    crash = [standing_agent(30.0, 0.0)]
    scenes = [a_scene("a", agents=tuple(crash)), a_scene("b", agents=None)]
    assert mixed_values(mix, [driven(straight())] * 2, scenes) == [-1.0, 0.0]


def test_a_reward_that_is_only_recorded_may_fail_and_see_siblings_and_changes_nothing():
    def count(completions, scene):
        return [len(completions) / 10] * len(completions)

    count.per_group = True
    plain = Mix([Term(reward=Imitation())])
    watched = Mix(
        [
            Term(reward=Imitation()),
            Term(reward=fails_on("bad"), name="judge", weight=0.0),
            Term(reward=count, weight=0.0),
        ]
    )
    completions = [driven(straight(11.0), "bad"), driven(straight(), "good"), undecodable()]
    values = mixed_values(plain, completions)
    mixed = watched.score(completions, [SCENE] * 3)
    assert [m.value for m in mixed] == values and watched.undecodable_value == plain.undecodable_value
    assert [m.scores["count"].value for m in mixed] == [0.2, 0.2, None]
    assert [m.scores["judge"].value for m in mixed] == [None, 1.0, None]
    assert watched.failures == {("judge", "ValueError"): 1}
    assert watched.training_fault is None


@pytest.mark.parametrize(
    ("terms", "gate_value", "trains"),
    [
        ([Term(reward=Format(), weight=0.0)], None, False),
        ([Term(reward=Format(), weight=0.0, gate=Gate(0.0))], None, False),
        ([Term(reward=Format(), weight=0.0, gate=Gate(0.0))], -1.0, True),
        ([Term(reward=Format(), weight=0.1)], None, True),
    ],
)
def test_a_mix_that_tells_no_two_decodable_completions_apart_is_not_for_training(terms, gate_value, trains):
    assert (Mix(terms, gate_value=gate_value).training_fault is None) == trains


# gates


def test_a_closed_gate_gives_the_declared_minimum_and_is_named():
    mix = Mix(
        [Term(reward=Imitation(clip_m=5.0), gate=Gate(closes_at=-3.0, name="near enough")), Term(reward=Format())],
        gate_value=-4.0,
    )
    near, far = mix.score([driven(straight(10.5)), driven(straight(11.0))], [SCENE] * 2)
    assert near.value == pytest.approx(1.0 - 1.625)
    assert (far.value, far.outcome, far.why) == (-4.0, "gated", "closed by near enough")
    assert mix.undecodable_value < -4.0


def test_a_gate_closes_at_its_threshold_and_counts_before_an_unjudged_term():
    mix = Mix([Term(reward=says(None), name="a", weight=0.0, gate=Gate(2.0)), Term(reward=Imitation())])
    scenes = [a_scene(has_future=False)] * 3
    assert [m.outcome for m in mix.score(spoken(1.9, 2.0, 2.1), scenes)] == ["gated", "gated", "unjudged"]


def test_a_gate_value_above_what_an_open_gate_can_give_is_refused():
    with pytest.raises(ConfigError, match=r"gate_value: got -1, allowed up to -3"):
        Mix([Term(reward=Imitation(clip_m=5.0), gate=Gate(-3.0))], gate_value=-1.0)


# failures


def fails_on(text, error=None):
    def judge(completion, scene):
        if completion.reasoning == text:
            raise error or ValueError("boom")
        return 1.0

    return judge


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"on_failure": "abstain"}, [1.0, None, 1.0, 1.0]),
        ({"on_failure": "drop_group"}, [None, None, 1.0, 1.0]),
        ({"on_failure": "value", "failure_value": 0.25}, [1.0, 0.25, 1.0, 1.0]),
    ],
)
def test_a_failing_judge_is_counted_and_treated_as_its_policy_says(policy, expected):
    mix = Mix([Term(reward=fails_on("bad"), name="judge", **policy)])
    one, other = a_scene("one"), a_scene("other")
    texts = ["good", "bad", "good", "good"]
    mixed = mix.score([driven(straight(), t) for t in texts], [one, one, other, other])
    assert [m.value for m in mixed] == expected
    assert mix.failures == {("judge", "ValueError"): 1} and mix.asked == {"judge": 4}
    assert "ValueError: boom" in mixed[1].scores["judge"].why


def test_a_judge_that_fails_on_an_undecodable_sibling_drops_no_group():
    judge = fails_on("bad")
    judge.needs = "text"
    mix = Mix([Term(reward=judge, on_failure="drop_group")])
    assert mixed_values(mix, [undecodable("bad"), driven(straight(), "good")]) == [mix.undecodable_value, 1.0]


def test_raise_names_the_reward_and_the_scene():
    mix = Mix([Term(reward=fails_on("bad"), name="judge", on_failure="raise")])
    with pytest.raises(RewardError, match=r"'judge' failed on scene 's': ValueError: boom"):
        mix.score([driven(straight(), "bad")], [SCENE])


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf")])
def test_a_value_that_is_no_number_is_a_failure(value):
    mix = Mix([Term(reward=says(value), name="a")])
    assert mixed_values(mix, spoken(0)) == [None]
    assert mix.failures == {("a", "NotFinite"): 1}


def test_one_bad_scene_in_a_batch_fails_alone():
    broken = a_scene("broken", future=straight()[:5])
    mix = Mix([Term(reward=Imitation())])
    assert mixed_values(mix, [driven(straight())] * 3, [SCENE, broken, SCENE]) == [0.0, None, 0.0]
    assert mix.failures == {("imitation", "RewardError"): 1}


def test_a_wrong_setting_inside_a_reward_stops_whatever_the_policy():
    mix = Mix([Term(reward=fails_on("bad", ConfigError("no key")), name="judge")])
    with pytest.raises(ConfigError, match="no key"):
        mix.score([driven(straight(), "bad")], [SCENE])


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (says("high"), "returned a str"),
        (says(11.0), r"value 11 is outside its range -10 to 10; set `range"),
        (says(None, score_batch=lambda completions, scenes: [1.0]), "1 values for 2 completions"),
    ],
)
def test_a_broken_contract_is_an_error_that_says_what_to_do(reward, message):
    mix = Mix([Term(reward=reward, name="mine")])
    with pytest.raises(RewardError, match=message):
        mix.score(spoken(11.0, 11.0), [SCENE] * 2)


# the forms of a reward


def test_float_bool_none_and_score_are_all_answers():
    answers = iter([1, np.float32(0.5), True, Score(0.25, {"part_m": 2.0}), None])
    mix = Mix([Term(reward=lambda completion, scene: next(answers), name="mine", required=False, weight=0.0)])
    scores = [m.scores["mine"] for m in mix.score(spoken(*range(5)), [SCENE] * 5)]
    assert [s.value for s in scores] == [1.0, 0.5, 1.0, 0.25, None]
    assert scores[3].parts == {"part_m": 2.0}


def test_async_rewards_are_in_flight_together_and_beside_sync_ones():
    async def waits(completion, scene):
        await asyncio.sleep(0.2)
        return 0.5

    def computes(completion, scene):
        time.sleep(0.02)
        return 0.5

    mix = Mix([Term(reward=waits), Term(reward=computes)])
    start = time.perf_counter()
    assert mixed_values(mix, spoken(*range(10))) == [1.0] * 10
    assert time.perf_counter() - start < 0.38
    assert mixed_values(mix, spoken(1)) == [1.0], "the loop is kept for the next batch"


def test_an_async_failure_is_counted_like_any_other():
    async def judge(completion, scene):
        if completion.reasoning == "1":
            raise TimeoutError
        return 1.0

    mix = Mix([Term(reward=judge)])
    assert mixed_values(mix, spoken(0, 1, 2)) == [1.0, None, 1.0]
    assert mix.failures == {("judge", "TimeoutError"): 1}


def test_a_mix_with_async_rewards_works_inside_a_running_loop():
    async def judge(completion, scene):
        await asyncio.sleep(0)
        return 1.0

    async def notebook():
        return mixed_values(Mix([Term(reward=judge)]), spoken(1))

    assert asyncio.run(notebook()) == [1.0]


def test_a_reward_that_waits_runs_its_batch_on_another_thread():
    seen = []

    class Remote:
        name, needs, waits = "remote", "text", True

        def __call__(self, completion, scene):
            seen.append(threading.current_thread())
            return 1.0

    assert mixed_values(Mix([Term(reward=Remote())]), spoken(1)) == [1.0]
    assert seen[0] is not threading.main_thread()


def test_a_group_reward_sees_all_decodable_siblings_of_a_scene_at_once():
    def rank(completions, scene):
        order = sorted(float(c.reasoning) for c in completions)
        return [order.index(float(c.reasoning)) / 10 for c in completions]

    rank.per_group = True
    one, other = a_scene("one"), a_scene("other")
    completions = [*spoken(5, 3, 9, 1), undecodable("7")]
    mix = Mix([Term(reward=rank)])
    values = mixed_values(mix, completions, [one, other, one, other, one])
    assert values == [0.0, 0.1, 0.1, 0.0, mix.undecodable_value]


def test_a_group_reward_that_fails_fails_for_its_group_only():
    def judge(completions, scene):
        if scene.id == "one":
            raise ValueError
        return [1.0] * len(completions)

    judge.per_group = True
    mix = Mix([Term(reward=judge)])
    scenes = [a_scene("one"), a_scene("other")]
    assert mixed_values(mix, spoken(1, 2, 3, 4), scenes * 2) == [None, 1.0, None, 1.0]
    assert mix.failures == {("judge", "ValueError"): 2}


def test_order_does_not_matter_and_scoring_twice_gives_the_same():
    mix = Mix([Term(reward=Imitation()), Term(reward=Safety()), Term(reward=Format(), required=False)])
    rng = np.random.default_rng(0)
    scenes = [a_scene(str(i), agents=(standing_agent(20.0 + i, 2.5),)) for i in range(3)]
    rows = [scenes[i % 3] for i in range(12)]
    completions = [driven(straight(v)) for v in rng.uniform(5, 15, 11)] + [undecodable()]
    values = mixed_values(mix, completions, rows)
    order = rng.permutation(12)
    shuffled = mixed_values(mix, [completions[i] for i in order], [rows[i] for i in order])
    assert shuffled == [values[i] for i in order]
    assert mixed_values(mix, completions, rows) == values


# construction


def test_faults_of_a_term_are_listed_together():
    with pytest.raises(ConfigError, match=r"weight: got -1.*scale: got 0.*on_failure: got 'ignore'"):
        Term(reward=Format(), weight=-1.0, scale=0.0, on_failure="ignore")
    with pytest.raises(ConfigError, match="failure_value goes with on_failure 'value'"):
        Term(reward=Format(), on_failure="value")
    with pytest.raises(ConfigError, match=r"failure_value: got 2\.0, allowed 0\.0 to 1\.0"):
        Term(reward=Format(), on_failure="value", failure_value=2.0)
    with pytest.raises(ConfigError, match="allowed is a callable"):
        Term(reward=3)


def test_two_terms_of_one_name_and_no_terms_are_refused():
    with pytest.raises(ConfigError, match="two terms are named 'format'"):
        Mix([Term(reward=Format()), Term(reward=Format())])
    with pytest.raises(ConfigError, match="no terms"):
        Mix([])


# parts, for a trainer that credits reasoning and trajectory apart


def parts(mix, completions, scenes=None):
    return [(m.text_value, m.trajectory_value) for m in mix.score(completions, scenes or [SCENE] * len(completions))]


def consisting(**settings):
    """Text says its number, the trajectory ends 11 m late or not at all; how they fit is 0.5."""
    return Mix(
        [
            Term(reward=says(None), name="critic", weight=0.5),
            Term(reward=Imitation(clip_m=5.0), weight=2.0, scale=5.0),
            Term(reward=says(0.5, needs="trajectory", credit="both"), name="fits", weight=3.0),
            Term(reward=Format(), weight=0.0),
        ],
        **settings,
    )


def test_each_part_is_the_sum_of_the_terms_that_judge_it_and_what_judges_both_counts_in_full_for_both():
    (mixed,) = consisting().score([driven(straight(11.0), "4")], [SCENE])
    assert mixed.text_value == pytest.approx(0.5 * 4.0 + 3.0 * 0.5)
    assert mixed.trajectory_value == pytest.approx(2.0 * -3.25 / 5.0 + 3.0 * 0.5)
    assert mixed.value == pytest.approx(0.5 * 4.0 + 2.0 * -3.25 / 5.0 + 3.0 * 0.5)


def test_a_reward_judges_what_it_needs_unless_it_says_or_is_told_otherwise():
    assert [Term(reward=r).credit for r in (Format(), Imitation(), Consistency())] == ["text", "trajectory", "both"]
    assert Term(reward=says(0.0, credit="both")).credit == "both"
    assert Term(reward=Consistency(), credit="text").credit == "text"
    with pytest.raises(ConfigError, match=r"credit: got 'words', allowed \('text', 'trajectory', 'both'\)"):
        Term(reward=Format(), credit="words")


def test_an_undecodable_completion_lies_as_far_below_each_part_as_below_the_whole():
    mix = consisting()
    low, high = -0.5 * 10.0 - 2.0 - 3.0 * 10.0, 0.5 * 10.0 + 3.0 * 10.0
    assert (mix.lowest, mix.highest) == pytest.approx((low, high))
    below = 0.1 * (high - low)
    assert parts(mix, [undecodable("3")]) == [pytest.approx((-35.0 - below, -32.0 - below))]


def test_a_closed_gate_closes_both_parts():
    mix = Mix([Term(reward=says(None), name="a", weight=0.5), Term(reward=Imitation(clip_m=5.0), gate=Gate(-4.0))])
    assert parts(mix, [driven(straight(50.0), "2")]) == [pytest.approx((-5.0, -4.0))]
    lower = Mix(mix.terms, gate_value=-12.0)
    assert parts(lower, [driven(straight(50.0), "2")]) == [pytest.approx((-8.0, -7.0))]


def test_a_completion_that_is_not_judged_has_no_parts_and_a_term_left_out_is_left_out_of_its_part():
    silent = Term(reward=says(None, needs="text"), name="critic")
    mix = Mix([silent, Term(reward=Imitation(clip_m=5.0))])

    def mute(completion, scene):
        return None if completion.reasoning == "-" else 1.0

    mixed = Mix([Term(reward=mute, needs="text"), Term(reward=Imitation(clip_m=5.0))])
    assert parts(mixed, spoken("-", "4")) == [(None, None), pytest.approx((1.0, 0.0))]
    optional = Mix([Term(reward=mute, needs="text", required=False), Term(reward=Imitation(clip_m=5.0))])
    assert parts(optional, spoken("-", "4")) == [pytest.approx((0.0, 0.0))] * 2
    assert parts(mix, spoken("4", "2")) == [pytest.approx((4.0, 0.0)), pytest.approx((2.0, 0.0))]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=2), st.floats(0.1, 5))
def test_better_words_never_lower_a_part_and_every_part_of_an_undecodable_one_is_lowest(values, weight):
    mix = Mix([Term(reward=says(None), name="a", weight=weight), Term(reward=Imitation(clip_m=5.0))])
    worse, better = parts(mix, spoken(*sorted(values)))
    lost = parts(mix, [undecodable("9")])[0]
    assert worse[0] <= better[0] and worse[1] == better[1]
    assert lost[0] < worse[0] and lost[1] < worse[1]
