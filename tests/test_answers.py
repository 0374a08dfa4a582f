"""SFT on a policy's own answers: what is taught is what a mix has chosen, and learning it makes it likelier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from ar1_rl.config import check_config, load_config
from ar1_rl.errors import ConfigError
from recipes import catalogue
from recipes.answers import taught_answers
from recipes.cli import main
from recipes.corpus import load_corpus
from recipes.evaluation_folder import evaluations_in, rollouts_of
from recipes.run_config import RunConfig, SftConfig

QUIET = Console(quiet=True)
pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory, taught_policy: Path) -> Path:
    """The best of four rollouts in each of 8 scenes that the policy knows, by the quickstart's mix."""
    out = tmp_path_factory.mktemp("chosen")
    scenes = ["--scenes", "synthetic:0:8:train", "--best-of", "4", "--by", "quickstart", "--out", str(out)]
    assert main(["eval", str(taught_policy), *scenes, "eval.temperature=1.0", "eval.faithfulness_scenes=0"]) == 0
    (evaluation,) = evaluations_in(out)
    assert evaluation.name == "run-sft-best-of-4"
    return evaluation


def config_of(taught_policy: Path, chosen: Path) -> RunConfig:
    changes = [
        "scenes.train=1", "scenes.validation=1", "scenes.test=1", "sft.steps=40", "sft.batch_size=8",
        "sft.learning_rate=0.002", "sft.warmup_steps=2", f"sft.answers={chosen}", f"policy.path={taught_policy}",
    ]  # fmt: skip
    return load_config(RunConfig, catalogue.path_of("quickstart"), changes)


def test_of_each_scene_the_rollout_of_the_highest_reward_is_taught(taught_policy: Path, chosen: Path) -> None:
    rows = list(rollouts_of(chosen))
    assert len(rows) == 8 * 4
    corpus = load_corpus(config_of(taught_policy, chosen), QUIET)
    assert 1 <= len(corpus.examples) <= 8
    for example in corpus.examples:
        siblings = [row for row in rows if row["scene_id"] == example.scene.id]
        best = max(siblings, key=lambda row: (row["reward"], row["likelihood"]))
        assert example.trace.text == best["reasoning"]
        assert example.trace.future_T3.tolist() == best["trajectory_T3"]
        assert example.trace.fault is None


def test_learning_the_answers_makes_them_likelier(taught_policy: Path, chosen: Path, tmp_path: Path) -> None:
    config = config_of(taught_policy, chosen)
    (tmp_path / "config.yaml").write_text(json.dumps(config.model_dump(mode="json")))
    assert main(["sft", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "run")]) == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) >= 2 and losses[-1] < 0.8 * losses[0]


def test_what_is_no_evaluation_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sft.answers: .*no finished evaluation here"):
        taught_answers(tmp_path, QUIET)


def test_reference_traces_and_answers_are_not_taught_together() -> None:
    with pytest.raises(ConfigError, match="allowed is one of both"):
        check_config(SftConfig, {"answers": "x", "pretrain_scenes": 10}, source="test")
