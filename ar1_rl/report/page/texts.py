"""Every text of the page once, by number, and the claims in those that are traces."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .answer import marked

LONGEST_TEXT = 6_000
"""Characters of one text that the page holds."""


@dataclass
class Texts:
    """Every text once, by number: policies and graders repeat themselves."""

    all: list[str] = field(default_factory=list)
    marks: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Claims in those that are traces."""
    _known: dict[str, int] = field(default_factory=dict)

    def number(self, text: str | None) -> int | None:
        """Of a text, which may be new."""
        if text is None:
            return None
        shown = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"
        if shown not in self._known:
            self._known[shown] = len(self.all)
            self.all.append(shown)
        return self._known[shown]

    def trace(self, text: str) -> int:
        """Of a reasoning trace, whose claims are read."""
        number = self.number(text)
        assert number is not None
        if number not in self.marks:
            self.marks[number] = marked(self.all[number])
        return number
