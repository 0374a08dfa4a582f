"""What the network makes of a text, as claims: the first action per axis, and what is later, negated or possible."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..claims import Axis, Claim
from ..decisions import SIDED_DECISIONS, Side
from .network import Network, Scores, load
from .tags import DECISIONS, SIDES, STANDINGS, meaning_of, tag_of
from .words import Word, words_of

LONGEST_WORDS = 400
"""Words of a text that are read; a trace has 10 to 40. What lies behind them claims nothing."""


def tagged_claims(text: str, network: Network | None = None) -> list[Claim]:
    """Every claim of a text in reading order; at most one on each axis counts as the first action."""
    words = words_of(text)[:LONGEST_WORDS]
    if not words:
        return []
    scores = (network or load()).score([word.word for word in words])
    claims = [claim for axis in DECISIONS for claim in _claims(axis, text, words, scores)]
    return sorted(claims, key=lambda claim: (claim.start, claim.end))


def _claims(axis: Axis, text: str, words: list[Word], scores: Scores) -> Iterator[Claim]:
    best = int(scores.decisions[axis].argmax())
    tags_TC = scores.tags[axis]
    tags_T = tags_TC.argmax(axis=1)
    if best:
        decided = tag_of(axis, DECISIONS[axis][best - 1], STANDINGS[0])
        surest = int(tags_TC[:, decided].argmax())
        tags_T[surest] = decided
        yield _claim(axis, text, words, scores, decided, *_run(tags_T, surest))
    for first, last in _runs(tags_T):
        if meaning_of(axis, int(tags_T[first]))[1] != STANDINGS[0]:
            yield _claim(axis, text, words, scores, int(tags_T[first]), first, last)


def _claim(axis: Axis, text: str, words: list[Word], scores: Scores, tag: int, first: int, last: int) -> Claim:
    decision, standing = meaning_of(axis, tag)
    start, end = words[first].start, words[last].end
    later = standing == "later"
    return Claim(
        axis=axis,
        name=decision,
        side=_side(scores, tag, first, last) if decision in SIDED_DECISIONS else None,
        words=text[start:end],
        start=start,
        end=end,
        negated=standing == "negated",
        hedged=standing == "possible",
        order=int(later),
        follows=later,
    )


def _side(scores: Scores, tag: int, first: int, last: int) -> Side | None:
    """Of the claim's words, those count most that are most surely part of it."""
    if meaning_of("lateral", tag)[1] == STANDINGS[0]:
        weights_T = np.exp(scores.tags["lateral"][:, 1 :: len(STANDINGS)]).sum(axis=1)
        return SIDES[int((weights_T @ scores.side_T3).argmax())]
    return SIDES[int(scores.side_T3[first : last + 1].sum(axis=0).argmax())]


def _runs(tags_T: np.ndarray) -> Iterator[tuple[int, int]]:
    """First and last word of every stretch of words that share a tag other than 0."""
    place = 0
    while place < len(tags_T):
        first, last = _run(tags_T, place)
        if tags_T[place]:
            yield first, last
        place = last + 1


def _run(tags_T: np.ndarray, place: int) -> tuple[int, int]:
    first = last = place
    while first > 0 and tags_T[first - 1] == tags_T[place]:
        first -= 1
    while last + 1 < len(tags_T) and tags_T[last + 1] == tags_T[place]:
        last += 1
    return first, last
