"""The critic: the embedded rubric, and the reward behind an endpoint, tested against a real HTTP server."""

from __future__ import annotations

import itertools
import json
import logging
import math
from collections import Counter
from pathlib import Path

import pytest
from driving_cases import a_scene, driven, straight
from hypothesis import given
from hypothesis import strategies as st
from judge_server import JudgeServer, hashed_grade, rubric_grade

from ar1_rl.driving import COMPONENT_GROUPS, LATERAL_DECISIONS, LONGITUDINAL_DECISIONS, SIDED_DECISIONS, Decisions
from ar1_rl.errors import ConfigError
from rewards import EndpointCritic, Mix, RubricCritic, Score, Term
from rewards.critic import critic
from rewards.critic.cause_first import CauseFirstCritic
from rewards.critic.cost import Usage
from rewards.critic.embedded import BEHAVIOURS, CAUSES, GRADES, behaviour, causes_f1, grade
from rewards.critic.expected import expected_grade
from rewards.critic.grading import slim_logprobs
from rewards.critic.rubric import load_rubric

COMPONENTS = st.frozensets(st.sampled_from(sorted(COMPONENT_GROUPS)))
YIELD = Decisions(longitudinal="yield", lateral="lane_keeping")


def all_decisions():
    for longitudinal, lateral in itertools.product((None, *LONGITUDINAL_DECISIONS), (None, *LATERAL_DECISIONS)):
        for side in (None, "left", "right") if lateral in SIDED_DECISIONS else (None,):
            yield Decisions(longitudinal=longitudinal, lateral=lateral, side=side)


DECISIONS = st.sampled_from(list(all_decisions()))


# rubric


@pytest.mark.parametrize(
    ("said", "causes", "expected"),
    [
        (Decisions("yield", "lane_keeping"), {"pedestrian", "red_light"}, 5),
        (Decisions("yield", None), {"pedestrian", "red_light"}, 5),  # keeping the lane goes without saying
        (Decisions("yield", "lane_keeping"), {"pedestrian"}, 4),
        (Decisions("yield", "lane_keeping"), {"pedestrian", "red_light", "cyclist"}, 4),
        (Decisions("yield", "lane_keeping"), {"pedestrian", "cyclist", "curve"}, 3),
        (Decisions("yield", "lane_keeping"), set(), 2),
        (Decisions("yield", "lane_keeping"), set(COMPONENT_GROUPS), 3),
        (Decisions("stop", "lane_keeping"), {"pedestrian", "red_light"}, 3),
        (Decisions("yield", "turn", "left"), {"pedestrian", "red_light"}, 2),
        (Decisions(None, "lane_keeping"), {"pedestrian", "red_light"}, 2),
        (Decisions("passing_acceleration", "lane_keeping"), {"pedestrian", "red_light"}, 1),
        (Decisions("passing_acceleration", "turn", "left"), {"pedestrian", "red_light"}, 0),
        (Decisions(), {"pedestrian", "red_light"}, 1),
        (Decisions(), set(), 0),
    ],
)
def test_the_grades_against_yielding_to_a_pedestrian_at_a_red_light(said, causes, expected):
    assert grade(said, causes, YIELD, {"pedestrian", "red_light"})[0] == expected


def test_the_other_side_is_opposite_and_no_side_is_near():
    right = Decisions("set_speed_tracking", "lane_change", "left")
    for side, level in (("left", "right"), (None, "roughly right"), ("right", "wrong")):
        assert behaviour(Decisions("set_speed_tracking", "lane_change", side), right) == level


@given(DECISIONS)
def test_repeating_the_reference_is_right_and_earns_a_five(reference):
    if reference == Decisions():
        return
    assert grade(reference, {"pedestrian"}, reference, {"pedestrian"})[0] == 5


def test_the_table_never_falls_towards_better_behaviour_or_better_causes():
    table = [[GRADES[level][causes] for causes in CAUSES] for level in BEHAVIOURS]
    for row in table:
        assert row == sorted(row)
    for column in zip(*table, strict=True):
        assert list(column) == sorted(column)
    assert {value for row in table for value in row} == set(range(6))


@given(DECISIONS, DECISIONS, COMPONENTS, COMPONENTS, st.sampled_from(sorted(COMPONENT_GROUPS)))
def test_adding_a_right_cause_never_lowers_and_a_wrong_one_never_raises(said, right, named, causes, added):
    before, after = grade(said, named, right, causes)[0], grade(said, named | {added}, right, causes)[0]
    if added in causes:
        assert after >= before
    else:
        assert after <= before


