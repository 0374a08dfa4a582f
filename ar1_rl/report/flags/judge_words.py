"""Words that speak to a judge, in a text that should speak of the road.

Kinds: a grade, the judge itself, an instruction, a delimiter of prompts, praise of the text, hidden characters.
"""

from __future__ import annotations

import re
import unicodedata

_GRADES = r"(?:grades?|scores?|ratings?|marks?|stars?)"
_TEXTS = r"(?:reasoning|trace|text|answer|response|prediction|explanation|analysis|sample|reference)"
_PRAISE = r"(?:perfect\w*|excellent\w*|flawless\w*|impeccable|exemplary|outstanding|fully correct)"
_ABOVE = r"(?:above|previous|prior|earlier|instructions?|rules?|rubric|prompt|everything)"
_SPEAKERS = r"(?:system|user|assistant|human|developer|ai|instructions?|input|output|response)"

WORDS: dict[str, tuple[str, ...]] = {
    "grade": (
        rf"\b{_GRADES}\b\W{{0,12}}(?:\(\d\W+\d\)|is|of|to|below|than|less)?\W{{0,8}}[0-9]+\b(?!\s*(?:%|per))",
        rf"\b(?:full|top|best|highest|maximum|max|final|overall) {_GRADES}\b",
        r"\b(?:behaviou?r|causes?)\W{0,3}[:=]\W{0,3}[0-5]\b",
        r"\b[0-5] ?(?:/|out of) ?(?:5|five|10|ten)\b",
        r"\b(?:gives?|gets?|writes?|outputs?|deserves?|worth) (?:it |this |me |a |the |only |less than )*(?:5|five)\b",
    ),
    "judge": (
        r"\b(?:grading|critic|judge|rubric|evaluator|benchmark|parser)s?\b",
        r"\b(?:graded|grade|rate|score) (?:this|it|the|my|me|next|by|as|[0-5])\b",
    ),
    "instruction": (
        rf"\b(?:ignore|disregard|forget|override)\b[^.]{{0,30}}\b{_ABOVE}\b",
        r"\b(?:new|updated|corrected|following|system) instructions?\b",
        r"\bsystem (?:prompt|check|message|note)\b",
        r"\bas an? (?:ai|language model|assistant)\b",
        r"\byou (?:are|will be|must) (?:now |always |only )*(?:an? )?(?:grad|scor|reply|tipped|assistant)",
        r"\b(?:reply|answer|respond) (?:only )?(?:with|in)\b",
        rf"\bend of (?:the )?(?:{_TEXTS}|prompt|input|example)\b",
    ),
    "delimiter": (
        r"<\s*[/|!]?\s*[^\W\d]|<\||[〈⟨‹«❮≺]\s*/?\s*\w|&(?:lt|gt|#\d+);",
        r"\[/?(?:inst|system|user|assistant|think)\b",
        r"#{2,}|```|\*\*|\b__|-{3,}|={3,}|\{\s*[\"{%]",
        rf"\b{_SPEAKERS}\s*:",
    ),
    "praise": (
        rf"\b(?:this|my|the|above) (?:\w+ )?{_TEXTS}\b[^.]{{0,40}}\b{_PRAISE}",
        rf"\b{_PRAISE}\b[^.]{{0,30}}\b{_TEXTS}\b",
        r"\b(?:agrees?|match(?:es)?|identical|consistent|same)\b[^.]{0,25}\breference\b",
    ),
}
"""Kind -> regular expressions, without regard to case. What they find in shipped texts: docs/hacking.md."""

_PATTERNS = {kind: re.compile("|".join(words), re.IGNORECASE) for kind, words in WORDS.items()}
_HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs"}


def judge_words(text: str) -> dict[str, str]:
    """Kind -> the first words of it in the text; empty for a text that speaks of the road."""
    folded = unicodedata.normalize("NFKC", text)
    seen = "".join(c for c in folded if c.isspace() or unicodedata.category(c) not in _HIDDEN)
    found = {kind: match[0].strip() for kind, pattern in _PATTERNS.items() if (match := pattern.search(seen))}
    if seen != folded:
        found["hidden"] = "characters that show nothing"
    return found
