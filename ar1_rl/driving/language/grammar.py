"""Word classes of English, as patterns: adverbs, auxiliaries, what leans on a verb, negation, hedging, the ego."""
# ruff: noqa: E501  one class a line: a pattern broken over lines is harder to read than a long one

from __future__ import annotations

import re


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


FINITE_WORDS = words("is are was were has have had will would should must can may might could does do did 's")
ADVERB = (
    r"(?:please|now|then|therefore|also|just|only|first|next|finally|simply|better|already|still|soon|here|even|(?<!the )(?<!to )(?<!our )right|(?<!the )straight"
    r"|back|again|slightly|instead|together|both|either|neither|rather|all|ok|okay|at once|once more|over|(?!early|fly|supply|family|only)\w{3,}ly)"
)
BE = r"(?:am|is|are|was|were|be|been|being|gets?|got|getting)"
HAVE = r"(?:have|has|had|having)"
MODAL = r"(?:will|would|shall|should|must|can|may|might|could|do|does|did|needs?|ought|cannot)"
_LEANING = (
    r"(?:going|gonna|able|about|ready|prepared|prepares?|preparing|plan(?:s|ned|ning)?|intend(?:s|ed|ing)?|wants?|wanted|tr(?:y|ies|ying)|aim(?:s|ing)?|decide[sd]?|deciding"
    r"|choose|chooses|chose|opt(?:s|ed)?|elects?|elected|starts?|started|starting|begins?|began|beginning|continue[sd]?|continuing|likely|best|time|sensible|wise|wiser"
    r"|safe|safer|safest|necessary|advisable|required|obliged|forced|told|asked|supposed|reason|meant|set|happy|free|allowed|like|prefers?|proceeds?|get|gets|getting"
    r"|consider(?:s|ing)?|hesitate|keeps?|kept|keeping|prudent|appropriate|good|permitted|point|sense|use|expects?|expected|us|me|enough|okay|wish|wishes|sure|make|say|think"
    r"|let's|let|lets|have|perhaps|maybe|possibly|option|possible|impossible|finish|finishes|finished|resume[sd]?)"
)
"""Words that stand between a subject and the verb that matters ("we plan to stop")."""
_LINK = r"(?:to|by|without|of|from|than|for|in|on|not|never|no|longer|avoid(?:s|ing)?|refrain(?:s|ing)?|nor|too|short|hardly|prior|upon|need|hold|off)"
_IMPERSONAL = (
    r"(?:it|there) (?:is|was|would be|will be|seems|looks|may be|might be)(?: (?:not|no|also|probably|likely|now|\w+ly))*"
    r"(?= (?:best|time|sensible|wise|wiser|safe|safer|safest|necessary|advisable|required|prudent|appropriate|good|unnecessary|impossible|possible|too|reason|need|enough|better|point|sense|okay|ok|smart|fine|our turn|up to)\b)"
)
CHAIN = re.compile(rf"(?:(?:^|(?<= ))(?:{_IMPERSONAL}|{ADVERB}|{BE}|{HAVE}|{MODAL}|{_LEANING}|{_LINK})(?: |$))+$")
"""All that stands in front of a verb without being its subject."""
ADVERBS = re.compile(rf"{ADVERB}(?: {ADVERB})*")
LAST_WORD = re.compile(rf"([\w']+)(?: {ADVERB})*$")
IS_BE, IS_HAVE = re.compile(BE), re.compile(HAVE)
FINITE_FIRST = re.compile(rf"(?:{BE}|{HAVE}|{MODAL})\b")
BASE_AFTER = re.compile(rf"(?:to|{MODAL}|not|never|than|let's|us|better|please|cannot|lets|say)")
"""The last word of a chain before a base form."""
ING_AFTER = re.compile(
    rf"(?:{BE}|by|without|of|from|than|for|in|on|not|never|no|avoid(?:s|ing)?|keeps?|kept|keeping|starts?|started|starting|begins?|began|beginning"
    r"|continue[sd]?|continuing|consider(?:s|ing)?|upon|finish|finishes|finished|resume[sd]?|to|off|instead)"
)
"""The last word of a chain before an -ing form."""

