"""Who does what: the verbs of a text whose subject is the ego vehicle, with their arguments.

A text is cut into segments at punctuation and connectives. A verb is the ego's when it is an imperative or its subject
is the ego ("we", "the ego vehicle"); the subject carries over "and". What others do ("the car turning left", "let him
pass") is not. Of a passive ("speed is reduced") the subject becomes an argument. Acts may be negated or hedged.
"""

# ruff: noqa: E501  patterns on one line

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from .verb_forms import FORMS, Form

Actor = Literal["ego", "other"]


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
    """A stretch of text from one joint to the next, and who acts in it."""

    kind: str
    start: int
    end: int
    actor: Actor | None
    acts: bool
    """Whether any verb of the ego is in it."""
    negated: bool


class _Token(NamedTuple):
    word: str
    start: int
    end: int


_TOKEN = re.compile(r"[a-z0-9](?:[\w'/%]|[.,](?=\d))*|[^\s\w]")
_STRONG = frozenset(".;:!?")
_JOINTS = {
    "and": "and", "&": "and", "plus": "and", "or": "or", "nor": "or", "but": "but", "so": "so", "then": "then",
    "therefore": "so", "hence": "so", "thus": "so", "otherwise": "but", "because": "reason", "since": "reason",
    "as": "reason", "given": "reason", "due": "reason", "owing": "reason", "although": "reason", "though": "reason",
    "whereas": "reason", "where": "reason", "despite": "reason", "when": "when", "while": "when", "whilst": "when",
    "once": "when", "whenever": "when", "if": "if", "unless": "unless", "until": "until", "till": "until",
    "before": "before", "after": "after", "that": "relative", "which": "relative", "who": "relative",
    "whose": "relative", "whom": "relative",
}  # fmt: skip
_COORDINATED = ("and", "or", "comma", "but", "comma and", "then")

