"""What the critic is asked. The graded text is hostile: it goes in by one substitution, taken apart before."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from ar1_rl.errors import ConfigError

from .hostile_text import CUT, neutralise
from .image import data_url, last_history_frame
from .rubric import Rubric
from .verdict import REPLY_MODES, ReplyMode

__all__ = ["FIELDS", "MAX_CHARACTERS", "CriticPrompt", "last_history_frame", "load_prompt"]

FIELDS = ("reference", "prediction")
"""Placeholders of the graded texts; a prompt has both. `{rubric}` and `{reply}` may stand in it too."""
MAX_CHARACTERS = 4000
"""Of each graded text, this much is shown. AR1's traces average 12 words."""
HASH_DIGITS = 16

_PLACEHOLDER = re.compile("{(reference|prediction|rubric|reply|form)}")
_TAG = re.compile(r"</?([A-Za-z][\w-]*)>")


@dataclass(frozen=True)
class CriticPrompt:
    """A template with its rubric: chat messages for a pair of texts, and a hash for the record."""

    template: str
    rubric: Rubric
    mode: ReplyMode = "none"
    """What the server holds the reply to; the prompt asks for the same."""
    max_characters: int = MAX_CHARACTERS

    def __post_init__(self) -> None:
        faults = [f"placeholders missing: {missing}"] if (missing := self._missing()) else []
        if self.mode not in REPLY_MODES:
            faults.append(f"mode: got {self.mode!r}, allowed are {', '.join(REPLY_MODES)}")
        if self.max_characters < 2 * len(CUT):
            faults.append(f"max_characters: got {self.max_characters}, allowed {2 * len(CUT)} or more")
        if faults:
            raise ConfigError("critic prompt: " + "; ".join(faults))

    @cached_property
    def hash(self) -> str:
        """First hexadecimal digits of a SHA-256 over what is asked: template, rubric, form of the reply."""
        own = [self._fill({}), _read("image"), dataclasses.asdict(self.rubric), self.mode, self.max_characters]
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]

    def text(self, reference: str, prediction: str) -> str:
        """The prompt with both texts in it."""
        texts = {"reference": reference, "prediction": prediction}
        return self._fill({name: self._neutralised(text) for name, text in texts.items()})

    def messages(self, reference: str, prediction: str, image: bytes | None = None) -> list[dict[str, Any]]:
        """One user message: plain text, or with an image the parts of what it shows, the image and the text.

        Text alone is sent as a string, because some servers of text-only models refuse a list of parts.
        """
        text = self.text(reference, prediction)
        if image is None:
            return [{"role": "user", "content": text}]
        parts: list[dict[str, Any]] = [
            {"type": "text", "text": _read("image")},
            {"type": "image_url", "image_url": {"url": data_url(image)}},
            {"type": "text", "text": text},
        ]
        return [{"role": "user", "content": parts}]

    def _missing(self) -> list[str]:
        return [name for name in FIELDS if f"{{{name}}}" not in self.template]

    @cached_property
    def _delimiters(self) -> tuple[str, ...]:
        return tuple(sorted({*FIELDS, *_TAG.findall(self.template)}))

    @cached_property
    def _own(self) -> dict[str, str]:
        return {"rubric": _rubric_text(self.rubric), "reply": _reply_text(self.rubric, self.mode)}

    def _neutralised(self, text: str) -> str:
        labels = [criterion.name for criterion in self.rubric.criteria]
        return neutralise(text, self.max_characters, self._delimiters, labels)

    def _fill(self, graded: dict[str, str]) -> str:
        return _substituted(self.template, {**self._own, **graded})


def load_prompt(
    path: str | Path | None, rubric: Rubric, *, mode: ReplyMode = "none", max_characters: int = MAX_CHARACTERS
) -> CriticPrompt:
    """The shipped prompt, or one's own from a file; ConfigError where it cannot be read or lacks a placeholder."""
    if path is None:
        return CriticPrompt(_read("critic"), rubric, mode, max_characters)
    try:
        template = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"critic prompt {path}: {reason}") from error
    try:
        return CriticPrompt(template, rubric, mode, max_characters)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _substituted(template: str, texts: dict[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: texts.get(match[1], match[0]), template)


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(f"prompts/{name}.md").read_text(encoding="utf-8").rstrip("\n")


def _rubric_text(rubric: Rubric) -> str:
    blocks = []
    for criterion in rubric.criteria:
        choices = [f"- {choice.text}: {choice.description}" for choice in reversed(criterion.choices)]
        blocks.append("\n".join([criterion.question, "", f"`{criterion.name}`:", *choices]))
    return "\n\n".join(blocks)


def _reply_text(rubric: Rubric, mode: ReplyMode) -> str:
    names = [criterion.name for criterion in rubric.criteria]
    if mode == "json_schema":
        form = "{" + ", ".join(['"reason": "..."', *(f'"{name}": N' for name in names)]) + "}"
    else:
        form = "\n".join(f"{name}: N" for name in names)
    grades = {criterion.name: criterion.allowed for criterion in rubric.criteria}
    if len(set(grades.values())) == 1:
        where = f"where N is one of {grades[names[0]]}."
    else:
        where = "where N is, of " + "; of ".join(f"{name}, one of {allowed}" for name, allowed in grades.items()) + "."
    return _substituted(_read(f"reply_{mode}"), {"form": f"{form}\n\n{where}"})