@given(DECISIONS, COMPONENTS, COMPONENTS)
def test_setting_an_axis_right_never_lowers(said, named, causes):
    right = Decisions("lead_obstacle_following", "out_of_lane_nudge", "left")
    before = grade(said, named, right, causes)[0]
    side = said.side if said.lateral in SIDED_DECISIONS else None
    better = [
        Decisions(right.longitudinal, said.lateral, side),
        Decisions(said.longitudinal, right.lateral, right.side),
    ]
    for decisions in better:
        assert grade(decisions, named, right, causes)[0] >= before


@pytest.mark.parametrize("reference", [{"pedestrian"}, {"pedestrian", "red_light", "cyclist"}])
def test_naming_every_cause_there_is_never_earns_a_five(reference):
    assert causes_f1(COMPONENT_GROUPS, reference) < 0.6
    assert grade(YIELD, set(COMPONENT_GROUPS), YIELD, reference)[0] <= 3


def test_the_rubric_reads_text_and_says_which_backend_it_is():
    scene = a_scene(reference=(YIELD, ("pedestrian",)))
    good, wrong = RubricCritic().score_batch(
        [driven(straight(), text) for text in ("Yield to the pedestrian.", "Accelerate to pass the slow truck.")],
        [scene] * 2,
    )
    assert good.value == 5.0 and good.parts == {"behaviour": 4.0, "causes_f1": 1.0}
    assert wrong.value is not None and wrong.value <= 1.0
    assert good.why.startswith("rubric:")


def test_without_a_reference_there_is_no_grade_and_without_reasoning_the_grade_is_zero():
    assert RubricCritic()(driven(straight()), a_scene()).value is None
    scene = a_scene(reference=(YIELD, ("pedestrian",)))
    assert [RubricCritic()(driven(straight(), text), scene).value for text in (None, "")] == [0.0, 0.0]


# endpoint


SCENE = a_scene(reference=(YIELD, ("pedestrian",)))
KEY = "sk-planted-0123456789"


@pytest.fixture
def judge():
    with JudgeServer() as server:
        yield server


def endpoint(judge, **settings):
    quick = {"max_retries": 0, "timeout_s": 5.0, "backoff_s": 0.01}
    return EndpointCritic(judge.url, "judge-1", **{**quick, **settings})


def score(asked, *texts):
    return asked.score_batch([driven(straight(), text) for text in texts], [SCENE] * len(texts))


def test_a_grade_comes_with_what_the_record_needs(judge):
    asked = endpoint(judge, prices={"currency": "USD", "models": {"judge-1": {"prompt": 1.0, "completion": 10.0}}})
    (graded,) = score(asked, "Yield to the pedestrian.")
    assert (graded.value, graded.failure, graded.why) == (4.0, None, "They agree.")
    record = dict(graded.record)
    assert 0 < record.pop("seconds") < 5
    assert len(record.pop("prompt_hash")) == 16
    tokens = record.pop("prompt_tokens")
    assert tokens > 100 and record.pop("money") == {"USD": pytest.approx((tokens + 40) / 1e6)}
    assert record == {
        "model": "judge-1",
        "base_url": judge.url,
        "rubric": "paper",
        "reply": "They agree.\n\ngrade: 4",
        "completion_tokens": 4,
        "attempts": 1,
        "cached": False,
        "expected_grade": False,
    }
    body = judge.requests[0]["body"]
    assert {name: body[name] for name in ("model", "temperature", "max_tokens")} == {
        "model": "judge-1",
        "temperature": 0.0,
        "max_tokens": 1024,
    }
    assert "Yield to the pedestrian." in judge.requests[0]["text"] and "the reference" in judge.requests[0]["text"]


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("no_verdict", "NoVerdict"),
        ("empty_reply", "NoVerdict"),
        ("nan_grade", "WrongGrade"),
        ("wrong_grade", "WrongGrade"),
        ("cut_off", "CutOff"),
        ("malformed_json", "NotJson"),
        ("wrong_schema", "WrongSchema"),
        ("status_500", "Server500"),
        ("reset", "Transport"),
        ("hang", "Timeout"),
        ("denied", "Denied"),
    ],
)
def test_a_judge_that_gives_no_grade_is_a_failure_and_never_a_number(judge, fault, failure):
    (graded,) = score(endpoint(judge, timeout_s=1.0), fault)
    assert (graded.value, graded.failure) == (None, failure)
    assert graded.record["model"] == "judge-1" and graded.record["failure"] == failure
    assert graded.why


