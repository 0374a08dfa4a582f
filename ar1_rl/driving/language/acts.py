"""What the ego does: its verbs with their arguments, in reading order, and whether they are negated or only possible."""
# ruff: noqa: E501  one pattern a line

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from . import grammar
from .clauses import STRONG, SUBORDINATE, Clause, Token, clauses, is_verb
from .subjects import Actor, Carried, Where, whose
from .verbs import FORMS, Form

UNKNOWN = "?"
"""Stands for a verb that is in no list, and for none where a phrase like "into the left lane" stands for itself."""


class Act(NamedTuple):
    """A verb of the ego; positions are those of the plain text."""

    verb: str
    start: int
    end: int
    arguments: str
    """What follows the verb, up to the next joint or act; for a passive, with its subject in front."""
    tail: int
    """End of the arguments."""
    negated: bool = False
    hedged: bool = False
    order: int = 0
    """-1 where it comes before what is told around it ("after stopping"), 1 where it comes after ("before ...")."""
    follows: bool = False
    """Told to follow another act ("then", "before ...")."""
    manner: str = ""
    """An adverb in front of the verb that bears on the decision ("partly")."""


class Segment(NamedTuple):
    """A clause, and whether the ego acts in it."""

    kind: str
    start: int
    end: int
    acts: bool


@dataclass
class _State:
    """What carries over from one clause of a sentence to the next."""

    carried: Carried = field(default_factory=Carried)
    negated: bool = False
    conditional: bool = False
    last_end: int = 0
    """Where the last act of the text ended."""

    def begin(self, kind: str) -> None:
        if kind in ("start", STRONG):
            self.carried, self.negated, self.conditional = Carried(), False, False
        elif kind == "if":
            self.conditional = True
        elif kind in ("but", "so"):
            self.conditional = False


def find_acts(plain: str, bare: bool = False) -> tuple[list[Act], list[Segment]]:
    """The ego's acts, and the clauses of the text.

    With `bare`, bare verbs in the middle of a clause count too: for texts that run on without joints.
    """
    acts: list[Act] = []
    segments: list[Segment] = []
    state = _State()
    for clause in clauses(plain):
        state.begin(clause.kind)
        found = _acts_of(plain, clause, state, bare)
        acts += found
        segments.append(Segment(clause.kind, clause.tokens[0].start, clause.tokens[-1].end, bool(found)))
    return acts, segments


def _acts_of(plain: str, clause: Clause, state: _State, bare: bool) -> list[Act]:
    start, end = clause.tokens[0].start, clause.tokens[-1].end
    found: list[Act] = []
    actor: Actor | None = None
    form: Form | None = None
    for token in clause.tokens:
        if not is_verb(plain, token):
            continue
        prefix = plain[start : token.start].strip()
        who = whose(prefix, Where(plain, token, clause.kind, state.carried, bool(found), bare))
        if who.actor is None or (who.actor == "other" and found) or _is_given_up(plain, token, found):
            continue
        actor, form = who.actor, FORMS[token.word].form
        if who.actor == "ego":
            found = _with_room(plain, found, token)
            found.append(_act(plain, clause, token, prefix, who.subject, found, state))
    if (clause.kind == "if" and not found) or grammar.COULD_BE.search(plain, start, end):
        state.conditional = True
    if not found and (actor is None or form == "base"):
        found = _without_verb(plain, clause, state)
        actor = "ego" if found else actor
    actor = actor or ("ego" if _OPENS_WITH_EGO.match(plain, start) else "other")
    main = actor if clause.kind not in SUBORDINATE else state.carried.main
    state.carried, state.negated = Carried(actor, main, form), bool(found) and found[-1].negated
    return found


_OPENS_WITH_EGO = re.compile(r"(?:i|we|ego|the ego|our (?:car|vehicle))\b")
_MANNER = re.compile(r"\b(partly|partially|briefly|momentarily|temporarily|slightly|slowly)$")
_ORDER = {"before": 1, "until": 1, "after": -1}


def _act(plain: str, clause: Clause, token: Token, prefix: str, subject: str, found: list[Act], state: _State) -> Act:
    end, order = clause.tokens[-1].end, _ORDER.get(clause.kind, 0)
    since = found[-1].end if found else state.last_end
    state.last_end = token.end
    manner = _MANNER.search(prefix) if prefix else None
    possible = bool(prefix) and grammar.HEDGED.search(prefix) is not None and not grammar.GET_READY.search(prefix)
    negated = bool(prefix) and grammar.NEGATED.search(prefix) is not None
    conditional = clause.kind == "if" or (state.conditional and clause.kind in ("comma", "then", "relative"))
    return Act(
        verb=FORMS[token.word].verb,
        start=token.start,
        end=token.end,
        arguments=f"{subject}{plain[token.end : end]}",
        tail=end,
        negated=negated or (clause.kind == "or" and not found and state.negated),
        hedged=possible or conditional,
        order=order,
        follows=order == 1 or grammar.THEN.search(plain, since, token.start) is not None,
        manner=f" {manner.group(1)}" if manner else "",
    )


