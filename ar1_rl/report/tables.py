"""Tables for people who compare."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

from rich.table import Table

SHOWN = (
    ("reasoning_score", "reasoning score (0-5)", "up"),
    ("consistency", "reasoning-action consistency", "up"),
    ("ade_m", "ADE of the most likely (m)", "down"),
    ("minade6_m", "minADE of the samples (m)", "down"),
    ("close_encounter_rate", "close encounters", "down"),
    ("off_road_rate", "off the road", "down"),
    ("comfort", "comfort bounds kept", "up"),
    ("reasoning_score_mean", "reasoning score, all samples", "up"),
    ("consistency_mean", "consistency, all samples", "up"),
    ("ade_m_mean", "ADE, all samples (m)", "down"),
    ("close_encounter_rate_mean", "close encounters, all samples", "down"),
    ("parse_rate", "decodable", "up"),
    ("critic_coverage", "graded by the critic", "up"),
)
"""Metric, its label, and the direction that is better."""
ARROWS = {"up": " ↑", "down": " ↓", "neither": ""}
"""After a metric's label."""


def comparison_table(summary: Mapping[str, Any]) -> Table:
    """Before, after and the paired difference with its 95 % interval, from a run's summary."""
    grading = summary["eval"]
    title = (
        f"{summary['recipe']}, seed {summary['seed']}: {grading['scenes']} held-out scenes x "
        f"{grading['samples_per_scene']} rollouts, {summary['wall_s']['total']:.0f} s"
    )
    table = Table(title=title, caption="Differences are paired by scene; 95 % bootstrap intervals over scenes.")
    for heading in ("", "before", "after", "difference", "95 % interval", "p"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, label, better in SHOWN:
        delta = summary["delta"][name]
        low, high = delta["ci95"]
        table.add_row(
            f"{label}{ARROWS[better]}",
            _figure(summary["before"][name]),
            _figure(summary["after"][name]),
            _figure(delta["mean"], signed=True),
            "-" if low is None else f"{low:+.3f} … {high:+.3f}",
            "-" if delta["p"] is None else f"{delta['p']:.4f}",
        )
    return table


def chance(p: float | None) -> str:
    """A p in words; None and NaN are none."""
    return "-" if p is None or isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def _figure(value: float | None, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:+.3f}" if signed else f"{value:.3f}"
