"""docs/rewards.md does what it says: its files are written, its code and commands are run."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from tiny import TinyPolicy

from recipes.cli import main
from rewards.contracts import CONTRACTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rewards.md"
BLOCKS = [
    (kind, label.strip(), body)
    for kind, label, body in re.findall(r"```(\w+)([^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder with the files of the page, as the working directory."""
    for _, label, body in BLOCKS:
        if label.startswith("file="):
            (tmp_path / label.removeprefix("file=")).write_text(body)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_rewards", None)


def code(label: str) -> str:
    (body,) = [body for kind, found, body in BLOCKS if (kind, found) == ("python", label)]
    return body


def test_the_commands_end_as_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (commands,) = [body for kind, _, body in BLOCKS if kind == "bash"]
    codes = {line: main(line.split()[1:]) for line in commands.splitlines()}
    told = capsys.readouterr().out
    assert codes == {
        "ar1-rl check-rewards my_rewards.py:stays_near tolerance_m=6.0": 0,
        "ar1-rl check-rewards nvidia_gated_as_published": 1,
        "ar1-rl check-rewards mix.yaml": 0,
    }
    assert "OneOfAKind" in told.split("mix.yaml: contracts")[1]


def test_the_test_on_the_page_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(code(""), {})
    assert "on the ladder 'speeds'" in capsys.readouterr().out


def test_every_contract_is_on_the_page() -> None:
    (table,) = re.findall(r"\| contract \|.*?\n\n", PAGE.read_text(), re.DOTALL)
    named = {name.strip() for row in table.splitlines()[2:] if row for name in row.split("|")[1].split(",")}
    assert named == set(CONTRACTS)


@pytest.mark.engine
def test_the_script_with_trl_trains(folder: Path, tiny_policy: TinyPolicy, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(tiny_policy.path, folder / "policy")
    namespace: dict[str, object] = {}
    exec(code("engine"), namespace)
    assert namespace["trainer"].state.global_step == 1  # type: ignore[attr-defined]
    assert "undecodable" in capsys.readouterr().out
