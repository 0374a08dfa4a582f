"""Plain text for rules to read, and the way back from its positions to those of the text as written."""

# ruff: noqa: E501  patterns on one line

from __future__ import annotations

import re

from .spelling import repaired

_CONTRACTIONS = tuple(
    (re.compile(pattern), full)
    for pattern, full in (
        (r"\bcan't\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"n't\b", " not"),
        (r"'ll\b", " will"),
        (r"'re\b", " are"),
        (r"'ve\b", " have"),
        (r"'d\b", " would"),
        (r"'m\b", " am"),
        (r"\b(it|he|she|there|that|who|what|traffic|light|here)'s\b", r"\1 is"),
    )
)
_RUN_TOGETHER = re.compile(r"\b(can|do|wo)(?:not|nt)\b")
_PARAGRAPH = r"\n\s*\n(?:\s*[-*\u2022] )?|\n\s*[-*\u2022] "
_BREAK = re.compile(_PARAGRAPH)
_DASHES = (
    ("\u2019", "'"), ("\u2011", "-"), ("\u2013", " ; "), ("\u2014", " ; "), ("->", " ; "), ("\u2192", " ; "), (" - ", " ; "),
)  # fmt: skip
_MARKUP = re.compile(r"[*_`#~|>]+")
_LETTERS = re.compile(r"(?<![\w'])[a-z]{3,}(?![\w'])")
_PIECE = re.compile(rf"{_PARAGRAPH}|\S+")


def normalised(text: str) -> str:
    """Lower case, single spaces, contractions written out; dashes between clauses and empty lines as semicolons.

    Marks of Markdown are left out, slips of the keyboard repaired.
    """
    plain = text.lower()
    if "\n" in plain:
        plain = _BREAK.sub(" ; ", plain)
    for written, plainly in _DASHES:
        if written in plain:
            plain = plain.replace(written, plainly)
    plain = " ".join(_MARKUP.sub(" ", plain).split())
    if "'" in plain:
        for pattern, full in _CONTRACTIONS:
            plain = pattern.sub(full, plain)
    plain = _RUN_TOGETHER.sub(r"\1 not", plain)
    return _LETTERS.sub(_repair, plain)


def _repair(match: re.Match[str]) -> str:
    return repaired(match.group())


class Places:
    """From a stretch of the normalised text to the words as written."""

    def __init__(self, text: str, plain: str) -> None:
        self.text, self.plain = text, plain
        self._words: list[tuple[int, int, int, int]] | None = None

    def of(self, start: int, end: int) -> tuple[str, int, int]:
        """The words, their start and their end in the text as written; a word written differently counts whole."""
        if self.text.lower() == self.plain and len(self.text) == len(self.plain):
            return self.text[start:end], start, end
        begin, finish = len(self.text), 0
        for plain_start, plain_end, text_start, text_end in self._aligned():
            if plain_start < end and start < plain_end:
                alike = plain_end - plain_start == text_end - text_start
                begin = min(begin, text_start + (max(0, start - plain_start) if alike else 0))
                finish = max(finish, text_end - (max(0, plain_end - end) if alike else 0))
        return self.text[begin:finish], begin, finish

    def _aligned(self) -> list[tuple[int, int, int, int]]:
        """Start and end of every word in the normalised text and in the text as written."""
        if self._words is None:
            self._words, at = [], 0
            for match in _PIECE.finditer(self.text):
                length = 1 if match.group().startswith("\n") else len(normalised(match.group()))
                if length:
                    self._words.append((at, at + length, match.start(), match.end()))
                    at += length + 1
        return self._words
