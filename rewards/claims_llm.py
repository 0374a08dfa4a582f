"""Claims read by a language model: the option beside the rules of `ar1_rl.driving.parse_claims`, with the same output.

The model answers by the closed set and quotes the words of each claim. An answer that is no JSON, names something
else, or quotes what the text does not say is a failure of the reader (CriticError), never a guess.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ar1_rl.driving.claims import Axis, Claim
from ar1_rl.driving.decisions import LATERAL_DECISIONS, LONGITUDINAL_DECISIONS, SIDED_DECISIONS
from ar1_rl.errors import CriticError

Messages = Sequence[Mapping[str, str]]
Ask = Callable[[Messages], str]
"""Chat messages to the text of the reply; raises CriticError where there is none."""

PROMPT_FILE = Path(__file__).parent / "prompts" / "claims.md"
MAX_CHARACTERS = 4000
"""Of a text, this much is shown to the model."""
MAX_CLAIMS = 32
"""An answer with more claims is a list of everything, not a reading."""
FLAGS = ("negated", "hedged", "later")
"""`later`: told to follow another action; the claim's `order` and `follows`."""
_KEYS = {"decision", "side", "words", *FLAGS}


def extract_claims(text: str, ask: Ask) -> tuple[Claim, ...]:
    """Every ego decision that a text names, in reading order, as a language model reads it. Raises CriticError."""
    if not text.strip():
        return ()
    return read_claims(ask(claims_messages(text)), text)


def claims_messages(text: str) -> list[dict[str, str]]:
    """The prompt for one text, which cannot close its delimiter: angle brackets in it become quotes."""
    shown = "".join(folded for folded, _ in _folded(text[:MAX_CHARACTERS], lower=False))
    before, after = _template().split("{text}")
    return [{"role": "user", "content": f"{before}{shown}{after}"}]


def prompt_hash() -> str:
    """Of the prompt file, for the record."""
    return hashlib.sha256(_template().encode()).hexdigest()[:12]


def read_claims(reply: str, text: str) -> tuple[Claim, ...]:
    """The claims of a reply, the last JSON object in it, checked against the text. Raises CriticError."""
    answer = _last_object(reply)
    items = answer.get("claims")
    if not isinstance(items, list) or len(items) > MAX_CLAIMS:
        raise CriticError(f"the reply has no list 'claims' of at most {MAX_CLAIMS}: {reply[-120:]!r}")
    shown = _folded(text[:MAX_CHARACTERS], lower=True)
    return tuple(sorted((_claim(item, text, shown) for item in items), key=lambda claim: claim.start))


def _claim(item: Any, text: str, shown: list[tuple[str, int]]) -> Claim:
    if not isinstance(item, dict) or not set(item) <= _KEYS or not {"decision", "words"} <= set(item):
        raise CriticError(f"a claim has the keys {', '.join(sorted(_KEYS))}; got {item!r:.200}")
    name, side, words = item["decision"], item.get("side"), item["words"]
    flags = {flag: item.get(flag, False) for flag in FLAGS}
    axis: Axis = "longitudinal" if name in LONGITUDINAL_DECISIONS else "lateral"
    if not isinstance(name, str) or (axis == "lateral" and name not in LATERAL_DECISIONS):
        raise CriticError(f"decision {name!r} was not on offer")
    if side not in (None, "left", "right") or (side is not None and name not in SIDED_DECISIONS):
        raise CriticError(f"decision {name!r} with side {side!r}: that was not on offer")
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise CriticError(f"{', '.join(FLAGS)} are true or false; got {flags!r}")
    if not isinstance(words, str) or not words.strip():
        raise CriticError(f"claim {name!r} quotes no words")
    start, end = _quoted(words, shown)
    stated = name != "in_lane_nudge" or "lane" in text[start:end].lower()
    later = flags["later"]
    return Claim(
        axis,
        name,
        side,
        text[start:end],
        start,
        end,
        negated=flags["negated"],
        hedged=flags["hedged"],
        order=int(later),
        follows=later,
        extent_stated=stated,
    )


def _quoted(words: str, shown: list[tuple[str, int]]) -> tuple[int, int]:
    """Where the text has the quoted words; case, spacing and look-alike characters do not count."""
    quote = "".join(folded for folded, _ in _folded(words, lower=True)).strip()
    at = "".join(folded for folded, _ in shown).find(quote) if quote else -1
    if at < 0:
        raise CriticError(f"the quoted words {words!r:.120} do not occur in the text")
    return shown[at][1], shown[at + len(quote) - 1][1] + 1


def _folded(text: str, lower: bool) -> list[tuple[str, int]]:
    """Characters as the model is shown them, each with its place in the text; runs of white space are one space."""
    folded: list[tuple[str, int]] = []
    for place, written in enumerate(text):
        for character in unicodedata.normalize("NFKC", written.lower() if lower else written):
            if character.isspace():
                if folded and folded[-1][0] != " ":
                    folded.append((" ", place))
            elif unicodedata.category(character)[0] != "C":
                folded.append(({"<": "‹", ">": "›"}.get(character, character), place))
    return folded


def _last_object(reply: str) -> dict[str, Any]:
    """The last JSON object of a reply, whatever stands before it; CriticError where there is none."""
    decoder = json.JSONDecoder()
    answer, at = None, reply.find("{")
    while at >= 0:
        try:
            value, end = decoder.raw_decode(reply, at)
        except (ValueError, RecursionError):
            value, end = None, at + 1
        if isinstance(value, dict):
            answer = value
        at = reply.find("{", end)
    if answer is None:
        raise CriticError(f"the reply has no JSON object: {reply[-120:]!r}")
    return answer


@cache
def _template() -> str:
    return PROMPT_FILE.read_text(encoding="utf-8")
