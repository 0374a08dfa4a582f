"""Whose verb it is: the ego's, somebody else's, or no verb at all."""
# ruff: noqa: E501  one pattern a line

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from . import grammar
from .clauses import COORDINATED, STRONG, SUBORDINATE, Token
from .verbs import FORMS, Form

Actor = Literal["ego", "other"]

NAME_NOTHING = grammar.words(
    "turn stop merge yield exit pass change shift nudge brake halt park line track place time queue limit"
    " start move pull drop lead close"
)
"""Verbs whose base form is as often a noun."""
_UNCHANGED = ("cut", "let", "put", "set", "shed")
"""Verbs whose participle is their base form."""
_UNDERGONE = ("overtake", "let")
"""Done to others, so that a passive has them as its subject."""
_STEERED = (
    "bring",
    "position",
    "pull",
    "steer",
    "guide",
    "slow",
    "shift",
    "move",
    "keep",
    "hold",
    "accelerate",
    "turn",
)
"""Done to the ego vehicle, so that "the car is brought ..." is about it."""
_OF_THEIR_OWN = (
    "do", "close", "open", "end", "widen", "turn", "stop", "start", "merge", "change", "begin", "clear", "narrow", "block", "occupy",
)  # fmt: skip
"""Gaps close and lanes end without anybody's doing."""
_PLACES = ("our lane", "our direction", "our side", "our road")

_CONTROLLED = re.compile(
    r"\b(?:speed|pace|velocity|lanes?|change|position|gap|distance|headway|exit|ramp|turn|merge|overtake|overtaking|maneuver|manoeuvre|way|priority|precedence|move|shift|nudge|brakes?|spacing|pass|left|right"
    r"|shoulder|bay|fork|branch|course|throttle|line|half|part|side|room|limit|slot|heading|offset|stop|halt|momentum|roundabout|bend|curve|\d+|km/h|mph)$"
    r"|^(?:(?:the|our|my|its|this|a) )?(?:\w+ ){0,2}?(?:speed|distance|gap|headway|spacing|lane change|merge|priority|way|position|pace)\b (?:to|of|from|between|on|into|for|behind|with|in) "
)
"""Subjects of passives that are the ego's to control ("the gap to the lead is kept")."""
_ENDING = re.compile(r"(?:abort|cancel|abandon|discontinu|given|broken|called|undone|revok|stopp|cut|dropp|halt)\w*")
_MANEUVERED = re.compile(
    r"\b(?:lane change|merge|overtake|overtaking|nudge|maneuver|manoeuvre|move|shift|pass|swerve)\b"
)
_BY_OTHERS = re.compile(
    r" (?:by|from) (?!us\b|the ego|about|around|half|\d|a (?:bit|little|touch|notch|metre|meter|lane|car))"
)
_NOUN_AFTER = re.compile(
    r" (?:vehicles?|cars?|trucks?|vans?|bus(?:es)?|traffic|pedestrians?|people|cyclists?|motorcycles?|lorr(?:y|ies)|taxis?|trams?|(?<!changing )lanes?"
    r"|lights?|bay|zones?|points?|areas?|spaces?|spots?|queue|school|signs?|ahead|maneuvers?|move|ramp|ban|action)\b"
)
_ABOUT_LANES = re.compile(
    r"(?:chang|keep|hold|switch|maintain|follow|leav|us|tak|stay|cross|straddl|borrow|return|select|choos)\w*$"
)
_REQUIRED = re.compile(
    r" (?:is|are|seems|would be) (?:\w+ly )?(?:required|needed|necessary|due|planned|indicated|called for|advisable|wise|best|the plan|in order|appropriate|mandatory)\b"
)
_AS_SUBJECT = re.compile(
    r" (?:is|was|isn't|seems|would be|would|are|has|may|required|needed|necessary|possible|done)\b"
)
_GOING_ON = re.compile(
    r"\b(?:along|on|ahead|forward|back|down|up|off|over|(?<!the )(?<!a )left|(?<!the )(?<!a )right|out|slowly|gently|there)$"
)
_BESIDES = re.compile(r"(?:keep|maintain|hold|leav|stay|allow|lett|giv|us|nudg)")
_BEFORE_NOUN = re.compile(r"\b(?:the|a|an|this|that|our|its|of|some|any|no)$")
_CLAUSE = re.compile(r"\b(?:is|are|was|has|have|brakes|slows|cuts in|crosses|ends|goes on|stands)\b")
_NO_BARE_VERB = re.compile(
    r"\b(?:the|a|an|of|is|are|was|no|this|its|to|for|it|our|my|full|left|right|lane|and|in|by|that|can|will|may)$"
)
_WAITS_FOR = re.compile(r"\b(?:wait|beckon|gestur|honk)\w*(?: for)?$")


