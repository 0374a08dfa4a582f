"""What slowing, stopping, waiting and speeding up are for, and so what they are called.

The cause is looked for behind the verb in its sentence, then before it, then in the sentences next to it; in each place
the first one counts.
"""
# ruff: noqa: E501  one cause a line

from __future__ import annotations

import re
from collections.abc import Callable

from .frames import VEHICLE
from .longitudinal_frames import (
    ADAPTING,
    DROPPING_BACK,
    GAINING,
    MATCHING,
    OPENING,
    PASSING,
    SEARCHING,
    SLOWING,
    STARTING,
    STOPPING,
    WAITING,
)

_PERSON = r"(?:pedestrians?|persons?|people|wom[ae]n|m[ae]n|lady|ladies|gentleman|child(?:ren)?|kids?|boys?|girls?|toddler|pupils?|schoolchildren|students?|joggers?|runners?|walkers?|couple|family|families|someone|somebody|cyclists?|bicyclists?|bikers?|riders?|skaters?|skateboarder|wheelchair|pram|push ?chair|buggy|stroller|mother|father|parents?|crowd|group|dogs?|cats?|deer|animals?|cows?|sheep|horses?|ducks?|goose|geese|boar|moose|fox|hedgehog|herd|flock|crossing guard|lollipop|passers? ?by|jay ?walkers?|postman|postwoman|mailman|shoppers?|tourists?|teenagers?|e ?scooter|scooter ?rider|elderly)"
_ASIDE = r"(?:roadworkers?|at the (?:right |left )?(?:edge|side)|roadside|pavement|sidewalk|verge|parked|playing|near the|alongside)"
_CAUSES = {
    "stop": (
        r"\b(?:red|amber|yellow|flashing red) (?:\w+ )?(?:lights?|signals?|arrow|phase)\b|\b(?:lights?|signals?|arrow)\b(?: \w+){0,6}? (?:red|amber|yellow)\b"
        r"|\b(?:the|an?) (?:red|amber|yellow)\b(?! (?:\w+ )?(?:car|truck|van|bus|lorry|line|vehicle))|\bstop signs?\b|\ball way stop\b|\bfour way stop\b|\bstop line\b"
    ),
    "lead_obstacle_following": (
        rf"\b(?:the |our |this )?(?:lead|leader|leading|preceding)\b(?! to\b| us\b)|\b{VEHICLE}(?:[^.;,]){{0,25}}?(?<! in) (?:ahead|in front|before us|in our lane|we (?:are )?follow\w*)\b|\b(?:traffic|queue|cars|vehicles|column|line of \w+|brake lights?|lights) (?:\w+ ){{0,3}}?(?:ahead|in front|slow\w*|brak\w*|back\w*|bunch\w*|build\w*|crawl\w*|com(?:es|ing) on|light\w*)\b"
        rf"|\b(?:queue(?! of (?:kids|people|children|pedestrians))|tailback|traffic jam|jam|congestion|stop and go|bumper|brake lights?|tail ?lights|slow mover|platoon|gap to|headway|distance to|last car|the one in front|closing (?:in )?on|rear of the|back of the)\b|\b(?:column|line|string|row|stream) of (?:cars|vehicles|trucks|traffic)\b|\bfollowing (?:has|is|brakes|slows)\b|\b(?:gaining|closing) (?:in )?on\b|\bcatching (?:up|the)\b|\b(?:two|three|\d+) seconds\b|\bswerved into (?:our|the)\b|\b(?:right|just|directly|in) before us\b|\bpulled back in\b|\bwe (?:are )?(?:trail|follow|tail)\w*|\b(?:div|swerv|dart|jump|shoot|swing|veer|barg|push)(?:es|s|ed|ing)? (?:in(?:to)?|across)\b(?: (?:our|my|the)(?: \w+)? lane)?|\bto (?:keep|hold|restore|leave|maintain|preserve|rebuild|regain) (?:\w+ ){{0,3}}?(?:cushion|distance|gap|buffer|headway|spacing)\b|\bwith (?:the )?(?:traffic|flow|queue|lead|column|others|cars ahead)\b|\bgetting (?:too )?close to\b|\bbehind (?:it|him|her|them|the|that|this|a|an) ?(?!line|curve|bend|crest|junction|corner|lights?|sign)\w*|\bcut(?:s|ting)?[ -]?(?:in|across|us)\b|\b(?:squeez\w+|pulled|slipped|moved|swung|dived|pushed|darted|slotted|jumped) in(?:to)?(?: (?:our|the gap|front|ahead|between|right))?\b"
        rf"|\b(?:slow(?:er|ly)?|crawling|dawdling|braking|slowing|stopped|stationary|standing|slow moving) (?:\w+ )?(?:{VEHICLE}|traffic)\b|\b{VEHICLE} (?:\w+ )?(?:brakes|braking|slows|slowing|is slow\w*|crawls|dawdles|stops|is holding)\b|\b(?:it|he|she) (?:is |has )?(?:brak(?:es|ing|ed)|slow(?:s|ing|ed))\b|\bfollowing distance\b|\b(?:cyclist|bicycle|rider|moped) (?:\w+ ){{0,2}}?(?:ahead|in front)\b|\b(?:from|to) (?:its|the) bumper\b|\bclear of (?:its|the car|the one)\b"
    ),
    "yield": (
        rf"\bfor (?:the |a |an |any |that |this |those |two |three |some |several |an? )?(?:\w+ ){{0,3}}?{_PERSON}\b(?! (?:ahead|in front|crossing sign))(?!.*\b(?:ahead of us|in front of us|{_ASIDE}))"
        rf"|\b{_PERSON}\b(?:[^.;]{{0,50}}?)\b(?:cross\w*|step\w*|enter\w*|into (?:the|our)|onto (?:the|our)|across|dart\w*|jump\w*|emerg\w*|in (?:the|our) (?:path|way|crosswalk|crossing)|on (?:the|a) (?:crossing|crosswalk|zebra|road|carriageway(?! edge))|(?:zebra|crosswalk)|wander\w*|leav\w* the (?:kerb|curb)|(?:kerb|curb) (?:to|toward)|approach\w*|com(?:es|ing) (?:from|out)|push\w*|right of way|priority|swerv\w*|first|run\w* (?:out|into|toward))"
        rf"|\bcross(?:ing|es)? (?:\w+ )?{_PERSON}\b|\b(?:ambulances?|fire (?:engine|truck|brigade)|siren|emergency (?:vehicle|services)|blue light|police (?:car|van) with|patrol car with)\b|\btrams?\b|\bstreetcar\b"
        rf"|\b(?:{VEHICLE}|traffic)\b(?:(?! ahead| in front| (?:just )?cut| (?:has )?squeez| div| swerv| dart| into our)[^.;]){{0,45}}?\b(?:merg(?:es|ing)|going to (?:merge|pull|swing|join|turn|cross)|(?:pull|swing)\w* out|revers\w*|back\w* out|emerg\w*|join\w*|from the (?:right|left|side|driveway|on ramp|ramp|slip road|minor|junction)|has (?:the )?(?:priority|right of way)|have (?:the )?(?:priority|right of way)|nos(?:es|ing) out|in the (?:roundabout|circle)|enter(?:s|ing) (?:the|our|from)|com(?:es|ing) the other way|turn\w* across)"
        rf"|\bmerging (?:\w+ )?{VEHICLE}\b|(?<!lane )(?<!left )(?<!right )\bfor (?:the |an? |any )?(?:\w+ )?oncoming\b(?! lane)|\boncoming (?!lane)\w+(?: [\w']+){{0,5}}? (?:first|through|clear|pass(?:es|ed)?|priority|comes|coming|turns?|approach\w*)\b|\bcross(?:ing)? traffic\b|\b(?:give way|yield)(?: sign| line| triangle)\b|\bright of way\b|\bpriority\b|\b(?:goes|go) first\b|\bso (?:that )?(?:the |a |an |this |that )?(?!we\b|i\b|ego\b)(?:[\w']+ ){{1,3}}can (?:\w+ )?(?:leave|cross|pass|go|get|turn|enter|merge|join|come|pull|move|finish|clear)\b|\bgreen man\b|\brescue (?:vehicle|car)\b|\bcan come in\b|\bon the (?:ramp|slip road|on ramp)\b(?=.*\b(?:come|merge|join|get) )|\bzipper\b|\broundabout traffic\b"
    ),
    "speed_adaptation": (
        r"\b(?:bends?|curves?|curv(?:y|ing)|corner|hairpin|humps?|bumps?|bumpy|cushions?|speed tables?|crest|brow|hill|gradient|slope|gravel|potholes?|surface|wet|ice|icy|snow\w*|rain\w*|fog\w*|mist|sun|glare|dazzl\w*|visibility|sight|view|hid(?:es|den|ing)|blind(?= (?:bend|corner|curve|exit|driveway|summit|crest|junction|spot|hill))|blinding|dark\w*|road ?works?|works|work zone|workers?|roadworkers?|construction|zone|(?:speed )?limit|narrow\w*|ramp|roundabout|tunnel|bridge|school|debris|chicane|dip|cobbl\w*|leaves|slippery|grip|steep|market|cattle grid|playground|parked|kids play\w*|playing|rough|uneven|mud\w*|flood\w*|puddles?|aquaplan\w*|wind|gusts?|smoke|dust|"
        r"exit|turn(?:ing)?(?! red| amber| yellow)|junction|intersection|connector|crosswind|barriers?|level crossing|railway|crossing(?! (?:the|our))|off ?ramp|\d+ (?:zone|limit|sign)|oil|sand|animals? sign|village|town|residential|caution)\b"
    ),
}
_PATTERNS = {name: re.compile(source) for name, source in _CAUSES.items()}
_SENTENCE_END = re.compile(r"[.!?](?= |$)")

