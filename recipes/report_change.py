"""Before, after and the paired difference of every metric, as rows for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ar1_rl.errors import ConfigError, RunError
from ar1_rl.metrics import HEADLINE, PRIMARY
from ar1_rl.metrics.catalogue import CATALOGUE
from ar1_rl.report.tables import SHOWN
from rollouts.recorded import EVALUATIONS

from .arms import Arm, pairs_of
from .comparison import Pairs, Row, by_episode, chosen_metrics, metric_rows
from .evaluation_folder import HEADER, Evaluation, read_evaluation
from .looking_summary import metrics_of_looking
from .plain import plain
from .report_run import RunParts

LABELS = {name: (label, better) for name, label, better in SHOWN}
VERDICTS = {"better": "better", "worse": "worse", "same": "no difference shown", "unknown": "not known"}
SHADES = {"better": "better", "worse": "worse"}
HOW = (
    "Arrows say which way is better. Differences are paired by scene; intervals are 95 % bootstrap intervals over "
    "scenes, each drawn on a scale of its own with the line at 0. They do not say what another seed would give."
)
CORRECTED = f" p is corrected by Holm over all metrics here, with most weight on {PRIMARY}, and the verdict is by it."
RESAMPLES = 2_000
"""Of an interval: the page has four times as many metrics as the summary, and three digits of each."""


def change_rows(run: RunParts) -> dict[str, Any]:
    """Rows of one metric each, headline ones marked, and what to say below them.

    From the run's evaluation folders, with every metric; of a run without them from its summary.
    """
    sides = [run.folder / EVALUATIONS / side for side in ("before", "after")]
    if all((side / HEADER).is_file() for side in sides):
        try:
            before, after = (Arm(side.name, (side,), (read_evaluation(side),)) for side in sides)
            return {"rows": _compared(pairs_of(before, after)), "told": HOW + CORRECTED}
        except (RunError, ConfigError) as error:
            run.missing.append(f"The evaluations before and after cannot be compared: {error}")
    summary = run.summary
    if not summary.get("delta"):
        return {"rows": [], "told": "There is no evaluation before and after the training (yet)."}
    names = [*(name for name in LABELS if name in summary["delta"]), *sorted(summary["delta"].keys() - LABELS.keys())]
    return {"rows": [_summarised(name, summary) for name in names], "told": HOW}


def _compared(pairs: Pairs) -> list[dict[str, Any]]:
    metrics, episodes = chosen_metrics(pairs, ["all"]), by_episode(pairs, "auto")
    looking = metrics_of_looking(pairs)
    others = [name for name in metrics if name not in looking]
    found = []
    for names, primary in ((others, PRIMARY), (looking, None)):
        rows = metric_rows(pairs, names, primary=primary, episodes=episodes, resamples=RESAMPLES) if names else []
        found += [_of_row(row, pairs[0][1], names is looking) for row in rows if row.pairs]
    return found


def _of_row(row: Row, after: Evaluation, looking: bool) -> dict[str, Any]:
    known = CATALOGUE.get(row.metric)
    held_out, trained_on = row.metric in after.header.held_out, row.metric in after.header.trained_on
    return {
        "name": f"{row.metric}: {after.header.graders.get(row.metric, known.unit if known else '')}",
        "label": row.metric.replace("_", " ") if known is None else f"{known.label} [{known.unit}]",
        "headline": row.metric in HEADLINE,
        "looking": looking,
        "better": "" if known is None else known.better,
        "grader": "held out" if held_out else "trained on" if trained_on else "",
        "before": plain(row.before),
        "after": plain(row.after),
        "mean": plain(row.difference),
        "ci95": [plain(end) for end in row.ci95],
        "p": plain(row.p_holm),
        "shade": SHADES.get(row.verdict, "same"),
        "verdict": row.verdict,
    }


def _summarised(name: str, summary: Mapping[str, Any]) -> dict[str, Any]:
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