_ADVERB = (
    r"(?:please|now|then|therefore|also|just|only|first|next|finally|simply|better|already|still|soon|here|even|(?<!the )(?<!to )(?<!our )right"
    r"|(?<!the )straight|back|again|slightly|instead|together|both|either|neither|rather|all|ok|okay|at once|once more|over"
    r"|(?!early|fly|supply|family|only)\w{3,}ly)"
)
_BE = r"(?:am|is|are|was|were|be|been|being|gets?|got|getting)"
_HAVE = r"(?:have|has|had|having)"
_MODAL = r"(?:will|would|shall|should|must|can|may|might|could|do|does|did|needs?|ought|cannot)"
_LEANING = (
    r"(?:going|gonna|able|about|ready|prepared|prepares?|preparing|plan(?:s|ned|ning)?|intend(?:s|ed|ing)?|wants?|wanted"
    r"|tr(?:y|ies|ying)|aim(?:s|ing)?|decide[sd]?|deciding|choose|chooses|chose|opt(?:s|ed)?|elects?|elected|starts?|started|starting|begins?|began"
    r"|beginning|continue[sd]?|continuing|likely|best|time|sensible|wise|wiser|safe|safer|safest|necessary|advisable|required"
    r"|obliged|forced|told|asked|supposed|reason|meant|set|happy|free|allowed|like|prefers?|proceeds?|get|gets|getting"
    r"|consider(?:s|ing)?|hesitate|keeps?|kept|keeping|prudent|appropriate|good|permitted|point|sense|use|expects?|expected"
    r"|us|me|enough|okay|wish|wishes|sure|make|say|think|let's|let|lets|have|perhaps|maybe|possibly|option|possible|impossible|finish|finishes|finished|resume[sd]?)"
)
_LINK = r"(?:to|by|without|of|from|than|for|in|on|not|never|no|longer|avoid(?:s|ing)?|refrain(?:s|ing)?|nor|too|short|hardly|prior|upon|need|hold|off)"
_IMPERSONAL = (
    r"(?:it|there) (?:is|was|would be|will be|seems|looks|may be|might be)(?: (?:not|no|also|probably|likely|now|\w+ly))*"
    r"(?= (?:best|time|sensible|wise|wiser|safe|safer|safest|necessary|advisable|required|prudent|appropriate|good|unnecessary|impossible|possible"
    r"|too|reason|need|enough|better|point|sense|okay|ok|smart|fine|our turn|up to)\b)"
)
_CHAIN = re.compile(rf"(?:(?:^|(?<= ))(?:{_IMPERSONAL}|{_ADVERB}|{_BE}|{_HAVE}|{_MODAL}|{_LEANING}|{_LINK})(?: |$))+$")
_LAST_WORD = re.compile(rf"([\w']+)(?: {_ADVERB})*$")
_BASE_AFTER = re.compile(rf"^(?:to|{_MODAL}|not|never|than|let's|us|better|please|cannot|lets|say)$")
_ING_AFTER = re.compile(
    rf"^(?:{_BE}|by|without|of|from|than|for|in|on|not|never|no|avoid(?:s|ing)?|keeps?|kept|keeping|starts?|started|starting|begins?|began|beginning"
    r"|continue[sd]?|continuing|consider(?:s|ing)?|upon|finish|finishes|finished|resume[sd]?|to|off|instead)$"
)
_EGO = re.compile(
    r"(?:^|\b)(?:i|im|we|us|me|you|ego|av|ego (?:vehicle|car)|(?:our|my|host|autonomous|driving) (?:car|vehicle|suv|truck|van)"
    r"|the (?:av|host|robotaxi|planner|policy)"
    r"|(?:^|our |my |ego |^the |^the set |vehicle )(?:speed|pace|velocity))$"
)
_BARE_EGO = re.compile(r"^(?:(?:after|at|on|before|for|past|once past) (?:[\w']+ ){1,5})?(?:the|this) (?:car|vehicle)$")
_FOR_NOW = re.compile(
    r"^(?:(?:until then|till then|by then|meanwhile|for (?:the time being|now|the moment|safety)|at (?:this|that) (?:point|moment)|at the moment|in the meantime|from here(?: on)?|in this case|as a (?:precaution|caution|result)|to be safe|for the next \d+ \w+|accordingly|likewise)(?: |$))+"
)
_OVER = re.compile(r"\b(?:(?:have|has|had|having) (?:already|just)|already)(?: \w+ly)? ?$")
_ADVERBIAL = re.compile(
    r"(?:at|on|in|for|with|near|behind|after|before|from|under|over|through|during|upon|past|beyond|approaching|entering)\b(?!.*\b(?:the|a|an|our|my|this|of|full|complete)$)"
)
_FINITE_WORD = re.compile(r"\b(?:is|are|was|has|have|will|can|may|might|to|that|who|which)\b")
_FOR_OTHERS = re.compile(
    r"\b(?:for|let|lets|letting|allow|allows|allowing|enable|permit|help|expects?|ask|asks|cause|causes|wait on|until)"
    r" (?!us\b|me\b|(?:the )?ego\b|our (?:car|vehicle)\b)(?:(?!gap|opening|slot|hole|space|room|chance|window)[\w']+ ?){1,9}$"
    r"|\b(?:give|gives|giving|leave|leaving|allow|grant)\b(?: [\w']+){1,6} (?:room|space|time|chance|way|opportunity|priority) to$"
)
_RELATIVE = re.compile(r"^(?:the|a|an|every|each|any|this|that|its|their|no)\b.* (?:we|i)$")
_PLANNED = re.compile(
    r"\b(?:plan|decision|goal|aim|action|idea|task|choice|move|thing|option|strategy|maneuver|intention)(?:(?: (?:is|was|would be|remains|should be))(?: \w+ly)? to)?$"
)
_NEGATED = re.compile(
    r"\b(?:not|never|without|instead of|rather than|no|unnecessary|cannot|nor|neither"
    r"|too \w+ to|too \w+ for|hold off|impossible|against)(?: (?!but\b|and\b|only\b|just\b)[\w']+){0,4} ?$"
    r"|\b(?:avoid(?:s|ing)?|refrain(?:s|ing)? from|keep from|prevent \w+ from)(?: \w+ly)? ?$"
)
_HEDGED = re.compile(
    r"\b(?:may|might|could|perhaps|maybe|possibly|potentially|conceivably|consider|considers|considering|would have|ready|prepared|option|possible)"
    r"(?: (?!and\b)[\w']+){0,3} ?$"
)
_GET_READY = re.compile(r"\bget(?:ting|s)? (?:ready|prepared)\b")
_CONTROLLED = re.compile(
    r"\b(?:speed|pace|velocity|lanes?|change|position|gap|distance|headway|exit|ramp|turn|merge|overtake|overtaking|maneuver|manoeuvre|way|priority"
    r"|precedence|move|shift|nudge|brakes?|spacing|pass|left|right|shoulder|bay|fork|branch|course|throttle|line|half|part|side|room|limit|slot"
    r"|heading|offset|stop|halt|momentum|roundabout|bend|curve|\d+|km/h|mph)$"
    r"|^(?:(?:the|our|my|its|this|a) )?(?:\w+ ){0,2}?(?:speed|distance|gap|headway|spacing|lane change|merge|priority|way|position|pace)\b (?:to|of|from|between|on|into|for|behind|with|in) "
)
_NOUN_AFTER = re.compile(
    r" (?:vehicles?|cars?|trucks?|vans?|bus(?:es)?|traffic|pedestrians?|people|cyclists?|motorcycles?|lorr(?:y|ies)|taxis?|trams?|(?<!changing )lanes?"
    r"|lights?|bay|zones?|points?|areas?|spaces?|spots?|queue|school|signs?|ahead|maneuvers?|move|ramp|ban|action)\b"
)
_ABOUT_LANES = re.compile(
    r"(?:chang|keep|hold|switch|maintain|follow|leav|us|tak|stay|cross|straddl|borrow|return|select|choos)\w*$"
)
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
_REQUIRED = re.compile(
    r" (?:is|are|seems|would be) (?:\w+ly )?(?:required|needed|necessary|due|planned|indicated|called for|advisable|wise|best|the plan|in order|appropriate|mandatory)\b"
)
_AS_SUBJECT = re.compile(
    r" (?:is|was|isn't|seems|would be|would|are|has|may|required|needed|necessary|possible|done)\b"
)
_CLAUSE = re.compile(r"\b(?:is|are|was|has|have|brakes|slows|cuts in|crosses|ends|goes on|stands)\b")
_ENDING = re.compile(r"(?:abort|cancel|abandon|discontinu|given|broken|called|undone|revok|stopp|cut|dropp|halt)\w*")
_MANEUVERED = re.compile(
    r"\b(?:lane change|merge|overtake|overtaking|nudge|maneuver|manoeuvre|move|shift|pass|swerve)\b"
)
_NOUNISH = frozenset(
    [
        "turn",
        "stop",
        "merge",
        "yield",
        "exit",
        "pass",
        "change",
        "shift",
        "nudge",
        "brake",
        "halt",
        "park",
        "line",
        "track",
        "place",
        "time",
        "queue",
        "limit",
        "start",
        "move",
        "pull",
        "drop",
        "lead",
        "close",
    ]
)
_GOING_TO = re.compile(r" to (?!(?:the|a|an|our|my)\b)")
_NOUN_GUARDS = {word: re.compile(source) for word, source in _NOUNS.items()}


