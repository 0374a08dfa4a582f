"""Before, after and the paired difference, as rows for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ar1_rl.report.tables import SHOWN

from .report_run import RunParts

LABELS = {name: (label, better) for name, label, better in SHOWN}
VERDICTS = {"better": "better", "worse": "worse", "same": "no difference shown", "unknown": "not known"}
HOW = (
    "Arrows say which way is better. Differences are paired by scene; intervals are 95 % bootstrap intervals over "
    "scenes, each drawn on a scale of its own with the line at 0. They do not say what another seed would give."
)


def change_rows(run: RunParts) -> dict[str, Any]:
    """Rows of one metric each, those of the terminal's table first, and what to say below them."""
    summary = run.summary
    if not summary.get("delta"):
        return {"rows": [], "told": "There is no evaluation before and after the training (yet)."}
    names = [*(name for name in LABELS if name in summary["delta"]), *sorted(summary["delta"].keys() - LABELS.keys())]
    return {"rows": [_row(name, summary) for name in names], "told": HOW}


def _row(name: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    delta = summary["delta"][name]
    label, better = LABELS.get(name, (name.replace("_", " "), ""))
    shade = verdict(delta["ci95"], better)
    return {
        "name": name,
        "label": label,
        "headline": name in LABELS,
        "better": better,
        "grader": "",
        "before": summary["before"].get(name),
        "after": summary["after"].get(name),
        "mean": delta["mean"],
        "ci95": delta["ci95"],
        "p": delta["p"],
        "shade": shade,
        "verdict": VERDICTS[shade],
    }


def verdict(interval: list[float | None], better: str) -> str:
    """What a 95 % interval of a difference shows: better, worse, same (none is shown) or unknown."""
    low, high = interval
    if low is None or high is None:
        return "unknown"
    if low <= 0.0 <= high or not better:
        return "same"
    return "better" if (low > 0.0) == (better == "up") else "worse"
