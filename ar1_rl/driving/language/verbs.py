"""The verbs of driving in all their forms: which word is a form of which verb."""

# ruff: noqa: E501  patterns on one line

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from .grammar import words

Form = Literal["base", "s", "ing", "ed"]
"""`ed` stands for the past and for the participle."""

VERBS = """
abandon abort accelerate adapt add adjust adopt aim align allow angle approach avoid back bear begin bias bleed borrow
brake break bring build call cancel carry catch cede check center centre change choose close coast come complete concede continue
copy cover crawl creep cross cruise cut decelerate decrease defer depart deviate dial dip divert draw discontinue diverge do divert dodge drift
drive drop ease edge encroach enter evade execute exit extend fall favor forget favour feed filter find finish fit follow fork gain gather get give grant guide
glide go grow halt hang head hold hover hug hunt inch increase initiate interrupt join jump keep kick knock launch lean leave lengthen lessen let
lift limit line look lose lower maintain make match merge mind mirror moderate modulate move navigate negotiate nudge occupy
offset open overlap overtake park pass pause peel perform pick place position power press proceed pull push put queue quit raise reach
recenter recentre recover reduce regain regulate rejoin remain restart restore restrict resume retain revert reverse retreat return revoke rescind ride roll
round run scan scoot scrap scrub search seek select set settle shade shadow shave shed shift sidle sit skirt slacken slide
slip slot slow speed spot squeeze stand start stay steer step stick stop straddle straighten stray sustain sweep swap swerve
swing switch synchronise synchronize tail take target time track trail transfer travel trim tuck tune turn undo use vacate vary veer wait
wander watch weave widen withdraw yield zip zipper

"""
_DOUBLED = words(
    "begin cut defer dip drop fit get hug let put run scan scrap scrub set shed sit slip slot spot step"
    " stop transfer trim zip swap forget quit overlap"
)
_PAST = {
    "bear": "bore borne", "begin": "began begun", "bleed": "bled", "break": "broke broken", "bring": "brought", "build": "built",
    "catch": "caught", "choose": "chose chosen", "come": "came", "creep": "crept", "draw": "drew drawn", "do": "did done", "cut": "", "drive": "drove driven",
    "fall": "fell fallen", "feed": "fed", "find": "found", "get": "got gotten", "give": "gave given", "go": "went gone",
    "grow": "grew grown", "hang": "hung", "hold": "held", "keep": "kept", "leave": "", "let": "", "lose": "lost",
    "make": "made", "overtake": "overtook overtaken", "put": "", "ride": "rode ridden", "forget": "forgot forgotten", "quit": "", "run": "ran", "seek": "sought", "set": "", "shed": "",
    "sit": "sat", "slide": "slid", "stand": "stood", "stick": "stuck", "sweep": "swept", "swing": "swung",
    "take": "took taken", "undo": "undid undone", "weave": "wove woven", "withdraw": "withdrew withdrawn",
    "spot": "spotted", "speed": "sped speeded",
}  # fmt: skip


class Word(NamedTuple):
    """A word as a form of a verb. Example: `Word("stop", "ing")` for "stopping"."""

    verb: str
    form: Form


def _forms() -> dict[str, Word]:
    forms: dict[str, Word] = {}
    for verb in VERBS.split():
        stem = verb + verb[-1] if verb in _DOUBLED else verb.removesuffix("e")
        sibilant = verb.endswith(("s", "sh", "ch", "x"))
        third = verb[:-1] + "ies" if verb[-1] == "y" and verb[-2] not in "aeiou" else verb + ("es" if sibilant else "s")
        if verb in ("go", "undo", "do"):
            third = verb + "es"
        past = _PAST.get(verb)
        if past is None:
            past = verb[:-1] + "ied" if third.endswith("ies") else stem + "ed"
        forms[third] = Word(verb, "s")
        forms[(verb if verb.endswith("ee") else stem) + "ing"] = Word(verb, "ing")
        forms |= {word: Word(verb, "ed") for word in past.split()}
        forms[verb] = Word(verb, "base")
    forms |= {"cancelled": Word("cancel", "ed"), "cancelling": Word("cancel", "ing")}
    return forms


FORMS = _forms()
"""Word -> the verb that it is a form of; words that are also the base form of a verb count as that."""

_NOUNS = {
    "speed": r" (?:up|back|along|past|away|on|down)\b",
    "position": r" (?:the|our|ourselves|my|to)\b",
    "limit": r" (?:the|our|my|to|speed)\b",
    "time": r" (?:the|our|my|it)\b",
    "line": r" up\b",
    "target": r" (?:the|a|our|\d)",
    "place": r" (?:the|two|our|a)\b",
    "track": r" (?:the|a|our|lane|its|behind|along)\b",
    "queue": r" (?:up|behind)\b",
    "stop": r"(?! (?:sign|line|light|signal|bar|arm|and go|lights|ahead is|markings?)\b)(?! (?!chang|merg|mov|overtak|pass|nudg|drift|shift|cross|swerv|cutt)\w+ing\b)",
    "brake": r"(?! (?:lights?|lamps?|pedal)\b)",
    "yield": r"(?! sign)",
    "merge": r"(?! (?:lane|area|zone|point|ahead|ramp|sign)\b)",
    "cross": r"(?! (?:traffic|street|road|walk)\b)",
    "exit": r"(?! (?:ramp|lane|sign|is|ahead|road)\b)",
    "pass": r"(?! (?:is|has|was)\b)",
    "turn": r"(?! (?:lane|signal|pocket|arrow|indicator|is|ahead)\b)",
    "lead": r"(?!)",
    "change": r"(?! (?:is|was|has|ahead|in)\b)",
    "park": r"(?! (?:entrance|gate|is|ahead)\b)",
    "space": r"(?!)",
    "slow": r"(?= (?:along|together|down|to|for|behind|before|at|as|because|and|in|near|on|when|while|until|right|since|gently|ahead of|through|over|but"
    r"|with|well|enough|early|smoothly|gradually|a|our|the|slightly|considerably|further|below|by|so|due|from|into|approaching|until|now|here|or|just|or|then|after|around"
    r"|carefully|progressively|firmly|significantly|somewhat|modestly|moderately|early|within|toward|towards|on|past|under|up|back|ahead|in|speed|\d+)\b|[ ]?[.,;:!?)]|$)",
    "check": r" (?:for|whether)\b",
    "fork": r" (?:to the )?(?:left|right)\b",
    "back": r" (?:off|out|away|up|to (?:\w+ ){0,3}(?:speed|pace|limit|cruise|\d+))\b",
    "zip": r"(?! merge)",
    "zipper": r"(?! merge)",
    "go": r"(?! jam\b)",
    "cruise": r"(?! (?:control|speed)\b)",
    "start": r"(?! of\b)",
    "close": r" (?:up|in on|the gap|the distance|to within|on)\b",
    "open": r" (?:up|the|a|some|more)\b",
    "pace": r"(?!)",
}
NOUN_GUARDS = {word: re.compile(source) for word, source in _NOUNS.items()}
"""Base forms that are nouns as well: what must follow for them to be verbs."""