_ASPECTS = ("continue", "proceed", "start", "begin", "keep", "finish", "resume", "hold", "do", "go")
_GIVING_UP = ("give", "abort", "cancel", "abandon", "discontinue", "call", "break", "undo", "scrap")
_UNDERGONE = ("overtake", "let")
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
_OF_THEIR_OWN = (
    "do",
    "close",
    "open",
    "end",
    "widen",
    "turn",
    "stop",
    "start",
    "merge",
    "change",
    "begin",
    "clear",
    "narrow",
    "block",
    "occupy",
)
_COULD_BE = re.compile(r"\b(?:could|might|may) be$")
_THEN = re.compile(r"\b(?:then|afterwards?|after that|subsequently|next|later)\b")
_UNCHANGED = ("cut", "let", "put", "set", "shed")
_MANNER = re.compile(r"\b(partly|partially|briefly|momentarily|temporarily|slightly|slowly)$")
_LEADING = re.compile(
    rf" (?:(?:in order |so as )?to|by|without|instead of|rather than|for|of|from|before|after|and|then)(?: {_ADVERB})* $"
)


def find_acts(plain: str, bare: bool = False) -> tuple[list[Act], list[Segment]]:
    """The ego's acts in reading order, and the segments of the text.

    With `bare`, bare verbs in the middle of a clause count too: for texts that run on without joints.
    """
    tokens = [_Token(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(plain)]
    acts: list[Act] = []
    segments: list[Segment] = []
    state = _State()
    for kind, first, last in _cut(plain, tokens):
        read, segment = _read_segment(plain, tokens[first:last], kind, state, bare)
        acts += read
        segments.append(segment)
    return acts, segments


class _State:
    """What carries over from one segment of a sentence to the next."""

    def __init__(self) -> None:
        self.actor: Actor | None = None
        self.main: Actor | None = None
        self.form: Form | None = None
        self.negated = False
        self.conditional = False
        self.last_end = 0
        """Where the last act of the text ended."""

    def begin(self, kind: str) -> None:
        if kind in ("start", "strong"):
            self.actor, self.main, self.form, self.negated, self.conditional = None, None, None, False, False
        elif kind == "if":
            self.conditional = True
        elif kind in ("but", "so"):
            self.conditional = False


def _cut(plain: str, tokens: list[_Token]) -> list[tuple[str, int, int]]:
    """(kind, first token, end) of each segment."""
    segments, kind, first = [], "if" if _supposes(tokens, 0) else "start", 0
    for place in range(len(tokens)):
        joint = _joint(plain, tokens, place)
        if joint is not None:
            if first < place or kind in ("if", "unless"):
                segments.append((kind, first, place))
                kind = "if" if joint == "strong" and _supposes(tokens, place + 1) else joint
            elif kind == "comma" and joint in ("and", "or"):
                kind = "comma and"
            elif kind in ("and", "comma and", "comma") and joint == "then":
                pass
            elif kind in ("comma", "comma and", "and", "so", "then", "but") or joint in _SUBORDINATE:
                kind = joint if joint != "comma" else kind
            first = place + 1
    segments.append((kind, first, len(tokens)))
    return [segment for segment in segments if segment[1] < segment[2]]


_SUBORDINATE = ("if", "when", "reason", "after", "before", "until", "unless", "relative", "strong")
_NOT_AS = frozenset(
    [
        "soon",
        "well",
        "far",
        "long",
        "possible",
        "usual",
        "planned",
        "normal",
        "instructed",
        "directed",
        "required",
        "needed",
        "if",
        "per",
        "much",
        "before",
        "necessary",
        "close",
        "near",
        "smoothly",
        "expected",
        "such",
    ]
)
_SAME = frozenset(["same", "such", "soon", "far", "well", "long", "much", "close", "near"])
_PREPOSITIONS = frozenset(
    [
        "into",
        "to",
        "in",
        "of",
        "from",
        "by",
        "for",
        "behind",
        "at",
        "on",
        "onto",
        "with",
        "past",
        "over",
        "after",
        "before",
        "beside",
        "than",
    ]
)
_FINITE = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "has",
        "have",
        "had",
        "will",
        "would",
        "should",
        "must",
        "can",
        "may",
        "might",
        "could",
        "does",
        "do",
        "did",
        "'s",
    ]
)
_GOING_ON = frozenset(["half", "partly", "partially", "into", "onto", "over", "across", "within", "inside", "halfway"])
_SUPPOSED = frozenset(["the", "a", "an", "any", "it", "there", "they", "another", "he", "she", "someone", "we"])
_SUBJECTS = frozenset(["i", "we", "ego", "they", "he", "she", "it", "im", "you", "let's"])


