"""The tags of words: what a word says on each axis. Training marks and trained network share them.

On an axis a word says nothing (tag 0), or belongs to the words that claim a decision, which has one of four standings.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..claims import Axis
from ..decisions import LATERAL_DECISIONS, LONGITUDINAL_DECISIONS, Side

STANDINGS = ("first", "later", "negated", "possible")
"""The first action on its axis; an action behind it; what the ego will not do; what it might do."""
DECISIONS: Mapping[Axis, tuple[str, ...]] = {"longitudinal": LONGITUDINAL_DECISIONS, "lateral": LATERAL_DECISIONS}
SIDES: tuple[Side | None, ...] = (None, "left", "right")


def tag_of(axis: Axis, decision: str, standing: str) -> int:
    """Number of a tag. Example: `tag_of("longitudinal", LONGITUDINAL_DECISIONS[0], "later") == 2`."""
    return 1 + DECISIONS[axis].index(decision) * len(STANDINGS) + STANDINGS.index(standing)


def meaning_of(axis: Axis, tag: int) -> tuple[str, str]:
    """Decision and standing of a tag other than 0."""
    decision, standing = divmod(tag - 1, len(STANDINGS))
    return DECISIONS[axis][decision], STANDINGS[standing]


def tag_count(axis: Axis) -> int:
    """How many tags an axis has, "nothing" among them."""
    return 1 + len(DECISIONS[axis]) * len(STANDINGS)