_GAP = re.compile(
    r"\b(?:find|finding|found|search\w*|seek\w*|look\w*|hunt\w*|pick\w*|meet|meets|fit\w*|reach\w*|hit|use|into|for|catch|match|between|line up with|lines up with|until there is|next|wait\w*|once (?:a|the|there is a)|when (?:a|the|there is a)|as soon as|spot\w*|choos\w*|in behind|drop into|slot into|time)"
    r"(?: (?!lead\b)\w+){0,6}? (?:gaps?|slots?|openings?|holes?|(?:space|room)(?= (?:on the (?:left|right)|among|amid|for us|between|behind|in (?:the|that)|to (?:merge|move|change|get|cut|slot|shift))|$|\.|,))\b(?! (?:to|of) (?:the|that|a|our|it|its|this)\b)"
    r"|\bgap search\w*\b|\bfit (?:in )?between\b|\b(?:slide|tuck|fit|drop|squeeze|fold|fall) in(?:to)? (?:behind|between|ahead of|in front of|after)\b(?=.*\b(?:merg\w+|lane))"
)
_ANY_GAP = re.compile(
    r"\b(?:gap|slot(?! in)|opening|hole)\b(?! (?:to|from|of|between us|ahead of us|in front of us|has|is (?:too|clos|shrink|narrow)|clos|shrink|narrow|for the (?:merg|van|car|truck|bus)))"
)
_KEPT = re.compile(
    r"\b(?:keep\w*|maintain\w*|leav\w*|hold\w*|restor\w*|increas\w*|extend\w*|open(?:ing|s)? (?:up )?(?:a|the)|widen\w*|preserv\w*|giv\w*|rebuild\w*|re ?establish\w*|recover\w*|regain\w*|creat\w*|get back|stretch\w*|lengthen\w*|have|grow\w*|with an?|safe|following|time|\d+ m|second|longer|bigger|larger)(?: [\w']+){0,3} $"
)
_GAP_APPEARS = re.compile(
    r"\b(?:once|when|as soon as|until|if) (?:a|the|some|another|there is a)(?: \w+)? (?:gap|opening|slot|hole)\b|\bno (?:\w+ )?(?:gap|space|room|opening|slot|hole)\b"
)
_SLOT_IN = re.compile(r"\b(?:slot|slip|zip) in(?:to)?\b")
_LET = re.compile(r"\b(?:let|lets|letting|allow\w*)\b(?:(?! and\b| then\b)[^.;]){0,40}$")
_SEARCHED = re.compile(
    r"\b(?:find|finding|search\w*|look\w*|hunt\w*|pick\w*|seek\w*|spot\w*|choos\w*|wait\w*)(?: (?!lead\b)\w+){0,5}? (?:gaps?|slots?|openings?|holes?|space|room)\b"
)
_AND_LET = re.compile(
    r"(?: (?!red|light|sign|line|signal)\w+){0,3}?,? (?:and|to|so as to)(?: \w+)? (?:(?:let|allow)(?! (?:the |a |our |my )?(?:passengers?|guests?|rider|customer))|give way|yield|wait for (?!the (?:light|signal|green)))\b"
)
_TO_REST = re.compile(
    r"(?: \w+){0,4}?,? (?:and|then|until (?:we|it|ego|the (?:car|vehicle)))(?: then| \w+ly)? (?:stops?|stands?|halts?|stopping|is stopped|(?:comes?|coming) to (?:an? |the )?(?:\w+ )?(?:stop|halt|standstill|rest))\b(?! (?:the |this )?(?:lane|merg|man))"
)
_MEET_IT = re.compile(
    r"\b(?:meet|reach|find|look for|search for|get|make|hit|catch|take|fit into|use|match) (?:it|one|them|that)\b"
)
_GAP_NOUN = re.compile(r"\b(?:gap|hole|opening|slot|space)\b(?! (?:to|of) the (?:lead|car|vehicle))")
_OVERTAKING = re.compile(
    r"\bovertak\w+|\bpass(?:ing)? (?:the|it|this|that|him|them)\b|\b(?:to pass|get(?:ting)? (?:by|past|in front of|ahead of))\b|\bthe pass\b|\bleave (?:the (?:\w+ )?(?:truck|lorry|car|bus|van|tractor|cyclist)|it|him) behind\b|\b(?:have been|been|are) passed\b|\bpassing\b(?! (?:lane|place|zone|bay))|\bpast (?:the|it|this|that|a)\b|\balongside the (?:truck|lorry|trailer|bus|van|car)\b"
)
_NOT_OVERTAKING = re.compile(
    r"\b(?:no|not|without|never|after|done|over|finished|instead of|rather than)(?: \w+){0,3} (?:overtak\w+|pass\b|passing\b)|\bovertaking (?:is|was|has been) (?:done|over|finished|complete\w*)|\bbefore overtak\w+"
)
_CLOSING_UP = re.compile(r"\b(?:close|catch|keep) up\b|\bclose the gap\b|\bwith the (?:lead|queue|flow)\b")
_BEHIND_THEM = re.compile(r"\bbehind (?:it|the|him|her|them)\b")
_DISTANCE = re.compile(r"\b(?:distance|gap|headway|spacing)\b")
_GAP_WORD = re.compile(r"\b(?:gap|opening|hole|slot)\b")
_PAST = re.compile(r"\b(?:past|by|in front of|ahead of|clear of)\b(.*)")
_UNTIL = re.compile(r"\b(?:as|when|once|before|after|on|in|with|at|where|while|using|via|and|by|over|from|through)\b")
_STATIC = re.compile(
    r"\b(?:parked|stopped|stationary|standing|stalled|broken(?: |-)?down|disabled|abandoned|double parked|works?|roadworks?|construction|cones?|barrier|school|junction|intersection|crossing|crosswalk|bus stop|exit|island|station|shop|house|driveway|entrance|debris|obstacle|obstruction|pothole|skip|bins?|scaffold\w*|ladder|toll|tunnel|sign|lights?|line|limit|playground|park|hedge|kiosk|accident|wreck|site|zone|lane|branch|tree|puddle|hole|bumps?|humps?)\b"
)
_LEAD_STARTS = re.compile(
    r"\b(?:as|when|since|now that|once|because|after|with)\b(?:(?! we\b| i\b)[^.;]){0,40}?\b(?:lead|in front|ahead|queue|line of cars|column|traffic|preceding)\b[^.;]{0,30}?\b(?:start\w*|begin\w*|mov\w*|roll\w*|pull\w*|set\w*|go(?:es|ing)|accelerat\w*|drive\w*|clear\w*)\b"
    r"|\b(?:with|behind|after) the (?:\w+ )?(?:lead|queue|car (?:ahead|in front)|traffic|column|line)\b"
)
_PICKED = re.compile(
    r"\b(?:pick|take|use|choose|find|grab|(?:slot|slip|drop|move|tuck|pull|go|merge|change) in(?:to)?|select) (?:the|a|our) (?:\w+ )?(?:gap|slot|opening|space|hole)\b"
)
_AGENT_FOR = re.compile(
    r"^(?: \w+){0,3}? (?:for|on|until|till|while) (?!(?:the |a |our |my )?(?:\w+ )?(?:lanes?|lights?|signal|green|turn|passengers?|instruction\w*|moment|second|while|phase|arrow|barrier|gate|boom|permission|clearance|right time|word|now|bridge|door|us|me|drawbridge|officer|attendant|ferry|time being)\b)(?:the |a |an |any |that |this |these |those |its |all |two |three |one |both |him|her|it|them|\w+)"
)