def _joint(plain: str, tokens: list[_Token], place: int) -> str | None:
    word = tokens[place].word
    if word in _STRONG:
        return "strong"
    if word in ",()":
        going_on = place + 1 < len(tokens) and tokens[place + 1].word in _GOING_ON
        return None if going_on and word == "," else "comma"
    if word == "case" and place and tokens[place - 1].word == "in":
        return "if"
    kind = _JOINTS.get(word)
    if kind is None:
        return None
    if word == "where":
        staying = place and tokens[place - 1].word in ("stay", "remain", "keep", "staying", "remaining", "stays")
        return kind if place + 1 < len(tokens) and tokens[place + 1].word in _SUBJECTS and not staying else None
    before = tokens[place - 1].word if place else ""
    following = tokens[place + 1].word if place + 1 < len(tokens) else ""
    if word in ("and", "&", "plus", "or", "nor", "but"):
        return kind if word == "but" or _begins_clause(plain, tokens, place + 1) else None
    if word == "as":
        if following in ("a", "an"):
            return kind if any(token.word in _FINITE for token in tokens[place + 2 : place + 8]) else None
        return None if following in _NOT_AS or before in _SAME else kind
    if word == "that":
        if before in ("so", "now", "such"):
            return "relative" if before == "such" else "so"
        verbal = following in _FINITE or following in _SUBJECTS or (following.endswith("s") and following in FORMS)
        return kind if verbal and before not in _PREPOSITIONS else None
    if word in ("before", "after"):
        formed = FORMS.get(following)
        return kind if following in _SUBJECTS or (formed is not None and formed.form == "ing") else None
    if word == "given" and before in ("is", "be", "was", "being", "has", "are"):
        return None
    if word == "once" and (before == "at" or following in ("more", "again")):
        return None
    if (word == "so" and following in ("as", "far", "much")) or (
        word == "so" and plain.startswith("so close to", tokens[place].start)
    ):
        return None
    if (word == "then" and before in ("only", "until")) or (word in ("until", "till") and following in ("then", "now")):
        return None
    return kind


