"""Before, after and the paired difference, as rows for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ar1_rl.report.tables import SHOWN

from .report_run import RunParts

LABELS = {name: (label, better) for name, label, better in SHOWN}


def change_rows(run: RunParts) -> dict[str, Any]:
    """Rows of one metric each, in the order of the terminal's table, and what to say where there are none."""
    summary = run.summary
    if not summary.get("delta"):
        return {"rows": [], "told": "There is no evaluation before and after the training (yet)."}
    names = [*(name for name in LABELS if name in summary["delta"]), *sorted(summary["delta"].keys() - LABELS.keys())]
    return {"rows": [_row(name, summary) for name in names], "told": ""}


def _row(name: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    delta = summary["delta"][name]
    label, better = LABELS.get(name, (name.replace("_", " "), ""))
    return {
        "name": name,
        "label": label,
        "better": better,
        "description": name,
        "grader": _grader(name, summary),
        "before": summary["before"].get(name),
        "after": summary["after"].get(name),
        "mean": delta["mean"],
        "ci95": delta["ci95"],
        "p": delta["p"],
        "verdict": verdict(delta["ci95"], better),
    }


def verdict(interval: list[float | None], better: str) -> str:
    """What a 95 % interval of a difference shows: better, worse, same (none is shown) or unknown."""
    low, high = interval
    if low is None or high is None:
        return "unknown"
    if low <= 0.0 <= high or not better:
        return "same"
    return "better" if (low > 0.0) == (better == "up") else "worse"


def _grader(name: str, summary: Mapping[str, Any]) -> str:
    """Whether the policy was trained on the grader behind a metric, where the evaluation says so."""
    evaluation = summary.get("eval") or {}
    if name in (evaluation.get("held_out") or ()):
        return "held out"
    return "trained on" if name in (evaluation.get("trained_on") or ()) else ""
