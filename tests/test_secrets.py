"""The key of an endpoint goes to the endpoint and nowhere else: whole runs are searched for it.

The judge prints the key wherever a server can: in errors, in replies, in the tokens of logprobs.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from judge_server import JudgeProcess
from judged_run import LeftBehind, judged_config

from recipes.cli import EXIT_FAILED, EXIT_WRONG_CALL, main

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-proj-Qm7planted0Zx9vTb4kLw2"
PART = 10
"""A stretch of the key that is this long gives it away."""
PRINTING = {"status_400": 0.1, "denied": 0.1, "not_found": 0.05, "status_500": 0.1, "echo_key": 0.4, "reset": 0.05}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)


def told(content: str | bytes) -> list[str]:
    """Parts of the key that are in it."""
    content = content.encode() if isinstance(content, str) else content
    return [KEY[i : i + PART] for i in range(len(KEY) - PART + 1) if KEY[i : i + PART].encode() in content]


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it is, and what is packed in it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        yield name, path.read_bytes()
        if path.suffix == ".parquet":
            import pyarrow.parquet as parquet

            yield f"{name}, rows", repr(parquet.read_table(path).to_pylist()).encode()
        elif path.suffix == ".sqlite":
            with contextlib.closing(sqlite3.connect(path)) as base:
                yield f"{name}, rows", repr(base.execute("SELECT * FROM replies").fetchall()).encode()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                for member in packed.namelist():
                    yield f"{name}, {member}", packed.read(member)


def write(raw: dict[str, Any], path: Path) -> Path:
    path.write_text(yaml.safe_dump(raw))
    return path


def small(policy: Path, url: str, **critic: Any) -> dict[str, Any]:
    """Three steps, whatever fails."""
    critic = {"api_key_env": "JUDGE_KEY", **critic}
    return judged_config(policy, url, critic=critic, grpo__steps=3, rewards__failure_rate=1.0)


@pytest.mark.engine
def test_a_whole_run_and_what_is_done_with_it_later_hold_no_trace_of_the_key(
    taught_policy: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with JudgeProcess(grade="rubric_grade", script=[*PRINTING, None], faults=PRINTING, seed=2) as judge:
        raw = small(taught_policy, judge.url, expected=True, cache=str(tmp_path / "replies.sqlite"))
        config = write(raw, tmp_path / "run.yaml")
        command = [sys.executable, "-m", "recipes.cli", "grpo", str(config), "--out", str(out)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_LOG": "debug"}
        run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=600)
        assert run.returncode == 0, run.stdout + run.stderr
        dry = main(["grpo", str(config), "--dry-run"])
        asked_again = main(["score", str(out), "--ask"])
        checked = main(["check-critic", str(out), "--repeat", "1", "--references", "2"])
        log = judge.log()
    assert (dry, asked_again) == (0, 0) and checked in (0, 1)
    assert {entry["fault"] for entry in log} >= set(PRINTING)
    left = LeftBehind(out)
    assert len(left.failures_in_rows()) >= 3, "some calls failed"
    assert any("[key removed]" in str(one.record["reply"]) for one in left.judged if one.record.get("reply"))
    spoken = {"stdout": run.stdout, "stderr": run.stderr, **dict(zip(("out", "err"), capfd.readouterr(), strict=True))}
    leaks = {name: told(text) for name, text in spoken.items() if told(text)}
    leaks |= {name: told(content) for name, content in contents(tmp_path) if told(content)}
    assert not leaks
    searched = dict(contents(tmp_path))
    assert any("optimizer" in name for name in searched) and any(name.endswith(", rows") for name in searched)
    assert told(repr(KEY)) and b"grade" in searched["replies.sqlite, rows"], "the search finds what is there"


@pytest.mark.parametrize("fault", ["status_400", "denied", "echo_key"])
def test_an_error_that_ends_the_run_does_not_repeat_what_the_server_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    with JudgeProcess(script=[fault] * 50) as judge:
        raw = small(tmp_path, judge.url)
        raw["rewards"]["terms"][0]["on_failure"] = "raise"
        code = main(["grpo", str(write(raw, tmp_path / "run.yaml")), "--dry-run"])
    assert code == (0 if fault == "echo_key" else EXIT_FAILED)
    out, err = capfd.readouterr()
    assert fault != "status_400" or "you sent Bearer [key removed]" in " ".join(out.split())
    assert not told(out) and not told(err)


@pytest.mark.parametrize(
    "slip",
    [
        {"api_key_env": KEY},
        {"api_key": KEY},
        {"base_url": f"http://user:{KEY}@127.0.0.1:9/v1"},
        {"base_url": f"http://127.0.0.1:9/v1?api_key={KEY}"},
    ],
)
def test_a_key_put_where_none_belongs_is_refused_without_being_repeated(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], slip: dict[str, Any]
) -> None:
    url = slip.pop("base_url", "http://127.0.0.1:9/v1")
    raw = small(tmp_path, url, **slip)
    assert main(["grpo", str(write(raw, tmp_path / "run.yaml")), "--dry-run"]) == EXIT_WRONG_CALL
    out, err = capfd.readouterr()
    assert "rewards: terms.0" in " ".join(out.split()) and not told(out) and not told(err)
