"""The command line: verbs, exit codes, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from recipes import catalogue
from recipes.cli import main


def test_recipes_are_listed_shown_and_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in catalogue.names())
    assert main(["recipes", "show", "quickstart"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["recipe"] == "quickstart"
    assert main(["recipes", "copy", "quickstart", str(tmp_path)]) == 0
    assert (tmp_path / "quickstart.yaml").read_text() == catalogue.path_of("quickstart").read_text()
    assert main(["recipes", "copy", "quickstart", str(tmp_path)]) == 2


def test_a_wrong_config_exits_with_2_and_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--dry-run", "grpo.stepz=3", "seeed=1"]) == 2
    told = capsys.readouterr().out
    assert "2 faults" in told and "nearest name: steps" in told and "nearest name: seed" in told


def test_an_unknown_verb_exits_with_2() -> None:
    with pytest.raises(SystemExit) as caught:
        main(["quickstrat"])
    assert caught.value.code == 2


def test_a_dry_run_checks_data_rewards_and_arithmetic_without_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--dry-run", "grpo.scenes_per_step=8", "grpo.samples_per_scene=8"]) == 0
    told = capsys.readouterr().out
    assert "8 scenes x 8 = 64" in told
    assert "no model was loaded" in told


def test_a_dry_run_tells_which_rewards_move_which_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    filters = ["grpo.credit=split", "grpo.smallest_reward_std=0.05", "rewards.terms.5.credit=trajectory"]
    assert main(["quickstart", "--dry-run", *filters]) == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "credit of the text consistency, critic " in told
    assert "credit of the trajectory consistency, imitation, safety, format " in told
    assert "standard deviation is at most 0.05" in told


def test_a_dry_run_finds_a_reward_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstart", "--dry-run", "rewards.terms.0.reward=my_reward.py:smooth"]) == 2
    assert "there is no file" in capsys.readouterr().out


def test_a_reward_of_ones_own_joins_the_mix_by_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(
        "def brief(completion, scene):\n    return 1.0 if len(completion.reasoning.split()) <= 20 else 0.0\n"
    )
    term = f"rewards.terms.5={{reward: '{tmp_path}/mine.py:brief', weight: 0.1}}"
    assert main(["quickstart", "--dry-run", term]) == 0
    assert "brief x 0.1" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_real_logs_that_are_not_there_are_named_with_what_to_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none"
    assert main(["grpo", "quickstart", "--dry-run", "scenes.source=real_logs", f"scenes.root={missing}"]) == 1
    assert "AR1_RL_DATA" in capsys.readouterr().out