def _supposes(tokens: list[_Token], place: int) -> bool:
    """Whether a sentence begins like "Should the gap close, ..."."""
    words = [token.word for token in tokens[place : place + 2]]
    return len(words) == 2 and words[0] in ("should", "were", "had") and words[1] in _SUPPOSED


def _begins_clause(plain: str, tokens: list[_Token], place: int) -> bool:
    """Whether what follows "and" is a clause of its own, not the second half of a noun phrase."""
    for offset, token in enumerate(tokens[place : place + 4]):
        if token.word in ("our", "my"):
            return any(after.word in _FINITE for after in tokens[place + offset + 2 : place + offset + 4])
        if token.word in _SUBJECTS or token.word in _FINITE or token.word in _JOINTS:
            return True
        if token.word in ("not", "never", "please", "is", "be", "to", "without", "no", "avoid", "by", "the"):
            if token.word == "the":
                return plain.startswith("the ego", token.start)
            return token.word != "no"
        if _is_verb(plain, token):
            return True
        if not re.fullmatch(_ADVERB, token.word):
            return False
    return False


def _is_verb(plain: str, token: _Token) -> bool:
    word = FORMS.get(token.word)
    if word is None or (token.word == "going" and _GOING_TO.match(plain, token.end)):
        return False
    guard = _NOUN_GUARDS.get(token.word if word.form == "base" else "")
    return guard is None or bool(guard.match(plain, token.end))


def _read_segment(plain: str, tokens: list[_Token], kind: str, state: _State, bare: bool) -> tuple[list[Act], Segment]:
    state.begin(kind)
    start, end = tokens[0].start, tokens[-1].end
    found: list[Act] = []
    actor: Actor | None = None
    form: Form | None = None
    for token in tokens:
        word = FORMS.get(token.word)
        if word is None or not _is_verb(plain, token):
            continue
        prefix = plain[start : token.start].strip()
        who, subject = _who(prefix, word.form, kind, state, bool(found), plain, token, bare)
        if (
            found
            and word.form == "ing"
            and found[-1].verb in _GIVING_UP
            and not _LEADING.search(plain, found[-1].end, token.start)
        ):
            continue
        if who is None or (who == "other" and found):
            continue
        actor, form = who, word.form
        if who == "other":
            continue
        if found:
            last = found[-1]
            leading = _LEADING.search(plain, last.end, token.start)
            cut = max(last.end, leading.start() if leading else token.start)
            kept = len(last.arguments) - (last.tail - cut)
            found[-1] = last._replace(arguments=last.arguments[:kept], tail=cut)
            aspect = last.verb in _ASPECTS and "without" not in (leading.group() if leading else "")
            if aspect and not last.arguments[:kept].strip():
                found.pop()
        negated = _negated(prefix, found, kind, state, word.form)
        hedged = (
            kind == "if"
            or (state.conditional and kind in ("comma", "then", "relative"))
            or bool(_HEDGED.search(prefix) and not _GET_READY.search(prefix))
        )
        order = {"before": 1, "until": 1, "after": -1}.get(kind, 0)
        arguments = f"{subject}{plain[token.end : end]}" if subject else plain[token.end : end]
        manner = _MANNER.search(prefix)
        since = found[-1].end if found else state.last_end
        follows = order == 1 or bool(_THEN.search(plain, since, token.start))
        found.append(
            Act(
                word.verb,
                token.start,
                token.end,
                arguments,
                end,
                negated,
                hedged,
                order,
                follows,
                f" {manner.group(1)}" if manner else "",
            )
        )
        state.last_end = token.end
    if (kind == "if" and not found) or _COULD_BE.search(plain, start, end):
        state.conditional = True
    if not found and (actor is None or form == "base"):
        unknown = _unknown_act(plain, tokens, kind, state)
        if unknown is not None:
            found.append(unknown)
            actor = "ego"
    if actor is None:
        head = " ".join(token.word for token in tokens[:4])
        actor = "ego" if re.match(r"(?:i|we|ego|the ego|our (?:car|vehicle))\b", head) else "other"
    state.actor, state.form = actor, form
    if kind not in _SUBORDINATE or kind == "strong":
        state.main = actor
    state.negated = bool(found) and found[-1].negated
    return found, Segment(kind, start, end, actor, bool(found), state.negated)


