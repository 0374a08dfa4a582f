"""`ar1-rl check-rewards`: contract tests on a reward, a preset or a whole mix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ar1_rl.config import apply_overrides, read_yaml
from ar1_rl.errors import ConfigError
from ar1_rl.plugins import is_spec
from rewards.contracts import CONTRACTS, ContractResult, check_reward, shipped_bank
from rewards.loading import BUILT_IN, build_mix, load_preset, load_reward
from rewards.mix import Mix
from rewards.presets import PRESETS
from rewards.terms import Term

from .accuracy_table import ShownAccuracy
from .mix_spec import yaml_of

SCHEMA_VERSION = 1
SHOWN = {"pass": "[green]pass[/green]", "fail": "[bold red]FAIL[/bold red]", "not applicable": "[dim]-[/dim]"}
TERM_KEYS = ("needs", "range", "per_group")
"""What a config may say about a reward beside its arguments, and so may the call: `range=[-1, 0]`."""


def run(spec: str, arguments: Sequence[str], ladders: Sequence[str], console: Console, *, as_json: bool) -> int:
    """Check what `spec` names and print the result; 1 if a contract is broken."""
    subject = subject_of(spec, arguments)
    bank = shipped_bank()
    results = check_reward(subject, bank.only(ladders) if ladders else bank)
    accuracy = _accuracy(spec)
    broken = [result for result in results if result.broken]
    if as_json:
        record = {"schema_version": SCHEMA_VERSION, "spec": spec, "kept": not broken}
        record |= {"results": [asdict(result) for result in results]}
        if accuracy is not None:
            record["accuracy"] = accuracy.as_record()
        print(json.dumps(record, indent=2))
        return 1 if broken else 0
    show(results, console, title=spec)
    if isinstance(subject, Mix) and subject.control:
        console.print(f"[yellow]Not to be trained on:[/yellow] {subject.control}", soft_wrap=True)
    if accuracy is not None:
        accuracy.show(console)
    return 1 if broken else 0


def subject_of(spec: str, arguments: Sequence[str]) -> Term | Mix:
    """The term or mix that a spec names: a reward, a preset, or a file or run folder with a mix."""
    path = None if is_spec(spec) or spec in BUILT_IN or spec in PRESETS else yaml_of(spec)
    if path is not None:
        return _mix_in(path, arguments)
    given = apply_overrides({}, arguments)
    if spec in PRESETS:
        return load_preset(spec, **given)
    keys = {key: given.pop(key) for key in TERM_KEYS if key in given}
    term = {"value_range": tuple(keys.pop("range")), **keys} if "range" in keys else keys
    return Term(reward=load_reward(spec, **given), **term)


def show(results: Sequence[ContractResult], console: Console, title: str) -> None:
    """A table of contracts, and below it every failure in words."""
    subjects = list(dict.fromkeys(result.subject for result in results))
    found = {(result.contract, result.subject): result for result in results}
    single = len(subjects) == 1
    table = Table(
        "contract", *map(escape, subjects), *(["what was seen"] if single else []), title=f"{escape(title)}: contracts"
    )
    for contract in CONTRACTS:
        row = [found.get((contract, subject)) for subject in subjects]
        cells = [SHOWN[result.outcome if result is not None else "not applicable"] for result in row]
        table.add_row(contract, *cells, *([escape(row[0].detail) if row[0] is not None else ""] if single else []))
    console.print(table)
    for result in results:
        if result.broken:
            told = f"[bold red]{escape(result.subject)}: {result.contract}[/bold red] ({CONTRACTS[result.contract]})"
            console.print(told, soft_wrap=True)
            console.print(f"  {result.detail}", markup=False, soft_wrap=True)
            console.print(f"  {result.example}", markup=False, soft_wrap=True)
    broken = sum(result.broken for result in results)
    console.print(f"{broken} contracts broken" if broken else "every contract is kept", soft_wrap=True)


def _mix_in(path: Path, overrides: Sequence[str]) -> Mix:
    """The mix of a file: a list of terms, a mix, or a run config's `rewards`."""
    raw = read_yaml(path)
    if isinstance(raw, dict) and "rewards" in raw:
        raw = raw["rewards"]
    if isinstance(raw, list):
        raw = {"terms": raw}
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: got a {type(raw).__name__}, allowed are a mix, its terms, or a run config")
    return build_mix(apply_overrides(raw, overrides))


def _accuracy(spec: str) -> ShownAccuracy | None:
    """Measured accuracy beside the contracts, for a built-in reward that comes with gold data; None for others."""
    if spec != "consistency":
        return None
    from rewards.accuracy import measure_consistency

    return ShownAccuracy(measure_consistency())
