"""The critic's client against a real HTTP server that misbehaves in every way we know of."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import gc
import logging
import os
import pickle
import socket
import threading
import time
import traceback

import pytest
from judge_server import FAULTS, JudgeProcess, JudgeServer

from ar1_rl.errors import ConfigError, CriticError
from rewards.critic.answer import Failure, Reply
from rewards.critic.client import ClientSettings, CriticClient
from rewards.critic.connection import Endpoint
from rewards.critic.limits import Limits

QUICK = {"max_retries": 0, "timeout_s": 5.0, "backoff_s": 0.01, "max_wait_s": 0.2, "rest_s": 0.2}
KEY = "sk-planted-0123456789"


def ask(judge, texts, **settings):
    """Answers to predictions, as the critic would show them."""
    endpoint = Endpoint(getattr(judge, "url", judge), "judge-1", **{**QUICK, **settings})
    return endpoint.ask_many([question(text) for text in texts])


def question(text):
    return {"messages": [{"role": "user", "content": f"<prediction>{text}</prediction>"}]}


def causes(answers):
    return [answer.outcome.cause if isinstance(answer.outcome, Failure) else "reply" for answer in answers]


def nobody():
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def test_a_reply_comes_with_its_tokens_attempts_and_address():
    with JudgeServer() as judge:
        (answer,) = ask(judge, ["Yield."])
    assert answer.outcome == Reply("They agree.\n\ngrade: 4", "stop", None, prompt_tokens=1, completion_tokens=4)
    assert (answer.attempts, answer.base_url) == (1, judge.url)
    assert 0.0 < answer.seconds < 5.0


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("status_500", "Server500"),
        ("status_503", "Server503"),
        ("status_408", "Timeout"),
        ("status_409", "Conflict"),
        ("rate_limited", "RateLimited"),
        ("hang", "Timeout"),
        ("drip", "Timeout"),
        ("reset", "Transport"),
        ("truncated_body", "Transport"),
    ],
)
def test_what_may_pass_is_tried_again_as_often_as_asked_and_then_has_its_cause(fault, cause):
    with JudgeServer(script=[fault] * 3) as judge:
        (answer,) = ask(judge, ["Yield."], max_retries=2, timeout_s=0.3)
        assert causes([answer]) == [cause]
        assert answer.attempts == len(judge.requests) == 3
    with JudgeServer(script=[fault] * 2) as judge:
        (answer,) = ask(judge, ["Yield."], max_retries=2, timeout_s=1.0 if fault in ("hang", "drip") else 5.0)
        assert isinstance(answer.outcome, Reply)
        assert answer.attempts == len(judge.requests) == 3


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("status_400", "Refused400"),
        ("denied", "Denied"),
        ("not_found", "NotFound"),
        ("malformed_json", "NotJson"),
        ("html", "NotJson"),
        ("wrong_schema", "WrongSchema"),
        ("empty_choices", "WrongSchema"),
        ("null_body", "WrongSchema"),
    ],
)
def test_what_would_fail_again_is_not_tried_again(fault, cause):
    with JudgeServer(script=[fault]) as judge:
        (answer,) = ask(judge, ["Yield."], max_retries=3)
        assert causes([answer]) == [cause]
        assert len(judge.requests) == 1


def test_a_server_that_is_not_there_is_a_transport_failure():
    (answer,) = ask(nobody(), ["Yield."], max_retries=1)
    assert (causes([answer]), answer.attempts) == (["Transport"], 2)


def test_the_timeout_is_for_the_whole_reply_and_not_for_each_byte_of_it():
    with JudgeServer(script=["drip"]) as judge:
        start = time.monotonic()
        (answer,) = ask(judge, ["Yield."], timeout_s=0.4)
        assert causes([answer]) == ["Timeout"]
        assert 0.35 < time.monotonic() - start < 4.0


@pytest.mark.parametrize("retry_after", ["0.6", "0.0"])
def test_retry_after_is_waited_for_by_all_requests_and_no_longer_than_the_bound(retry_after):
    with JudgeServer(script=["rate_limited"], retry_after=retry_after) as judge:
        ask(judge, ["Yield.", "Stop."], max_retries=1, in_flight=1, backoff_s=0.0, max_wait_s=10.0)
        waited_s = judge.requests[1]["received_s"] - judge.requests[0]["received_s"]
    assert waited_s >= 0.55 if retry_after == "0.6" else waited_s < 5.0
    with JudgeServer(script=["rate_limited"], retry_after="3600") as judge:
        (answer,) = ask(judge, ["Yield."], max_retries=1, max_wait_s=0.1)
        assert isinstance(answer.outcome, Reply)


def test_retry_after_may_be_a_date():
    with JudgeServer(script=["rate_limited"], retry_after="Wed, 01 Jan 2020 00:00:00 GMT") as judge:
        (answer,) = ask(judge, ["Yield."])
        assert answer.outcome == Failure("RateLimited", "status 429", retry=True, retry_after_s=0.0)


def test_a_server_that_fails_is_left_out_and_the_others_answer():
    with JudgeServer(faults={"status_500": 1.0}) as bad, JudgeServer() as good:
        endpoint = Endpoint(
            [bad.url, good.url], "judge-1", **{**QUICK, "max_retries": 3, "rest_s": 60.0, "in_flight": 2}
        )
        answers = endpoint.ask_many([question(f"text {i}") for i in range(40)])
        assert causes(answers) == ["reply"] * 40
        assert {answer.base_url for answer in answers} == {good.url}
        assert len(bad.requests) <= 5


def test_a_server_that_comes_back_is_asked_again():
    with JudgeServer(script=["status_500"] * 3) as first, JudgeServer() as second:
        endpoint = Endpoint([first.url, second.url], "judge-1", **{**QUICK, "max_retries": 3, "rest_s": 0.1})
        for i in range(8):
            endpoint.ask_many([question(f"text {i}")])
        time.sleep(0.15)
        asked_before = len(first.requests)
        endpoint.ask_many([question(f"more {i}") for i in range(4)])
        endpoint.ask_many([question(f"and more {i}") for i in range(4)])
        assert len(first.requests) > asked_before


def test_a_dead_server_costs_a_few_calls_and_the_rest_of_the_batch_is_given_up():
    with JudgeServer(faults={"reset": 1.0}) as judge:
        answers = ask(judge, [f"text {i}" for i in range(100)], give_up_after=6, in_flight=4)
        assert set(causes(answers)) == {"Transport", "GaveUp"}
        assert causes(answers).count("Transport") == len(judge.requests) <= 6 + 4
        assert next(a for a in answers if a.outcome.cause == "GaveUp").attempts == 0
        # The next batch tries anew.
        judge.faults.clear()
        assert causes(ask(judge, ["Yield."])) == ["reply"]


def test_failures_now_and_then_are_not_given_up():
    with JudgeServer(faults={"status_400": 0.5}, seed=1) as judge:
        answers = ask(judge, [f"text {i}" for i in range(60)], give_up_after=20)
        assert set(causes(answers)) == {"Refused400", "reply"}


def test_no_more_are_in_flight_than_the_rank_may():
    with JudgeServer(latency_s=0.03) as judge:
        ask(judge, [f"text {i}" for i in range(24)], in_flight=5)
        assert judge.most == 5
    with JudgeServer(latency_s=0.03) as judge:
        ask(judge, [f"text {i}" for i in range(12)], in_flight=5, rank=1, world_size=2)
        assert judge.most == 2


def test_the_share_of_a_rank_follows_the_environment(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    with JudgeServer(latency_s=0.02) as judge:
        ask(judge, [f"text {i}" for i in range(6)], in_flight=4)
        assert judge.most == 1


def test_requests_per_minute_hold_the_client_back():
    with JudgeServer() as judge:
        ask(judge, [f"text {i}" for i in range(10)], requests_per_minute=1200.0)
        received = [request["received_s"] for request in judge.requests]
    assert received[-1] - received[0] >= 9 * 0.05 - 0.04


def test_tokens_per_minute_hold_the_client_back():
    # Each reserves 100 for the reply and 8 for 31 characters: at this pace one a second.
    slow = {"tokens_per_minute": 108 * 60.0, "max_tokens": 100, "in_flight": 1}
    with JudgeServer() as judge:
        ask(judge, [f"text {i}" for i in range(4)], **slow)
        received = [request["received_s"] for request in judge.requests]
    assert received[-1] - received[0] < 3.0, "a reply of four words gave the rest back"
    with JudgeServer(faults={"status_400": 1.0}) as judge:
        ask(judge, [f"text {i}" for i in range(2)], **slow)
        received = [request["received_s"] for request in judge.requests]
    assert received[-1] - received[0] >= 0.95, "of what failed it is not known whether it was worked on"


def test_the_same_connections_serve_batch_after_batch_and_threads_share_them():
    from concurrent.futures import ThreadPoolExecutor

    with JudgeServer(latency_s=0.02) as judge:
        endpoint = Endpoint(judge.url, "judge-1", **{**QUICK, "in_flight": 3})
        with ThreadPoolExecutor(4) as pool:
            batches = [[question(f"{b} {i}") for i in range(4)] for b in range(4)]
            answers = list(pool.map(endpoint.ask_many, batches))
        assert [causes(batch) for batch in answers] == [["reply"] * 4] * 4
        assert judge.most <= 3


def test_a_forked_process_opens_connections_of_its_own():
    with JudgeServer() as judge:
        endpoint = Endpoint(judge.url, "judge-1", **QUICK)
        endpoint.ask_many([question("parent")])
        child = os.fork()
        if child == 0:
            os._exit(0 if causes(endpoint.ask_many([question("child")])) == ["reply"] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert causes(endpoint.ask_many([question("parent again")])) == ["reply"]


def test_one_text_can_be_asked_for_alone_and_its_failure_is_an_error_with_its_cause():
    with JudgeServer(script=[None, "cut_off", "status_400"]) as judge:
        endpoint = Endpoint(judge.url, "judge-1", **QUICK)
        messages = question("Yield.")["messages"]
        assert endpoint.ask(messages).endswith("grade: 4")
        for cause in ("CutOff", "Refused400"):
            with pytest.raises(CriticError) as caught:
                endpoint.ask(messages)
            assert caught.value.cause == cause


def test_the_judge_in_a_process_of_its_own_can_be_killed_and_the_client_says_transport():
    with JudgeProcess(faults={"status_500": 0.3}, seed=2) as judge:
        answers = ask(judge, [f"text {i}" for i in range(30)], max_retries=5)
        assert causes(answers) == ["reply"] * 30
        stats = judge.stats()
        assert stats["calls"] == 30 + stats["faults"]["status_500"] == sum(answer.attempts for answer in answers)
        judge.kill()
        assert causes(ask(judge, ["Yield."])) == ["Transport"]


# the key


def test_the_key_goes_to_the_endpoint_and_nowhere_else(monkeypatch, caplog, capfd):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with JudgeServer(script=[*FAULTS, None], hang_s=0.5) as judge:
        endpoint = Endpoint(judge.url, "judge-1", **{**QUICK, "timeout_s": 0.3}, api_key_env="JUDGE_KEY")
        answers = [endpoint.ask_many([question("Yield.")])[0] for _ in range(len(FAULTS) + 1)]
        assert len(judge.requests) == len(FAULTS) + 1
        assert {request["authorization"] for request in judge.requests} == {f"Bearer {KEY}"}
        judge.script = ["status_400", "denied"]
        errors = []
        for _ in range(2):
            with pytest.raises(CriticError) as caught:
                endpoint.ask(question("Yield.")["messages"])
            errors.append("".join(traceback.format_exception(caught.value, chain=True)))
            assert caught.value.__context__ is None and caught.value.__cause__ is None
    assert any("[key removed]" in repr(answer) for answer in answers), "a server printed it, and it was taken out"
    left_behind = [repr(answers), *errors, caplog.text, *capfd.readouterr()]
    left_behind += [repr(endpoint), repr(vars(endpoint)), repr(dataclasses.asdict(endpoint))]
    left_behind += [repr(pickle.dumps(endpoint)), repr(copy.deepcopy(endpoint))]
    assert not [text for text in left_behind if KEY in text]


def test_the_clients_own_description_has_no_key():
    settings = ClientSettings(("http://127.0.0.1:9/v1",), Limits(1), 1.0, 0, 0.0, 0.0, 0.0, 1)
    client = CriticClient(settings, KEY)
    assert KEY not in repr(client)
    asyncio.run(client.close())


def test_a_key_that_is_missing_is_told_before_anything_is_asked(monkeypatch):
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(ConfigError, match="JUDGE_KEY is not set"):
        Endpoint("http://x/v1", "m", api_key_env="JUDGE_KEY")


def test_the_line_break_at_the_end_of_a_key_is_none_of_it_and_one_inside_is_refused(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", f"{KEY}\n")
    with JudgeServer() as judge:
        endpoint = Endpoint(judge.url, "judge-1", **QUICK, api_key_env="JUDGE_KEY")
        assert causes(endpoint.ask_many([question("Yield.")])) == ["reply"]
        assert judge.requests[0]["authorization"] == f"Bearer {KEY}"
    monkeypatch.setenv("JUDGE_KEY", f"{KEY}\nX-More: 1")
    with pytest.raises(ConfigError, match="control characters") as caught:
        Endpoint("http://x/v1", "m", api_key_env="JUDGE_KEY").ask_many([question("Yield.")])
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://user:hunter22@judge/v1", "https://hunter22@judge/v1", "https://judge/v1?key=hunter22"]
)
def test_an_address_with_credentials_is_refused_without_repeating_them(url):
    with pytest.raises(ConfigError, match="credentials") as caught:
        Endpoint(url, "m")
    assert "hunter22" not in str(caught.value)


def test_all_faults_of_the_settings_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        Endpoint("x", "", timeout_s="60", in_flight=0, max_retries=1.5, temperature=float("nan"), prices={"a": 1})
    for name in ("base_url", "model", "timeout_s", "in_flight", "max_retries", "temperature", "prices"):
        assert f"{name}: " in str(caught.value)


def test_settings_survive_being_copied_and_sent_to_another_process():
    with JudgeServer() as judge:
        endpoint = Endpoint(judge.url, "judge-1", **QUICK)
        endpoint.ask_many([question("Yield.")])
        for other in (pickle.loads(pickle.dumps(endpoint)), copy.deepcopy(endpoint)):
            assert other == endpoint
            assert causes(other.ask_many([question("Stop.")])) == ["reply"]


def test_a_connection_that_is_no_longer_used_leaves_no_thread_behind():
    def loops():
        return [thread for thread in threading.enumerate() if thread.name == "async-rewards"]

    gc.collect()
    before = len(loops())
    with JudgeServer() as judge:
        for i in range(3):
            ask(judge, [f"text {i}"])
        gc.collect()
        deadline = time.monotonic() + 10.0
        while len(loops()) > before and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(loops()) <= before
