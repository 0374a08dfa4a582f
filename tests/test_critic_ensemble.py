"""Ensembles: several critics or several samples of one, one grade, and none where they disagree."""

from __future__ import annotations

import json
import statistics

import pytest
from driving_cases import a_scene, driven, straight
from hypothesis import given
from hypothesis import strategies as st
from judge_server import JudgeServer

from ar1_rl.driving import Decisions
from ar1_rl.errors import ConfigError
from rewards import EndpointCritic, Mix, RubricCritic, Score, Term
from rewards.critic import EnsembleCritic, critic
from rewards.critic.ensemble import Agreement, combined

SCENE = a_scene(reference=(Decisions("yield", "lane_keeping"), ("pedestrian",)))
GRADES = st.lists(st.floats(0.0, 5.0), min_size=1, max_size=7)
QUICK = {"max_retries": 0, "timeout_s": 5.0, "backoff_s": 0.01}


def opinions(*values):
    return [Score(None, why="no reply", failure="Timeout") if v is None else Score(float(v)) for v in values]


def agree(*values, **rule):
    return Agreement(**rule).score(opinions(*values), [str(i) for i in range(len(values))])


# the rule


@pytest.mark.parametrize(("combine", "value"), [("mean", 3.0), ("median", 4.0), ("min", 1.0)])
def test_one_four_and_four(combine, value):
    score = agree(1, 4, 4, combine=combine)
    assert score.value == value
    assert score.parts["disagreement"] == 3.0
    assert score.parts["disagreement_std"] == pytest.approx(statistics.pstdev([1, 4, 4])) == pytest.approx(2**0.5)
    assert score.parts["answers"] == 3.0


@given(GRADES, st.sampled_from(["mean", "median", "min"]))
def test_the_grade_lies_among_those_it_is_made_of(grades, how):
    assert min(grades) <= combined(grades, how) <= max(grades)
    assert combined([grades[0]] * 5, how) == grades[0]


@given(GRADES, st.data(), st.sampled_from(["mean", "median", "min"]))
def test_a_member_that_grades_better_never_lowers_the_grade(grades, data, how):
    i = data.draw(st.integers(0, len(grades) - 1))
    better = [*grades[:i], data.draw(st.floats(grades[i], 5.0)), *grades[i + 1 :]]
    assert combined(better, how) >= combined(grades, how) - 1e-12


def test_disagreement_beyond_the_bound_is_no_grade_and_at_the_bound_it_is_one():
    assert agree(2, 4, max_disagreement=2.0).value == 3.0
    score = agree(1, 4, max_disagreement=2.0)
    assert (score.value, score.failure) == (None, "Disagreement")
    assert score.parts["disagreement"] == 3.0 and score.why == "grades 1, 4: 3 apart, allowed 2"


def test_too_few_answers_are_no_grade_and_the_causes_are_told():
    assert agree(4, None, None, min_answers=1).value == 4.0
    score = agree(4, None, None, min_answers=2)
    assert (score.value, score.failure) == (None, "TooFewAnswers")
    assert score.why == "1 of 3 answered, 2 must: 2 x Timeout" and score.parts == {"answers": 1.0}


def test_members_that_abstain_because_there_is_nothing_to_grade_are_no_failure():
    score = Agreement(min_answers=2).score([Score(None, why="the scene has no reference trace")] * 2, ["a", "b"])
    assert (score.value, score.failure) == (None, None) and "no reference" in score.why


def test_every_opinion_is_in_the_record_with_what_its_member_left():
    score = Agreement(min_answers=1).score([Score(4.0, record={"reply": "grade: 4"}), *opinions(None)], ["a", "b"])
    assert score.record["members"] == [
        {"name": "a", "value": 4.0, "failure": None, "why": "", "reply": "grade: 4"},
        {"name": "b", "value": None, "failure": "Timeout", "why": "no reply"},
    ]


def test_parts_that_all_members_have_are_averaged():
    score = Agreement().score([Score(4.0, {"causes": 2.0, "own": 1.0}), Score(2.0, {"causes": 4.0})], ["a", "b"])
    assert score.parts["causes"] == 3.0 and "own" not in score.parts


