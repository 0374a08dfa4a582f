"""Two policies side by side: a row for each metric, and for each group of scenes, with what can be said of it.

Legend: S scenes, M metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ar1_rl.errors import ConfigError
from ar1_rl.metrics import (
    HEADLINE,
    PairedDifference,
    holm,
    in_order,
    over_seeds,
    paired_differences,
    primary_weights,
)
from ar1_rl.metrics.catalogue import CATALOGUE

from .evaluation_folder import Evaluation

Unit = Literal["auto", "scene", "episode"]
Pairs = Sequence[tuple[Evaluation, Evaluation]]
ALPHA = 0.05
ALL = "all"
GROUPINGS = {"kind": "kinds", "longitudinal": "longitudinal", "lateral": "lateral"}
"""What scenes are grouped by, and the field of an evaluation that tells it."""
NO_GROUP = "none"
"""Group of the scenes whose reference has no such decision."""


@dataclass(frozen=True)
class Row:
    """One metric, over all scenes or those of a group; figures that no pair supports are NaN."""

    metric: str
    group: str | None
    before: float
    after: float
    difference: float
    ci95: tuple[float, float]
    """Over scenes within the one seed, or over seeds."""
    p: float
    p_holm: float
    """Corrected over the rows of its table."""
    pairs: int
    left_out: int
    seeds: tuple[PairedDifference, ...]
    """Over scenes, for each seed."""

    @property
    def verdict(self) -> str:
        """Better, worse, higher or lower where the corrected p shows a difference."""
        if np.isnan(self.difference):
            return "no pairs"
        if np.isnan(self.p_holm):
            return "one seed"
        if self.p_holm >= ALPHA:
            return "no difference shown"
        known = CATALOGUE.get(self.metric)
        up = self.difference > 0
        if known is None or known.better == "neither":
            return "higher" if up else "lower"
        return "better" if up == (known.better == "up") else "worse"


def chosen_metrics(pairs: Pairs, asked: Sequence[str]) -> list[str]:
    """The metrics to compare: those asked for, `all`, or else the headline ones; each is in every evaluation."""
    evaluations = [evaluation for pair in pairs for evaluation in pair]
    shared = [name for name in evaluations[0].per_scene if all(name in e.per_scene for e in evaluations)]
    if not asked:
        return in_order(name for name in shared if name in HEADLINE)
    if list(asked) == [ALL]:
        return in_order(shared)
    missing = [name for name in asked if name not in shared]
    if missing:
        raise ConfigError(
            f"--metrics: {', '.join(missing)} is not in all of the evaluations; allowed: {ALL}, {', '.join(shared)}"
        )
    return list(dict.fromkeys(asked))


def check_graders(pairs: Pairs, metrics: Sequence[str]) -> None:
    """ConfigError where a metric is a grade, and was given by different graders."""
    for name in metrics:
        graders = sorted({e.header.graders[name] for pair in pairs for e in pair if name in e.header.graders})
        if len(graders) > 1:
            raise ConfigError(
                f"compare: {name} was graded differently ({'; '.join(graders)}); evaluate again with one grader, or "
                "leave it out by --metrics"
            )


def by_episode(pairs: Pairs, unit: Unit) -> bool:
    """Whether scenes are taken by episode: `auto` does so where an episode has several of them."""
    if unit != "auto":
        return unit == "episode"
    return any(len(set(first.episodes)) < len(first.episodes) for first, _ in pairs)


def metric_rows(
    pairs: Pairs, metrics: Sequence[str], *, primary: str | None, episodes: bool, resamples: int
) -> list[Row]:
    """A row for each metric over all scenes, corrected with the weight on the primary one."""
    everything = [np.ones(len(first.scene_ids), dtype=bool) for first, _ in pairs]
    rows = _rows(pairs, metrics, everything, None, episodes, resamples)
    return corrected(rows, primary_weights(metrics, primary))


def group_rows(pairs: Pairs, metrics: Sequence[str], grouping: str, *, episodes: bool, resamples: int) -> list[Row]:
    """Rows for each metric and group, corrected over all of them evenly."""
    labels = [[label or NO_GROUP for label in getattr(first, GROUPINGS[grouping])] for first, _ in pairs]
    rows = []
    for group in sorted({label for labels_S in labels for label in labels_S}):
        chosen = [np.array([label == group for label in labels_S]) for labels_S in labels]
        rows += _rows(pairs, metrics, chosen, group, episodes, resamples)
    rows.sort(key=lambda row: metrics.index(row.metric))
    return corrected(rows, np.ones(len(rows)))


def _rows(
    pairs: Pairs,
    metrics: Sequence[str],
    chosen: Sequence[np.ndarray],
    group: str | None,
    episodes: bool,
    resamples: int,
) -> list[Row]:
    by_seed = []
    for (first, second), chosen_S in zip(pairs, chosen, strict=True):
        before_SM, after_SM = (_table(evaluation, metrics)[chosen_S] for evaluation in (first, second))
        units_S = np.array(first.episodes, dtype=object)[chosen_S].tolist() if episodes else None
        by_seed.append(paired_differences(before_SM, after_SM, units_S, resamples=resamples))
    return [over_seeds_row(name, group, found) for name, found in zip(metrics, zip(*by_seed, strict=True), strict=True)]


def over_seeds_row(metric: str, group: str | None, seeds: Sequence[PairedDifference]) -> Row:
    """One seed's difference, or the mean over seeds with Student's interval; not corrected."""
    if len(seeds) == 1:
        mean, ci95, p = seeds[0].mean, seeds[0].ci95, seeds[0].p
    else:
        found = over_seeds([seed.mean for seed in seeds])
        mean, ci95, p = found.mean, found.ci95, found.p
    return Row(
        metric=metric,
        group=group,
        before=over_seeds([seed.before for seed in seeds]).mean,
        after=over_seeds([seed.after for seed in seeds]).mean,
        difference=mean,
        ci95=ci95,
        p=p,
        p_holm=float("nan"),
        pairs=sum(seed.pairs for seed in seeds),
        left_out=sum(seed.left_out for seed in seeds),
        seeds=tuple(seeds),
    )


def corrected(rows: Sequence[Row], weights: np.ndarray) -> list[Row]:
    """The rows of a table with their p corrected by Holm; `weights` are shares of the level."""
    corrected = holm([row.p for row in rows], weights)
    return [replace(row, p_holm=float(p)) for row, p in zip(rows, corrected, strict=True)]


def _table(evaluation: Evaluation, metrics: Sequence[str]) -> np.ndarray:
    """Values [S, M]."""
    return np.stack([evaluation.per_scene[name] for name in metrics], axis=1)
