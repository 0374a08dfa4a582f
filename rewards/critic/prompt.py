"""The critic's prompt. The graded text is hostile: it goes in by one substitution, and cannot close a delimiter."""

from __future__ import annotations

import re
import unicodedata

FIELDS = ("reference", "prediction")
_PLACEHOLDER = re.compile("{(" + "|".join(FIELDS) + ")}")


def build_prompt(template: str, reference: str, prediction: str, max_characters: int) -> str:
    """The template with both texts in it, in one pass: a placeholder inside a text stays what it is, text."""
    texts = {"reference": reference, "prediction": prediction}
    return _PLACEHOLDER.sub(lambda match: neutralise(texts[match.group(1)], max_characters), template)


def neutralise(text: str, max_characters: int) -> str:
    """Text that cannot close a delimiter: angle brackets of any width become quotes, invisible characters go."""
    folded = unicodedata.normalize("NFKC", text)
    visible = "".join(c for c in folded if c in "\n\t " or unicodedata.category(c)[0] != "C")
    return visible.replace("<", "‹").replace(">", "›")[:max_characters]