# with real members


def member(judge, **settings):
    return {"base_url": judge.url, "model": "judge-1", **QUICK, **settings}


def ask(ensemble, *texts):
    return ensemble.score_batch([driven(straight(), text) for text in texts], [SCENE] * len(texts))


def test_critics_of_several_kinds_grade_together():
    with JudgeServer(grade=2) as low, JudgeServer(grade=3) as high:
        ensemble = critic("ensemble", members=[member(low), member(high), {"backend": "rubric"}], combine="median")
        (score,) = ask(ensemble, "Yield to the pedestrian.")
        assert score.value == 3.0 and score.parts["disagreement"] == 3.0
        assert [m["value"] for m in score.record["members"]] == [2.0, 3.0, 5.0]
        assert [m.get("base_url") for m in score.record["members"]] == [low.url, high.url, None]
        assert (ensemble.usage.calls, ensemble.usage.completion_tokens) == (2, 8)


def test_members_wait_side_by_side():
    with JudgeServer(latency_s=0.4) as one, JudgeServer(latency_s=0.4) as two:
        ensemble = critic("ensemble", members=[member(one), member(two)])
        ask(ensemble, "warm up")
        ask(ensemble, "Yield.")
        begun = [judge.requests[-1]["received_s"] for judge in (one, two)]
        assert abs(begun[0] - begun[1]) < 0.4


def test_a_member_that_fails_is_left_out_where_that_is_allowed():
    with JudgeServer(grade=2) as good, JudgeServer(faults={"status_500": 1.0}) as bad:
        strict = critic("ensemble", members=[member(good), member(bad)])
        (score,) = ask(strict, "Yield.")
        assert (score.value, score.failure) == (None, "TooFewAnswers")
        lenient = critic("ensemble", members=[member(good), member(bad)], min_answers=1)
        (score,) = ask(lenient, "Yield.")
        assert (score.value, score.failure) == (2.0, None)
        assert score.record["members"][1]["failure"] == "Server500"


def test_a_member_that_raises_fails_and_the_others_count():
    class Broken(RubricCritic):
        def score_batch(self, completions, scenes):
            raise ZeroDivisionError

    ensemble = EnsembleCritic([RubricCritic(), Broken()], min_answers=1)
    (score,) = ask(ensemble, "Yield to the pedestrian.")
    assert score.value == 5.0 and score.record["members"][1]["failure"] == "ZeroDivisionError"


def test_samples_of_one_critic_are_asked_apart_and_share_its_limits():
    replies = iter([1, 3, 5, 4, 4, 4])
    with JudgeServer(grade=lambda _: next(replies), latency_s=0.02) as judge:
        ensemble = critic("ensemble", members=[member(judge, temperature=0.7, seed=1, in_flight=1)], samples=3)
        first, second = (ask(ensemble, text)[0] for text in ("Yield.", "Stop."))
        assert (first.value, first.parts["disagreement"]) == (3.0, 4.0)
        assert (second.value, second.parts["disagreement"]) == (4.0, 0.0)
        assert sorted(r["body"]["seed"] for r in judge.requests[:3]) == [1, 2, 3]
        assert judge.most == 1
        assert [m["name"] for m in first.record["members"]] == ["0:judge-1#0", "0:judge-1#1", "0:judge-1#2"]


def test_the_rows_of_a_batch_keep_their_samples_apart():
    with JudgeServer(grade=lambda text: 5 if "Yield" in text else 1) as judge:
        ensemble = critic("ensemble", members=[member(judge, temperature=0.7)], samples=2, max_disagreement=0.0)
        assert [score.value for score in ask(ensemble, "Go on.", "Yield.", "Go on.")] == [1.0, 5.0, 1.0]
        assert len(judge.requests) == 4


