"""From a critic's reply to its grade. Only a grade that was on offer counts."""

from __future__ import annotations

import re

from ar1_rl.errors import CriticError

GRADES = (0, 1, 2, 3, 4, 5)
_MARKUP = r"[\s*_`\"'(]*"
_VERDICT = re.compile(rf"grade{_MARKUP}[:=]{_MARKUP}([^\s*_`\"'),;]*)", re.IGNORECASE)


def read_grade(reply: str) -> int:
    """The last verdict `grade: N` of a reply; CriticError where there is none or N was not on offer."""
    verdicts = _VERDICT.findall(reply)
    if not verdicts:
        raise CriticError(f"the reply has no line 'grade: N': {reply[-80:]!r}")
    verdict = verdicts[-1].rstrip(".").removesuffix(f"/{GRADES[-1]}")
    if verdict not in map(str, GRADES):
        raise CriticError(f"grade {verdict!r} was not on offer, allowed are {', '.join(map(str, GRADES))}")
    return int(verdict)
