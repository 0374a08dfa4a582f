"""The wheel, built and installed elsewhere, works from outside the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ar1_rl", "rewards", "rollouts", "recipes")

pytestmark = pytest.mark.slow


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    everything = {**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, **environment}
    return subprocess.run(command, cwd=folder, env=everything, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that what an earlier build left behind in the checkout cannot slip in."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    done = run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built)], source)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = built.glob("ar1_rl-*-py3-none-any.whl")
    return path


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into; what it depends on comes from this environment."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder)]
    done = run([*command, str(wheel)], folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_its_top_level_names_are_exactly_our_four(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == set(PACKAGES)


def test_it_holds_every_file_of_the_four_packages(wheel: Path) -> None:
    here = {
        p.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for p in (ROOT / name).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert here <= set(zipfile.ZipFile(wheel).namelist())


def test_the_doctor_runs_from_outside_the_checkout(site: Path, tmp_path: Path) -> None:
    done = run([str(site / "bin/ar1-rl"), "doctor", "--json"], tmp_path, PYTHONPATH=str(site))
    record = json.loads(done.stdout)
    assert done.returncode == (0 if record["ready"] else 1)
    assert not [check for check in record["checks"] if check["name"] == "names"]


def test_what_runs_is_the_installed_copy_and_it_finds_its_recipes(site: Path, tmp_path: Path) -> None:
    where = run([sys.executable, "-c", "import recipes; print(recipes.__file__)"], tmp_path, PYTHONPATH=str(site))
    assert where.stdout.strip() == str(site / "recipes/__init__.py")
    done = run([str(site / "bin/ar1-rl"), "recipes", "list"], tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert all(path.stem in done.stdout for path in (ROOT / "recipes/configs").glob("*.yaml"))
