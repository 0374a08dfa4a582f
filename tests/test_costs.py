"""What judges cost: per step in the metrics, over all ranks and restarts, and estimated before a run."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import yaml
from driving_cases import a_scene, driven, straight
from judge_server import JudgeServer

from ar1_rl.driving import Decisions
from recipes.cli import main
from rewards import CompositeReward, EndpointCritic, EnsembleCritic, Format, Mix, Term
from rewards.costs import Meter, total_costs
from rewards.critic.cost import Usage

SCENE = a_scene("s", reference=(Decisions("yield"), ("cyclist",)))
PRICES = {"currency": "USD", "models": {"m": {"prompt": 1.0, "completion": 10.0}}}


def endpoint(judge, **settings):
    settings = {"max_retries": 0, "timeout_s": 5.0, "backoff_s": 0.01, "prices": PRICES, **settings}
    return EndpointCritic(getattr(judge, "url", judge), "m", **settings)


def composite(critic, **settings):
    """Completion ids are numbers; each says a text of its own."""
    parse = lambda ids, scenes: [driven(straight(), f"Yield to cyclist {i[0]}.") for i in ids]  # noqa: E731
    mix = Mix([Term(reward=critic, scale=5.0), Term(reward=Format())])
    return CompositeReward(mix, parse=parse, scenes={"s": SCENE}, **settings)


def call(reward, *numbers):
    """The figures that a call logs."""
    logged = {}
    reward(completion_ids=[[i] for i in numbers], scene_id=["s"] * len(numbers), log_metric=logged.__setitem__)
    return {name: value for name, value in logged.items() if name.startswith("cost/")}


def test_each_step_logs_what_it_took_and_only_that(tmp_path):
    with JudgeServer(script=["status_500"]) as judge:
        reward = composite(endpoint(judge, max_retries=1, cache=tmp_path / "replies.sqlite"))
        first, second = call(reward, 1, 2, 2), call(reward, 1, 3)
        prompts = [len(request["text"].split()) for request in judge.requests if request["fault"] is None]
    assert set(first) == {
        "cost/critic/" + name
        for name in (
            "rollouts", "calls", "cached", "failed", "attempts", "prompt_tokens", "completion_tokens", "untold",
            "request_s", "wall_s", "money/USD", "cached_share",
        )
    }  # fmt: skip
    wanted = ("rollouts", "calls", "attempts", "completion_tokens", "cached_share")
    assert [first[f"cost/critic/{name}"] for name in wanted] == [3, 2, 3, 8, 0.0], (
        "a text that comes twice is asked once"
    )
    assert [second[f"cost/critic/{name}"] for name in wanted] == [2, 1, 1, 4, 0.5]
    assert first["cost/critic/prompt_tokens"] == sum(prompts[:2])
    assert first["cost/critic/money/USD"] == pytest.approx((sum(prompts[:2]) + 10 * 8) / 1e6)
    assert first["cost/critic/request_s"] > 0 and 0 < first["cost/critic/wall_s"] < 10
    assert reward.costs["critic"].attempts == 4 and reward.costs["critic"].rollouts == 5


def test_a_batch_graded_beside_training_counts_for_the_run_and_not_for_the_next_step():
    with JudgeServer() as judge:
        reward = composite(endpoint(judge))
        _, figures = reward.grade([driven(straight(), "Stop.")], [SCENE])
        assert figures["cost/critic/calls"] == 1.0
        assert call(reward, 1, 2)["cost/critic/calls"] == 2.0
        assert reward.costs["critic"].calls == 3


def test_costs_of_ranks_add_up_and_come_back_after_a_restart():
    with JudgeServer() as judge:
        ranks = {"gather": lambda reports: [*reports, *reports]}
        reward = composite(endpoint(judge), **ranks)
        assert call(reward, 1, 2)["cost/critic/calls"] == 4.0
        restarted = composite(endpoint(judge), **ranks)
        restarted.load_state_dict(reward.state_dict())
        assert restarted.costs == reward.costs
        assert call(restarted, 3)["cost/critic/calls"] == 2.0, "what was there before the restart is not of this step"
        assert restarted.costs["critic"].calls == 6


def test_an_ensemble_costs_what_its_members_cost_and_a_rule_costs_nothing():
    with JudgeServer() as judge:
        both = EnsembleCritic((endpoint(judge), endpoint(judge)))
        meter = Meter([Term(reward=both), Term(reward=Format())])
        both.score_batch([driven(straight(), "Stop.")], [SCENE])
        taken = meter.take()
    assert {name: usage.calls for name, usage in taken.items()} == {"critic": 2}
    assert meter.take()["critic"] == Usage(money={"USD": 0.0})
    assert total_costs([taken, taken])["critic"].calls == 4


# before a run


@pytest.fixture
def dry_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def run(critic: dict[str, object], *overrides: str) -> str:
        """What a dry run of the quickstart says with that critic, on one line."""
        raw = yaml.safe_load((Path(__file__).parents[1] / "recipes/configs/quickstart.yaml").read_text())
        raw["rewards"]["terms"] = [{"reward": "critic", "scale": 5.0, "arguments": critic}, {"reward": "format"}]
        raw["scenes"] |= {"train": 16, "validation": 10}
        raw["grpo"] |= {"steps": 5, "evaluate_every": 2, "scenes_per_step": 4, "samples_per_scene": 8}
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
        assert main(["grpo", str(tmp_path / "run.yaml"), "--dry-run", *overrides]) == 0
        return " ".join(re.sub(r"[│┃]", " ", capsys.readouterr().out).split())

    return run


CALLS = 5 * 4 * 8 + 4 * 10 * 6
"""Five training steps, and validations before the first, after the second, the fourth and the last."""


def test_a_dry_run_tells_calls_tokens_and_money_by_what_a_few_calls_took(dry_run):
    with JudgeServer() as judge:
        prices = {"currency": "EUR", "models": {"m": {"prompt": 100.0, "completion": 1000.0}}}
        told = dry_run({"backend": "endpoint", "base_url": judge.url, "model": "m", "prices": prices})
        tokens = sum(len(request["text"].split()) for request in judge.requests)
        asked = len(judge.requests)
    assert 0 < asked <= 8
    prompt, replies = round(CALLS / asked * tokens), 4 * CALLS
    money = (100.0 * prompt + 1000.0 * replies) / 1e6
    assert f"critic costs at most {CALLS} calls, {prompt:,} + {replies:,} tokens, {money:,.2f} EUR" in told
    assert f"(by {asked} calls)" in told and "failed" not in told


def test_a_dry_run_estimates_by_text_length_where_the_judge_is_not_there_and_says_so(dry_run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    told = dry_run({"backend": "endpoint", "base_url": nobody, "model": "m", "max_retries": 0})
    assert re.search(rf"critic costs at most {CALLS} calls, [\d,]+ \+ {80 * CALLS:,} tokens \(by the length of", told)
    assert "critic failed Transport 8 of 8" in told


def test_a_dry_run_counts_every_opinion_of_an_ensemble(dry_run):
    with JudgeServer() as judge:
        members = [{"base_url": judge.url, "model": name} for name in ("a", "b")]
        told = dry_run({"backend": "ensemble", "members": members})
    assert f"critic costs at most {2 * CALLS} calls" in told


def test_a_critic_that_costs_nothing_is_not_priced(dry_run):
    assert "costs" not in dry_run({"backend": "rubric"})


def test_a_dry_run_says_that_validation_is_left_out_where_its_size_is_not_known(dry_run, data_root):
    with JudgeServer() as judge:
        told = dry_run(
            {"backend": "endpoint", "base_url": judge.url, "model": "m"},
            "scenes.source=real_logs", f"scenes.root={data_root}", "scenes.validation=null", "sft=null",
        )  # fmt: skip
    assert f"critic costs at most {5 * 4 * 8} calls" in told and "without validation" in told
