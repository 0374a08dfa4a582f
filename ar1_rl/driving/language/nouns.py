"""Decisions named by nouns: "left lane change, because ...", "before the right turn", "less speed, please"."""
# ruff: noqa: E501  one noun a line

from __future__ import annotations

import re
from typing import NamedTuple

from ..phrase_rule import PhraseRule, RuleBook
from ..phrase_rule import phrase_rule as _rule
from .acts import Act, Segment


class Named(NamedTuple):
    """A noun that names a decision."""

    axis: str
    decision: str
    start: int
    end: int
    negated: bool
    hedged: bool
    order: int


ALONE = "!"
"""Ends the name of a rule whose words name the decision wherever they stand; others must hang on an act or stand alone."""

_LATERAL = (
    _rule(
        "lane_change",
        "lane",
        r"\b(?:(?:left|right) )?lane ?changes?\b(?: (?:maneuver|manoeuvre))?(?:(?: over)? (?:to|toward|into) (?:the )?(?:left|right)(?: lane)?| left| right)?",
    ),
    _rule(
        "lane_change",
        "lane",
        r"\b(?:move|shift|change|switch|transfer) (?:over )?(?:in)?to(?:ward)? the (?:\w+ ){1,2}lane\b",
    ),
    _rule(
        "turn!",
        "turn",
        r"\b(?:the|our) turn (?:in)?to the (?:left|right)\b(?= (?:is|was|gets|will be) (?:made|taken|done|completed|performed))",
    ),
    _rule(
        "turn",
        "turn left right",
        r"\b(?:a|the) (?:left|right) (?:at|onto|into) (?:the|a)\b|\b(?:(?:(?:left|right|u) (?:hand )?|(?:the|our|this) )turn|u ?turn)\b(?! (?:lane|pocket|signal|bay|arrow|only|indicator))",
    ),
    _rule(
        "merge_split",
        "merge",
        r"\b(?:zip|zipper)(?: |-)merge\b|\bmerge\b(?! (?:lane|area|zone|point|sign|ramp|ahead))(?: to the (?:left|right)| (?:left|right))?",
    ),
    _rule("merge_split", "exit", r"\b(?:left|right) (?:hand )?exit\b"),
    _rule("lane_change", "lane", r"^one lane (?:over )?(?:to the )?(?:left|right)\b"),
    _rule(
        "lane_change", "lane", r"^(?:rather |to the |into the |to |via |take the |the |use the )*(?:left|right) lane$"
    ),
    _rule("lane_keeping", "lane", r"^lane keep(?:ing)?\b"),
    _rule(
        "in_lane_nudge",
        "lane",
        r"^(?:slightly |a (?:bit|little|touch) |more |further |over )?(?:to the )?(?:left|right) (?:in|within|inside) (?:the|our|its) lane\b",
    ),
    _rule(
        "in_lane_nudge",
        "nudge shift offset",
        r"\b(?:nudge|in lane shift|lateral offset|small shift|slight shift) (?:to the (?:left|right)|left|right)\b",
    ),
    _rule("pull_over", "pull", r"\bpull over\b"),
)
_LONGITUDINAL = (
    _rule(
        "gap_searching",
        "gap search",
        r"\bgap search\b|\bin search of (?:a|an|some) (?:\w+ )?(?:gap|space|opening|slot|hole)\b",
    ),
    _rule(
        "SLOWING!",
        "calls demand require asks only warrant wants be",
        r"\b(?:calls for|demands|requires|asks for|only allows|warrants|wants) (?:only |just |about |a (?:lower|reduced|slower) (?:speed|pace)|less speed|\d+|lower speed|caution and low speed)\b(?! (?:m|metres?|seconds?)\b)|\b(?:we|i|ego|speed) (?:should|must|need to|have to|want to|will) be (?:down )?(?:to|at|below|under) \d+\b",
    ),
    _rule(
        "yield",
        "first",
        r"^(?:the |all )?(?:pedestrians?|cyclists?|tram|bus|children|kids|trams|buses|cross traffic|oncoming traffic|traffic from the \w+|ambulance|emergency vehicles?) (?:go(?:es)? |have |has )?first\b",
    ),
    _rule(
        "SLOWING",
        "speed pace brak decel slow",
        r"\b(?:less|reduced|lower|slower) (?:speed|pace)\b|\bspeed (?:down|reduction)\b|\b(?:gentle|light|slight|early|firm|smooth|mild|some) (?:braking|deceleration|slowdown)\b",
    ),
    _rule("GAINING", "speed accel", r"\bmore speed\b|\b(?:gentle|light|slight|firm|smooth|mild) acceleration\b"),
    _rule(
        "STOPPING!",
        "be",
        r"\b(?:we|i|ego|car) (?:should|must|need to|have to|will|shall) be (?:stationary|at (?:a )?(?:standstill|rest)|stopped|halted)\b",
    ),
    _rule("STOPPING", "braking", r"\bbraking to a (?:stop|halt|standstill)\b"),
    _rule(
        "STOPPING!",
        "stop halt",
        r"\b(?:stop|halt) (?:is|will be|has to be|must be|should be) (?:\w+ )?(?:necessary|required|needed|made|due|planned|mandatory)\b",
    ),
    _rule(
        "lead_obstacle_following!",
        "more",
        r"^(?:slightly |a (?:bit|little) |some |much )?more (?:distance|space|room|gap) (?:to|from|behind) the\b|^more (?:gap|distance|space|headway)$",
    ),
    _rule(
        "SLOWING!",
        "than most max",
        r"^(?:at )?(?:no more than|not more than|at most|max(?:imum)?) \d+(?: ?(?:km/h|kph|mph))?$",
    ),
    _rule(
        "SLOWING!",
        "speed pace",
        r"\b(?:prefer|want|need|choose|use) (?:a )?(?:lower|reduced|slower|smaller) (?:speed|pace)\b",
    ),
    _rule("SLOWING!", "slower", r"^slower\b"),
    _rule("yield!", "first", r"^(?:the |an? |all )?(?!we\b|i\b|ego\b)(?:\w+ ){1,5}(?:comes?|goes) first\b"),
    _rule("GAINING!", "full", r"\bfull (?:throttle|power)\b"),
    _rule(
        "set_speed_tracking!",
        "speed",
        r"^no (?:change|adjustment) (?:of|in|to) (?:the |our )?speed\b|^(?:at )?(?:the |our )?(?:set|target|cruise|current|same) speed$",
    ),
    _rule("set_speed_tracking!", "up", r"^(?:back )?up to (?:the )?(?:\d+|limit)\b"),
    _rule("SLOWING!", "down", r"^(?:back )?down to \d+\b"),
    _rule(
        "SLOWING!",
        "brak",
        r"^(?:emergency|hard|full|firm|panic|gentle|light) brak(?:e|ing)\b(?! to (?:a |an )?(?:stop|halt|standstill))",
    ),
    _rule(
        "STOPPING",
        "stop halt",
        r"\b(?:full|complete|brief|short|controlled|smooth|gentle|hard|emergency|mandatory) (?:stop|halt)\b",
    ),
)
_BOOK = RuleBook(lateral=_LATERAL, longitudinal=_LONGITUDINAL)

