"""Claims: the decisions that a text names, and the first action per axis that follows from them.

Whoever reads a text, rules or a language model, gives a list of `Claim`; `first_actions` makes `Claims` of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .decisions import Decisions, Side

Axis = Literal["longitudinal", "lateral"]


class Claim(NamedTuple):
    """A decision of the ego that a text names, and the words it rests on.

    Example: in "Do not stop." `Claim("longitudinal", "stop", None, "stop", 7, 11, negated=True)`.
    """

    axis: Axis
    name: str
    side: Side | None
    words: str
    """As written: `text[start:end]`."""
    start: int
    end: int
    negated: bool = False
    """The text says that the ego will not ("do not stop", "instead of stopping")."""
    hedged: bool = False
    """Only tentative ("may have to stop", "if ...")."""
    order: int = 0
    """-1 for what comes before the rest ("after stopping, ..."), 1 for what comes after it ("before turning")."""
    follows: bool = False
    """Told to follow something else that the ego does ("then", "before ...")."""
    extent_stated: bool = True
    """False for a nudge that does not say whether it stays in the lane; it is then called `in_lane_nudge`."""

    @property
    def counts(self) -> bool:
        """Whether the text says that the ego will do it."""
        return not (self.negated or self.hedged)


class Evidence(NamedTuple):
    """The words of a text, as written, that name a component or a side. `what` is "side" or the component."""

    what: str
    words: str
    start: int
    end: int


@dataclass(frozen=True)
class Claims:
    """What a text says. Example: `parse_decisions("Nudge left around the parked car.").lateral == "in_lane_nudge"`."""

    longitudinal: str | None = None
    lateral: str | None = None
    side: Side | None = None
    components: tuple[str, ...] = ()
    """Critical components that it cites as causes, in reading order."""
    evidence: tuple[Evidence, ...] = ()
    """The words that the components rest on."""
    extent_stated: bool = True
    """See `Claim`."""
    after_stop: bool = False
    """The lateral decision is for after the stop, and so maybe behind the horizon ("stop, then turn right")."""
    found: tuple[Claim, ...] = ()
    """Every claim in reading order: those that count and those that do not."""

    @property
    def decisions(self) -> Decisions:
        """The claims as `Decisions`."""
        return Decisions(longitudinal=self.longitudinal, lateral=self.lateral, side=self.side)

    def words(self, what: str) -> str | None:
        """The words that the first action on an axis, or a cited component, rests on."""
        if what in ("longitudinal", "lateral"):
            claim = first_action_of(self.found, "longitudinal" if what == "longitudinal" else "lateral")
            return claim.words if claim is not None else None
        return next((item.words for item in self.evidence if item.what == what), None)


def first_actions(
    found: Sequence[Claim], components: tuple[str, ...] = (), evidence: tuple[Evidence, ...] = ()
) -> Claims:
    """What counts of the claims of a text: the first action on each axis.

    Negated and hedged claims do not count; of the others the earliest does, in the order in which they are to be
    carried out.
    """
    longitudinal, lateral = first_action_of(found, "longitudinal"), first_action_of(found, "lateral")
    return Claims(
        longitudinal=longitudinal.name if longitudinal is not None else None,
        lateral=lateral.name if lateral is not None else None,
        side=lateral.side if lateral is not None else None,
        components=components,
        evidence=evidence,
        extent_stated=lateral is None or lateral.extent_stated,
        after_stop=_after_stop(longitudinal, lateral),
        found=tuple(found),
    )


def _after_stop(longitudinal: Claim | None, lateral: Claim | None) -> bool:
    if longitudinal is None or lateral is None or longitudinal.name != "stop":
        return False
    earlier = (longitudinal.order, longitudinal.start) < (lateral.order, lateral.start)
    return earlier and (lateral.follows or longitudinal.order < lateral.order)


def first_action_of(found: Sequence[Claim], axis: Axis) -> Claim | None:
    """The claim that counts on an axis, see `first_actions`."""
    counted = [claim for claim in found if claim.axis == axis and claim.counts]
    return min(counted, key=lambda claim: (claim.order, claim.start), default=None)
