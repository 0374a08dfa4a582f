"""Reward state beside checkpoints: what is saved, what comes back, and a real run that stops and goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from driving_cases import a_scene, driven, straight
from rich.console import Console
from tiny import TinyPolicy

from ar1_rl.config import check_config
from ar1_rl.errors import ConfigError, RewardError, RunError
from recipes.reward_state import RewardState, state_file
from recipes.run_config import RunConfig
from rewards import CompositeReward, Format, Mix, Term

SCENE = a_scene("s")


class Fading:
    """Pays less the more often it was asked."""

    needs, value_range = "text", (0.0, 1.0)

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, completion: Any, scene: Any) -> float:
        self.asked += 1
        return 1.0 / self.asked

    def state_dict(self) -> dict[str, int]:
        return {"asked": self.asked}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.asked = state["asked"]


def composite(*terms: Term) -> CompositeReward:
    parse = lambda ids, scenes: [driven(straight(), "bad" if i[0] else "good") for i in ids]  # noqa: E731
    return CompositeReward(Mix(list(terms)), parse=parse, scenes={"s": SCENE})


def call(reward: CompositeReward, *ids: int) -> list[float | None]:
    return reward(completion_ids=[[i] for i in ids], scene_id=["s"] * len(ids))


def flaky(completion: Any, scene: Any) -> float:
    if completion.reasoning == "bad":
        raise TimeoutError
    return 1.0


def test_state_and_counters_come_back(tmp_path: Path) -> None:
    def make() -> CompositeReward:
        return composite(Term(reward=Fading(), name="fading"), Term(reward=flaky, required=False))

    whole = make()
    expected = [call(whole, 0, 1), call(whole, 0, 0)]
    first, second = make(), make()
    assert call(first, 0, 1) == expected[0]
    RewardState(first).save(tmp_path, rank=0)
    RewardState(second).load(tmp_path, rank=0)
    assert call(second, 0, 0) == expected[1]
    assert second.mix.failures == whole.mix.failures == {("flaky", "TimeoutError"): 1}
    assert second.window.total == whole.window.total
    assert second.mix.take_counts().asked == {}, "counted once, not again after loading"


def test_each_rank_has_a_file_of_plain_json_with_a_schema_version(tmp_path: Path) -> None:
    for rank in (0, 1):
        RewardState(composite(Term(reward=Fading()))).save(tmp_path, rank)
        assert json.loads(state_file(tmp_path, rank).read_text())["schema_version"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rewards-rank000.json", "rewards-rank001.json"]


def test_a_checkpoint_without_state_is_refused_only_where_a_reward_has_some(tmp_path: Path) -> None:
    RewardState(composite(Term(reward=Format()))).load(tmp_path, rank=0)
    with pytest.raises(RunError, match=r"has no rewards-rank000.json, and Fading would start from nothing"):
        RewardState(composite(Term(reward=Fading()))).load(tmp_path, rank=0)


def test_state_of_another_mix_or_version_is_refused(tmp_path: Path) -> None:
    saved = composite(Term(reward=Fading())).state_dict()
    with pytest.raises(RewardError, match=r"is of \['Fading'\], the mix has state in none"):
        composite(Term(reward=Format())).load_state_dict(saved)
    with pytest.raises(RewardError, match="schema_version 2, this version reads 1"):
        composite(Term(reward=Fading())).load_state_dict({**saved, "schema_version": 2})


def test_state_that_is_more_than_plain_values_is_named() -> None:
    reward = Fading()
    reward.asked = {1, 2}  # type: ignore[assignment]
    with pytest.raises(RewardError, match=r"'Fading': its state cannot be saved .*turn arrays into lists"):
        composite(Term(reward=reward)).state_dict()


def test_half_an_interface_for_state_is_refused() -> None:
    class Half:
        def __call__(self, completion: Any, scene: Any) -> float:
            return 0.0

        def state_dict(self) -> dict[str, int]:
            return {}

    with pytest.raises(ConfigError, match="it has state_dict; state needs both"):
        Term(reward=Half())


OWN = '''
from pathlib import Path

class Fading:
    needs, value_range = "text", (0.0, 1.0)
    def __init__(self):
        self.asked = 0
    def __call__(self, completion, scene):
        self.asked += 1
        return 1.0 / self.asked
    def state_dict(self):
        return {"asked": self.asked}
    def load_state_dict(self, state):
        self.asked = state["asked"]

def judge(completion, scene, switch):
    """Cannot be reached while the file is there."""
    if Path(switch).exists():
        raise TimeoutError("no answer")
    return 1.0
judge.needs = "text"
'''


@pytest.mark.engine
def test_a_run_stops_when_its_judge_is_gone_and_goes_on_with_the_rewards_where_they_were(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    from recipes.grpo import PolicyTraining
    from recipes.run_folder import RunFolder
    from recipes.stopping import StopFlag

    (tmp_path / "own.py").write_text(OWN)
    switch = tmp_path / "gone"
    judge = {"reward": f"{tmp_path}/own.py:judge", "arguments": {"switch": str(switch)}, "required": False}
    raw = {
        "recipe": "test",
        "scenes": {"train": 8, "validation": 2, "test": 2},
        "policy": {"path": str(tiny_policy.path)},
        "rollouts": {"engine": "transformers", "max_completion_tokens": 40},
        "rewards": {"terms": [{"reward": f"{tmp_path}/own.py:Fading"}, judge], "failure_window": 8},
        "grpo": {"steps": 4, "scenes_per_step": 2, "samples_per_scene": 4, "evaluate_every": 2},
        "eval": {"samples_per_scene": 2},
    }
    config = check_config(RunConfig, raw, source="test")

    def train(folder: RunFolder, resume_from: Path | None, dies_after: int | None) -> PolicyTraining:
        training = PolicyTraining(config, tiny_policy.path, tiny_policy.scenes[:8], folder, Console(quiet=True))
        original = training.loop.record

        def record(completions: Any, mixed: Any) -> None:
            original(completions, mixed)
            if dies_after is not None and training.loop.pending[0].step + 1 == dies_after:
                switch.touch()

        training.reward.on_scored = record
        training.train(tiny_policy.scenes[8:10], StopFlag(), resume_from)
        return training

    whole = train(RunFolder(tmp_path / "whole", config, resume=False), None, None)
    folder = RunFolder(tmp_path / "stopped", config, resume=False)
    with pytest.raises(RunError, match=r"'judge' failed for .*TimeoutError.*go on with --resume"):
        train(folder, None, 2)
    (checkpoint,) = (folder.checkpoints / "grpo-trainer").glob("checkpoint-*")
    assert checkpoint.name == "checkpoint-3"
    failed = [row for row in folder.read_metrics() if row.get("failures/judge/TimeoutError")]
    told = [("validation/reward" in row, row["step"], row["failures/judge/TimeoutError"]) for row in failed]
    assert told == [(True, 2, 4.0), (False, 3, 8.0)], "each line has its own failures"

    switch.unlink()
    folder.cut("grpo", 3)
    resumed = train(RunFolder(folder.path, config, resume=True), checkpoint, None)
    assert resumed.mix.asked == whole.mix.asked
    assert resumed.mix.failures == {("judge", "TimeoutError"): 12}
    assert resumed.mix.terms[0].reward.asked == whole.mix.terms[0].reward.asked == 4 * 3 + 4 * 8
