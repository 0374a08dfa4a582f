"""Marked texts as training examples: words with their tags, and ways to make other texts of them that mean the same.

Legend: T words of a text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ar1_rl.driving.decisions import Decisions
from ar1_rl.driving.tagger.network import MIRRORED
from ar1_rl.driving.tagger.tags import DECISIONS, SIDES, STANDINGS, tag_of
from ar1_rl.driving.tagger.words import words_of

from .marks import Marked

UNKNOWN = -1
"""A tag that is not known, and that no loss asks for."""
JOINTS = ((".",), (";",), (",",), (",", "and"), ("and",))
VEHICLES = (
    "car", "truck", "van", "bus", "lorry", "sedan", "suv", "taxi", "hatchback", "minivan", "pickup", "coach", "tanker",
)  # fmt: skip
NO_SIDE_AFTER = frozenset(["has", "have", "had", "is", "are", "was", "been", "just", "it's", "no", "room"])
NO_SIDE_BEFORE = frozenset(["of", "away", "now", "behind", "after", "before", "through", "ahead", "here"])
""" "Has left", "right of way": words that only look like sides."""


@dataclass(frozen=True)
class Example:
    """A text of T words. Tags and sides are UNKNOWN where only the decisions of the whole text are."""

    words: tuple[str, ...]
    longitudinal_T: tuple[int, ...]
    lateral_T: tuple[int, ...]
    side_T: tuple[int, ...]
    decisions: Decisions


@dataclass(frozen=True)
class Augmentation:
    """How often an example is changed; shares of examples, or of words where said. Found by trying, on gold part 2."""

    mirrored: float = 0.5
    joined: float = 0.15
    other_vehicle: float = 0.2
    """Of vehicles."""
    misspelt: float = 0.015
    """Of words with five letters or more."""
    without_commas: float = 0.1


def example_of(marked: Marked) -> Example:
    """A marked text as an example."""
    words = words_of(marked.text)
    tags = {axis: [0] * len(words) for axis in DECISIONS}
    side_T = [UNKNOWN] * len(words)
    found: dict[str, str | None] = {"longitudinal": None, "lateral": None, "side": None}
    for mark in marked.marks:
        inside = [i for i, word in enumerate(words) if word.start >= mark.start and word.end <= mark.end]
        for i in inside:
            tags[mark.axis][i] = tag_of(mark.axis, mark.decision, mark.standing)
            if mark.axis == "lateral":
                side_T[i] = SIDES.index(mark.side)
        if mark.standing == STANDINGS[0]:
            found[mark.axis] = mark.decision
            found["side"] = mark.side or found["side"]
    return Example(
        tuple(word.word for word in words),
        tuple(tags["longitudinal"]),
        tuple(tags["lateral"]),
        tuple(side_T),
        Decisions(found["longitudinal"], found["lateral"], found["side"]),  # type: ignore[arg-type]
    )


def labelled(text: str, decisions: Decisions) -> Example:
    """A text of which only the decisions are known."""
    words = tuple(word.word for word in words_of(text))
    unknown_T = (UNKNOWN,) * len(words)
    return Example(words, unknown_T, unknown_T, unknown_T, decisions)


def augmented(
    example: Example, others: Sequence[Example], rng: random.Random, settings: Augmentation = Augmentation()
) -> Example:
    """Another text with labels that follow from those of `example`."""
    if rng.random() < settings.mirrored and can_be_mirrored(example):
        example = mirrored(example)
    if rng.random() < settings.joined:
        example = joined(example, rng.choice(others), rng)
    example = replace(example, words=tuple(_other_word(word, rng, settings) for word in example.words))
    if rng.random() < settings.without_commas:
        kept = [i for i, word in enumerate(example.words) if word not in ",."]
        example = _only(example, kept) if kept else example
    return example


def can_be_mirrored(example: Example) -> bool:
    """Whether every "left" and "right" of a text is surely a side."""
    words = example.words
    return not any(
        (word == "left" and i > 0 and words[i - 1] in NO_SIDE_AFTER)
        or (word == "right" and i + 1 < len(words) and words[i + 1] in NO_SIDE_BEFORE)
        for i, word in enumerate(words)
    )


def mirrored(example: Example) -> Example:
    """The same text with left and right exchanged."""
    other = {UNKNOWN: UNKNOWN, 0: 0, 1: 2, 2: 1}
    decisions = example.decisions
    return replace(
        example,
        words=tuple(MIRRORED.get(word, word) for word in example.words),
        side_T=tuple(other[side] for side in example.side_T),
        decisions=replace(decisions, side=SIDES[other[SIDES.index(decisions.side)]]),
    )


def joined(one: Example, other: Example, rng: random.Random) -> Example:
    """Two texts in one, if they claim nothing on the same axis; else the first alone."""
    first, second = one.decisions, other.decisions
    if (first.longitudinal and second.longitudinal) or (first.lateral and second.lateral):
        return one
    if rng.random() < 0.5:
        one, other = other, one
    end = len(one.words)
    while end and one.words[end - 1] in ".!;":
        end -= 1
    joint = rng.choice(JOINTS)
    nothing_T = (0,) * len(joint)
    return Example(
        one.words[:end] + joint + other.words,
        one.longitudinal_T[:end] + nothing_T + other.longitudinal_T,
        one.lateral_T[:end] + nothing_T + other.lateral_T,
        one.side_T[:end] + (UNKNOWN,) * len(joint) + other.side_T,
        Decisions(
            first.longitudinal or second.longitudinal, first.lateral or second.lateral, first.side or second.side
        ),
    )


def _only(example: Example, kept: Sequence[int]) -> Example:
    return replace(
        example,
        words=tuple(example.words[i] for i in kept),
        longitudinal_T=tuple(example.longitudinal_T[i] for i in kept),
        lateral_T=tuple(example.lateral_T[i] for i in kept),
        side_T=tuple(example.side_T[i] for i in kept),
    )


def _other_word(word: str, rng: random.Random, settings: Augmentation) -> str:
    if word in VEHICLES:
        return rng.choice(VEHICLES) if rng.random() < settings.other_vehicle else word
    if len(word) < 5 or rng.random() >= settings.misspelt:
        return word
    place = rng.randrange(len(word) - 1)
    before, letter, after = word[:place], word[place], word[place + 1 :]
    return rng.choice((before + after, before + after[0] + letter + after[1:], before + letter + letter + after))
