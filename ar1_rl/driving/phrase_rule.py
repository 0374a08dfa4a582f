"""A rule: the words by which a text names something."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class PhraseRule:
    """The words of `source` say `name`; it is only tried where one of `triggers` (plain substrings) occurs."""

    name: str
    triggers: tuple[str, ...]
    source: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when first needed: imports stay quick."""
        return re.compile(self.source)


def phrase_rule(name: str, triggers: str, source: str) -> PhraseRule:
    """A rule with its triggers in one string."""
    return PhraseRule(name, tuple(triggers.split()), source)


class RuleBook:
    """Rules by axis. Most texts leave a few of a hundred worth trying, which `fitting` finds by their triggers."""

    def __init__(self, **axes: Iterable[PhraseRule]) -> None:
        self._rules = [(axis, rule) for axis, rules in axes.items() for rule in rules]
        self._axes = tuple(axes)
        self._bits: dict[str, int] = {}
        for place, (_, rule) in enumerate(self._rules):
            for trigger in rule.triggers:
                self._bits[trigger] = self._bits.get(trigger, 0) | 1 << place

    def fitting(self, plain: str) -> dict[str, list[PhraseRule]]:
        """The rules of every axis of which a trigger occurs in a text, in their order."""
        bits = 0
        for trigger in [trigger for trigger in self._bits if trigger in plain]:
            bits |= self._bits[trigger]
        kept: dict[str, list[PhraseRule]] = {axis: [] for axis in self._axes}
        while bits:
            lowest = bits & -bits
            axis, rule = self._rules[lowest.bit_length() - 1]
            kept[axis].append(rule)
            bits ^= lowest
        return kept
