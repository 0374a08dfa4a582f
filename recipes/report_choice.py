"""Which scenes are drawn where there are more than a page should hold: those that moved, and an even sample of all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .report_sides import SceneFigures

REASONING_SCALE = 5.0
"""The highest grade: a change of consistency from 0 to 1 weighs as much as one of the grade from 0 to 5."""
AGREES = 0.5
"""A graded consistency from here on counts as consistent; a strict one is 0 or 1."""


@dataclass(frozen=True)
class Moved:
    """How a scene changed from before to after; all zero where one of the two is missing."""

    change: float = 0.0
    """Of consistency and of the reasoning score over its range, means over the samples, as magnitudes."""
    gain: float = 0.0
    """The same with signs."""
    repaired: bool = False
    """The most likely rollout was inconsistent before and is consistent after."""
    broken: bool = False


def moved(before: SceneFigures | None, after: SceneFigures | None) -> Moved:
    """The change of one scene."""
    if before is None or after is None:
        return Moved()
    steps = [
        (after.consistency_mean, before.consistency_mean, 1.0),
        (after.reasoning_mean, before.reasoning_mean, REASONING_SCALE),
    ]
    changes = [(new - old) / scale for new, old, scale in steps if new is not None and old is not None]
    agreed = [None if side.consistency is None else side.consistency >= AGREES for side in (before, after)]
    return Moved(
        change=sum(map(abs, changes)),
        gain=sum(changes),
        repaired=agreed == [False, True],
        broken=agreed == [True, False],
    )


def choose(scenes: Mapping[str, Moved], limit: int, flagged: Collection[str] = ()) -> tuple[list[str], dict[str, int]]:
    """At most `limit` scene ids in their order, and how many were chosen for which reason."""
    if len(scenes) <= limit:
        return list(scenes), {}
    order = list(scenes)
    by_change = sorted((i for i in order if scenes[i].change > 0.0), key=lambda i: -scenes[i].change)
    reasons: dict[str, tuple[Sequence[str], int]] = {
        "flagged": ([i for i in order if i in flagged], limit // 8),
        "of the biggest change": (by_change, limit // 4),
        "broken": ([i for i in order if scenes[i].broken], limit // 8),
        "repaired": ([i for i in order if scenes[i].repaired], limit // 8),
    }
    chosen: dict[str, str] = {}
    for reason, (candidates, quota) in reasons.items():
        fresh = [i for i in candidates if i not in chosen]
        for identity in fresh[:quota] if reason == "of the biggest change" else _spread(fresh, quota):
            chosen[identity] = reason
    rest = [i for i in order if i not in chosen]
    chosen |= dict.fromkeys(_spread(rest, limit - len(chosen)), "evenly from all others")
    counts: dict[str, int] = {}
    for reason in chosen.values():
        counts[reason] = counts.get(reason, 0) + 1
    return [i for i in order if i in chosen], counts


def _spread(items: Sequence[str], count: int) -> list[str]:
    """`count` of the items, evenly spaced."""
    if count >= len(items):
        return list(items)
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]