def purpose(name: str, plain: str, start: int, end: int, arguments: str) -> str:
    """The decision that `name` stands for, of a verb at `start` to `end`; "" for none.

    Names in capitals stand for what the text around them says, others mostly for themselves.
    """
    if name in _FOR_A_GAP and _wants_gap(plain, start):
        return "gap_searching"
    find = _PURPOSES.get(name)
    return find(plain, start, end, arguments) if find is not None else name


_FOR_A_GAP = (SLOWING, ADAPTING, DROPPING_BACK, GAINING)


def _letting(plain: str, start: int, end: int, arguments: str) -> str:
    """To let one go and take the gap behind it is to search a gap."""
    picks = plain.startswith("let", start) and _PICKED.search(plain, end, sentence_around(plain, start)[1])
    return "gap_searching" if picks else "yield"


def _following(plain: str, start: int, end: int, arguments: str) -> str:
    searched = _SEARCHED.search(plain, end, sentence_around(plain, start)[1])
    return "gap_searching" if searched else "lead_obstacle_following"


def _passing(plain: str, start: int, end: int, arguments: str) -> str:
    passed = _PAST.search(arguments)
    whom = _UNTIL.split(passed.group(1) if passed else arguments)[0]
    return "" if _STATIC.search(whom) else "passing_acceleration"


