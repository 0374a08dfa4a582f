"""Text -> words, and what the network is told of each: an entry of the vocabulary and hashed pieces of its spelling."""

from __future__ import annotations

import re
from typing import NamedTuple

PIECE_LENGTHS = (3, 4, 5)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:[.,]\d+)*|[^\w\s*`#~|>]")
"""Numbers, marks and words; what Markdown marks with is none of them."""
_PLAINLY = str.maketrans("’‘–—“”", "''--\"\"")
NUMBER = "0"
"""Every number reads the same: whether 30 is slow, the text has to say."""


class Word(NamedTuple):
    """A word or a mark in lower case, and its place in the text as written."""

    word: str
    start: int
    end: int


def words_of(text: str) -> list[Word]:
    """The words, numbers and marks of a text; white space does not matter.

    Example: `words_of("Hold 30.") == [Word("hold", 0, 4), Word("0", 5, 7), Word(".", 7, 8)]`.
    """
    # A letter whose lower case is longer than itself would shift all places behind it.
    plain = "".join(low if len(low := letter.lower()) == 1 else letter for letter in text).translate(_PLAINLY)
    return [
        Word(NUMBER if found.group()[0].isdigit() else found.group(), found.start(), found.end())
        for found in _WORD.finditer(plain)
    ]


def spelling_pieces(word: str, buckets: int) -> tuple[int, ...]:
    """Buckets of the pieces of a word with its borders, by FNV-1a (32 bit): words spelt alike share most of them."""
    bordered = f"<{word}>"
    return tuple(
        _fnv1a(bordered[start : start + length]) % buckets
        for length in PIECE_LENGTHS
        for start in range(len(bordered) - length + 1)
    )


def _fnv1a(piece: str) -> int:
    digest = 2166136261
    for byte in piece.encode():
        digest = ((digest ^ byte) * 16777619) & 0xFFFFFFFF
    return digest
