"""What a run folder says of its run: the parts that are there, and which are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ar1_rl.errors import RunError

FAILS = {"abstain": "left out of the update", "drop_group": "its group is left out", "raise": "stops the run"}
REWARD_COLUMNS = ("reward", "weight", "scale", "settings", "a failed judgement")


@dataclass
class RunParts:
    """The files of a run; empty where one is missing, which `missing` tells in words."""

    folder: Path
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """config.yaml and environment.json as they are."""


def read_run(folder: Path) -> RunParts:
    """All that is there. RunError where the folder holds nothing of a run, or a file that cannot be read."""
    run = RunParts(folder)
    run.config = _read(run, "config.yaml", yaml.safe_load, "what was trained is not known")
    run.environment = _read(run, "environment.json", json.loads, "versions and machine are not known")
    run.metrics = _read(run, "metrics.jsonl", _lines, "there are no curves") or []
    run.summary = _read(run, "summary.json", json.loads, "the run has not finished, or was stopped")
    if len(run.missing) == 4 and not (folder / "rollouts").is_dir() and not (folder / "evaluations").is_dir():
        raise RunError(f"{folder}: this is no run folder; it should hold config.yaml, metrics.jsonl and rollouts/")
    return run


def _read(run: RunParts, name: str, parse: Any, without: str) -> Any:
    path = run.folder / name
    if not path.is_file():
        run.missing.append(f"{name} is missing: {without}.")
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    if name in ("config.yaml", "environment.json"):
        run.texts[name] = text
    try:
        return parse(text)
    except (ValueError, yaml.YAMLError) as error:
        raise RunError(f"{path} cannot be read: {error}") from error


def _lines(text: str) -> list[dict[str, Any]]:
    """A last line that a crash has cut short is none."""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def facts(run: RunParts) -> list[tuple[str, str]]:
    """Name and value of what a reader wants to know first."""
    config, environment, summary = run.config, run.environment, run.summary
    told = [
        ("Recipe", config.get("recipe")),
        ("Seed", config.get("seed")),
        ("Policy", _policy(config.get("policy") or {})),
        ("Scenes", _scenes(config.get("scenes") or {})),
        ("Fine-tuning before", _sft(config)),
        ("Post-training", _grpo(config.get("grpo") or {}, summary.get("groups") or {})),
        ("Rollouts", _sampling(config.get("rollouts") or {})),
        ("Evaluation", _evaluation(summary.get("eval") or {})),
        ("Wall time", ", ".join(f"{name} {value:,.0f} s" for name, value in (summary.get("wall_s") or {}).items())),
        ("Judges cost", _costs(summary.get("costs") or {})),
        ("Machine", _machine(environment)),
        ("Commit", environment.get("git_commit")),
        ("Versions", _versions(environment)),
    ]
    return [(name, str(value)) for name, value in told if value not in (None, "")]


def reward_rows(config: Mapping[str, Any]) -> list[list[str]]:
    """One row a term, in the columns `REWARD_COLUMNS`; one for a preset."""
    rewards = config.get("rewards") or {}
    if rewards.get("preset") is not None:
        return [[f"preset {rewards['preset']}", "", "", _settings(rewards.get("arguments") or {}), ""]]
    return [
        [
            term.get("name") or term["reward"],
            f"{term.get('weight', 1.0):g}" + (" (recorded only)" if term.get("weight") == 0 else ""),
            f"{term.get('scale', 1.0):g}",
            _settings(term.get("arguments") or {}),
            FAILS.get(term.get("on_failure", ""), str(term.get("failure_value", ""))),
        ]
        for term in rewards.get("terms") or ()
    ]


def _settings(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in arguments.items())


def _policy(policy: Mapping[str, Any]) -> str:
    if not policy:
        return ""
    where = policy.get("path") or "a tiny decoder made for the run"
    tiny = "" if policy.get("path") else f" ({_settings(policy.get('tiny') or {})})"
    lora = f", adapters of rank {policy['lora'].get('rank')}" if policy.get("lora") else ""
    return f"{where}{tiny}, trajectory codec {policy.get('codec')}, {policy.get('dtype')}{lora}"


def _scenes(scenes: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{split} {scenes[split]:,}" for split in ("train", "validation", "test") if scenes.get(split))
    return ": ".join(part for part in (str(scenes.get("source", "")), counts) if part)


def _sft(config: Mapping[str, Any]) -> str:
    if not config:
        return ""
    sft = config.get("sft")
    if sft is None:
        return "none: the policy is post-trained as it is"
    faults = ", on labels with planted faults" if sft.get("faults") else ""
    return f"{sft.get('steps')} steps of {sft.get('batch_size')} traces{faults}"


def _grpo(grpo: Mapping[str, Any], groups: Mapping[str, Any]) -> str:
    if not grpo:
        return ""
    equal = f"; {groups['zero_variance']} of {groups['all']} groups had equal rewards" if groups.get("all") else ""
    return (
        f"GRPO, loss {grpo.get('loss')}, {grpo.get('steps')} steps of {grpo.get('scenes_per_step')} scenes × "
        f"{grpo.get('samples_per_scene')} rollouts, learning rate {grpo.get('learning_rate')}, "
        f"KL {grpo.get('kl_coef')}{equal}"
    )


def _sampling(rollouts: Mapping[str, Any]) -> str:
    if not rollouts:
        return ""
    return f"{rollouts.get('engine')}, temperature {rollouts.get('temperature')}, top-p {rollouts.get('top_p')}"


def _evaluation(evaluation: Mapping[str, Any]) -> str:
    if not evaluation:
        return ""
    return (
        f"{evaluation.get('scenes')} held-out scenes × {evaluation.get('samples_per_scene')} rollouts, "
        f"temperature {evaluation.get('temperature')}, top-p {evaluation.get('top_p')}"
    )


def _costs(costs: Mapping[str, Mapping[str, Any]]) -> str:
    return "; ".join(f"{name}: {_settings(figures)}" for name, figures in costs.items())


def _machine(environment: Mapping[str, Any]) -> str:
    if not environment:
        return ""
    gpus = ", ".join(environment.get("gpus") or ()) or "no GPU"
    return f"{environment.get('machine')}, {environment.get('cpu_count')} cores, {gpus}"


def _versions(environment: Mapping[str, Any]) -> str:
    if not environment:
        return ""
    packages = {"ar1-rl": environment.get("ar1_rl"), "python": environment.get("python")}
    return ", ".join(f"{name} {version}" for name, version in (packages | environment.get("packages", {})).items())