def test_nothing_is_asked_where_there_is_nothing_to_grade(judge):
    asked = endpoint(judge)
    assert asked(driven(straight(), ""), SCENE).value == 0.0
    nothing = asked(driven(straight()), a_scene())
    assert (nothing.value, nothing.failure) == (None, None)
    assert judge.requests == [] and asked.usage.rollouts == 0


def test_a_question_that_stands_twice_in_a_batch_is_asked_once(judge):
    asked = endpoint(judge)
    scores = score(asked, "Yield.", "Stop.", "Yield.", "Yield.")
    assert sorted(judge.texts) == ["Stop.", "Yield."]
    assert [s.value for s in scores] == [4.0] * 4
    assert [s.record.get("shared", False) for s in scores] == [False, False, True, True]
    assert (asked.usage.rollouts, asked.usage.calls, asked.usage.cached) == (4, 2, 0)


def test_the_grade_of_each_text_is_its_own_whatever_the_order(judge):
    judge.grade = lambda text: {"Yield.": 5, "Stop.": 2}.get(text.split("<prediction>")[1].split("<")[0].strip(), 0)
    asked = endpoint(judge)
    assert [s.value for s in score(asked, "Stop.", "Yield.", "Turn.")] == [2.0, 5.0, 0.0]
    assert [s.value for s in score(asked, "Turn.", "Yield.", "Stop.")] == [0.0, 5.0, 2.0]


def test_better_reasoning_never_scores_lower_with_a_judge_that_can_tell(judge):
    judge.grade = lambda text: rubric_grade(text.replace("the reference", "Yield to the pedestrian and keep the lane."))
    worse, better, best = score(
        endpoint(judge),
        "Accelerate to pass the slow truck.",
        "Stop at the stop sign and keep the lane.",
        "Yield to the pedestrian and keep the lane.",
    )
    assert worse.value < better.value < best.value


@pytest.mark.parametrize("reply", ["json_schema", "choice"])
def test_the_reply_can_be_held_to_a_form(judge, reply):
    (graded,) = score(endpoint(judge, reply=reply), "Yield.")
    body = judge.requests[0]["body"]
    assert graded.value == 4.0
    assert ("response_format" in body, "structured_outputs" in body) == (reply == "json_schema", reply == "choice")
    assert (
        graded.record["reply"]
        == {
            "json_schema": '{"reason": "They agree.", "grade": 4}',
            "choice": "grade: 4",
        }[reply]
    )


def test_a_rubric_of_several_criteria_has_a_part_for_each(judge):
    judge.names = ("behaviour", "causes")
    (graded,) = score(endpoint(judge, rubric="behaviour_and_causes"), "Yield.")
    assert graded.parts == {"behaviour": 4.0, "causes": 4.0} and graded.value == pytest.approx(4.0)


def test_the_expected_grade_is_the_mean_over_the_grades_the_judge_wavered_between(judge):
    asked = endpoint(judge, expected=True)
    (graded,) = score(asked, "Yield.")
    # 0.6, 0.3 and 0.1 for 4, 3 and 5.
    assert graded.value == pytest.approx(0.6 * 4 + 0.3 * 3 + 0.1 * 5, abs=1e-3)
    assert graded.parts == {"grade": 4.0} and graded.record["expected_grade"] is True
    assert judge.requests[0]["body"]["top_logprobs"] == 20
    judge.answers_logprobs = False
    (written,) = score(asked, "Stop.")
    assert written.value == 4.0 and written.record["expected_grade"] is False


def test_logprobs_are_kept_without_what_no_grade_depends_on():
    rubric = load_rubric()
    tops = [{"token": f"w{i}", "logprob": -9.0, "bytes": [119]} for i in range(18)]

    def entry(token, logprob, more=()):
        return {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": [*more, *tops]}

    words = [entry(f"word{chr(97 + i % 26)} ", -0.1) for i in range(60)]
    grades = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("4", 0.7), ("3", 0.25))]
    whole = [*words, entry("\n", 0.0), entry("grade", 0.0), entry(":", 0.0), entry(" ", 0.0), entry("4", -0.36, grades)]
    slim = slim_logprobs(whole, rubric)
    assert (
        expected_grade(slim, rubric)
        == expected_grade(whole, rubric)
        == pytest.approx((0.7 * 4 + 0.25 * 3) / 0.95, abs=1e-2)
    )
    assert len(json.dumps(slim)) < len(json.dumps(whole)) / 5


