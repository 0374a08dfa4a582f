"""One evaluation as tables: every metric with its interval and whether it was trained on, and grades by decision."""

from __future__ import annotations

from math import isfinite

from rich.table import Table

from ar1_rl.metrics import mean_interval
from ar1_rl.metrics.catalogue import CATALOGUE, WITH_OTHER_FRAMES
from ar1_rl.report.tables import ARROWS

from .evaluation_folder import Evaluation

HEADINGS = {
    "reasoning_score": "score",
    "reasoning_score_held_out": "held out",
    "consistency": "consistent",
    "consistency_graded": "graded",
    "consistency_held_out": "held out",
}
"""Of the table by decision; columns of a terminal are few."""


def evaluation_table(evaluation: Evaluation, resamples: int) -> Table:
    """Mean, 95 % bootstrap interval over scenes (those of an episode together), and how many scenes have the metric.

    Metrics of other frames are left out for a policy that is shown none.
    """
    header = evaluation.header
    table = Table(
        title=f"{header.label}: {len(evaluation.scene_ids)} scenes x {header.samples_per_scene}, {header.decoding}",
        caption="trained on: rewarded for it, or answers chosen by it. held out: by a grader that it never met.",
    )
    for heading in ("", "mean", "95 % interval", "scenes", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for name, metric in CATALOGUE.items():
        values_S = evaluation.per_scene.get(name)
        known = 0 if values_S is None else int((values_S == values_S).sum())
        if values_S is None or (metric in WITH_OTHER_FRAMES and not known):
            continue
        mean, low, high = mean_interval(values_S, evaluation.episodes, resamples=resamples)
        unit = "" if metric.unit == "share" else f" ({metric.unit})"
        table.add_row(
            f"{metric.label}{unit}{ARROWS[metric.better]}",
            "-" if not known else f"{mean:.3f}",
            f"{low:.3f} … {high:.3f}" if isfinite(low) else "-",
            str(known),
            standing(evaluation, name),
        )
    return table


def decision_table(evaluation: Evaluation) -> Table:
    """Grades by the decision of the reference trace."""
    table = Table(title=f"{evaluation.header.label}, by the decision of the reference")
    table.add_column("")
    table.add_column("scenes", justify="right")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right")
    for rows in evaluation.by_decision(tuple(HEADINGS)).values():
        for decision, row in rows.items():
            figures = [row.get(name) for name in HEADINGS]
            table.add_row(decision, str(row["scenes"]), *("-" if f is None else f"{f:.3f}" for f in figures))
        table.add_section()
    return table


def standing(evaluation: Evaluation, name: str) -> str:
    """Whether a metric was trained on or is held out; empty for what is neither."""
    if name in evaluation.header.trained_on:
        return "trained on"
    return "held out" if name in evaluation.header.held_out else ""
