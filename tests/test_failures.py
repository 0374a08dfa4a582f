"""Failures of judges: counts that add up over ranks, and the window in which too many of them stop a run."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from driving_cases import a_scene, driven, straight

from ar1_rl.errors import ConfigError, RewardError
from recipes.training import group_counts, progress_note
from rewards import CompositeReward, Format, Mix, Term
from rewards.failures import FailureCounts, FailureLimits, FailureWindow
from rewards.loading import build_mix

TESTS = Path(__file__).resolve().parent
SCENE = a_scene("s")


def counts(asked, **causes):
    return FailureCounts({"judge": asked}, {("judge", cause): n for cause, n in causes.items()})


class Judge:
    """Fails for the completions whose reasoning it is told to fail for."""

    needs, value_range = "text", (0.0, 1.0)
    __name__ = "judge"

    def __init__(self, error=TimeoutError):
        self.error = error
        self.name = "judge"

    def __call__(self, completion, scene):
        if completion.reasoning == "bad":
            raise self.error("gone")
        return 1.0


def composite(texts, limits=None, **settings):
    """A composite over one scene whose completions say `texts`."""
    mix = Mix([Term(reward=Judge(), on_failure="abstain")], failure_limits=limits)
    parse = lambda ids, scenes: [driven(straight(), texts[i[0]]) for i in ids]  # noqa: E731
    return CompositeReward(mix, parse=parse, scenes={"s": SCENE}, **settings)


def call(reward, rows, **more):
    return reward(completion_ids=[[row] for row in rows], scene_id=["s"] * len(rows), **more)


# counts


def test_counts_of_ranks_add_up_and_go_through_a_file():
    total = FailureCounts.total([counts(8, Timeout=2), counts(8, Timeout=1, Http500=3), FailureCounts()])
    assert total.asked == {"judge": 16}
    assert total.of("judge") == {"Http500": 3, "Timeout": 3}
    assert FailureCounts.from_record(total.as_record()) == total
    assert total.minus(counts(8, Timeout=2)) == counts(8, Timeout=1, Http500=3)


def test_a_mix_hands_out_what_came_since_it_was_last_asked():
    mix = Mix([Term(reward=Judge())])
    mix.score([driven(straight(), text) for text in ("bad", "good")], [SCENE] * 2)
    assert mix.take_counts() == counts(2, TimeoutError=1)
    assert mix.take_counts() == FailureCounts()
    mix.score([driven(straight(), "good")], [SCENE])
    assert mix.take_counts() == counts(1)
    assert mix.failures == {("judge", "TimeoutError"): 1}, "the counters of a lifetime stay"


# the window


def test_a_dead_judge_is_noticed_once_more_than_its_share_of_a_window_has_failed():
    window = FailureWindow(FailureLimits(window=20, rate=0.5))
    assert window.add(counts(5, Timeout=5)) is None
    assert window.add(counts(5, Timeout=5)) is None, "ten of twenty are allowed"
    message = window.add(counts(5, Timeout=4, Http500=1))
    assert "'judge' failed for 15 of the last 15 completions (Timeout 14, Http500 1)" in message
    assert "at most 0.5 of 20 may fail" in message


def test_a_judge_that_fails_for_one_in_five_runs_on_for_ever():
    window = FailureWindow(FailureLimits(window=20, rate=0.5))
    assert [window.add(counts(5, Timeout=1)) for _ in range(200)] == [None] * 200
    assert window.total == counts(1000, Timeout=200)


def test_only_the_last_ones_count():
    window = FailureWindow(FailureLimits(window=20, rate=0.4))
    for _ in range(10):
        assert window.add(counts(8, Timeout=8)) is None
        assert window.add(counts(20)) is None
    assert window.add(counts(8, Timeout=8)) is None
    message = window.add(counts(8, Timeout=8))
    assert "failed for 16 of the last 36" in message, "batches leave the window whole"


def test_a_batch_larger_than_the_window_is_judged_by_its_own_rate():
    window = FailureWindow(FailureLimits(window=20, rate=0.5))
    assert window.add(counts(600, Timeout=300)) is None
    assert window.add(counts(600, Timeout=301)) is not None


def test_a_rate_of_one_never_stops_and_limits_are_checked():
    window = FailureWindow(FailureLimits(window=4, rate=1.0))
    assert [window.add(counts(8, Timeout=8)) for _ in range(5)] == [None] * 5
    with pytest.raises(ConfigError, match="failure_window: got 0"):
        FailureLimits(window=0)
    with pytest.raises(ConfigError, match=r"failure_rate: got 1\.5"):
        FailureLimits(rate=1.5)


def test_terms_are_counted_apart():
    window = FailureWindow(FailureLimits(window=10, rate=0.5))
    both = FailureCounts({"a": 10, "b": 10}, {("a", "Timeout"): 5, ("b", "Timeout"): 6})
    assert "'b'" in (message := window.add(both)) and "'a'" not in message


def test_the_limits_come_from_the_config_of_a_mix():
    assert build_mix([{"reward": "format"}]).failure_limits == FailureLimits(window=200, rate=0.5)
    mix = build_mix({"preset": "nvidia_gated", "failure_window": 40, "failure_rate": 0.1})
    assert mix.failure_limits == FailureLimits(window=40, rate=0.1)


# the composite


def test_the_composite_stops_with_the_causes_after_the_batch_is_recorded():
    recorded = []
    reward = composite(["bad"] * 8, FailureLimits(4, 0.5), on_scored=lambda *batch: recorded.append(batch))
    with pytest.raises(RewardError, match=r"mix: reward 'judge' failed for 8 of the last 8 .*TimeoutError 8"):
        call(reward, range(8))
    assert len(recorded) == 1


def test_whoever_wants_to_save_first_is_told_instead_and_no_grade_is_made_up():
    told = []
    reward = composite(["bad", "bad", "good"], FailureLimits(2, 0.5), on_exceeded=told.append)
    assert call(reward, range(3)) == [None, None, 1.0]
    assert len(told) == 1 and "TimeoutError 2" in told[0]


def test_failures_are_logged_by_reward_and_cause_with_a_zero_where_there_was_none_this_time():
    reward, lines = composite(["bad", "good"]), []
    for rows in ([0, 1, 0], [1, 1, 1]):
        logged: dict[str, float] = {}
        call(reward, rows, log_metric=logged.__setitem__)
        lines.append(logged)
    assert [line["failures/judge/TimeoutError"] for line in lines] == [2.0, 0.0]


def test_progress_shows_failures_beside_the_reward():
    logs = {"reward": 0.5, "failures/critic/TimeoutError": 3.0, "failures/critic/Http500": 0.0, "loss": 1.0}
    assert progress_note(logs, "reward") == "reward 0.500, failed: critic TimeoutError 3"
    assert progress_note({"loss": 1.25}, "loss") == "loss 1.250"
    assert progress_note({"failures/critic/Transport": 8.0}, "reward") == "failed: critic Transport 8", "all of them"


def test_groups_that_said_nothing_are_shown_beside_the_reward_and_counted_over_the_run():
    logs = {"reward": 0.5, "groups/zero_variance": 3.0, "groups/skipped": 0.0}
    assert progress_note(logs, "reward") == "reward 0.500, groups of equal rewards 3"
    assert "groups skipped 2" in progress_note({**logs, "groups/skipped": 2.0}, "reward")
    lines = [logs, {"stage": "sft", "loss": 1.0}, {**logs, "groups/skipped": 2.0}, {"validation/reward": 0.1}]
    assert group_counts(lines, groups_per_step=24) == {"all": 48, "zero_variance": 6, "skipped": 2}


# several ranks


class Ranks:
    """Two ranks as threads: `gather` returns on each once both have brought their report."""

    def __init__(self):
        self.barrier = threading.Barrier(2)
        self.reports = {}

    def gather(self, rank):
        def gathered(report):
            self.reports[rank] = report
            self.barrier.wait(timeout=10)
            both = self.reports[0] + self.reports[1]
            self.barrier.wait(timeout=10)
            return both

        return gathered

    def run(self, *calls):
        outcomes = [None, None]

        def one(rank):
            try:
                outcomes[rank] = calls[rank]()
            except Exception as error:
                outcomes[rank] = error

        threads = [threading.Thread(target=one, args=(rank,)) for rank in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes


def test_failures_of_all_ranks_count_together_and_stop_all_with_the_same_message():
    ranks = Ranks()
    sick = composite(["bad"] * 4, FailureLimits(4, 0.5), gather=ranks.gather(0))
    well = composite(["good"] * 4, FailureLimits(4, 0.5), gather=ranks.gather(1))
    assert ranks.run(lambda: call(sick, [0, 1, 2]), lambda: call(well, [0, 1, 2])) == [[None] * 3, [1.0] * 3]
    one, other = ranks.run(lambda: call(sick, range(4)), lambda: call(well, range(1)))
    assert isinstance(one, RewardError) and str(one) == str(other)
    assert "failed for 4 of the last 5 completions" in str(one)
    assert sick.window.total == well.window.total == counts(11, TimeoutError=7)


def test_an_error_on_one_rank_stops_the_others_too_instead_of_leaving_them_to_wait():
    ranks = Ranks()
    mix = Mix([Term(reward=Judge(), on_failure="raise")])
    parse = lambda ids, scenes: [driven(straight(), "bad")]  # noqa: E731
    sick = CompositeReward(mix, parse=parse, scenes={"s": SCENE}, gather=ranks.gather(0))
    well = composite(["good"], gather=ranks.gather(1))
    one, other = ranks.run(lambda: call(sick, [0]), lambda: call(well, [0]))
    assert isinstance(one, RewardError) and "'judge' failed on scene 's'" in str(one)
    assert isinstance(other, RewardError) and f"stopped with another rank: RewardError: {one}" in str(other)


# what may train


def test_a_mix_without_any_weight_is_refused_for_training_and_fine_for_grading():
    mix = Mix([Term(reward=Format(), weight=0.0)])
    assert mix.score([driven(straight())], [SCENE])[0].scores["format"].value == 1.0
    with pytest.raises(ConfigError, match="every weight is 0"):
        CompositeReward(mix, parse=lambda ids, scenes: [], scenes={})


RANK = """
import sys
sys.path.insert(0, {tests!r})
from accelerate import PartialState
from accelerate.utils import gather_object
from test_failures import FailureLimits, call, composite

rank = PartialState(cpu=True).process_index
reward = composite(["bad" if rank == 0 else "good"] * 8, FailureLimits(16, 0.4), gather=gather_object)
call(reward, range(4))
try:
    call(reward, range(4))
except Exception as error:
    print(error, flush=True)
"""


@pytest.mark.slow
def test_two_real_processes_stop_together():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = RANK.format(tests=str(TESTS))
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(TESTS.parent),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            },
        )
        for rank in range(2)
    ]
    told = [rank.communicate(timeout=180)[0].strip().splitlines()[-1] for rank in ranks]
    assert told[0] == told[1] and "failed for 8 of the last 16 completions (TimeoutError 8)" in told[0]
