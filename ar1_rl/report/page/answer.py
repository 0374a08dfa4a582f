"""What a policy wrote and drove, as plain values: the text with the words that claims rest on, and the meta-actions.

Legend: T time.
"""

from __future__ import annotations

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


def meta_actions(trajectory: Trajectory) -> list[list[list[Any]]]:
    """Longitudinal and lateral segments, each a list of [start tick, end tick, name]; empty for poses not finite."""
    if not np.isfinite(trajectory.poses_T3).all():
        return [[], []]
    (actions,) = meta_action_segments(trajectory.poses_T3[None])
    return [[[s.start, s.end, s.name] for s in axis] for axis in (actions.longitudinal, actions.lateral)]