_ASPECTS = ("continue", "proceed", "start", "begin", "keep", "finish", "resume", "hold", "do", "go")
"""Verbs that only say how another verb goes on ("keep rolling")."""
_GIVING_UP = ("give", "abort", "cancel", "abandon", "discontinue", "call", "break", "undo", "scrap")
"""An -ing form behind these is what is given up."""


def _is_given_up(plain: str, token: Token, found: list[Act]) -> bool:
    if not found or FORMS[token.word].form != "ing" or found[-1].verb not in _GIVING_UP:
        return False
    return grammar.LEADING.search(plain, found[-1].end, token.start) is None


def _with_room(plain: str, found: list[Act], token: Token) -> list[Act]:
    """The acts so far, the last one cut off where the next begins; a mere aspect of the next one is dropped."""
    if not found:
        return found
    last = found[-1]
    leading = grammar.LEADING.search(plain, last.end, token.start)
    cut = max(last.end, leading.start() if leading else token.start)
    arguments = last.arguments[: len(last.arguments) - (last.tail - cut)]
    aspect = last.verb in _ASPECTS and "without" not in (leading.group() if leading else "")
    if aspect and not arguments.strip():
        return found[:-1]
    return [*found[:-1], last._replace(arguments=arguments, tail=cut)]


_NOT_A_VERB = grammar.words(
    "the a an this that these those our my its their his her your no not never some any all each every"
    " two three four one i we you he she it they there here who which what whose is are was were be been"
    " being has have had do does did will would can could may might must shall should if as because since"
    " observe monitor see notice signal indicate flash honk note expect glance listen warn beware caution"
    " attention careful remember think consider perhaps maybe possibly traffic pedestrians cyclists"
    " vehicles cars trucks people children oncoming heavy light road roads lane lanes ahead red green"
    " yellow amber sunny rain rainy fog snow ice wet dark nothing nobody everyone other others another"
    " both many several few more most left right halfway half sound ensure confirm verify report nice good"
    " clear free empty parked stopped slow fast"
)
_PHRASE = re.compile(
    r"^(?:(?:slowly|gently|carefully|quickly|smoothly|briefly|now|then|so|just|only|please|first|again|next) )*"
    r"(?P<lead>into|onto|via|to (?:the )?(?:left|right|next|other|adjacent)|to our|back (?:in|into|to|onto|up|down|over)|over (?:to|into|the)|around|round the|straight"
    r"|a (?:bit|little|touch|tad) (?:to|left|right)|slightly (?:to|left|right)|left (?:at|into|onto|here|on|turn|then|by)|right (?:at|into|onto|here|on|turn|then|by)"
    r"|past the|up to|down to|out (?:of|over|to)|off (?:the|to)|in behind|behind (?:the|it)|across the)\b"
)
"""Where a clause begins that goes somewhere without a verb."""
_UNKNOWN_AFTER = re.compile(
    r"(?:the|a|an|our|my|its|this|that|into|onto|around|round|past|down|up|off|back|out|left|right|some|more|less|\w+ly|it|through|over)"
)
"""What follows an imperative of a verb in no list."""
_IMPERATIVE_IN = ("start", STRONG, "comma", "comma and", "and", "so", "then", "but", "if")
_ADVERB = re.compile(grammar.ADVERB)


def _without_verb(plain: str, clause: Clause, state: _State) -> list[Act]:
    """A phrase that goes somewhere without a verb, or an imperative of a verb in no list."""
    start, end = clause.tokens[0].start, clause.tokens[-1].end
    text, conditional = plain[start:end], clause.kind == "if"
    if clause.kind not in _IMPERATIVE_IN or grammar.FINITE.search(text.split(" to ")[0]):
        return []
    phrase = _PHRASE.match(text)
    if phrase:
        place = start + phrase.start("lead")
        negated = state.negated and clause.kind == "or"
        return [Act(UNKNOWN, place, place, f" {plain[place:end]}", end, negated, conditional)]
    words = [token for token in clause.tokens if not _ADVERB.fullmatch(token.word)]
    if len(words) > 2 and grammar.EGO.match(plain[start : words[1].start].strip()):
        words = words[1:]
    if len(words) < 2 or not _UNKNOWN_AFTER.fullmatch(words[1].word):
        return []
    verb = words[0]
    if verb.word in _NOT_A_VERB or verb.word in FORMS or not verb.word.isalpha():
        return []
    return [Act(UNKNOWN, verb.start, verb.end, plain[verb.end : end], end, False, conditional)]
