"""Plain text for rules to read, and the way back from its positions to those of the text as written."""

from __future__ import annotations

import re

_CONTRACTIONS = tuple(
    (re.compile(pattern), full)
    for pattern, full in (
        (r"\bcan't\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"n't\b", " not"),
        (r"'ll\b", " will"),
        (r"'re\b", " are"),
        (r"'m\b", " am"),
    )
)
_MARKUP = re.compile(r"[*_`#~|>]+")
_RUN_TOGETHER = re.compile(r"\b(can|do|wo)(?:not|nt)\b")
_WORD = re.compile(r"\S+")


def normalised(text: str) -> str:
    """Lower case, single spaces, contractions written out, marks of Markdown left out."""
    plain = " ".join(_MARKUP.sub(" ", text).lower().replace("\u2019", "'").replace("\u2011", "-").split())
    if "'" in plain:
        for pattern, full in _CONTRACTIONS:
            plain = pattern.sub(full, plain)
    return _RUN_TOGETHER.sub(r"\1 not", plain)


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
            for match in _WORD.finditer(self.text):
                length = len(normalised(match.group()))
                self._words.append((at, at + length, match.start(), match.end()))
                at += length + 1
        return self._words