class Carried(NamedTuple):
    """Who acted before, in the last clause and in the last main one of the sentence, and in which form."""

    actor: Actor | None = None
    main: Actor | None = None
    form: Form | None = None


class Where(NamedTuple):
    """A verb and what stands around it."""

    plain: str
    token: Token
    kind: str
    """Of its clause."""
    carried: Carried
    acted: bool
    """The ego has already acted in this clause."""
    bare: bool
    """The text runs on without joints."""


class _Before(NamedTuple):
    """What stands before a verb in its clause: the subject, and what leans on the verb."""

    head: str
    chain: str
    last: str
    """Last word of the chain that is no adverb."""
    by_ego: bool

    @property
    def whole(self) -> str:
        return f"{self.head} {self.chain}".strip()


class Whose(NamedTuple):
    """`actor` is None where there is no verb; `subject` is that of a passive."""

    actor: Actor | None
    subject: str = ""


_NOTHING_BEFORE = _Before("", "", "", False)


def whose(prefix: str, where: Where) -> Whose:
    """Whose verb it is, given the words before it in its clause."""
    word = FORMS[where.token.word]
    prefix = grammar.FOR_NOW.sub("", prefix) if prefix else prefix
    if word.form == "ed" and grammar.OVER.search(prefix):
        return Whose(None)
    before = _before(prefix)
    if word.form == "base":
        participle = where.token.word in _UNCHANGED and grammar.IS_BE.fullmatch(before.last)
        return _passive(before, where) if participle else Whose(_imperative(before, where))
    if word.form == "ing":
        return Whose(_gerund(before, where))
    if word.form == "s":
        return Whose(_third_person(before, where))
    return _past(before, where)


def _before(prefix: str) -> _Before:
    if not prefix:
        return _NOTHING_BEFORE
    match = grammar.CHAIN.search(prefix)
    head, chain = (prefix[: match.start()].strip(), prefix[match.start() :].strip()) if match else (prefix, "")
    last = grammar.LAST_WORD.search(chain)
    only_adverbs = not chain or grammar.ADVERBS.fullmatch(chain)
    return _Before(head, chain, "" if only_adverbs or last is None else last.group(1), bool(grammar.EGO.search(head)))


def _inherited(where: Where) -> Actor:
    """Who acts where a clause names nobody: whoever did before, else the ego."""
    if where.kind not in COORDINATED:
        return "ego"
    carried = where.carried.main if where.kind in ("comma", "comma and") else where.carried.actor
    return carried or "ego"


def _is_bare_ego(head: str, where: Where) -> bool:
    return where.kind in ("start", STRONG, "so", "comma") and grammar.BARE_EGO.match(head) is not None


def _imperative(before: _Before, where: Where) -> Actor | None:
    """Of a base form."""
    verb = where.token.word
    if before.last and not grammar.BASE_AFTER.fullmatch(before.last):
        return None
    if before.by_ego:
        return "other" if grammar.RELATIVE.match(before.head) else "ego"
    if verb in NAME_NOTHING and re.search(r"\b(?:left|right)$", before.chain or before.head):
        return None
    if not before.head:
        return _without_subject(before, where)
    if "to" in before.chain.split():
        return _infinitive(before, where)
    if re.search(r"\b(?:than|let's|us)\b", before.chain) or (before.last and _is_bare_ego(before.head, where)):
        return "ego"
    if verb in ("give", "yield", "wait", "stop") and before.head.endswith(_PLACES):
        return "ego"
    placed = grammar.ADVERBIAL.match(before.head) and not grammar.FINITE.search(before.head)
    if not before.last and verb not in NAME_NOTHING and placed:
        return "ego"
    runs_on = where.bare and not before.last and _CLAUSE.search(before.head)
    return "ego" if runs_on and not _NO_BARE_VERB.search(before.head) else "other"


