"""Decisions named by nouns: "left lane change, because ...", "before the right turn", "less speed, please"."""
# ruff: noqa: E501  one noun a line

from __future__ import annotations

import re
from typing import NamedTuple

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


_LATERAL = (
    (
        "lane_change",
        r"\b(?:(?:left|right) )?lane ?changes?\b(?: (?:maneuver|manoeuvre))?(?:(?: over)? (?:to|toward|into) (?:the )?(?:left|right)(?: lane)?| left| right)?",
    ),
    ("lane_change", r"\b(?:move|shift|change|switch|transfer) (?:over )?(?:in)?to(?:ward)? the (?:\w+ ){1,2}lane\b"),
    (
        "turn_TO",
        r"\b(?:the|our) turn (?:in)?to the (?:left|right)\b(?= (?:is|was|gets|will be) (?:made|taken|done|completed|performed))",
    ),
    (
        "turn",
        r"\b(?:a|the) (?:left|right) (?:at|onto|into) (?:the|a)\b|\b(?:(?:(?:left|right|u) (?:hand )?|(?:the|our|this) )turn|u ?turn)\b(?! (?:lane|pocket|signal|bay|arrow|only|indicator))",
    ),
    (
        "merge_split",
        r"\b(?:zip|zipper)(?: |-)merge\b|\bmerge\b(?! (?:lane|area|zone|point|sign|ramp|ahead))(?: to the (?:left|right)| (?:left|right))?",
    ),
    ("merge_split", r"\b(?:left|right) (?:hand )?exit\b"),
    ("lane_change", r"^one lane (?:over )?(?:to the )?(?:left|right)\b"),
    ("lane_change", r"^(?:rather |to the |into the |to |via |take the |the |use the )*(?:left|right) lane$"),
    ("lane_keeping", r"^lane keep(?:ing)?\b"),
    (
        "in_lane_nudge",
        r"^(?:slightly |a (?:bit|little|touch) |more |further |over )?(?:to the )?(?:left|right) (?:in|within|inside) (?:the|our|its) lane\b",
    ),
    (
        "in_lane_nudge",
        r"\b(?:nudge|in lane shift|lateral offset|small shift|slight shift) (?:to the (?:left|right)|left|right)\b",
    ),
    ("pull_over", r"\bpull over\b"),
)
_LONGITUDINAL = (
    ("gap_searching", r"\bgap search\b|\bin search of (?:a|an|some) (?:\w+ )?(?:gap|space|opening|slot|hole)\b"),
    (
        "SLOWING_TO",
        r"\b(?:calls for|demands|requires|asks for|only allows|warrants|wants) (?:only |just |about |a (?:lower|reduced|slower) (?:speed|pace)|less speed|\d+|lower speed|caution and low speed)\b(?! (?:m|metres?|seconds?)\b)|\b(?:we|i|ego|speed) (?:should|must|need to|have to|want to|will) be (?:down )?(?:to|at|below|under) \d+\b",
    ),
    (
        "yield",
        r"^(?:the |all )?(?:pedestrians?|cyclists?|tram|bus|children|kids|trams|buses|cross traffic|oncoming traffic|traffic from the \w+|ambulance|emergency vehicles?) (?:go(?:es)? |have |has )?first\b",
    ),
    (
        "SLOWING",
        r"\b(?:less|reduced|lower|slower) (?:speed|pace)\b|\bspeed (?:down|reduction)\b|\b(?:gentle|light|slight|early|firm|smooth|mild|some) (?:braking|deceleration|slowdown)\b",
    ),
    ("GAINING", r"\bmore speed\b|\b(?:gentle|light|slight|firm|smooth|mild) acceleration\b"),
    (
        "STOPPING_TO",
        r"\b(?:we|i|ego|car) (?:should|must|need to|have to|will|shall) be (?:stationary|at (?:a )?(?:standstill|rest)|stopped|halted)\b",
    ),
    ("STOPPING", r"\bbraking to a (?:stop|halt|standstill)\b"),
    (
        "STOPPING_TO",
        r"\b(?:stop|halt) (?:is|will be|has to be|must be|should be) (?:\w+ )?(?:necessary|required|needed|made|due|planned|mandatory)\b",
    ),
    (
        "lead_obstacle_following_TO",
        r"^(?:slightly |a (?:bit|little) |some |much )?more (?:distance|space|room|gap) (?:to|from|behind) the\b",
    ),
    ("SLOWING_TO", r"^(?:at )?(?:no more than|not more than|at most|max(?:imum)?) \d+(?: ?(?:km/h|kph|mph))?$"),
    ("SLOWING_TO", r"\b(?:prefer|want|need|choose|use) (?:a )?(?:lower|reduced|slower|smaller) (?:speed|pace)\b"),
    ("SLOWING_TO", r"^slower\b"),
    ("yield_TO", r"^(?:the |an? |all )?(?!we\b|i\b|ego\b)(?:\w+ ){1,5}(?:comes?|goes) first\b"),
    ("GAINING_TO", r"\bfull (?:throttle|power)\b"),
    ("set_speed_tracking_TO", r"^no (?:change|adjustment) (?:of|in|to) (?:the |our )?speed\b"),
    ("lead_obstacle_following_TO", r"^more (?:gap|distance|space|headway)$"),
    ("set_speed_tracking_TO", r"^(?:at )?(?:the |our )?(?:set|target|cruise|current|same) speed$"),
    ("set_speed_tracking_TO", r"^(?:back )?up to (?:the )?(?:\d+|limit)\b"),
    ("SLOWING_TO", r"^(?:back )?down to \d+\b"),
    (
        "SLOWING_TO",
        r"^(?:emergency|hard|full|firm|panic|gentle|light) brak(?:e|ing)\b(?! to (?:a |an )?(?:stop|halt|standstill))",
    ),
    ("STOPPING", r"\b(?:full|complete|brief|short|controlled|smooth|gentle|hard|emergency|mandatory) (?:stop|halt)\b"),
)
_PATTERNS = tuple(
    (axis, decision, re.compile(source))
    for axis, sources in (("lateral", _LATERAL), ("longitudinal", _LONGITUDINAL))
    for decision, source in sources
)
_LINKED = re.compile(
    r"(?:\b(?:before|for|ahead of|during|through|throughout|into|in|prior to|after|on|approaching|with|via|until|make|time|complete|finish|do|of|beginning|begin|start|starting|prepare|is|be|planning|plan|need|needs|needed|require|requires|required|forces?|demands?|means|calls for|toward|towards|by|to)"
    r"(?: (?:the|a|an|our|my|this|that|upcoming|planned|next|required|intended|tight|sharp|protected|unprotected|final|actual|following|later|wide|gentle|smooth|lane|quick|full)){0,4}|^(?:(?:so|first|next|now|then|plan|planned|decision|action|a|the|make|our|at the next \w+|prepare|preparing|for|upcoming|gentle|smooth|full|quick|small|slight|little|brief|careful|subtle|minor|short) ?)*) ?$"
)
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


def named(plain: str, acts: list[Act], segments: list[Segment]) -> list[Named]:
    """What nouns name in the segments where the ego acts or nobody does."""
    found: list[Named] = []
    for segment in segments:
        text = plain[segment.start : segment.end]
        for axis, decision, pattern in _PATTERNS:
            for match in pattern.finditer(text):
                before = text[: match.start()]
                if not decision.endswith("_TO") and not _counts(
                    segment, acts, before, match.start() + segment.start, axis
                ):
                    continue
                negated = (
                    bool(_NEGATED.search(before)) or bool(_DENIED.match(text, match.end())) or segment.kind == "unless"
                )
                order = {"before": 1, "until": 1, "after": -1}.get(segment.kind, 0)
                hedged = segment.kind == "if"
                found.append(
                    Named(
                        axis,
                        decision.removesuffix("_TO"),
                        segment.start + match.start(),
                        segment.start + match.end(),
                        negated,
                        hedged,
                        order,
                    )
                )
    return found


def _counts(segment: Segment, acts: list[Act], before: str, place: int, axis: str) -> bool:
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