def test_the_cache_answers_the_second_time_and_never_keeps_a_failure(judge, tmp_path):
    settings = {"cache": str(tmp_path / "replies.sqlite")}
    judge.script = [None, "status_500", "cut_off", "no_verdict"]
    first = endpoint(judge, in_flight=1, **settings)
    scores = score(first, "Yield.", "Stop.", "Nudge.", "Turn.")
    assert [s.failure for s in scores] == [None, "Server500", "CutOff", "NoVerdict"]
    again = endpoint(judge, in_flight=1, **settings)
    scores = score(again, "Yield.", "Stop.", "Nudge.", "Turn.")
    assert [s.value for s in scores] == [4.0] * 4
    assert [s.record["cached"] for s in scores] == [True, False, False, False]
    assert judge.texts == ["Yield.", "Stop.", "Nudge.", "Turn.", "Stop.", "Nudge.", "Turn."]
    assert scores[0].record["attempts"] == 0 and scores[0].record["completion_tokens"] == 4
    assert (again.usage.calls, again.usage.cached, again.usage.completion_tokens) == (3, 1, 12)


def test_the_cache_keeps_what_the_expected_grade_needs(judge, tmp_path):
    settings = {"cache": str(tmp_path / "replies.sqlite"), "expected": True}
    (fresh,) = score(endpoint(judge, **settings), "Yield.")
    (cached,) = score(endpoint(judge, **settings), "Yield.")
    assert cached.record["cached"] and cached.value == fresh.value != 4.0


@pytest.mark.parametrize(
    "other", [{"temperature": 0.5}, {"reply": "json_schema"}, {"max_tokens": 99}, {"extra": {"min_p": 0.1}}]
)
def test_another_way_of_asking_is_another_question_to_the_cache(judge, tmp_path, other):
    settings = {"cache": str(tmp_path / "replies.sqlite")}
    score(endpoint(judge, **settings), "Yield.")
    score(endpoint(judge, **settings, **other), "Yield.")
    assert len(judge.requests) == 2


def test_draws_of_one_question_are_asked_apart_with_seeds_of_their_own(judge):
    asked = endpoint(judge, temperature=0.7, seed=10)
    completions = [driven(straight(), "Yield.")] * 3
    asked.score_draws(completions, [SCENE] * 3, [0, 1, 1])
    assert sorted(request["body"]["seed"] for request in judge.requests) == [10, 11]


def test_what_none_of_the_settings_names_can_be_sent_and_what_is_none_is_not(judge):
    score(endpoint(judge, temperature=None, max_tokens=None, extra={"reasoning_effort": "low"}), "Yield.")
    body = judge.requests[0]["body"]
    assert body["reasoning_effort"] == "low" and not {"temperature", "max_tokens"} & set(body)


def test_usage_counts_tokens_seconds_and_money_over_batches(judge):
    prices = {"currency": "USD", "models": {"judge-1": {"prompt": 0.0, "completion": 1_000_000.0}}}
    asked = endpoint(judge, prices=prices)
    score(asked, "Yield.", "Stop.")
    before = asked.usage
    assert (before.calls, before.completion_tokens, before.money) == (2, 8, {"USD": 8.0})
    score(asked, "status_500", "cut_off")
    new = asked.usage - before
    assert (new.calls, new.failed, new.attempts, new.completion_tokens) == (2, 2, 2, 6), "a cut-off reply costs too"
    assert new.money == {"USD": 6.0} and new.request_s > 0 and new.wall_s > 0


def test_the_usage_goes_into_checkpoints(judge):
    asked = endpoint(judge)
    score(asked, "Yield.")
    resumed = endpoint(judge)
    resumed.load_state_dict(json.loads(json.dumps(asked.state_dict())))
    score(resumed, "Stop.")
    assert resumed.usage.calls == 2 and resumed.usage.completion_tokens == 8


def test_an_estimate_is_near_what_is_then_counted(judge):
    judge.grade = 4
    prices = {"currency": "USD", "models": {"judge-1": {"prompt": 1.0, "completion": 1.0}}}
    asked = endpoint(judge, prices=prices)
    estimate = asked.estimate(steps=3, rollouts=4, scenes=[SCENE], reply_tokens=4)
    assert (estimate.calls, estimate.completion_tokens) == (12, 48)
    length = len(asked.loaded_prompt.text("the reference", "the reference"))
    assert estimate.prompt_tokens == 12 * math.ceil(length / 4)
    assert estimate.money == {"USD": pytest.approx((estimate.prompt_tokens + 48) / 1e6)}
    assert judge.requests == []


