"""Configs are checked strictly, and all faults are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ar1_rl.config import check_config, load_config
from ar1_rl.errors import ConfigError
from recipes import catalogue
from recipes.run_config import RunConfig

TERMS = {"terms": [{"reward": "format"}]}


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text)
    return path


def test_every_shipped_recipe_is_a_valid_config() -> None:
    for name in catalogue.names():
        assert load_config(RunConfig, catalogue.path_of(name)).recipe == name


def test_all_faults_are_reported_at_once_with_key_got_and_nearest_name() -> None:
    raw = {
        "recipe": "x",
        "rewards": TERMS,
        "sed": 1,
        "grpo": {"steps": "many", "lerning_rate": 1e-4},
        "eval": {"top_p": 2},
    }
    with pytest.raises(ConfigError) as caught:
        check_config(RunConfig, raw, source="run.yaml")
    message = str(caught.value)
    assert "4 faults" in message
    assert "sed: unknown key; nearest name: seed" in message
    assert "grpo.lerning_rate: unknown key; nearest name: learning_rate" in message
    assert "grpo.steps: got 'many'" in message
    assert "eval.top_p: got 2" in message


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="recipe: missing"):
        check_config(RunConfig, {"rewards": TERMS}, source="run.yaml")


def test_text_is_not_taken_for_a_number() -> None:
    with pytest.raises(ConfigError, match="seed: got '3'"):
        check_config(RunConfig, {"recipe": "x", "rewards": TERMS, "seed": "3"}, source="run.yaml")


def test_overrides_set_nested_keys_and_places_in_lists(tmp_path: Path) -> None:
    path = write(tmp_path, "recipe: x\nrewards: {terms: [{reward: format}, {reward: critic}]}\n")
    config = load_config(RunConfig, path, ["grpo.steps=7", "rewards.terms.1.weight=0.5", "eval.temperature=1.0"])
    assert (config.grpo.steps, config.rewards.terms[1].weight, config.eval.temperature) == (7, 0.5, 1.0)


@pytest.mark.parametrize("text", ["4e-4", "4E-4", "0.4e-3", ".4e-3", "4.0e-4"])
def test_a_number_in_exponent_notation_is_a_number_with_or_without_a_point(text: str) -> None:
    config = load_config(RunConfig, catalogue.path_of("quickstart"), [f"grpo.learning_rate={text}"])
    assert config.grpo.learning_rate == pytest.approx(4e-4)


@pytest.mark.parametrize("override", ["grpo.steps", "=3", "recipe.name=3", "rewards.terms.9.weight=1"])
def test_a_malformed_override_is_refused(tmp_path: Path, override: str) -> None:
    path = write(tmp_path, "recipe: x\nrewards: {terms: [{reward: format}]}\n")
    with pytest.raises(ConfigError, match="override"):
        load_config(RunConfig, path, [override])


def test_a_missing_file_and_broken_yaml_are_config_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(RunConfig, tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="not YAML"):
        load_config(RunConfig, write(tmp_path, "recipe: [1"))
    with pytest.raises(ConfigError, match="got a list at the top"):
        load_config(RunConfig, write(tmp_path, "- 1"))


def test_passes_that_would_split_a_step_unevenly_are_refused() -> None:
    raw = {
        "recipe": "x",
        "rewards": TERMS,
        "grpo": {"scenes_per_step": 2, "samples_per_scene": 4, "rollouts_per_pass": 3},
    }
    with pytest.raises(ConfigError, match="rollouts_per_pass 3 does not divide"):
        check_config(RunConfig, raw, source="run.yaml")


def test_a_fault_habit_with_a_wording_that_its_fault_does_not_know_is_refused() -> None:
    habits = {"red_light": {"fault": "wrong_cause", "wording": "aliens"}}
    raw = {"recipe": "x", "rewards": TERMS, "sft": {"faults": {"habits": habits}}}
    with pytest.raises(ConfigError, match="wording of wrong_cause: got 'aliens'"):
        check_config(RunConfig, raw, source="run.yaml")


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="nearest: quickstart"):
        catalogue.path_of("quickstrat")


@pytest.mark.parametrize("loss", ["ar1", "gspo"])
@pytest.mark.parametrize("credit", ["split", "weighted"])
def test_separate_credit_with_a_loss_over_whole_rollouts_is_refused_with_what_to_do(loss: str, credit: str) -> None:
    raw = {"recipe": "x", "rewards": TERMS, "grpo": {"loss": loss, "credit": credit}}
    with pytest.raises(ConfigError) as caught:
        check_config(RunConfig, raw, source="run.yaml")
    message = str(caught.value)
    assert f"credit: got '{credit}' with loss '{loss}'" in message
    assert "allowed with it is 'shared'" in message
    assert "dapo, grpo, dr_grpo, bnpo, cispo, sapo" in message


def test_separate_credit_goes_with_every_loss_by_token() -> None:
    for loss in ("dapo", "grpo", "dr_grpo", "bnpo", "cispo", "sapo"):
        raw = {"recipe": "x", "rewards": TERMS, "grpo": {"loss": loss, "credit": "split"}}
        assert check_config(RunConfig, raw, source="run.yaml").grpo.credit == "split"
