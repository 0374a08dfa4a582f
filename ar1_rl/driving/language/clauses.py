"""A text in clauses: cut at punctuation and at the words that join clauses."""

from __future__ import annotations

import re
from typing import NamedTuple

from .grammar import ADVERB, FINITE_WORDS, words
from .verbs import FORMS, NOUN_GUARDS


class Token(NamedTuple):
    """A word, a figure or a mark, and its place in the plain text."""

    word: str
    start: int
    end: int


class Clause(NamedTuple):
    """Some tokens in a row; `kind` is the joint in front of them."""

    kind: str
    tokens: tuple[Token, ...]


STRONG = "strong"
"""A full stop or the like: nothing carries over it."""
SUBORDINATE = ("if", "when", "reason", "after", "before", "until", "unless", "relative")
COORDINATED = ("and", "or", "comma", "but", "comma and", "then")

_TOKEN = re.compile(r"[a-z0-9](?:[\w'/%]|[.,](?=\d))*|[^\s\w]")
_STOPS = frozenset(".;:!?")
_JOINTS = {
    "and": "and", "&": "and", "plus": "and", "or": "or", "nor": "or", "but": "but", "so": "so", "then": "then",
    "therefore": "so", "hence": "so", "thus": "so", "otherwise": "but", "because": "reason", "since": "reason",
    "as": "reason", "given": "reason", "due": "reason", "owing": "reason", "although": "reason", "though": "reason",
    "whereas": "reason", "where": "reason", "despite": "reason", "when": "when", "while": "when", "whilst": "when",
    "once": "when", "whenever": "when", "if": "if", "unless": "unless", "until": "until", "till": "until",
    "before": "before", "after": "after", "that": "relative", "which": "relative", "who": "relative",
    "whose": "relative", "whom": "relative",
}  # fmt: skip
_NOT_AS = words(
    "soon well far long possible usual planned normal instructed directed required needed if per much"
    " before necessary close near smoothly expected such"
)
"""Behind "as" these begin no clause."""
_SAME = words("same such soon far well long much close near")
_PREPOSITIONS = words("into to in of from by for behind at on onto with past over after before beside than")
_GOING_ON = words("half partly partially into onto over across within inside halfway")
"""Behind a comma these go on with the same phrase."""
_SUPPOSED = words("the a an any it there they another he she someone we")
_SUBJECTS = words("i we ego they he she it im you let's")
_STAYING = ("stay", "remain", "keep", "staying", "remaining", "stays")
_ADVERB = re.compile(ADVERB)


def clauses(plain: str) -> list[Clause]:
    """The clauses of a plain text; those without words are left out."""
    tokens = [Token(match.group(), match.start(), match.end()) for match in _TOKEN.finditer(plain)]
    cut: list[Clause] = []
    kind, first = "if" if _supposes(tokens, 0) else "start", 0
    for place in range(len(tokens)):
        joint = _joint(plain, tokens, place)
        if joint is None:
            continue
        if first < place or kind in ("if", "unless"):
            cut.append(Clause(kind, tuple(tokens[first:place])))
            kind = "if" if joint == STRONG and _supposes(tokens, place + 1) else joint
        else:
            kind = _together(kind, joint)
        first = place + 1
    cut.append(Clause(kind, tuple(tokens[first:])))
    return [clause for clause in cut if clause.tokens]


def is_verb(plain: str, token: Token) -> bool:
    """Whether a word can be a form of a verb where it stands ("stop", but not in "stop sign")."""
    word = FORMS.get(token.word)
    if word is None or (token.word == "going" and _GOING_TO.match(plain, token.end)):
        return False
    guard = NOUN_GUARDS.get(token.word if word.form == "base" else "")
    return guard is None or guard.match(plain, token.end) is not None


_GOING_TO = re.compile(r" to (?!(?:the|a|an|our|my)\b)")


def _together(kind: str, joint: str) -> str:
    """The kind of a clause in front of which two joints stand."""
    if kind == "comma" and joint in ("and", "or"):
        return "comma and"
    if joint == "then" and kind in ("and", "comma and", "comma"):
        return kind
    weak = kind in ("comma", "comma and", "and", "so", "then", "but")
    return joint if joint != "comma" and (weak or joint in SUBORDINATE or joint == STRONG) else kind


def _joint(plain: str, tokens: list[Token], place: int) -> str | None:
    """What kind of joint a token is, None for none."""
    word = tokens[place].word
    before = tokens[place - 1].word if place else ""
    following = tokens[place + 1].word if place + 1 < len(tokens) else ""
    if word in _STOPS:
        return STRONG
    if word in ",()":
        return None if word == "," and following in _GOING_ON else "comma"
    if word == "case" and before == "in":
        return "if"
    kind = _JOINTS.get(word)
    if kind in ("and", "or"):
        return kind if _begins_clause(plain, tokens, place + 1) else None
    if word == "as":
        return _as(tokens, place, before, following)
    if word == "that":
        return _that(before, following)
    return None if kind is None or _is_no_joint(plain, tokens[place], before, following) else kind


def _is_no_joint(plain: str, token: Token, before: str, following: str) -> bool:
    """Whether a word that may join clauses does not do so here."""
    word, formed = token.word, FORMS.get(following)
    if word == "where":
        return following not in _SUBJECTS or before in _STAYING
    if word in ("before", "after"):
        return following not in _SUBJECTS and (formed is None or formed.form != "ing")
    if word == "given":
        return before in ("is", "be", "was", "being", "has", "are")
    if word == "once":
        return before == "at" or following in ("more", "again")
    if word == "so":
        return following in ("as", "far", "much") or plain.startswith("so close to", token.start)
    if word == "then":
        return before in ("only", "until")
    return word in ("until", "till") and following in ("then", "now")


def _as(tokens: list[Token], place: int, before: str, following: str) -> str | None:
    if following in ("a", "an"):
        return "reason" if any(token.word in FINITE_WORDS for token in tokens[place + 2 : place + 8]) else None
    return None if following in _NOT_AS or before in _SAME else "reason"


def _that(before: str, following: str) -> str | None:
    if before in ("so", "now", "such"):
        return "relative" if before == "such" else "so"
    verbal = following in FINITE_WORDS or following in _SUBJECTS or (following.endswith("s") and following in FORMS)
    return "relative" if verbal and before not in _PREPOSITIONS else None


def _supposes(tokens: list[Token], place: int) -> bool:
    """Whether a sentence begins like "Should the gap close, ..."."""
    words = [token.word for token in tokens[place : place + 2]]
    return len(words) == 2 and words[0] in ("should", "were", "had") and words[1] in _SUPPOSED


def _begins_clause(plain: str, tokens: list[Token], place: int) -> bool:
    """Whether what follows "and" is a clause of its own, not the second half of a noun phrase."""
    for offset, token in enumerate(tokens[place : place + 4]):
        if token.word in ("our", "my"):
            return any(after.word in FINITE_WORDS for after in tokens[place + offset + 2 : place + offset + 4])
        if token.word in _SUBJECTS or token.word in FINITE_WORDS or token.word in _JOINTS:
            return True
        if token.word in ("not", "never", "please", "is", "be", "to", "without", "avoid", "by"):
            return True
        if token.word in ("the", "no"):
            return token.word == "the" and plain.startswith("the ego", token.start)
        if is_verb(plain, token):
            return True
        if not _ADVERB.fullmatch(token.word):
            return False
    return False