def test_an_ensemble_is_estimated_by_its_members_and_samples():
    prices = {"currency": "USD", "models": {"judge-1": {"prompt": 1.0, "completion": 1.0}}}
    one = EndpointCritic("http://x", "judge-1", temperature=0.7, prices=prices)
    alone = one.estimate(steps=2, rollouts=8, scenes=[SCENE])
    together = EnsembleCritic([one, one], samples=3).estimate(steps=2, rollouts=8, scenes=[SCENE])
    assert alone.calls == 16 and together.calls == 96
    assert together.money["USD"] == pytest.approx(6 * alone.money["USD"])


def test_a_recorded_ensemble_is_replayed_without_asking():
    with JudgeServer(grade=2) as judge, JudgeServer(faults={"no_verdict": 1.0}) as vague:
        ensemble = critic("ensemble", members=[member(judge), member(vague), {"backend": "rubric"}], min_answers=2)
        old = ask(ensemble, "Yield to the pedestrian.", "")
        calls = len(judge.requests)
        for score in old:
            new = ensemble.replay(json.loads(json.dumps(dict(score.record))))
            assert (new.value, new.failure) == (score.value, score.failure)
            assert new.parts["disagreement"] == score.parts["disagreement"]
        assert len(judge.requests) == calls


def test_the_state_of_an_ensemble_is_its_members():
    with JudgeServer() as judge:
        ensemble = critic("ensemble", members=[member(judge), {"backend": "rubric"}])
        ask(ensemble, "Yield.")
        resumed = critic("ensemble", members=[member(judge), {"backend": "rubric"}])
        resumed.load_state_dict(json.loads(json.dumps(ensemble.state_dict())))
        assert resumed.usage == ensemble.usage and resumed.usage.calls == 1


def test_disagreement_is_a_failure_that_the_mix_counts():
    with JudgeServer(grade=0) as judge:
        members = [member(judge), {"backend": "rubric"}]
        mix = Mix([Term(reward=critic("ensemble", members=members, max_disagreement=1.0), scale=5.0)])
        texts = ["Yield to the pedestrian.", ""]
        mixed = mix.score([driven(straight(), text) for text in texts], [SCENE] * 2)
        assert [m.value for m in mixed] == [None, 0.0]
        assert dict(mix.failures) == {("critic", "Disagreement"): 1}


# settings


def test_faults_of_an_ensemble_and_of_all_its_members_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        critic(
            "ensemble",
            members=[{"modle": "m", "base_url": "http://x"}, {"backend": "oracle"}, {"base_url": "x", "model": "m"}],
            combine="max",
            samples=0,
        )
    for told in (
        "members.0: unknown setting 'modle'; nearest: model",
        "members.0: setting 'model' is missing",
        "members.1.backend: got 'oracle', allowed rubric, cause_first, endpoint",
        "members.2: critic endpoint: base_url: got 'x'",
        "combine: got 'max', allowed mean or median or min",
        "samples: got 0",
    ):
        assert told in str(caught.value)


def test_an_ensemble_that_cannot_work_is_refused():
    sure = EndpointCritic("http://x", "m")
    for wrong, told in (
        ({"members": []}, "members: got none"),
        ({"members": [RubricCritic()], "samples": 2}, "always says the same"),
        ({"members": [sure], "samples": 2}, "temperature 0"),
        ({"members": [sure, sure], "min_answers": 3}, "allowed up to 2"),
        ({"members": [sure], "max_disagreement": -1}, "max_disagreement"),
        ({"members": "abc"}, "allowed is a list"),
        ({}, "'members' is missing"),
    ):
        with pytest.raises(ConfigError, match=told):
            critic("ensemble", **wrong)


def test_members_with_different_ranges_are_refused(tmp_path):
    own = tmp_path / "half.yaml"
    own.write_text(
        "name: half\ncriteria:\n  - {name: verdict, question: 'Good?', choices: "
        "[{grade: 0, description: 'no'}, {grade: 1, description: 'yes'}]}\n"
    )
    with pytest.raises(ConfigError, match="different ranges"):
        EnsembleCritic([RubricCritic(), EndpointCritic("http://x", "m", rubric=str(own))])