_LINKED = re.compile(
    r"(?:\b(?:before|for|ahead of|during|through|throughout|into|in|prior to|after|on|approaching|with|via|until|make|time|complete|finish|do|of|beginning|begin|start|starting|prepare|is|be|planning|plan|need|needs|needed|require|requires|required|forces?|demands?|means|calls for|toward|towards|by|to)"
    r"(?: (?:the|a|an|our|my|this|that|upcoming|planned|next|required|intended|tight|sharp|protected|unprotected|final|actual|following|later|wide|gentle|smooth|lane|quick|full)){0,4}"
    r"|^(?:(?:so|first|next|now|then|plan|planned|decision|action|a|the|make|our|at the next \w+|prepare|preparing|for|upcoming|gentle|smooth|full|quick|small|slight|little|brief|careful|subtle|minor|short) ?)*) ?$"
)
"""What a noun hangs on."""
_FORCED = re.compile(r"\b(?:forces?|requires?|demands?|calls for|means|needs?|forcing|requiring)\b")
_FINITE = re.compile(r"\b(?:is|are|was|were|has|have|will|would|can|could|may|might|does|had|seems)\b")
_DENIED = re.compile(
    r" (?:is |was )?(?:not|no longer|never|im)(?: |possible)?(?:possible|needed|necessary|required|allowed|safe|wanted|permitted|planned|an option)?\b"
)
_NEGATED = re.compile(
    r"\b(?:no|not|without|never|instead of|rather than|avoid\w*|skip|cancel\w*|abort\w*|abandon\w*|complete\w* not)(?: [\w']+){0,3} ?$"
)
_ROOM = re.compile(r"\b(?:room|space|gap|opening|hole|slot)\b")
_AGENT = re.compile(
    r"\b(?:car|vehicle|truck|van|bus|lorry|driver|cyclist|pedestrian|traffic|taxi|tram|motorcycle|lead)(?:'s|s)?\b"
)
_ORDER = {"before": 1, "until": 1, "after": -1}


def named(plain: str, acts: list[Act], segments: list[Segment]) -> list[Named]:
    """What nouns name in the clauses where the ego acts or nobody does."""
    found: list[Named] = []
    for axis, rules in _BOOK.fitting(plain).items():
        for rule in rules:
            if rule.source.startswith("^") or rule.pattern.search(plain):
                found += [noun for segment in segments for noun in _named_in(plain, acts, segment, axis, rule)]
    return found


def _named_in(plain: str, acts: list[Act], segment: Segment, axis: str, rule: PhraseRule) -> list[Named]:
    text, found = plain[segment.start : segment.end], []
    for match in rule.pattern.finditer(text):
        start, end = segment.start + match.start(), segment.start + match.end()
        before = text[: match.start()]
        if not rule.name.endswith(ALONE) and not _counts(segment, acts, before, start):
            continue
        denied = _NEGATED.search(before) or _DENIED.match(text, match.end()) or segment.kind == "unless"
        order = _ORDER.get(segment.kind, 0)
        name = rule.name.removesuffix(ALONE)
        found.append(Named(axis, name, start, end, bool(denied), segment.kind == "if", order))
    return found


def _counts(segment: Segment, acts: list[Act], before: str, place: int) -> bool:
    """Whether a noun hangs on what the ego does, or stands for itself."""
    governing = [act for act in acts if segment.start <= act.start < place]
    if _NEGATED.search(before):
        return bool(governing) or not _AGENT.search(before)
    if not _LINKED.search(before):
        return False
    if governing:
        return not governing[-1].negated and not governing[-1].hedged
    if _FORCED.search(before):
        return not _AGENT.search(before) or segment.kind == "relative"
    if segment.kind in ("until", "when") and _ROOM.search(before):
        return True
    if segment.acts or segment.kind in ("relative", "reason", "when", "until"):
        return False
    return not _FINITE.search(before) and not _AGENT.search(before)