def test_replaying_a_record_gives_the_same_score_and_asks_nobody(judge):
    asked = endpoint(judge, expected=True, timeout_s=0.5)
    scores = score(asked, "Yield.", "Stop.", "no_verdict", "cut_off", "hang")
    before = len(judge.requests)
    for old in scores:
        kept = json.loads(json.dumps(dict(old.record)))
        new = asked.replay(kept)
        assert (new.value, new.parts, new.failure, new.why) == (old.value, old.parts, old.failure, old.why)
        assert json.loads(json.dumps(dict(new.record))) == kept
    assert len(judge.requests) == before


def test_the_mix_counts_failures_abstains_and_keeps_the_grades_of_the_others(judge):
    mix = Mix([Term(reward=endpoint(judge, timeout_s=1.0), scale=5.0)])
    texts = ["Yield", "no_verdict", "status_500", "hang", "Slow down"]
    mixed = mix.score([driven(straight(), t) for t in texts], [SCENE] * 5)
    assert [m.value for m in mixed] == [0.8, None, None, None, 0.8]
    assert Counter(mix.failures) == {("critic", "NoVerdict"): 1, ("critic", "Server500"): 1, ("critic", "Timeout"): 1}


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_under_faults_every_grade_is_the_judges_own_and_every_failure_has_its_cause(share):
    kinds = ["status_500", "reset", "malformed_json", "wrong_schema", "nan_grade", "rate_limited", "hang", "drip"]
    faults = {kind: share / len(kinds) for kind in kinds}
    with JudgeServer(grade=hashed_grade, faults=faults, seed=5, retry_after="0.02") as judge:
        texts = [f"Yield to pedestrian {i}." for i in range(150)]
        scores = score(endpoint(judge, max_retries=1, timeout_s=0.7, rest_s=0.05), *texts)
        for text, graded in zip(texts, scores, strict=True):
            assert (graded.value is None) == (graded.failure is not None)
            assert graded.value in (None, hashed_grade(f"<prediction>{text}</prediction>"))
        lasting = sum(
            n for kind, n in judge.stats()["faults"].items() if kind in ("malformed_json", "wrong_schema", "nan_grade")
        )
        failures = Counter(graded.failure for graded in scores if graded.failure is not None)
        assert set(failures) <= {
            "NotJson",
            "WrongSchema",
            "WrongGrade",
            "Server500",
            "Transport",
            "RateLimited",
            "Timeout",
        }
        assert failures["NotJson"] + failures["WrongSchema"] + failures["WrongGrade"] == lasting
        assert sum(failures.values()) <= sum(judge.stats()["faults"].values())


