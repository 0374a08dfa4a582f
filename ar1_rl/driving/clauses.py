"""Clauses of a trace: which words announce what the ego vehicle will do, and which only give a reason.

A text is cut at punctuation and conjunctions. A clause about others, or behind "because", announces nothing; what
comes behind "then" or "before" comes later. Within a clause a phrase counts when the ego is the one who acts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .phrase_rule import PhraseRule


class Clause(NamedTuple):
    """A stretch of text. `kind` is "main", "later" (what follows) or "reason" (all that the ego does not announce)."""

    kind: str
    start: int
    end: int
    hedged: bool = False
    bare: bool = False
    """A reason that runs into the announcement without a comma: only imperatives count."""


class Found(NamedTuple):
    """A rule that holds, and where."""

    name: str
    start: int
    end: int
    clause_end: int
    later: bool
    hedged: bool
    negated: bool


_JOINT = re.compile(
    r"(?P<stop>[.;:!?]+)|(?P<comma>,)"
    r"|\b(?P<reason>because|since|due to|owing to|given|as (?!well|soon|far|possible|long|usual|the nav|our nav)"
    r"|while|when|now that|so that|so as to|although|though|unless|in case|which|who|despite)\b"
    r"|\b(?P<condition>if|in case)\b(?! (?:possible|necessary|needed|safe|clear))"
    r"|\b(?P<so>so|therefore|hence|thus|otherwise|but|instead(?! of))\b"
    r"|\b(?P<later>then|before|after|afterwards|until|once|as soon as)\b"
)
_OTHERS = re.compile(
    r"(?:and |also )?(?:the|a|an|this|that|these|there|another|some|several|many|two|three|it|its|they|he|she|of"
    r"|no|nothing|oncoming|cross|traffic|pedestrians?|people|cyclists?|vehicles?|cars?|lead|red|green|yellow|light|route"
    r"|is|are|was|has)\b"
    r"(?! (?:ego|self-driving|autonomous)\b)(?!(?: \w+){0,4} (?:is|would be|are) to\b)"
    r"(?! is (?:safe|necessary|best|time|safest) to\b)"
)
_EGO = re.compile(r"(?:the )?(?:ego(?: vehicle| car)?|i|we|our (?:car|vehicle))\b")
_NEGATED = re.compile(
    r"\b(?:not|never|no|without|avoid|avoids|avoiding|instead of|rather than|no need to|nor|refrain from|stop short of)"
    r"(?: (?!but\b|and\b|only\b)\w+){0,3} ?$"
)
_HEDGE = re.compile(
    r"\b(?:may|might|could|possibly|perhaps|maybe|probably|prepare[ds]?|preparing|ready|consider(?:ing)?|potentially"
    r"|likely|about|anticipate|expect(?:ing)?|prepared)(?: (?!and\b)\w+){0,3} ?$"
)
_OTHERS_ACTION = re.compile(
    r"\b(?:(?:that|which|who|it|they|them|him|her|vehicle|car|truck|pedestrian|cyclist|traffic|bus|person|child|driver)"
    r" (?:will|may|might|can|could|to|has to|is about to|about to)"
    r"|(?:that|which|who|they|vehicles|cars|trucks|buses|pedestrians|cyclists|people|children|drivers|others)"
    r"(?: (?:will|may|might|can|could|to|have to|are about to|about to))?"
    r"|(?:the|a|an|bus|full|its|their|his|her|each|every|next|in-lane|all-way)) $"
)
_BARE_NOUN = re.compile(r"\b(?:the|a|an|of|is|are|was|no|this|its|to|for|it|and it) $")
_LEADS_IN_GERUND = re.compile(
    r"(?:^|\b(?:am|are|start|begin|keep|continue|by|is|be|after|before|and|then|now|we|i|while|prefer|suggests?|requires?|means?"
    r"|action|decision|plan|not|never|avoid|of|than|without) ?)(?:\w+ly )?$"
)


def split_clauses(plain: str) -> list[Clause]:
    """The text in clauses. A reason at the start of a sentence ends at its comma; one further back ends there too."""
    clauses: list[Clause] = []
    kind, start, hedged, conditional = "main", 0, False, False
    joints = list(_JOINT.finditer(plain))
    for joint in [*joints, None]:
        end = joint.start() if joint is not None else len(plain)
        if end > start:
            clauses.append(_clause(plain, kind, start, end, hedged))
        if joint is None:
            break
        start = joint.end()
        while start < len(plain) and plain[start] == " ":
            start += 1
        group = joint.lastgroup
        if group in ("reason", "later"):
            kind, hedged = ("reason" if group == "reason" else "later"), False
        elif group == "condition":
            kind, hedged, conditional = "reason", False, True
            clauses = [c._replace(hedged=True) if c.end >= end - 2 and c.kind == "main" else c for c in clauses]
        else:
            hedged = conditional and group == "comma"
            kind, conditional = "main", False
    return clauses


def _clause(plain: str, kind: str, start: int, end: int, hedged: bool) -> Clause:
    if kind == "main" and _OTHERS.match(plain, start, end) and not _EGO.match(plain, start, end):
        kind = "reason"
    return Clause(kind, start, end, hedged)


def every_claim(plain: str, clauses: list[Clause], rules: list[PhraseRule]) -> list[Found]:
    """The claims of one axis; where phrases overlap the first one counts, and among those the first rule."""
    found: list[Found] = []
    for clause in clauses:
        if clause.kind == "reason":
            continue
        claims = [claim for rule in rules for claim in _claims(plain, clause, rule)]
        end = clause.start
        for claim in sorted(claims, key=lambda claim: claim.start):
            if claim.start >= end:
                found.append(claim)
                end = claim.end
    return found


def _claims(plain: str, clause: Clause, rule: PhraseRule) -> Iterator[Found]:
    """The places in a clause where a rule holds and the ego is the one who acts, or will not act."""
    position = clause.start
    while match := rule.pattern.search(plain, position, clause.end):
        start = match.start()
        position = start + 1
        if start > 0 and plain[start - 1] not in " ,.;:!?(\"'":
            continue
        ahead = plain[clause.start : start]
        if _is_ego_action(plain, clause, start, ahead):
            behind = plain[max(0, clause.start - 24) : start]
            negated = bool(_NEGATED.search(behind)) and not behind.rstrip().endswith((".", ";"))
            hedged = clause.hedged or bool(_HEDGE.search(ahead))
            later = clause.kind == "later"
            yield Found(rule.name, start, match.end(), clause.end, later, hedged, negated)
            position = match.end()


def _is_ego_action(plain: str, clause: Clause, start: int, ahead: str) -> bool:
    verb = plain[start : clause.end].split(" ", 1)[0].rstrip(".,;:")
    if clause.bare and (_BARE_NOUN.search(ahead) or verb.endswith("ing") or _third_person(verb)):
        return False
    if verb.endswith("ing"):
        return bool(_LEADS_IN_GERUND.search(ahead)) or (clause.kind == "later" and not ahead)
    if _third_person(verb):
        return bool(_EGO.match(plain, clause.start, clause.end))
    if clause.kind == "later" and _OTHERS.match(plain, clause.start, clause.end) and not clause.bare:
        return False
    return not _OTHERS_ACTION.search(ahead)


def _third_person(verb: str) -> bool:
    return verb.endswith("s") and verb not in ("pass", "cross", "bias")