UNKNOWN = "?"
"""Stands for a verb that is in no list, and for none where a phrase like "into the left lane" stands for itself."""
_NOT_A_VERB = frozenset(
    [
        "the",
        "a",
        "an",
        "this",
        "that",
        "these",
        "those",
        "our",
        "my",
        "its",
        "their",
        "his",
        "her",
        "your",
        "no",
        "not",
        "never",
        "some",
        "any",
        "all",
        "each",
        "every",
        "two",
        "three",
        "four",
        "one",
        "i",
        "we",
        "you",
        "he",
        "she",
        "it",
        "they",
        "there",
        "here",
        "who",
        "which",
        "what",
        "whose",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "has",
        "have",
        "had",
        "do",
        "does",
        "did",
        "will",
        "would",
        "can",
        "could",
        "may",
        "might",
        "must",
        "shall",
        "should",
        "if",
        "as",
        "because",
        "since",
        "observe",
        "monitor",
        "see",
        "notice",
        "signal",
        "indicate",
        "flash",
        "honk",
        "note",
        "expect",
        "glance",
        "listen",
        "warn",
        "beware",
        "caution",
        "attention",
        "careful",
        "remember",
        "think",
        "consider",
        "perhaps",
        "maybe",
        "possibly",
        "never",
        "traffic",
        "pedestrians",
        "cyclists",
        "vehicles",
        "cars",
        "trucks",
        "people",
        "children",
        "oncoming",
        "heavy",
        "light",
        "road",
        "roads",
        "lane",
        "lanes",
        "ahead",
        "red",
        "green",
        "yellow",
        "amber",
        "sunny",
        "rain",
        "rainy",
        "fog",
        "snow",
        "ice",
        "wet",
        "dark",
        "nothing",
        "nobody",
        "everyone",
        "other",
        "others",
        "another",
        "both",
        "many",
        "several",
        "few",
        "more",
        "most",
        "left",
        "right",
        "halfway",
        "half",
        "sound",
        "ensure",
        "confirm",
        "verify",
        "report",
        "nice",
        "good",
        "clear",
        "free",
        "empty",
        "parked",
        "stopped",
        "slow",
        "fast",
    ]
)
_PHRASE = re.compile(
    r"^(?:(?:slowly|gently|carefully|quickly|smoothly|briefly|now|then|so|just|only|please|first|again|next) )*"
    r"(?P<lead>into|onto|via|to (?:the )?(?:left|right|next|other|adjacent)|to our|back (?:in|into|to|onto|up|down|over)|over (?:to|into|the)|around|round the|straight|a (?:bit|little|touch|tad) (?:to|left|right)|slightly (?:to|left|right)"
    r"|left (?:at|into|onto|here|on|turn|then|by)|right (?:at|into|onto|here|on|turn|then|by)|past the|up to|down to|out (?:of|over|to)|off (?:the|to)|in behind|behind (?:the|it)|across the)\b"
)
_UNKNOWN_AFTER = re.compile(
    r"^(?:the|a|an|our|my|its|this|that|into|onto|around|round|past|down|up|off|back|out|left|right|some|more|less|\w+ly|it|through|over)$"
)