def test_no_key_is_in_anything_that_scoring_leaves_behind(judge, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    asked = endpoint(judge, api_key_env="JUDGE_KEY", timeout_s=0.5, cache=str(tmp_path / "replies.sqlite"))
    scores = score(asked, "Yield.", "denied", "status_400", "echo_key", "reset", "hang")
    assert {r["authorization"] for r in judge.requests} == {f"Bearer {KEY}"}
    assert "[key removed]" in scores[3].record["reply"] and scores[3].value == 4.0
    asked.__dict__["_replies"].close()
    left_behind = [repr(scores).encode(), repr(asked).encode(), repr(asked.usage).encode(), caplog.text.encode()]
    left_behind += [path.read_bytes() for path in tmp_path.iterdir()]
    assert not [text for text in left_behind if KEY.encode() in text]


# images


def an_image(tmp_path: Path, content: bytes = b"\xff\xd8\xff the road ahead") -> str:
    path = tmp_path / "frame.jpg"
    path.write_bytes(content)
    return str(path)


def a_scene_with_an_image(path: str):
    import dataclasses

    import numpy as np

    from ar1_rl.driving.scene import Camera, Frame

    camera = Camera(name="front", intrinsics_33=np.eye(3), rig_from_camera_44=np.eye(4), width_px=640, height_px=360)
    frame = Frame(camera=camera, time_s=0.0, path=path)
    return dataclasses.replace(SCENE, observation=dataclasses.replace(SCENE.observation, frames=(frame,)))


def test_a_critic_that_sees_is_shown_the_last_frame_and_abstains_where_there_is_none(judge, tmp_path):
    asked = endpoint(judge, images=True)
    scene, completion = a_scene_with_an_image(an_image(tmp_path)), driven(straight(), "Yield.")
    seen, unseen = asked.score_batch([completion] * 2, [scene, SCENE])
    assert seen.value == 4.0
    kinds = [part["type"] for part in judge.requests[0]["body"]["messages"][0]["content"]]
    assert "image_url" in kinds and "text" in kinds
    assert (unseen.value, unseen.failure, unseen.why) == (None, None, "the scene has no image")


def test_an_image_that_cannot_be_read_is_a_failure(judge, tmp_path):
    lost = a_scene_with_an_image(str(tmp_path / "nowhere.jpg"))
    graded = endpoint(judge, images=True)(driven(straight(), "Yield."), lost)
    assert (graded.value, graded.failure) == (None, "NoImage") and "nowhere.jpg" in graded.why


def test_another_picture_is_another_question(judge, tmp_path):
    asked, completion = endpoint(judge, images=True), driven(straight(), "Yield.")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    scenes = [
        a_scene_with_an_image(an_image(tmp_path / name, b"\xff\xd8\xff" + name.encode())) for name in ("one", "two")
    ]
    asked.score_batch([completion] * 3, [scenes[0], scenes[1], scenes[0]])
    assert len(judge.requests) == 2


def test_siblings_send_one_copy_of_their_picture(tmp_path):
    scene = a_scene_with_an_image(an_image(tmp_path))
    asked = EndpointCritic("http://x", "m", images=True)
    questions = asked._questioner.ask([driven(straight(), text) for text in ("Yield.", "Stop.")], [scene] * 2, [0, 0])
    urls = [
        part["image_url"]["url"]
        for q in questions
        for part in q.request["messages"][0]["content"]
        if "image_url" in part
    ]
    assert len(urls) == 2 and urls[0] is urls[1] and urls[0].startswith("data:image/jpeg;base64,")


# settings


def test_a_prompt_of_ones_own_needs_both_placeholders(tmp_path):
    own = tmp_path / "mine.md"
    own.write_text("Compare {reference} with it.")
    with pytest.raises(ConfigError, match=r"placeholders missing: \['prediction'\]"):
        EndpointCritic("http://x", "m", prompt=str(own))
    with pytest.raises(ConfigError, match="No such file"):
        EndpointCritic("http://x", "m", prompt=str(tmp_path / "none.md"))


def test_the_range_of_values_is_the_rubrics(tmp_path):
    own = tmp_path / "three.yaml"
    own.write_text(
        "name: three\ncriteria:\n  - {name: verdict, question: 'Good?', choices: "
        "[{grade: 1, description: 'no'}, {grade: 2, description: somewhat}, {grade: 3, description: 'yes'}]}\n"
    )
    asked = EndpointCritic("http://x", "m", rubric=str(own))
    assert asked.value_range == (1.0, 3.0)
    assert asked(driven(straight(), ""), SCENE) == Score(1.0, why="no reasoning")
    assert asked.usage == Usage(wall_s=asked.usage.wall_s)


def test_the_critic_is_picked_by_backend_and_faults_are_named_together():
    assert critic() == RubricCritic()
    assert critic("cause_first", reader="rules") == CauseFirstCritic(reader="rules")
    assert critic("endpoint", base_url="http://x/v1", model="m").model == "m"
    with pytest.raises(ConfigError, match="allowed rubric, cause_first, endpoint, ensemble"):
        critic("oracle")
    with pytest.raises(ConfigError) as caught:
        critic("endpoint", modle="m", base_url="x", timeout_s=0, in_flight=0, rubric="none", reply="xml", cache=3)
    for told in (
        "unknown setting 'modle'; nearest: model",
        "setting 'model' is missing",
        "base_url: got 'x'",
        "timeout_s: got 0, allowed a number above 0",
        "in_flight: got 0",
        "rubric: got 'none'",
        "reply: got 'xml', allowed json_schema, choice, none",
        "cache: got 3",
    ):
        assert told in str(caught.value)
    with pytest.raises(ConfigError, match="unknown setting 'model'"):
        critic("rubric", model="m")
    with pytest.raises(ConfigError, match=r"prices: none for model 'm'; there are: n"):
        critic(
            "endpoint",
            base_url="http://x",
            model="m",
            prices={"currency": "USD", "models": {"n": {"prompt": 1, "completion": 1}}},
        )