def _gaining(plain: str, start: int, end: int, arguments: str) -> str:
    low, high = sentence_around(plain, start)
    regions = [(low, high)] + ([(sentence_around(plain, low - 2)[0], low)] if low > 0 else [])
    for begin, stop in regions:
        if _OVERTAKING.search(plain, begin, stop) and not _NOT_OVERTAKING.search(plain, begin, stop):
            return "passing_acceleration"
    return "lead_obstacle_following" if _CLOSING_UP.search(plain, start, high) else "set_speed_tracking"


def _starting(plain: str, start: int, end: int, arguments: str) -> str:
    _, high = sentence_around(plain, start)
    follows = _LEAD_STARTS.search(plain, start, high) or _BEHIND_THEM.search(arguments)
    return "lead_obstacle_following" if follows else "set_speed_tracking"


def _opening(plain: str, start: int, end: int, arguments: str) -> str:
    """To let it grow: the distance that was named."""
    return "lead_obstacle_following" if _DISTANCE.search(plain, 0, start) else ""


def _searching(plain: str, start: int, end: int, arguments: str) -> str:
    low, high = sentence_around(plain, start)
    low = sentence_around(plain, low - 2)[0] if low else low
    return "gap_searching" if _GAP_NOUN.search(plain, low, high) else ""