def _unknown_act(plain: str, tokens: list[_Token], kind: str, state: _State) -> Act | None:
    """A phrase that goes somewhere without a verb, or an imperative of a verb in no list."""
    start, end = tokens[0].start, tokens[-1].end
    text = plain[start:end]
    if kind not in ("start", "strong", "comma", "comma and", "and", "so", "then", "but", "if") or _FINITE_WORD.search(
        text.split(" to ")[0]
    ):
        return None
    phrase = _PHRASE.match(text)
    if phrase:
        place = start + phrase.start("lead")
        return Act(UNKNOWN, place, place, f" {plain[place:end]}", end, state.negated and kind == "or", kind == "if")
    words = [token for token in tokens if not re.fullmatch(_ADVERB, token.word)]
    subject = _EGO.match(plain[start : words[1].start].strip()) if len(words) > 2 else None
    first = 1 if subject else 0
    if len(words) < first + 2:
        return None
    verb, following = words[first], words[first + 1]
    if (
        verb.word in _NOT_A_VERB
        or verb.word in FORMS
        or not verb.word.isalpha()
        or not _UNKNOWN_AFTER.match(following.word)
    ):
        return None
    return Act(UNKNOWN, verb.start, verb.end, plain[verb.end : end], end, False, kind == "if")


def _who(
    prefix: str, form: Form, kind: str, state: _State, acted: bool, plain: str, token: _Token, bare: bool
) -> tuple[Actor | None, str]:
    """Whose verb it is, None for no verb at all; and the subject of a passive, which is an argument."""
    prefix = _FOR_NOW.sub("", prefix)
    match = _CHAIN.search(prefix)
    if form == "ed" and _OVER.search(prefix):
        return None, ""
    head, chain = (prefix[: match.start()].strip(), prefix[match.start() :].strip()) if match else (prefix, "")
    last_match = _LAST_WORD.search(chain)
    adverbs_only = not chain or re.fullmatch(rf"{_ADVERB}(?: {_ADVERB})*", chain) is not None
    last = "" if adverbs_only or last_match is None else last_match.group(1)
    carried = state.main if kind in ("comma", "comma and") else state.actor
    inherited: Actor = carried if kind in _COORDINATED and carried is not None else "ego"
    by_ego = bool(_EGO.search(head))
    if form == "base" and token.word in _UNCHANGED and last and re.fullmatch(_BE, last):
        return _who_ed(head, chain, last, kind, by_ego, inherited, plain, token)
    if form == "base":
        return _who_base(head, chain, last, kind, state, acted, by_ego, inherited, bare, token.word), ""
    if form == "ing":
        return _who_ing(head, chain, last, kind, acted, by_ego, inherited, plain, token), ""
    if form == "s":
        if last:
            return None, ""
        if not head:
            return ("other" if kind in ("relative", "reason", "when", "if", "until") else inherited), ""
        return ("ego" if by_ego or _is_bare_ego(head, kind) else "other"), ""
    return _who_ed(head, chain, last, kind, by_ego, inherited, plain, token)


def _is_bare_ego(head: str, kind: str) -> bool:
    return kind in ("start", "strong", "so", "comma") and bool(_BARE_EGO.match(head))


def _who_base(
    head: str,
    chain: str,
    last: str,
    kind: str,
    state: _State,
    acted: bool,
    by_ego: bool,
    inherited: Actor,
    bare: bool,
    verb: str,
) -> Actor | None:
    if last and not _BASE_AFTER.match(last):
        return None
    adverbs_end = bool(chain)
    if by_ego and _RELATIVE.match(head):
        return "other"
    if by_ego:
        return "ego"
    if verb in _NOUNISH and re.search(r"\b(?:left|right)$", chain if adverbs_end else head):
        return None
    if not head:
        if not last:
            if kind in ("relative", "reason", "when", "until", "after", "before"):
                return "other" if kind == "relative" else None
            return "other" if kind in ("and", "or") and state.actor == "other" and state.form == "base" else "ego"
        if re.fullmatch(r"(?:not|never)", chain):
            return "ego"
        if kind == "relative":
            return "other"
        finite = re.match(rf"(?:{_MODAL}|{_HAVE}|{_BE})\b", chain)
        return inherited if finite and kind in _COORDINATED else "ego"
    if "to" in chain.split():
        if re.search(r"\b(?:wait|beckon|gestur|honk)\w*(?: for)?$", head):
            return "other"
        if _PLANNED.search(_joined(head, chain)):
            return "ego"
        if _FOR_OTHERS.search(head) or _FOR_OTHERS.search(_joined(head, chain)):
            return "other"
        return "ego" if acted or _PLANNED.search(head) or re.search(r"\b(?:us|me)\b", chain) else "other"
    if re.search(r"\b(?:than|let's|us)\b", chain):
        return "ego"
    if last and _is_bare_ego(head, kind):
        return "ego"
    if verb in ("give", "yield", "wait", "stop") and head.endswith(
        ("our lane", "our direction", "our side", "our road")
    ):
        return "ego"
    if not last and verb not in _NOUNISH and _ADVERBIAL.match(head) and not _FINITE_WORD.search(head):
        return "ego"
    if (
        bare
        and not last
        and _CLAUSE.search(head)
        and not re.search(
            r"\b(?:the|a|an|of|is|are|was|no|this|its|to|for|it|our|my|full|left|right|lane|and|in|by|that|can|will|may)$",
            head,
        )
    ):
        return "ego"
    return "other"


