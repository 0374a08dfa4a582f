"""What a critic may be asked at once and per minute, divided over ranks; servers in turn; what it costs."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.errors import ConfigError
from rewards.critic.cost import Estimate, Price, PriceTable, Usage, estimate_tokens
from rewards.critic.limits import Limiter, Limits, Pace, rank_and_world_size
from rewards.critic.rotation import Rotation

# division over ranks


def test_seven_requests_at_once_over_three_ranks_are_three_two_and_two():
    limits = Limits(in_flight=7, requests_per_minute=90.0, tokens_per_minute=3000.0)
    assert [limits.share(rank, 3).in_flight for rank in range(3)] == [3, 2, 2]
    assert limits.share(1, 3) == Limits(2, 30.0, 1000.0)


@given(st.integers(1, 500), st.integers(1, 64))
def test_the_ranks_together_have_what_the_run_may_and_each_has_at_least_one(in_flight, world_size):
    shares = [Limits(in_flight).share(rank, world_size).in_flight for rank in range(world_size)]
    assert sum(shares) == max(in_flight, world_size)
    assert min(shares) >= 1 and max(shares) - min(shares) <= 1


def test_rank_and_world_size_come_from_the_arguments_else_the_environment_else_there_is_one():
    assert rank_and_world_size(environment={}) == (0, 1)
    assert rank_and_world_size(environment={"RANK": "3", "WORLD_SIZE": "8"}) == (3, 8)
    assert rank_and_world_size(1, 2, environment={"RANK": "3", "WORLD_SIZE": "8"}) == (1, 2)


@pytest.mark.parametrize("environment", [{"RANK": "8", "WORLD_SIZE": "8"}, {"WORLD_SIZE": "many"}, {"RANK": "-1"}])
def test_a_rank_outside_the_world_is_refused(environment):
    with pytest.raises(ConfigError, match=r"[Rr]ank|RANK"):
        rank_and_world_size(environment=environment)


# pace


def test_sixty_a_minute_is_one_a_second():
    pace = Pace(60.0)
    assert pace.wait_s(100.0) == 0.0
    pace.take(1.0, 100.0)
    assert pace.wait_s(100.25) == pytest.approx(0.75)
    assert pace.wait_s(101.0) == 0.0


def test_time_in_which_nothing_was_asked_is_not_saved_up():
    pace = Pace(60.0)
    pace.take(1.0, 0.0)
    pace.take(1.0, 1000.0)
    assert pace.wait_s(1000.0) == pytest.approx(1.0)


def test_what_was_reserved_and_not_used_shortens_the_wait():
    pace = Pace(600.0)
    pace.take(100.0, 0.0)
    assert pace.wait_s(0.0) == pytest.approx(10.0)
    pace.give_back(80.0)
    assert pace.wait_s(0.0) == pytest.approx(2.0)
    pace.give_back(-10.0)
    assert pace.wait_s(0.0) == pytest.approx(3.0)


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 500)), min_size=1, max_size=60))
def test_no_minute_holds_more_than_the_limit_and_one_request(arrivals):
    pace, now_s, used = Pace(1000.0), 0.0, []
    for gap_s, amount in arrivals:
        now_s += gap_s
        now_s += pace.wait_s(now_s)
        pace.take(amount, now_s)
        used.append((now_s, amount))
    for start_s, _ in used:
        within = [amount for at_s, amount in used if start_s <= at_s < start_s + 60.0 - 1e-6]
        assert sum(within[:-1]) <= 1000.0 + 1e-6


class FakeTime:
    def __init__(self):
        self.now_s = 0.0

    def clock(self):
        return self.now_s

    async def sleep(self, seconds):
        self.now_s += seconds
        await asyncio.sleep(0)


def pass_through(limiter, count, tokens=0.0, used=None):
    """When each of `count` requests got its turn, in the order they came."""
    time = limiter._clock.__self__
    turns = []

    async def one(i):
        async with limiter.slot(tokens) as settle:
            turns.append((i, time.now_s))
            if used is not None:
                settle(used)

    async def all_of_them():
        await asyncio.gather(*(one(i) for i in range(count)))

    asyncio.run(all_of_them())
    assert [i for i, _ in turns] == list(range(count))
    return [at_s for _, at_s in turns]


def test_requests_per_minute_are_spread_evenly():
    time = FakeTime()
    limiter = Limiter(Limits(8, requests_per_minute=120.0), time.clock, time.sleep)
    assert pass_through(limiter, 5) == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


def test_tokens_per_minute_count_what_was_reserved_until_it_is_known_what_was_used():
    time = FakeTime()
    limiter = Limiter(Limits(8, tokens_per_minute=6000.0), time.clock, time.sleep)
    assert pass_through(limiter, 3, tokens=100.0) == pytest.approx([0.0, 1.0, 2.0])
    time = FakeTime()
    limiter = Limiter(Limits(8, tokens_per_minute=6000.0), time.clock, time.sleep)
    turns = pass_through(limiter, 3, tokens=100.0, used=10.0)
    assert turns[-1] < 0.6


def test_the_stricter_of_two_limits_counts():
    time = FakeTime()
    limiter = Limiter(Limits(8, requests_per_minute=600.0, tokens_per_minute=60.0), time.clock, time.sleep)
    assert pass_through(limiter, 3, tokens=2.0) == pytest.approx([0.0, 2.0, 4.0])


def test_no_more_are_inside_than_allowed():
    limiter, now, most = Limiter(Limits(3)), 0, 0

    async def one():
        nonlocal now, most
        async with limiter.slot(0.0):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    async def all_of_them():
        await asyncio.gather(*(one() for _ in range(20)))

    asyncio.run(all_of_them())
    assert most == 3


# rotation


def test_servers_are_asked_in_turn():
    rotation = Rotation(3, rest_s=10.0)
    assert [rotation.pick(0.0) for _ in range(4)] == [(0, 0.0), (1, 0.0), (2, 0.0), (0, 0.0)]


def test_a_server_that_failed_three_times_in_a_row_rests_and_is_then_tried_by_one_request():
    rotation = Rotation(2, rest_s=10.0)
    for _ in range(3):
        rotation.failed(0, 0.0)
    assert {rotation.pick(5.0)[0] for _ in range(4)} == {1}
    assert [rotation.pick(10.0)[0] for _ in range(4)].count(0) == 1
    rotation.worked(0)
    assert {rotation.pick(10.0)[0] for _ in range(2)} == {0, 1}


def test_a_server_that_fails_its_trial_rests_again():
    rotation = Rotation(2, rest_s=10.0)
    for _ in range(3):
        rotation.failed(0, 0.0)
    assert 0 in {rotation.pick(10.0)[0] for _ in range(2)}
    rotation.failed(0, 11.0)
    assert {rotation.pick(20.9)[0] for _ in range(4)} == {1}


def test_a_success_in_between_begins_the_count_anew():
    rotation = Rotation(2, rest_s=10.0)
    for _ in range(2):
        rotation.failed(0, 0.0)
    rotation.worked(0)
    rotation.failed(0, 0.0)
    assert {rotation.pick(0.0)[0] for _ in range(2)} == {0, 1}


def test_where_all_rest_the_one_that_has_rested_longest_is_tried():
    rotation = Rotation(2, rest_s=10.0)
    for server, now_s in ((1, 0.0), (0, 4.0)):
        for _ in range(3):
            rotation.failed(server, now_s)
    assert rotation.pick(5.0) == (1, 0.0)


def test_a_server_that_asked_to_be_left_alone_is_and_if_it_is_the_only_one_the_wait_is_told():
    two = Rotation(2, rest_s=10.0)
    two.close(0, 7.0)
    assert {two.pick(0.0)[0] for _ in range(3)} == {1}
    one = Rotation(1, rest_s=10.0)
    one.close(0, 7.0)
    assert one.pick(2.0) == (0, 5.0)
    assert one.pick(7.0) == (0, 0.0)


# cost


PRICES = {"currency": "USD", "models": {"judge-1": {"prompt": 0.5, "completion": 2.0}}}


def test_prices_are_for_a_million_tokens():
    assert PriceTable.read(PRICES).models["judge-1"].money(1_000_000, 500_000) == pytest.approx(1.5)
    assert Price(prompt=0.0, completion=0.0).money(10, 10) == 0.0


@pytest.mark.parametrize("wrong", [[], {"models": {}}, {"currency": "USD", "models": []}])
def test_a_price_table_of_another_shape_is_refused(wrong):
    with pytest.raises(ConfigError, match="allowed is"):
        PriceTable.read(wrong)


def test_all_faults_of_a_price_table_are_told_at_once():
    raw = {"currency": "", "models": {"a": {"prompt": -1, "completion": 0}, "b": {"prompt": 1}, "c": 3}}
    with pytest.raises(ConfigError, match=r"currency.*models\.a.*models\.b.*models\.c"):
        PriceTable.read(raw)


def test_usage_adds_up_over_currencies_and_its_differences_are_what_lay_between():
    one = Usage(calls=2, prompt_tokens=10, money={"USD": 0.5})
    two = one + Usage(calls=1, failed=1, prompt_tokens=5, money={"EUR": 0.25})
    assert (two.calls, two.failed, two.prompt_tokens, two.money) == (3, 1, 15, {"USD": 0.5, "EUR": 0.25})
    assert (two - one).calls == 1 and (two - one).money == {"USD": 0.0, "EUR": 0.25}
    assert two.as_row()["money/EUR"] == 0.25 and two.as_row()["calls"] == 3


def test_estimates_add_up():
    total = Estimate(10, 1000, 100, {"USD": 1.0}) + Estimate(5, 10, 1, {"USD": 0.5})
    assert total == Estimate(15, 1010, 101, {"USD": 1.5})
    assert estimate_tokens(9) == 3