def _slowing(plain: str, start: int, end: int, arguments: str) -> str:
    if _AND_LET.match(plain, end):
        return "yield"
    if _TO_REST.match(plain, end):
        return _stopping(plain, start, end, arguments)
    return _adapting(plain, start, end, arguments)


def _adapting(plain: str, start: int, end: int, arguments: str) -> str:
    return _cause(plain, start, end) or "speed_adaptation"


def _dropping_back(plain: str, start: int, end: int, arguments: str) -> str:
    return _cause(plain, start, end, only=("yield", "lead_obstacle_following")) or "lead_obstacle_following"


def _stopping(plain: str, start: int, end: int, arguments: str) -> str:
    if _AND_LET.match(plain, end):
        return "yield"
    cause = _cause(plain, start, end, only=("stop", "lead_obstacle_following", "yield"))
    return "yield" if cause == "yield" else "stop"


def _waiting(plain: str, start: int, end: int, arguments: str) -> str:
    _, high = sentence_around(plain, start)
    behind = plain[end:high]
    if _GAP.search(plain, start, high) or _GAP_WORD.search(arguments):
        return "gap_searching"
    if _AND_LET.match(behind):
        return "yield"
    cause = _cause(plain, start, end, only=("stop", "yield"))
    return "yield" if cause == "yield" or (cause is None and _AGENT_FOR.match(behind)) else "stop"