EGO = re.compile(
    r"(?:^|\b)(?:i|im|we|us|me|you|ego|av|ego (?:vehicle|car)|(?:our|my|host|autonomous|driving) (?:car|vehicle|suv|truck|van)|the (?:av|host|robotaxi|planner|policy)"
    r"|(?:^|our |my |ego |^the |^the set |vehicle )(?:speed|pace|velocity))$"
)
"""A subject that is the ego, or its speed."""
BARE_EGO = re.compile(r"^(?:(?:after|at|on|before|for|past|once past) (?:[\w']+ ){1,5})?(?:the|this) (?:car|vehicle)$")
"""The ego in one-sentence traces that speak of nobody else."""
FOR_NOW = re.compile(
    r"^(?:(?:until then|till then|by then|meanwhile|for (?:the time being|now|the moment|safety)|at (?:this|that) (?:point|moment)|at the moment|in the meantime|from here(?: on)?"
    r"|in this case|as a (?:precaution|caution|result)|to be safe|for the next \d+ \w+|accordingly|likewise)(?: |$))+"
)
ADVERBIAL = re.compile(
    r"(?:at|on|in|for|with|near|behind|after|before|from|under|over|through|during|upon|past|beyond|approaching|entering)\b(?!.*\b(?:the|a|an|our|my|this|of|full|complete)$)"
)
"""A phrase in front of an imperative ("at the fork keep right")."""
FINITE = re.compile(r"\b(?:is|are|was|has|have|will|can|may|might|to|that|who|which)\b")
FOR_OTHERS = re.compile(
    r"\b(?:for|let|lets|letting|allow|allows|allowing|enable|permit|help|expects?|ask|asks|cause|causes|wait on|until)"
    r" (?!us\b|me\b|(?:the )?ego\b|our (?:car|vehicle)\b)(?:(?!gap|opening|slot|hole|space|room|chance|window)[\w']+ ?){1,9}$"
    r"|\b(?:give|gives|giving|leave|leaving|allow|grant)\b(?: [\w']+){1,6} (?:room|space|time|chance|way|opportunity|priority) to$"
)
"""What somebody else is to do ("wait for the bus to ...", "let the bus ...")."""
RELATIVE = re.compile(r"^(?:the|a|an|every|each|any|this|that|its|their|no)\b.* (?:we|i)$")
""" "The car we follow" follows nobody."""
PLANNED = re.compile(
    r"\b(?:plan|decision|goal|aim|action|idea|task|choice|move|thing|option|strategy|maneuver|intention)(?:(?: (?:is|was|would be|remains|should be))(?: \w+ly)? to)?$"
)
OVER = re.compile(r"\b(?:(?:have|has|had|having) (?:already|just)|already)(?: \w+ly)? ?$")
NEGATED = re.compile(
    r"\b(?:not|never|without|instead of|rather than|no|unnecessary|cannot|nor|neither|too \w+ to|too \w+ for|hold off|impossible|against)(?: (?!but\b|and\b|only\b|just\b)[\w']+){0,4} ?$"
    r"|\b(?:avoid(?:s|ing)?|refrain(?:s|ing)? from|keep from|prevent \w+ from)(?: \w+ly)? ?$"
)
HEDGED = re.compile(
    r"\b(?:may|might|could|perhaps|maybe|possibly|potentially|conceivably|consider|considers|considering|would have|ready|prepared|option|possible)(?: (?!and\b)[\w']+){0,3} ?$"
)
GET_READY = re.compile(r"\bget(?:ting|s)? (?:ready|prepared)\b")
""" "Get ready to stop" is a plan, "be ready to stop" a contingency."""
COULD_BE = re.compile(r"\b(?:could|might|may) be$")
THEN = re.compile(r"\b(?:then|afterwards?|after that|subsequently|next|later)\b")
LEADING = re.compile(
    rf" (?:(?:in order |so as )?to|by|without|instead of|rather than|for|of|from|before|after|and|then)(?: {ADVERB})* $"
)
"""What leads from an act to the next one in the same clause."""
