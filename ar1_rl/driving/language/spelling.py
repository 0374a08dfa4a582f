"""Slips of the keyboard, in the words that decisions hang on: two letters swapped, one missing, one doubled."""

from __future__ import annotations

from functools import lru_cache

from .grammar import words
from .verbs import FORMS

SHORTEST = 4
"""Shorter words are left alone: too many of them are one letter from another."""
_OTHER_WORDS = [
    "lane",
    "lanes",
    "left",
    "right",
    "speed",
    "distance",
    "line",
    "lines",
    "shoulder",
    "junction",
    "intersection",
    "roundabout",
    "ramp",
    "exit",
    "vehicle",
    "pedestrian",
    "pedestrians",
    "cyclist",
    "traffic",
    "light",
    "signal",
    "ahead",
    "behind",
    "within",
    "inside",
    "over",
    "into",
    "because",
    "slowly",
    "gently",
    "before",
    "after",
    "down",
    "until",
    "with",
    "towards",
    "forward",
    "center",
    "centre",
    "limit",
    "current",
    "crossing",
    "curb",
    "kerb",
    "opening",
    "overtaking",
    "back",
    "stopped",
    "parked",
    "braking",
    "truck",
    "straight",
    "both",
    "that",
    "this",
    "then",
    "than",
    "while",
    "when",
    "here",
    "there",
    "where",
    "front",
    "from",
    "road",
    "leading",
]

_REAL_WORDS = words(
    "angel backend bakes barked barking based bases booth boring brining broker caches caching casted"
    " casting casts costs derive derives deriving diver divers diving erased erases erasing exist existed"
    " existing exists fist flavor flavored flavors flavour flavours form following followings forwards"
    " gest grained joints learned learning learns lest liens linked linking lots loose looses losses"
    " making masking movies paces pas pickled pickling powders recovery rises rising saved saves saving"
    " saying scraping seeded seeding seeds seeing seeping serve served serves serving sharded sided sifted"
    " sifting singing sings slider spewed stared staring stars stated stating stats steep stoop strand"
    " struck tacks talking three tiled tiling tok traced tracing trial trials trucking tuned tuning waist"
    " waits waves trains train mover fellow felt lifts lame lone space peed steed loft sole mere merely"
    " verge verges vary very turn born torn stray spray brave braver parking packing clam calm clot colt"
    " slat salt flow wolf lap pal angle united untied dairy diary"
)
"""One slip from a word of this vocabulary, and words themselves."""


@lru_cache(maxsize=4096)
def repaired(word: str) -> str:
    """The word that was meant, where exactly one is a single slip away; any other word as it is."""
    if len(word) < 3 or not word.isalpha() or word in _KNOWN:
        return word
    near = {known for slip in _slips(word) for known in _BY_SLIP.get(slip, ())}
    meant = [known for known in near if known[0] == word[0] and _is_slip(word, known)]
    return meant[0] if len(meant) == 1 else word


def _is_slip(written: str, meant: str) -> bool:
    """Whether two neighbours are swapped, a letter is doubled, or one is missing inside a long word."""
    if len(written) == len(meant):
        unlike = [i for i, (a, b) in enumerate(zip(written, meant, strict=True)) if a != b]
        return len(unlike) == 2 and unlike[1] == unlike[0] + 1 and sorted(written) == sorted(meant)
    shorter, longer = sorted((written, meant), key=len)
    gap = next((i for i, letter in enumerate(shorter) if letter != longer[i]), len(shorter))
    if shorter[gap:] != longer[gap + 1 :] or gap == len(shorter):
        return False
    doubled = longer[gap] in (longer[gap - 1], longer[gap + 1])
    if longer is written:
        return doubled
    return doubled or len(meant) > LONG or meant == "over"


LONG = 5
"""A letter may be missing from words with more letters than this."""


def _slips(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


_WORDS = frozenset(word for word in (*FORMS, *_OTHER_WORDS) if len(word) >= SHORTEST)
_KNOWN = _WORDS | _REAL_WORDS | frozenset(FORMS)


def _by_slip() -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for word in sorted(_WORDS):
        for slip in _slips(word):
            words.setdefault(slip, []).append(word)
    return words


_BY_SLIP = _by_slip()