_PURPOSES: dict[str, Callable[[str, int, int, str], str]] = {
    "yield": _letting,
    "lead_obstacle_following": _following,
    MATCHING: _following,
    PASSING: _passing,
    GAINING: _gaining,
    STARTING: _starting,
    OPENING: _opening,
    SEARCHING: _searching,
    SLOWING: _slowing,
    ADAPTING: _adapting,
    DROPPING_BACK: _dropping_back,
    STOPPING: _stopping,
    WAITING: _waiting,
}


def _wants_gap(plain: str, start: int) -> bool:
    low, high = sentence_around(plain, start)
    if _GAP.search(plain, start, high) or _GAP_APPEARS.search(plain, low, start):
        return True
    for match in _SLOT_IN.finditer(plain, start, high):
        if not _LET.search(plain, start, match.start()):
            return True
    for match in _ANY_GAP.finditer(plain, start, high):
        if not _KEPT.search(plain, start, match.start()):
            return True
    before = sentence_around(plain, low - 2)[0] if low else low
    return bool(_MEET_IT.search(plain, start, high) and _GAP_NOUN.search(plain, before, high))


def _cause(plain: str, start: int, end: int, only: tuple[str, ...] = tuple(_CAUSES)) -> str | None:
    low, high = sentence_around(plain, start)
    regions = [(end, high), (low, start)]
    if low > 0:
        regions.append((sentence_around(plain, low - 2)[0], low))
    if high < len(plain):
        regions.append((high, sentence_around(plain, min(high + 2, len(plain) - 1))[1]))
    for begin, stop in regions:
        first: tuple[int, int] | None = None
        named = None
        for rank, name in enumerate(only):
            match = _PATTERNS[name].search(plain, begin, stop)
            if match and (first is None or (match.start(), rank) < first):
                first, named = (match.start(), rank), name
        if named is not None:
            return named
    return None


def sentence_around(plain: str, place: int) -> tuple[int, int]:
    """Begin and end of the sentence around a position."""
    low = 0
    for match in _SENTENCE_END.finditer(plain):
        if match.start() >= place:
            return low, match.start()
        low = match.end()
    return low, len(plain)
