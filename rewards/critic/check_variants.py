"""The same content in other clothes: what a critic should not care about."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .check_pairs import Question

PADDINGS: dict[str, Callable[[str], str]] = {
    "padded before": lambda text: (
        f"Here is, put as plainly as it can be put and without leaving anything out, what I think of it all: {text}"
    ),
    "padded behind": lambda text: (
        f"{text} That is all that I would like to say about it at this moment, and I hope that it has become quite "
        "understandable to everybody who reads it."
    ),
}
"""Neutral words: they name no decision, no cause and no grade."""

FORMATS: dict[str, Callable[[str], str]] = {
    "markdown": lambda text: f"## Reasoning\n\n**{text}**",
    "upper case": str.upper,
    "bullets": lambda text: "\n".join(f"- {clause}" for clause in re.split(r"(?<=[,.;]) ", text)),
}


def reworded(question: Question, change: Callable[[str], str]) -> Question:
    """The question with its prediction put in another form."""
    return dataclasses.replace(question, prediction=change(question.prediction))


def roles_exchanged(question: Question) -> Question:
    """Reference and prediction change places; only right where both mean the same."""
    reference = dataclasses.replace(question.reference, text=question.prediction)
    return dataclasses.replace(question, reference=reference, prediction=question.reference.text)


def order_exchanged(critic: Any) -> Any | None:
    """The critic with reference and prediction in the other order in its prompt; None where that cannot be done."""
    template = getattr(getattr(critic, "loaded_prompt", None), "template", None)
    exchanged = None if template is None else exchanged_template(template)
    if exchanged is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exchanged.md"
        path.write_text(exchanged, encoding="utf-8")
        # The prompt is read on construction, so the file may go.
        return dataclasses.replace(critic, prompt=path)


def exchanged_template(template: str) -> str | None:
    """A prompt with its blocks `<reference>` and `<prediction>` exchanged; None where it has not one of each."""
    blocks = [re.findall(rf"<{name}>.*?</{name}>", template, re.DOTALL) for name in ("reference", "prediction")]
    if [len(found) for found in blocks] != [1, 1]:
        return None
    (reference,), (prediction,) = blocks
    between = {reference: prediction, prediction: reference}
    return re.sub("|".join(map(re.escape, between)), lambda match: between[match[0]], template)