def _without_subject(before: _Before, where: Where) -> Actor | None:
    if not before.last:
        if where.kind == "relative":
            return "other"
        if where.kind in ("reason", "when", "until", "after", "before"):
            return None
        others = where.carried.actor == "other" and where.carried.form == "base"
        return "other" if others and where.kind in ("and", "or") else "ego"
    if before.chain in ("not", "never"):
        return "ego"
    if where.kind == "relative":
        return "other"
    return _inherited(where) if grammar.FINITE_FIRST.match(before.chain) else "ego"


def _infinitive(before: _Before, where: Where) -> Actor:
    if _WAITS_FOR.search(before.head):
        return "other"
    if grammar.PLANNED.search(before.whole):
        return "ego"
    if grammar.FOR_OTHERS.search(before.head) or grammar.FOR_OTHERS.search(before.whole):
        return "other"
    ours = where.acted or grammar.PLANNED.search(before.head) or re.search(r"\b(?:us|me)\b", before.chain)
    return "ego" if ours else "other"


def _gerund(before: _Before, where: Where) -> Actor | None:
    """Of an -ing form."""
    if before.last and not grammar.ING_AFTER.fullmatch(before.last):
        return None
    behind = where.token.end
    if before.by_ego or _REQUIRED.match(where.plain, behind):
        return "ego"
    if _AS_SUBJECT.match(where.plain, behind):
        return None
    word = where.token.word
    noun = _NOUN_AFTER.match(where.plain, behind) is not None and not _ABOUT_LANES.search(word)
    if not before.head:
        return _gerund_alone(before, where, noun)
    if before.last:
        if grammar.IS_BE.fullmatch(before.last):
            return "ego" if _is_bare_ego(before.head, where) else "other"
        by_doing = before.last == "by" and not grammar.FINITE.search(before.head)
        return "ego" if (where.acted or by_doing) and not noun else "other"
    goes_on = _GOING_ON.search(before.head) or _BESIDES.match(word)
    return "ego" if where.acted and goes_on else "other"


def _gerund_alone(before: _Before, where: Where, noun: bool) -> Actor | None:
    if before.last:
        finite = re.match(rf"(?:{grammar.BE}|{grammar.HAVE}|{grammar.MODAL}|not|never)\b", before.chain)
        return "other" if where.kind == "relative" else _inherited(where) if finite else "ego"
    if noun:
        return None
    return "other" if where.kind in ("relative", "reason") else _inherited(where)


def _third_person(before: _Before, where: Where) -> Actor | None:
    """Of an -s form."""
    if before.last:
        return None
    if not before.head:
        return "other" if where.kind in ("relative", "reason", "when", "if", "until") else _inherited(where)
    return "ego" if before.by_ego or _is_bare_ego(before.head, where) else "other"


def _past(before: _Before, where: Where) -> Whose:
    """Of a past or a participle."""
    if before.last and grammar.IS_BE.fullmatch(before.last):
        return _passive(before, where)
    if before.last and not grammar.IS_HAVE.fullmatch(before.last):
        return Whose(None)
    if before.by_ego or _is_bare_ego(before.head, where):
        return Whose("ego")
    subordinate = where.kind in SUBORDINATE and where.kind not in ("after", "before")
    if not before.head:
        noun = _NOUN_AFTER.match(where.plain, where.token.end)
        return Whose(None if subordinate or noun else _inherited(where))
    if _BEFORE_NOUN.search(before.whole):
        return Whose(None)
    if subordinate or FORMS[where.token.word].verb in _OF_THEIR_OWN:
        return Whose("other")
    controlled = not before.last and _CONTROLLED.search(before.head)
    if controlled and not re.match(r"(?:the|a) \w+ (?:is|was|has)", before.head):
        return Whose("ego", f" {before.head} ")
    return Whose("other")


def _passive(before: _Before, where: Where) -> Whose:
    """The subject of a passive that is the ego's doing is an argument of the verb."""
    head, verb = before.head, FORMS[where.token.word].verb
    if before.by_ego:
        return Whose("ego", f" {head} " if _CONTROLLED.search(head) else "")
    bare_ego = _is_bare_ego(head, where)
    if bare_ego and (verb in _STEERED or re.search(r"\b(?:should|must|will|shall|needs?)\b", before.chain)):
        return Whose("ego")
    if _BY_OTHERS.match(where.plain, where.token.end):
        return Whose("other")
    given_up = _ENDING.match(where.token.word) and _MANEUVERED.search(head)
    ours = (head and verb in _UNDERGONE) or _CONTROLLED.search(head) or given_up
    return Whose("ego", f" {head} ") if ours else Whose("other")
