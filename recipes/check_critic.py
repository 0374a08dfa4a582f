"""`ar1-rl check-critic SPEC`: is this critic worth training on?"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from rich.console import Console
from rich.table import Table

from ar1_rl.errors import ConfigError
from ar1_rl.report.progress import progress
from rewards.critic.check import check_critic, prepare_check
from rewards.critic.check_findings import CriticReport, Finding, Thresholds
from rewards.critic.factory import BACKENDS, critic
from rewards.loading import MixConfig, load_reward
from rewards.terms import Term

from .console import run_console
from .mix_spec import mix_config_in, read_mapping, yaml_of

SCHEMA_VERSION = 1
MARKS = {True: "[green]good", False: "[bold red]bad", None: "[yellow]-"}


def run(
    spec: str,
    *,
    overrides: Sequence[str] = (),
    repeats: int = 3,
    references: int | None = None,
    thresholds: Sequence[str] = (),
    as_json: bool = False,
) -> int:
    """Check the critic, print the table or JSON; 0 if it is worth training on, else 1."""
    if repeats < 1:
        raise ConfigError(f"--repeat: got {repeats}, allowed 1 or more")
    bounds = read_thresholds(thresholds)
    reward, value_range = critic_of(spec, overrides)
    reward = without_cache(reward)
    console = Console(stderr=True) if as_json else run_console()
    with progress(console, "critic questions", prepare_check(reward, repeats, references).questions) as bar:
        report = check_critic(
            reward,
            value_range=value_range,
            repeats=repeats,
            references=references,
            thresholds=bounds,
            on_answers=bar.advance,
        )
    if as_json:
        print(json.dumps(as_record(report), indent=2))
    else:
        show(report, console)
    return 0 if report.good else 1


def critic_of(spec: str, overrides: Sequence[str] = ()) -> tuple[Any, tuple[float, float] | None]:
    """The reward that SPEC names, and its range where a config declares it.

    SPEC is `rubric` or another built-in name, `path/to/file.py:name`, `package.module:name`, the name of a shipped
    recipe, a run folder, or a YAML file: critic settings, a mix, or a run config. ConfigError says what is wrong.
    """
    if spec in BACKENDS:
        return critic(spec), None  # type: ignore[arg-type]
    path = yaml_of(spec)
    if path is None:
        return load_reward(spec), None
    raw = read_mapping(path, overrides)
    config = mix_config_in(raw, str(path))
    if config is None:
        return critic(**raw), None
    term = _critic_term(config, str(path))
    return term.reward, term.range


def without_cache(reward: Any) -> Any:
    """The critic, or the ensemble, asked afresh each time: a cache would answer the repeats from memory."""
    if not is_dataclass(reward) or isinstance(reward, type):
        return reward
    names = {field.name for field in fields(reward)}
    changed: dict[str, Any] = {"cache": None} if "cache" in names else {}
    if "members" in names:
        changed["members"] = [without_cache(member) for member in vars(reward)["members"]]
    return replace(reward, **changed) if changed else reward


def read_thresholds(settings: Sequence[str]) -> Thresholds:
    """Thresholds with some `name=value` changed; ConfigError names what there is."""
    names = [field.name for field in fields(Thresholds)]
    changed = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in names:
            raise ConfigError(f"--threshold {setting!r}: allowed is name=value with a name of {', '.join(names)}")
        try:
            changed[name] = float(text)
        except ValueError:
            raise ConfigError(f"--threshold {setting!r}: {text!r} is not a number") from None
    return replace(Thresholds(), **changed)


def show(report: CriticReport, console: Console) -> None:
    """What was measured, how each kind of prediction was graded, and the verdict."""
    low, high = report.value_range
    asked = f"{report.questions} questions about {report.references} references, {report.seconds:.1f} s"
    table = Table(
        title=f"{report.critic}: {asked}", caption=f"Shares of the range {low:g} to {high:g}; 95 % intervals."
    )
    for heading in ("measure", "value", "95 % interval", "bound", "", "over"):
        table.add_column(heading, justify="right" if heading in ("value", "95 % interval") else "left")
    for found in report.findings:
        table.add_row(
            found.name, _figure(found.value), _interval(found.interval), found.bound, MARKS[found.good], found.note
        )
    console.print(table)
    kinds = Table(title="kinds of prediction, best first", caption="Told from the better predictions of its reference.")
    for heading in ("prediction", "mean grade", "told apart", "95 % interval", "pairs"):
        kinds.add_column(heading, justify="left" if heading == "prediction" else "right")
    for name, kind in report.kinds.items():
        order = kind.order
        interval = None if order.size == 0 else (order.low, order.high)
        grade = _figure(low + kind.mean_grade * (high - low))
        kinds.add_row(name.replace("_", " "), grade, _figure(order.mean), _interval(interval), str(order.size))
    console.print(kinds)
    if report.failures:
        console.print("No grade because of: " + ", ".join(f"{cause} {n}" for cause, n in report.failures.items()))
    console.print(report.verdict, style="green" if report.good else "bold red", highlight=False)


def as_record(report: CriticReport) -> Mapping[str, object]:
    """The report as plain values, for `--json`; JSON has no NaN."""
    return {
        "schema_version": SCHEMA_VERSION,
        "critic": report.critic,
        "good": report.good,
        "verdict": report.verdict,
        "value_range": list(report.value_range),
        "references": report.references,
        "questions": report.questions,
        "seconds": round(report.seconds, 3),
        "failures": dict(report.failures),
        "findings": [_finding_record(finding) for finding in report.findings],
        "kinds": {
            name: {
                "mean_grade": _plain(kind.mean_grade),
                "order": _plain(kind.order.mean),
                "ci95": [_plain(kind.order.low), _plain(kind.order.high)],
                "pairs": kind.order.size,
            }
            for name, kind in report.kinds.items()
        },
    }


def _finding_record(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "value": _plain(finding.value),
        "ci95": None if finding.interval is None else [_plain(end) for end in finding.interval],
        "bound": finding.bound,
        "good": finding.good,
        "note": finding.note,
    }


def _critic_term(config: MixConfig, source: str) -> Term:
    mix = config.build()
    rewards = [term.reward for term in config.terms] or [""] * len(mix.terms)
    critics = [t for t, reward in zip(mix.terms, rewards, strict=True) if "critic" in (reward, t.name)]
    if len(critics) != 1:
        raise ConfigError(
            f"{source}: {len(critics)} terms are the critic, one is needed; its terms are "
            f"{', '.join(term.name for term in mix.terms)}. Set `name: critic` on the one that is meant, or name the "
            "reward itself"
        )
    return critics[0]


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None or math.isnan(interval[0]) else f"{interval[0]:.3f} … {interval[1]:.3f}"


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
