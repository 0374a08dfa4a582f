"""Graded text is data. What could end it, hide in it or pass for a turn, a tag or a verdict is taken apart first.

The words stay readable: brackets of every kind become round ones, line breaks become spaces, and the colon of `grade:`
a comma, so that a reply which quotes the text holds no verdict that the text made up.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain

VERDICT_WORDS = ("grade", "score", "rating", "verdict", "note")
TURN_WORDS = (
    "system",
    "user",
    "assistant",
    "human",
    "developer",
    "tool",
    "model",
    "ai",
    "instruction",
    "instructions",
    "input",
    "response",
    "output",
)
"""Names of speakers and sections in chat formats that are made of plain words."""

CUT = " ... (cut here: {shown} of {whole} characters are shown)"
"""Stands at the end of a text that is too long."""
MOST_MARKS = 2
"""Combining marks on one letter; no script needs more."""

MIN_DELIMITER_LETTERS = 3
"""Shorter names of tags stand in every sentence; without its brackets such a tag is none."""

# Not in a category of their own: fillers and selectors that show nothing, and an empty braille cell.
_UNSEEN = frozenset(
    chain(
        (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
        range(0xFE00, 0xFE10),
        range(0xE0100, 0xE01F0),
    )
)
_OPENING = "<≮≪⋘≺⪡⩽⧀˂˱ᐸ◁◀◂◃◄⊲⊰‹«❮ᚲ"
_CLOSING = ">≯≫⋙≻⪢⩾⧁˃˲ᐳ▷▶▸▹►⊳⊱›»❯"
_PLAIN = {
    **dict.fromkeys(_OPENING, "("),
    **dict.fromkeys(_CLOSING, ")"),
    **dict.fromkeys("“”„‟‚‛‘’`´ʼ＇′‵", "'"),
    **dict.fromkeys("|¦│┃❘∣⎪", "/"),
    **dict.fromkeys("∶꞉ː˸։：﹕", ":"),
    **dict.fromkeys("→⇒➔➜⟶⟹", ","),
    "\\": "/",
    "\ufffc": "",
}
_LOOKALIKES = str.maketrans(
    "аеорсхуіјѕԁһԛԝвкмнтАВЕЅІЈКМНОРСТХοαρνκιτΑΒΕΖΗΙΚΜΝΟΡΤΥΧɡɑı",
    "aeopcxyijsdhqwbkmhtABESIJKMHOPCTXoapvkitABEZHIKMNOPTYXgai",
)
_WORD = re.compile(r"[^\W\d_]+")
_RUNS = re.compile(r"([#=~*_+/\"'()-])(?:\s*\1)+")
_LEADING = " #=~*_+/-"


def neutralise(text: str, max_characters: int, delimiters: Iterable[str] = (), labels: Iterable[str] = ()) -> str:
    """The text on one line of at most `max_characters`, without anything that acts on a prompt or a parser.

    `delimiters` are the names of the prompt's own tags, `labels` the words before a grade.
    """
    seen = _plain(text)
    line = _RUNS.sub(r"\1", " ".join(seen.split())).lstrip(_LEADING)
    line = _separator(tuple(sorted({*VERDICT_WORDS, *labels}))).sub(_with_a_comma, line)
    for word in filter(_has_a_middle, delimiters):
        line = _tag_like(word).sub(_broken, line)
    return _cut(line, max_characters)


def _plain(text: str) -> str:
    """Compatibility forms folded, the unseen left out, brackets round."""
    if not text.isascii():
        # What was kept apart by something unseen may combine once that is gone.
        for _ in range(2):
            text = "".join(map(_seen, unicodedata.normalize("NFKC", text)))
        text = _WORD.sub(_of_one_script, _few_marks(text))
    return "".join(map(_round, text))


@lru_cache(maxsize=4096)
def _seen(character: str) -> str:
    if character.isspace():
        return " "
    unseen = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Me") or ord(character) in _UNSEEN
    return "" if unseen else character


@lru_cache(maxsize=4096)
def _round(character: str) -> str:
    if character in _PLAIN:
        return _PLAIN[character]
    if character.isspace():
        return " "
    category = unicodedata.category(character)
    return {"Ps": "(", "Pe": ")", "Pi": "'", "Pf": "'", "Cc": ""}.get(category, character)


def _few_marks(text: str) -> str:
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) == "Mn" else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _of_one_script(match: re.Match[str]) -> str:
    """A word of Latin letters and lookalikes of them, in Latin letters alone; other words as they are."""
    word: str = match[0]
    if word.isascii() or not any("a" <= letter <= "z" for letter in word.lower()):
        return word
    return word.translate(_LOOKALIKES)


@lru_cache(maxsize=64)
def _separator(words: tuple[str, ...]) -> re.Pattern[str]:
    """A name before a colon, and of the words before a grade, also before "is 5"."""
    graded, speaking = ("|".join(re.escape(w).replace("_", "[ _-]") for w in some) for some in (words, TURN_WORDS))
    between = r"[\s*_\"'/().-]*(?:\([^()]{0,24}\))?[\s*_\"'/().-]*"
    return re.compile(
        rf"(?<![^\W_])(?:({graded})(?![^\W_]){between}([:=]|is\b(?=\W*(?:\d|$)))|({speaking})(?![^\W_]){between}[:=])",
        re.IGNORECASE,
    )


def _with_a_comma(match: re.Match[str]) -> str:
    if match[1] is None:
        return f"{match[3]},"
    return match[1] + (", is" if match[2].lower() == "is" else ",")


def _has_a_middle(word: str) -> bool:
    return len(word) >= MIN_DELIMITER_LETTERS


@lru_cache(maxsize=64)
def _tag_like(word: str) -> re.Pattern[str]:
    # Letters set apart by a sign or a space read as the same word. In a sentence the word is left alone.
    spaced = r"(?:[^\w·]|_)?".join(map(re.escape, word))
    before = r"[(/=#*~_+'\"-]\s*|\b(?:end|begin|start|close)\s+(?:of\s+)?(?:the\s+)?"
    whole = rf"{spaced}(?![^\W_])"
    return re.compile(
        rf"(?P<before>{before})(?P<word>{whole})|(?<![^\W_])(?P<alone>{whole})(?=\s*[)/=#*~_+:])", re.IGNORECASE
    )


def _broken(match: re.Match[str]) -> str:
    word = match["word"] or match["alone"]
    middle = len(word) // 2
    return f"{match['before'] or ''}{word[:middle]}·{word[middle:]}"


def _cut(text: str, max_characters: int) -> str:
    if len(text) <= max_characters:
        return text
    room = max(0, max_characters - len(CUT.format(shown=max_characters, whole=len(text))))
    return (text[:room] + CUT.format(shown=room, whole=len(text)))[:max_characters]
