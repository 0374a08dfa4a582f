"""What a policy wrote and drove, as plain values: the text with the words that claims rest on, and the meta-actions.

Legend: B batch, T time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...driving import Trajectory, meta_action_segments, parse_decisions
from ...driving.claims import Claims


def marked(text: str) -> dict[str, Any]:
    """A text cut where marks begin and end: `pieces` of [words, indexes of the marks on them], and the `marks`.

    A mark is a claim of a decision, which counts or not, or the words of a cause or a side.
    """
    claims = parse_decisions(text)
    marks = _marks(claims)
    spans = [mark.pop("span") for mark in marks]
    cuts = sorted({0, len(text), *(place for span in spans for place in span)})
    pieces = [
        [text[start:end], [i for i, (first, last) in enumerate(spans) if first <= start and end <= last]]
        for start, end in pairwise(cuts)
    ]
    return {"pieces": pieces, "marks": marks}


def _marks(claims: Claims) -> list[dict[str, Any]]:
    counted = {"longitudinal": claims.longitudinal, "lateral": claims.lateral}
    first = {axis: claims.words(axis) for axis in counted}
    found: list[dict[str, Any]] = []
    for claim in claims.found:
        notes = [note for note in ("negated", "hedged") if getattr(claim, note)]
        if claim.counts and (claim.name != counted[claim.axis] or claim.words != first[claim.axis]):
            notes.append("later")
        name = claim.name if claim.side is None else f"{claim.name} {claim.side}"
        found.append({"what": claim.axis, "name": name, "words": claim.words, "notes": notes, "span": claim[4:6]})
    for item in claims.evidence:
        kind = "side" if item.what == "side" else "cause"
        name = claims.side or "side" if kind == "side" else item.what
        span = (item.start, item.end)
        found.append({"what": kind, "name": name, "words": item.words, "notes": [], "span": span})
    return found


def meta_actions(trajectories: Sequence[Trajectory | None]) -> list[list[list[list[Any]]] | None]:
    """Longitudinal and lateral segments of each, as lists of [start tick, end tick, name]; read together.

    None where there is no trajectory, or its poses are not finite.
    """
    told: list[list[list[list[Any]]] | None] = [None] * len(trajectories)
    by_length: dict[int, list[int]] = {}
    for place, trajectory in enumerate(trajectories):
        if trajectory is not None and np.isfinite(trajectory.poses_T3).all():
            by_length.setdefault(len(trajectory.poses_T3), []).append(place)
    for places in by_length.values():
        poses_BT3 = np.stack([t.poses_T3 for place in places if (t := trajectories[place]) is not None])
        for place, actions in zip(places, meta_action_segments(poses_BT3), strict=True):
            told[place] = [[[s.start, s.end, s.name] for s in axis] for axis in actions]
    return told
