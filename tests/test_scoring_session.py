"""A batch that is scored while it is still being written: when each reward is asked, and that nothing else changes."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from driving_cases import a_scene, driven, straight, undecodable
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_server import JudgeServer, hashed_grade

from ar1_rl.driving import Decisions
from ar1_rl.errors import ConfigError, RewardError, StallError
from rewards import CompositeReward, EndpointCritic, EnsembleCritic, Format, Imitation, Mix, RubricCritic, Score, Term
from rewards.consistency import Consistency

PATIENCE_S = 20.0
"""For what comes at once; a busy machine may need some of it."""
REFERENCE = (Decisions("yield", "lane_keeping"), ("pedestrian",))


def texts_of(*values):
    return [driven(straight(9.0 + i % 5), str(value)) for i, value in enumerate(values)]


def declared(reward, **attributes):
    for name, value in attributes.items():
        setattr(reward, name, value)
    return reward


class Noting:
    """A sync reward that notes on which thread it was asked about which texts, and says how long they are."""

    value_range = (0.0, 100.0)

    def __init__(self, **attributes):
        self.asked, self.threads, self.started = [], set(), threading.Event()
        declared(self, **{"name": "noting", "needs": "text", **attributes})

    def __call__(self, completion, scene):
        self.asked.append(completion.reasoning)
        self.threads.add(threading.current_thread())
        self.started.set()
        return float(len(completion.reasoning))


def noting_async(needs="text", **attributes):
    started, asked = threading.Event(), []

    async def judge(completion, scene):
        asked.append(completion.reasoning)
        started.set()
        await asyncio.sleep(0)
        return 0.5

    return declared(judge, needs=needs, started=started, asked=asked, **attributes)


def tell(session, rows, completions):
    for row in rows:
        session.ready(row, completions[row])


# when a reward is asked


@pytest.mark.parametrize("reward", [noting_async(), Noting(), Noting(waits=True)], ids=["async", "sync", "waits"])
def test_a_reward_that_needs_the_text_is_asked_when_the_text_is_there(reward):
    (completion,) = texts_of("Yield.")
    session = Mix([Term(reward=reward)]).open([a_scene()])
    assert session.listens
    session.text_ready(0, completion.text_part())
    assert reward.started.wait(PATIENCE_S), "before the completion is whole"
    session.ready(0, completion)
    assert [m.outcome for m in session.finish()] == ["scored"]
    assert reward.asked == ["Yield."]


@pytest.mark.parametrize(
    "reward",
    [noting_async("trajectory"), Noting(needs="trajectory", waits=True)],
    ids=["async", "waits"],
)
def test_a_reward_that_needs_the_trajectory_is_asked_when_the_completion_is_whole_while_others_are_not(reward):
    completions = [*texts_of("Yield."), undecodable("Stop."), *texts_of("Go.")]
    session = Mix([Term(reward=reward)]).open([a_scene()] * 3)
    session.text_ready(0, completions[0].text_part())
    assert not reward.started.wait(0.05)
    session.ready(1, completions[1])
    session.ready(0, completions[0])
    assert reward.started.wait(PATIENCE_S), "before the last row is there"
    session.ready(2, completions[2])
    assert [m.outcome for m in session.finish()] == ["scored", "undecodable", "scored"]
    assert sorted(reward.asked) == ["Go.", "Yield."], "what cannot be decoded is not asked about"


@pytest.mark.parametrize("needs", ["text", "trajectory"])
def test_a_group_reward_is_asked_when_all_siblings_are_there(needs):
    groups, started = [], threading.Event()

    async def rank(completions, scene):
        groups.append((scene.id, [c.reasoning for c in completions]))
        started.set()
        return [0.5] * len(completions)

    mix = Mix([Term(reward=declared(rank, per_group=True, needs=needs))])
    completions = [*texts_of("a", "b", "c", "d"), undecodable("e")]
    session = mix.open([a_scene(i) for i in ("one", "other", "one", "other", "one")])
    for row in (3, 0, 2):
        session.ready(row, completions[row])
    assert not started.wait(0.05)
    session.ready(4, completions[4])
    assert started.wait(PATIENCE_S)
    session.ready(1, completions[1])
    session.finish()
    assert groups == [("one", ["a", "c", "e"] if needs == "text" else ["a", "c"]), ("other", ["b", "d"])]


def test_a_reward_that_computes_is_asked_once_about_the_whole_batch_by_whoever_waits():
    batches = []

    class Computes(Format):
        def score_batch(self, completions, scenes):
            batches.append((threading.current_thread(), [c.reasoning for c in completions]))
            return super().score_batch(completions, scenes)

    session = Mix([Term(reward=Computes())]).open([a_scene()] * 3)
    assert not session.listens
    completions = texts_of("a", "b", "c")
    tell(session, (2, 0, 1), completions)
    assert not batches
    assert [m.value for m in session.finish()] == [1.0] * 3
    assert batches == [(threading.main_thread(), ["a", "b", "c"])]


def test_a_batched_reward_that_waits_gets_the_whole_batch_as_soon_as_it_is_there():
    started, batches = threading.Event(), []

    class Remote(Format):
        waits = True

        def score_batch(self, completions, scenes):
            batches.append([c.reasoning for c in completions])
            started.set()
            return super().score_batch(completions, scenes)

    completions = texts_of("a", "b")
    session = Mix([Term(reward=Remote())]).open([a_scene()] * 2)
    tell(session, (1, 0), completions)
    assert started.wait(PATIENCE_S), "before anyone waits"
    session.finish()
    assert batches == [["a", "b"]]


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_reward_with_state_is_asked_in_the_order_of_the_batch(kind):
    class Counts:
        name, needs, value_range, seen = "counts", "text", (0.0, 100.0), 0

        def state_dict(self):
            return {"seen": self.seen}

        def load_state_dict(self, state):
            self.seen = state["seen"]

        def count(self):
            self.seen += 1
            return float(self.seen)

    class Sync(Counts):
        def __call__(self, completion, scene):
            return self.count()

    class Async(Counts):
        async def __call__(self, completion, scene):
            return self.count()

    mix = Mix([Term(reward=Async() if kind == "async" else Sync())])
    completions = texts_of("a", "b", "c")
    session = mix.open([a_scene()] * 3)
    for row in (2, 1, 0):
        session.text_ready(row, completions[row].text_part())
        session.ready(row, completions[row])
    assert [m.value for m in session.finish()] == [1.0, 2.0, 3.0]


def test_telling_of_a_row_takes_no_time_however_long_its_reward_takes():
    gate = threading.Event()

    def slow(completion, scene):
        assert gate.wait(PATIENCE_S)
        return 0.5

    async def slow_too(completion, scene):
        while not gate.is_set():
            await asyncio.sleep(0.001)
        return 0.5

    terms = [Term(reward=declared(reward, needs="text")) for reward in (slow, slow_too)]
    session = Mix(terms).open([a_scene()] * 2)
    tell(session, (0, 1), texts_of("a", "b"))
    gate.set()
    assert [m.value for m in session.finish()] == [1.0, 1.0]


def test_a_sync_reward_is_asked_by_one_thread_one_by_one():
    reward = Noting()
    session = Mix([Term(reward=reward)]).open([a_scene()] * 20)
    tell(session, reversed(range(20)), texts_of(*range(20)))
    session.finish()
    assert len(reward.threads) == 1 and threading.main_thread() not in reward.threads
    assert reward.asked == [str(row) for row in reversed(range(20))]


# the scores are the same


def length(completion, scene):
    return min(1.0, len(completion.reasoning or "") / 10)


async def initial(completion, scene):
    await asyncio.sleep(0)
    if completion.reasoning == "b":
        raise TimeoutError
    return 0.1 * (ord((completion.reasoning or "a")[0]) % 7)


async def speed(completion, scene):
    return min(1.0, completion.trajectory.poses_T3[0, 0] / 2.0)


def share_of_words(completions, scene):
    return [sum(c.reasoning == own.reasoning for c in completions) / len(completions) for own in completions]


async def fastest(completions, scene):
    return [float(c is max(completions, key=lambda one: one.trajectory.poses_T3[0, 0])) for c in completions]


def every_kind():
    return [
        Term(reward=declared(length, needs="text"), weight=0.5),
        Term(reward=declared(initial, needs="text"), weight=1.5, on_failure="drop_group"),
        Term(reward=speed, required=False),
        Term(reward=declared(share_of_words, needs="text", per_group=True)),
        Term(reward=declared(fastest, per_group=True)),
        Term(reward=Noting(name="remote", needs="trajectory", waits=True), scale=100.0),
        Term(reward=RubricCritic(), scale=5.0),
        Term(reward=Imitation(clip_m=5.0)),
        Term(reward=Format()),
    ]


ROWS = st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from(["a", "b", "cc"]), st.booleans()), max_size=8)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_whatever_comes_first_the_scores_and_the_counts_are_those_of_the_whole_batch(rows, random):
    scenes = [a_scene(name, reference=REFERENCE) for name, _, _ in rows]
    completions = [
        driven(straight(8.0 + i), text) if decodable else undecodable(text)
        for i, (_, text, decodable) in enumerate(rows)
    ]
    whole, piecewise = Mix(every_kind()), Mix(every_kind())
    expected = whole.score(completions, scenes)
    session = piecewise.open(scenes)
    events = [(row, kind) for row in range(len(rows)) for kind in ("text", "whole")]
    random.shuffle(events)
    told = set()
    for row, kind in events:
        if kind == "whole":
            session.ready(row, completions[row])
            told.add(row)
        elif row not in told and random.random() < 0.8:
            session.text_ready(row, completions[row].text_part())
    assert session.finish() == expected
    assert piecewise.take_counts() == whole.take_counts()


def test_a_reward_that_needs_the_text_is_shown_the_text_alone_early_and_late():
    seen = []

    def looks(completion, scene):
        seen.append((completion.text, completion.trajectory, completion.error, completion.token_ids))
        return 1.0

    mix = Mix([Term(reward=declared(looks, needs="text"))])
    (completion,) = texts_of("Yield.")
    mix.score([completion], [a_scene()])
    session = mix.open([a_scene()])
    session.text_ready(0, completion.text_part())
    session.ready(0, completion)
    session.finish()
    assert seen == [("Yield.<|cot_end|>", None, None, (1,))] * 2


def test_a_batched_reward_that_needs_the_text_sees_whole_completions():
    mix = Mix([Term(reward=Format())])
    assert [m.scores["format"].value for m in mix.score([*texts_of("a"), undecodable("b")], [a_scene()] * 2)] == [1, 0]


# a critic over HTTP


def judged(judge, **settings):
    how = {"timeout_s": 10.0, "max_retries": 0, "in_flight": 32, **settings}
    return EndpointCritic(judge.url, "judge", **how)


def streamed(mix, completions, scenes, order):
    session = mix.open(scenes)
    for row in order:
        session.text_ready(row, completions[row].text_part())
    tell(session, order, completions)
    return session.finish()


def test_a_critic_over_http_grades_texts_as_they_come_and_each_once():
    texts = ["Yield.", "Stop.", "Yield.", "Go.", "Stop.", "Yield."]
    scenes, completions = [a_scene(reference=REFERENCE)] * 6, texts_of(*texts)
    with JudgeServer(grade=hashed_grade) as judge:
        whole, piecewise = judged(judge), judged(judge)
        expected = Mix([Term(reward=whole, scale=5.0)]).score(completions, scenes)
        before = len(judge.requests)
        got = streamed(Mix([Term(reward=piecewise, scale=5.0)]), completions, scenes, (5, 1, 0, 4, 3, 2))
        assert sorted(judge.texts[before:]) == ["Go.", "Stop.", "Yield."]
    assert [m.value for m in got] == [m.value for m in expected]
    shared = [m.scores["critic"].record.get("shared", False) for m in got]
    assert shared == [False, False, True, False, True, True], "the first row has asked, whichever came first"
    figures = ("rollouts", "calls", "cached", "failed", "attempts", "prompt_tokens", "completion_tokens")
    assert [getattr(piecewise.usage, f) for f in figures] == [getattr(whole.usage, f) for f in figures]
    assert piecewise.usage.rollouts == 6 and piecewise.usage.calls == 3
    assert 0.0 < piecewise.usage.wall_s < 10.0


def test_the_critic_is_asked_before_the_rows_are_whole():
    with JudgeServer() as judge:
        session = Mix([Term(reward=judged(judge), scale=5.0)]).open([a_scene(reference=REFERENCE)] * 2)
        completions = texts_of("Yield.", "Stop.")
        session.text_ready(1, completions[1].text_part())
        until_s = time.monotonic() + PATIENCE_S
        while not judge.requests and time.monotonic() < until_s:
            time.sleep(0.005)
        assert judge.texts == ["Stop."]
        tell(session, (0, 1), completions)
        session.finish()
        assert judge.texts == ["Stop.", "Yield."]


def test_its_limits_hold_over_all_rows_however_they_come():
    completions = texts_of(*(f"text {i}" for i in range(40)))
    with JudgeServer(latency_s=0.02) as judge:
        critic = judged(judge, in_flight=3)
        streamed(Mix([Term(reward=critic, scale=5.0)]), completions, [a_scene(reference=REFERENCE)] * 40, range(40))
        assert judge.stats() == {"calls": 40, "faults": {}, "most": 3}


def test_a_dead_server_is_given_up_after_so_many_failures_in_a_row_of_the_batch():
    completions = texts_of(*(f"text {i}" for i in range(30)))
    with JudgeServer(faults={"status_500": 1.0}) as judge:
        critic = judged(judge, in_flight=1, give_up_after=4)
        mix = Mix([Term(reward=critic, scale=5.0)])
        streamed(mix, completions, [a_scene(reference=REFERENCE)] * 30, range(30))
        assert judge.stats()["calls"] == 4
    assert mix.failures == {("critic", "Server500"): 4, ("critic", "GaveUp"): 26}


def test_the_cache_is_looked_into_first_and_keeps_what_came(tmp_path):
    scenes, completions = [a_scene(reference=REFERENCE)] * 3, texts_of("Yield.", "Stop.", "Go.")
    with JudgeServer(grade=hashed_grade) as judge:
        cache = str(tmp_path / "replies.sqlite")
        first = streamed(Mix([Term(reward=judged(judge, cache=cache), scale=5.0)]), completions, scenes, (2, 0, 1))
        critic = judged(judge, cache=cache)
        again = streamed(Mix([Term(reward=critic, scale=5.0)]), completions, scenes, (0, 1, 2))
        assert len(judge.requests) == 3
    assert [m.value for m in again] == [m.value for m in first]
    assert critic.usage.cached == 3 and critic.usage.calls == 0


def test_an_ensemble_is_asked_as_texts_come_and_says_what_it_says_of_the_batch():
    scenes, completions = [a_scene(reference=REFERENCE)] * 4, texts_of("Yield.", "Stop.", "Yield.", "Go.")
    with JudgeServer(grade=hashed_grade) as judge:
        members = [judged(judge, temperature=1.0, seed=1), judged(judge, temperature=1.0, seed=9)]
        critic = EnsembleCritic(members, samples=2, combine="mean")
        expected = critic.score_batch(completions, scenes)
        before = len(judge.requests)
        got = streamed(Mix([Term(reward=critic, scale=5.0)]), completions, scenes, (3, 2, 1, 0))
        assert len(judge.requests) - before == 3 * 2 * 2, "each distinct text, of two members, twice"
        mixed = EnsembleCritic([members[0], RubricCritic()])
        halves = streamed(Mix([Term(reward=mixed, scale=5.0)]), completions, scenes, (0, 1, 2, 3))
        whole = mixed.score_batch(completions, scenes)
    assert [m.scores["critic"].value for m in got] == [score.value for score in expected]
    assert [m.scores["critic"].value for m in halves] == [score.value for score in whole]


def test_claims_read_by_a_language_model_are_asked_for_as_completions_come_and_each_text_once():
    asked, started = [], threading.Event()

    def ask(messages):
        asked.append(messages[0]["content"])
        started.set()
        return '{"claims": []}'

    reward = Consistency(extractor="llm", ask=ask)
    completions = [*texts_of("Go on.", "Stop.", "Go on."), undecodable("Yield.")]
    expected = reward.score_batch(completions, [a_scene()] * 4)
    asked.clear()
    started.clear()
    session = Mix([Term(reward=reward)]).open([a_scene()] * 4)
    session.text_ready(0, completions[0].text_part())
    session.ready(2, completions[2])
    assert started.wait(PATIENCE_S)
    tell(session, (0, 1, 3), completions)
    found = [m.scores["consistency"] for m in session.finish()]
    assert found[:3] == expected[:3] and len(asked) == 2


# what goes wrong


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_failure_comes_out_where_the_scores_are_waited_for_and_follows_the_policy_of_its_term(kind):
    def fails(completion, scene):
        if completion.reasoning == "b":
            raise ValueError("no")
        return 1.0

    async def fails_too(completion, scene):
        return fails(completion, scene)

    reward = declared(fails if kind == "sync" else fails_too, needs="text", name="judge")
    completions = texts_of("a", "b", "c")
    mix = Mix([Term(reward=reward)])
    assert [m.value for m in streamed(mix, completions, [a_scene()] * 3, (1, 0, 2))] == [1.0, None, 1.0]
    assert mix.failures == {("judge", "ValueError"): 1}
    strict = Mix([Term(reward=reward, on_failure="raise")])
    session = strict.open([a_scene()] * 3)
    tell(session, (1, 0, 2), completions)
    with pytest.raises(RewardError, match="reward 'judge' failed on scene 's': ValueError: no"):
        session.finish()


@pytest.mark.parametrize("error", [ConfigError("the key is missing"), SystemExit(3)])
def test_what_no_policy_may_swallow_comes_out_too(error):
    def fails(completion, scene):
        raise error

    session = Mix([Term(reward=declared(fails, needs="text"))]).open([a_scene()])
    session.ready(0, *texts_of("a"))
    with pytest.raises(type(error)):
        session.finish()


def test_a_fault_on_the_way_to_a_reward_is_told_by_finish_and_not_where_the_policy_writes():
    session = Mix([Term(reward=noting_async())]).open([a_scene()])
    session.text_ready(0, "no completion")
    with pytest.raises(AttributeError, match="text_part"):
        session.finish()


class Opens:
    """A reward that takes batches as they come, and fails with an error where it is told to."""

    name, needs, waits, value_range = "opens", "text", True, (0.0, 1.0)

    def __init__(self, where, error):
        self.where, self.error = where, error

    def fail(self, where):
        if where == self.where:
            raise self.error

    def open_batch(self):
        self.fail("open")
        return self

    def ask(self, rows, completions, scenes):
        self.fail("ask")

    def finish(self):
        self.fail("finish")

    def cancel(self):
        pass

    def __call__(self, completion, scene):
        if completion.reasoning == "b":
            raise ValueError("not b")
        return 1.0


@pytest.mark.parametrize("where", ["open", "ask", "finish"])
def test_where_a_batch_fails_as_a_whole_only_those_fail_that_must(where):
    mix = Mix([Term(reward=Opens(where, RuntimeError("no batch today")))])
    assert [m.value for m in streamed(mix, texts_of("a", "b"), [a_scene()] * 2, (1, 0))] == [1.0, None]
    assert mix.failures == {("opens", "ValueError"): 1}


@pytest.mark.parametrize("where", ["open", "ask", "finish"])
def test_where_it_fails_because_of_its_settings_the_caller_is_told(where):
    session = Mix([Term(reward=Opens(where, ConfigError("the key is missing")))]).open([a_scene()])
    session.ready(0, *texts_of("a"))
    with pytest.raises(ConfigError, match="the key is missing"):
        session.finish()


def test_one_that_never_answers_is_named_in_time_while_the_others_are_given_up():
    cancelled = threading.Event()

    async def hangs(completion, scene):
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    mix = Mix([Term(reward=noting_async(name="prompt")), Term(reward=declared(hangs, needs="text"))], stall_s=0.2)
    session = mix.open([a_scene()] * 2)
    tell(session, (0, 1), texts_of("a", "b"))
    with pytest.raises(StallError, match=r"reward 'hangs': no answer for 0\.2 s, 2 of 2 calls"):
        session.finish()
    assert cancelled.wait(PATIENCE_S)


def test_a_thread_that_never_comes_back_is_named_and_keeps_no_process_from_ending():
    never = threading.Event()

    def hangs(completion, scene):
        never.wait()

    mix = Mix([Term(reward=declared(hangs, needs="text"))], stall_s=0.2)
    with pytest.raises(StallError, match=r"reward 'hangs'.*rewards\.stall_s"):
        mix.score(texts_of("a"), [a_scene()])
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "reward-hangs")
    never.set()


def test_what_was_asked_of_an_abandoned_batch_is_given_up():
    started, cancelled = threading.Event(), threading.Event()

    async def waits(completion, scene):
        started.set()
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    session = Mix([Term(reward=declared(waits, needs="text"))]).open([a_scene()])
    session.ready(0, *texts_of("a"))
    assert started.wait(PATIENCE_S)
    session.cancel()
    assert cancelled.wait(PATIENCE_S)


def test_all_rows_must_be_there_and_be_those_that_were_told_of():
    session = Mix([Term(reward=Format())]).open([a_scene()] * 2)
    session.ready(0, *texts_of("a"))
    with pytest.raises(RewardError, match="1 of 2 completions are there"):
        session.finish()
    session = Mix([Term(reward=Format())]).open([a_scene()])
    session.ready(0, *texts_of("a"))
    with pytest.raises(RewardError, match="not the completions that the session was told of"):
        session.finish(texts_of("a"))


# the function that a trainer is handed


def composite(mix, completions):
    scenes = {"s": a_scene("s")}
    return CompositeReward(mix, parse=lambda ids, scenes: [completions[i] for (i,) in ids], scenes=scenes)


def test_the_composite_waits_for_the_batch_that_was_begun():
    reward, completions = noting_async(), texts_of("a", "b")
    called = composite(Mix([Term(reward=reward)]), completions)
    session = called.open([a_scene("s")] * 2)
    tell(session, (1, 0), completions)
    assert called(completion_ids=[[0], [1]], scene_id=["s", "s"]) == [0.5, 0.5]
    assert sorted(reward.asked) == ["a", "b"]
    assert called(completion_ids=[[1]], scene_id=["s"]) == [0.5], "a batch that was not begun is scored as a whole"
    assert len(reward.asked) == 3


def test_a_batch_that_was_given_up_is_forgotten():
    reward, completions = noting_async(), texts_of("a", "b")
    called = composite(Mix([Term(reward=reward)]), completions)
    called.open([a_scene("s")] * 2).ready(0, completions[0])
    called.give_up()
    assert called(completion_ids=[[1]], scene_id=["s"]) == [0.5]


def test_where_no_reward_can_be_asked_early_no_batch_is_begun():
    assert composite(Mix([Term(reward=Format()), Term(reward=Imitation())]), []).open([a_scene("s")]) is None


def test_what_the_session_raises_reaches_all_ranks():
    told = []

    def gather(reports):
        told.extend(error for *_, error in reports)
        return reports

    async def fails(completion, scene):
        raise ValueError("no")

    completions = texts_of("a")
    called = composite(Mix([Term(reward=declared(fails, needs="text"), on_failure="raise")]), completions)
    called.gather = gather
    called.open([a_scene("s")]).ready(0, completions[0])
    with pytest.raises(RewardError, match="failed on scene 's'"):
        called(completion_ids=[[0]], scene_id=["s"])
    assert told and "ValueError: no" in told[0]


def test_a_score_is_taken_from_the_row_it_belongs_to():
    async def echoes(completion, scene):
        await asyncio.sleep(0.001 * (hash(completion.reasoning) % 5))
        return Score(float(completion.reasoning), why=scene.id)

    mix = Mix([Term(reward=declared(echoes, needs="text", value_range=(0.0, 100.0)))])
    scenes = [a_scene(str(row)) for row in range(12)]
    found = streamed(mix, texts_of(*range(12)), scenes, (7, 3, 11, 0, 1, 2, 10, 9, 8, 4, 5, 6))
    assert [(m.value, m.scores["echoes"].why) for m in found] == [(float(row), str(row)) for row in range(12)]