def _who_ing(
    head: str, chain: str, last: str, kind: str, acted: bool, by_ego: bool, inherited: Actor, plain: str, token: _Token
) -> Actor | None:
    if last and not _ING_AFTER.match(last):
        return None
    if by_ego:
        return "ego"
    noun = _NOUN_AFTER.match(plain, token.end) and not _ABOUT_LANES.search(token.word)
    if _REQUIRED.match(plain, token.end):
        return "ego"
    if _AS_SUBJECT.match(plain, token.end):
        return None
    if not head:
        if not last:
            if noun:
                return None
            if kind in ("relative", "reason"):
                return "other"
            return inherited if kind in _COORDINATED else "ego"
        finite = re.match(rf"(?:{_BE}|{_HAVE}|{_MODAL}|not|never)\b", chain)
        if kind == "relative":
            return "other"
        return inherited if finite and kind in _COORDINATED else "ego"
    if last:
        if re.fullmatch(_BE, last):
            return "ego" if _is_bare_ego(head, kind) else "other"
        by_doing = last == "by" and not _FINITE_WORD.search(head)
        return "ego" if (acted or by_doing) and not noun else "other"
    if acted and re.search(
        r"\b(?:along|on|ahead|forward|back|down|up|off|over|(?<!the )(?<!a )left|(?<!the )(?<!a )right|out|slowly|gently|there)$",
        head,
    ):
        return "ego"
    keeps = acted and re.match(r"(?:keep|maintain|hold|leav|stay|allow|lett|giv|us|nudg)", token.word)
    return "ego" if keeps else "other"


def _who_ed(
    head: str, chain: str, last: str, kind: str, by_ego: bool, inherited: Actor, plain: str, token: _Token
) -> tuple[Actor | None, str]:
    passive = bool(last) and re.fullmatch(_BE, last) is not None
    if passive:
        if by_ego and _CONTROLLED.search(head):
            return "ego", f" {head} "
        if by_ego or (_is_bare_ego(head, kind) and re.search(r"\b(?:should|must|will|shall|needs?)\b", chain)):
            return "ego", ""
        by_others = re.match(
            r" (?:by|from) (?!us\b|the ego|about|around|half|\d|a (?:bit|little|touch|notch|metre|meter|lane|car))",
            plain[token.end :],
        )
        if FORMS[token.word].verb in _UNDERGONE and not by_others and head:
            return "ego", f" {head} "
        if _is_bare_ego(head, kind) and FORMS[token.word].verb in _STEERED:
            return "ego", ""
        controlled = (
            _CONTROLLED.search(head) or (_ENDING.match(token.word) and _MANEUVERED.search(head))
        ) and not by_others
        return ("ego", f" {head} ") if controlled else ("other", "")
    if last and not re.fullmatch(_HAVE, last):
        return None, ""
    if by_ego or _is_bare_ego(head, kind):
        return ("ego", "")
    if not head:
        if kind in ("relative", "reason", "when", "if", "until", "unless") or _NOUN_AFTER.match(plain, token.end):
            return None, ""
        return inherited, ""
    if re.search(r"\b(?:the|a|an|this|that|our|its|of|some|any|no)$", _joined(head, chain)):
        return None, ""
    if kind in ("reason", "when", "relative", "if", "until", "unless") or FORMS[token.word].verb in _OF_THEIR_OWN:
        return "other", ""
    if not last and _CONTROLLED.search(head) and not re.match(r"(?:the|a) \w+ (?:is|was|has)", head):
        return "ego", f" {head} "
    return "other", ""


def _joined(head: str, chain: str) -> str:
    return f"{head} {chain}".strip()


def _negated(prefix: str, found: list[Act], kind: str, state: _State, form: Form) -> bool:
    if kind == "or" and not found and state.negated:
        return True
    match = _NEGATED.search(prefix)
    return match is not None
