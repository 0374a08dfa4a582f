"""`ar1-rl doctor`: what this machine can run, what is missing, and the line that installs it."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from . import machine
from .machine import Check, shadowing

__all__ = ["Ability", "Diagnosis", "abilities", "as_record", "diagnose", "render", "run", "shadowing"]

SCHEMA_VERSION = 1
COLOURS = {"good": "green", "note": "yellow", "missing": "red", "fault": "bold red"}


@dataclass(frozen=True)
class Ability:
    """Something that a user may want to run here; `because` names what stands in the way, empty when nothing does."""

    name: str
    because: str

    @property
    def ready(self) -> bool:
        """Whether it can run."""
        return not self.because


@dataclass(frozen=True)
class Diagnosis:
    """Everything `ar1-rl doctor` says."""

    checks: tuple[Check, ...]
    abilities: tuple[Ability, ...]

    @property
    def ready(self) -> bool:
        """Whether the quickstart can run."""
        return all(ability.ready for ability in self.abilities if ability.name == "quickstart")


def run(as_json: bool) -> int:
    """Print the diagnosis; 0 if the quickstart can run here, else 1."""
    diagnosis = diagnose()
    if as_json:
        print(json.dumps(as_record(diagnosis), indent=2))
    else:
        render(diagnosis)
    return 0 if diagnosis.ready else 1


def diagnose() -> Diagnosis:
    """Look at this machine and this installation."""
    card, build = machine.gpu(), machine.torch_build()
    gpu = card.state == "good"
    checks = (
        machine.python(),
        machine.processor(),
        machine.memory(),
        machine.disk(),
        card,
        machine.torch(build, gpu),
        *(machine.package(name, gpu) for name in machine.CORE),
        machine.package("vllm", gpu, machine.VLLM_DISTRIBUTIONS),
        machine.package("deepspeed", gpu),
        *machine.cuda_only(build),
        machine.compiler(),
        machine.data(),
        *machine.names(),
    )
    return Diagnosis(checks, abilities(checks))


def abilities(checks: tuple[Check, ...]) -> tuple[Ability, ...]:
    """What can be run, given what was found."""
    by_name = {check.name: check for check in checks}

    def lacking(*names: str) -> list[str]:
        return [name for name in names if by_name[name].state != "good"]

    broken = [check.name for check in checks if check.state in ("missing", "fault") and check.name != "deepspeed"]
    no_cuda = [] if "CUDA" in by_name["torch"].found else ["torch has no CUDA"]
    blockers_by_name = {
        "quickstart": broken,
        "GPU recipes": [*broken, *lacking("gpu"), *no_cuda],
        "sharding": [*broken, *lacking("deepspeed")],
        "real logs": [*broken, *lacking("data")],
    }
    return tuple(Ability(name, ", ".join(dict.fromkeys(blockers))) for name, blockers in blockers_by_name.items())


def as_record(diagnosis: Diagnosis) -> Mapping[str, object]:
    """The diagnosis as plain values, for `--json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "ready": diagnosis.ready,
        "checks": [asdict(check) for check in diagnosis.checks],
        "can_run": {a.name: {"ready": a.ready, "because": a.because} for a in diagnosis.abilities},
    }


def render(diagnosis: Diagnosis) -> None:
    """Print a table on a terminal, and plain lines elsewhere or where rich itself is missing."""
    if sys.stdout.isatty() and importlib.util.find_spec("rich"):
        _print_table(diagnosis)
        return
    for check in diagnosis.checks:
        print(f"{check.state:9}{check.name:14}{check.found}")
        if check.fix:
            print(f"{'':23}fix: {check.fix}")
    for ability in diagnosis.abilities:
        print(f"{'ready' if ability.ready else 'not here':9}{ability.name:14}{ability.because}".rstrip())


def _print_table(diagnosis: Diagnosis) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "found", "what to do", title="what this machine can run")
    for check in diagnosis.checks:
        table.add_row(f"[{COLOURS[check.state]}]{check.name}", escape(check.found), escape(check.fix))
    table.add_section()
    for ability in diagnosis.abilities:
        name = f"[{COLOURS['good' if ability.ready else 'note']}]{ability.name}"
        table.add_row(name, "ready" if ability.ready else f"not here: {escape(ability.because)}", "")
    Console().print(table)
