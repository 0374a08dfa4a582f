"""Does the policy look? What an evaluation says of it, with intervals: for files, tables, and one plain sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from ar1_rl.metrics import mean_interval
from ar1_rl.metrics.catalogue import CATALOGUE, WITH_OTHER_FRAMES, WITHOUT_SOMETHING

from .comparison import ALPHA, Pairs, Row
from .evaluation_folder import Evaluation
from .looking_claims import CLAIMS, claims_of
from .plain import plain

LOOKING = tuple(metric.name for metric in (*WITH_OTHER_FRAMES, *WITHOUT_SOMETHING))
"""Metrics of a policy that sees: other frames, and the world with one thing less."""
OVER_CEILING, BLIND_OVER_CEILING = "own_minus_ceiling_picks_expert", "blind_minus_ceiling_picks_expert"


def looking_of(evaluations: Sequence[Evaluation], resamples: int) -> dict[str, Any] | None:
    """`told`, `blind_ceiling`, `paired_scenes`, and the `claims`; None for a policy that was shown no frames.

    `evaluations` are those of one policy, one for each training seed; see `claims_of`. In a claim `value` and `against`
    are what the difference is of, null where only the difference was recorded. Example of a claim: {"claim":
    "own_minus_ceiling_picks_expert", "told": "own frames - blind ceiling", "metric": "picks_expert", "unit": "share",
    "value": 0.9, "against": 0.5, "difference": 0.4, "ci95": [0.33, 0.47], "p": 1e-4, "p_holm": 1e-3, "scenes": 200}.
    """
    rows = claims_of(evaluations, resamples)
    if not rows:
        return None
    claims = [_record(row) for row in rows]
    own = next((claim for claim in claims if claim["claim"] == OVER_CEILING), None)
    return {
        "told": told_of_looking(claims),
        "blind_ceiling": None if own is None else own["against"],
        "paired_scenes": 0 if own is None else own["scenes"],
        "claims": claims,
    }


def told_of_looking(claims: Sequence[Mapping[str, Any]]) -> str:
    """What the claims mean, in plain words: whether the policy looks, by the blind ceiling where there are pairs."""
    by_name = {claim["claim"]: claim for claim in claims}
    if OVER_CEILING in by_name:
        return _told_of_pairs(by_name[OVER_CEILING], by_name[BLIND_OVER_CEILING])
    changed = [c for c in claims if "_minus_blind_" in c["claim"] and c["p_holm"] is not None and c["p_holm"] < ALPHA]
    if not changed:
        return "Not shown that it looks: black frames change neither its grades nor its trajectories beyond chance."
    figures = ", ".join(f"{label_of(claim)} by {-claim['difference']:+.2f}" for claim in changed)
    return f"It looks: black frames change {figures}. No scenes are in pairs, so there is no ceiling to hold it to."


def _told_of_pairs(own: Mapping[str, Any], blind: Mapping[str, Any]) -> str:
    above, blindly_above = (claim["ci95"][0] is not None and claim["ci95"][0] > 0.0 for claim in (own, blind))
    verdict = "It looks" if above else "Not shown that it looks"
    given_away = ", more than can be: something else than frames gives scenes away" if blindly_above else ""
    return (
        f"{verdict}: in scenes in pairs ({own['scenes']}) it drives nearer to the own expert than to the twin's in "
        f"{own['value']:.2f} of them, where without looking {own['against']:.2f} can be reached at most "
        f"({_interval(own)}); with black frames in {blind['value']:.2f} ({_interval(blind)}){given_away}."
    )


def label_of(claim: Mapping[str, Any]) -> str:
    """What a claim is about, with its unit."""
    known = CATALOGUE.get(claim["metric"])
    label = "reference likelihood" if known is None else known.label
    unit = "nats a token" if known is None else known.unit
    return label if unit == "share" else f"{label} [{unit}]"


def looking_summary(before: Evaluation, after: Evaluation, resamples: int) -> dict[str, Any] | None:
    """Before and after: what `looking_of` says, and mean and interval of the metrics; None of a run without frames."""
    sides = {"before": before, "after": after}
    told = {side: looking_of([evaluation], resamples) for side, evaluation in sides.items()}
    some = next((looking for looking in told.values() if looking is not None), None)
    if some is None:
        return None
    return {
        "blind_ceiling": some["blind_ceiling"],
        "paired_scenes": some["paired_scenes"],
        **{side: _means(evaluation, LOOKING, resamples) for side, evaluation in sides.items()},
        "told": {side: looking and looking["told"] for side, looking in told.items()},
        "claims": {side: looking["claims"] if looking else [] for side, looking in told.items()},
    }


def metrics_of_looking(pairs: Pairs) -> list[str]:
    """Those of `LOOKING` that two policies both have values of; none where one of the two was shown no frames."""
    evaluations = [evaluation for pair in pairs for evaluation in pair]
    shared = [name for name in LOOKING if all(_known(evaluation, name) for evaluation in evaluations)]
    return shared if any(CATALOGUE[name] in WITH_OTHER_FRAMES for name in shared) else []


def _known(evaluation: Evaluation, name: str) -> bool:
    return name in evaluation.per_scene and bool(np.isfinite(evaluation.per_scene[name]).any())


def intervals_told(resamples: int) -> Callable[[Evaluation], dict[str, Any]]:
    """What evaluation.json says beside the means: their 95 % intervals, and `looking_of`.

    Intervals are over scenes, those of an episode together; an end is null where one of them is too few, and a metric
    that no scene has is left out.
    """

    def told(evaluation: Evaluation) -> dict[str, Any]:
        found = _means(evaluation, tuple(evaluation.per_scene), resamples)
        ends = {name: metric["ci95"] for name, metric in found.items()}
        return {"ci95": ends, "looking": looking_of([evaluation], resamples)}

    return told


def _means(evaluation: Evaluation, names: Sequence[str], resamples: int) -> dict[str, dict[str, Any]]:
    found = {}
    for name in names:
        if name in evaluation.per_scene:
            mean, *ends = mean_interval(evaluation.per_scene[name], evaluation.episodes, resamples=resamples)
            if isfinite(mean):
                found[name] = {"mean": mean, "ci95": [plain(end) for end in ends]}
    return found


def _record(row: Row) -> dict[str, Any]:
    claim = CLAIMS[row.metric]
    levels = claim.figure == "picks_expert"
    return {
        "claim": claim.name,
        "told": claim.told,
        "metric": claim.figure,
        "unit": claim.unit,
        "value": row.after if levels else None,
        "against": row.before if levels else None,
        "difference": row.difference,
        "ci95": [plain(end) for end in row.ci95],
        "p": plain(row.p),
        "p_holm": plain(row.p_holm),
        "scenes": row.pairs,
    }


def _interval(claim: Mapping[str, Any]) -> str:
    low, high = claim["ci95"]
    interval = "too few for an interval" if low is None else f"95 % {low:+.2f} … {high:+.2f}"
    return f"{claim['difference']:+.2f}, {interval}"
