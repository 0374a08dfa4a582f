"""Metric lines of a run to panels of curves: what is drawn together, under which heading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

REWARDS, COVERAGE, FAILURES = "Rewards", "What could be judged", "Failed judgements"
POLICY, TIME, SFT = "The policy", "Time and cost", "Fine-tuning"
GROUPS = (REWARDS, COVERAGE, FAILURES, POLICY, TIME, SFT)
"""Headings, in the order in which they stand."""

POLICY_FIGURES = {
    "reward_std": "spread of rewards within groups",
    "groups/zero_variance": "groups of equal rewards",
    "completions/mean_length": "length of completions [tokens]",
    "completions/clipped_ratio": "share of completions cut short",
    "entropy": "entropy [nats per token]",
    "kl": "divergence from the reference [nats]",
    "clip_ratio/region_mean": "share of tokens clipped",
    "grad_norm": "gradient norm",
    "loss": "loss",
    "learning_rate": "learning rate",
    "sampling/sampling_logp_difference/max": "largest gap of log-probabilities, sampler and trainer",
}
"""Figures of GRPO steps that say how the policy changes; any other one that is not placed elsewhere is not drawn."""

Panel = dict[str, Any]


def curve_panels(metrics: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Panels {"group", "title", "series": [{"name", "steps", "values"}]}, in the order of `GROUPS`."""
    panels: dict[tuple[str, str], dict[str, tuple[list[int], list[float]]]] = {}
    for row in metrics:
        for figure, value in row.items():
            place = _place(figure, row["stage"])
            if place is None or isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                continue
            group, title, name = place
            steps, values = panels.setdefault((group, title), {}).setdefault(name, ([], []))
            steps.append(int(row["step"]))
            values.append(float(f"{value:.5g}"))
    return [
        {
            "group": group,
            "title": title,
            "series": [{"name": name, "steps": steps, "values": values} for name, (steps, values) in series.items()],
        }
        for (group, title), series in sorted(panels.items(), key=lambda item: _rank(*item[0]))
    ]


def _place(figure: str, stage: str) -> tuple[str, str, str] | None:
    """Group, panel and series of a figure; None for what is not drawn."""
    if stage == "sft":
        return (SFT, "loss", "training") if figure == "loss" else None
    split = "validation" if figure.startswith("validation/") else "training"
    plain = figure.removeprefix("validation/")
    head, _, rest = plain.partition("/")
    if head == "terms" and rest.endswith("/judged"):
        return COVERAGE, "share of rollouts judged, by reward", rest.removesuffix("/judged")
    if head == "outcome":
        return COVERAGE, "outcome of rollouts [share]", rest
    if head == "failures":
        return FAILURES, "failed judgements by reward and cause", rest.replace("/", ": ")
    if head == "cost":
        term, _, cost = rest.partition("/")
        return TIME, f"cost: {cost}", term
    if head == "seconds" or plain == "step_time":
        return TIME, "seconds of a step", rest or "whole step"
    if plain == "parse_rate":
        return COVERAGE, "share of rollouts decodable", split
    if head == "terms" or plain == "reward" or split == "validation":
        return REWARDS, plain.removeprefix("terms/"), split
    return (POLICY, POLICY_FIGURES[plain], split) if plain in POLICY_FIGURES else None


def _rank(group: str, title: str) -> tuple[int, bool, str]:
    return GROUPS.index(group), title != "reward", title
