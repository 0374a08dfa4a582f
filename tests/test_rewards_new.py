"""`ar1-rl rewards`: the list of what there is, and a template that works as it is written."""

from __future__ import annotations

import numpy as np
import pytest
from driving_cases import a_scene, driven, straight

from recipes.cli import main
from rewards.contracts import check_reward
from rewards.loading import BUILT_IN, load_reward
from rewards.presets import PRESETS


@pytest.fixture
def written(tmp_path, capsys):
    path = tmp_path / "sub" / "my_reward.py"
    assert main(["rewards", "new", str(path)]) == 0
    assert f"ar1-rl check-rewards {path}:keeps_going" in capsys.readouterr().out
    return path


def test_the_template_keeps_every_contract_as_it_stands(written):
    results = check_reward(load_reward(f"{written}:keeps_going"))
    assert not [r for r in results if r.broken]
    (monotone,) = [r for r in results if r.contract == "monotone"]
    assert monotone.outcome == "pass"


def test_the_template_measures_what_it_says(written):
    reward = load_reward(f"{written}:keeps_going", tolerance_mps=4.0)
    score = reward(driven(straight(11.0)), a_scene())
    assert score.value == pytest.approx(0.75) and score.parts == pytest.approx({"speed_error_mps": 1.0})
    assert reward(driven(straight(30.0)), a_scene()).value == 0.0
    assert reward(driven(straight()), a_scene(has_future=False)).value is None


def test_the_two_commands_at_its_head_work(written, capsys):
    check, train = [line.split("ar1-rl ")[1] for line in written.read_text().splitlines() if "    ar1-rl " in line]
    assert main(check.split()) == 0
    verb, recipe, override = train.split(" ", 2)
    assert main([verb, recipe, override.strip('"'), "--dry-run"]) == 0
    assert "keeps_going x 0.5" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_the_template_passes_our_own_checks_of_style(written):
    text = written.read_text()
    assert max(map(len, text.splitlines())) <= 120 + len(str(written))
    assert "{file}" not in text and "{{" not in text.replace("{{reward", "")
    compile(text, str(written), "exec")


def test_nothing_is_overwritten_and_the_name_must_be_that_of_a_python_file(written, capsys):
    before = written.read_text()
    assert main(["rewards", "new", str(written)]) == 2
    assert "exists; name another file" in capsys.readouterr().out and written.read_text() == before
    assert main(["rewards", "new", str(written.with_suffix(".txt"))]) == 2
    assert "ends in .py" in capsys.readouterr().out
    assert main(["rewards", "new"]) == 2
    assert "which file" in capsys.readouterr().out


def test_every_built_in_reward_and_preset_is_listed_with_what_it_does(capsys):
    assert main(["rewards", "list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in [*BUILT_IN, *PRESETS])
    assert "[m]" in told, "brackets are no markup"
    assert "no docstring" not in told


def test_a_range_that_is_listed_is_the_one_that_is_kept():
    for name in BUILT_IN:
        reward = load_reward(name)
        low, high = reward.value_range
        assert np.isfinite([low, high]).all() and low < high
