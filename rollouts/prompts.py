"""Prompt builders: an observation and its history tokens in, chat messages out; the library's own and a user's.

    def my_prompt(observation, history):     # config: rollouts.prompt: my_prompt.py:my_prompt
        return f"Drive on. {HISTORY_START}{history}{HISTORY_END}"

A builder sees the observation only, so nothing later than t0 can get into a prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ar1_rl.driving import HISTORY_END, HISTORY_START, Observation
from ar1_rl.errors import Ar1RlError, ConfigError
from ar1_rl.plugins import load_callable

from .config import PromptConfig
from .describe import describe

Message = dict[str, Any]
"""A chat message: role, and content as a list of parts (text or image)."""

PromptBuilder = Callable[[Observation, str], list[Message]]
"""Messages from an observation and its history, written as trajectory tokens."""

WHAT = "prompt builder"
PART_TYPES = ("text", "image")


def text_prompt(observation: Observation, history: str) -> list[Message]:
    """The observation in words, and the history as tokens."""
    return user_message(f"{describe(observation)} {HISTORY_START}{history}{HISTORY_END}")


def user_message(text: str) -> list[Message]:
    """A conversation of one message by the user."""
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


def prompt_builder(config: PromptConfig) -> PromptBuilder:
    """The builder of a config; one of a user's own may return text or messages, and is checked at every call."""
    if config.prompt is None:
        return text_prompt
    build = load_callable(config.prompt, config.prompt_arguments, takes=("observation", "history"), what=WHAT)
    told = f"{WHAT} {config.prompt!r}"

    def checked(observation: Observation, history: str) -> list[Message]:
        try:
            made = build(observation, history)
        except Ar1RlError:
            raise
        except Exception as error:
            raise ConfigError(f"{told}: {type(error).__name__}: {error}") from error
        if isinstance(made, str):
            return user_message(made)
        fault = _fault(made)
        if fault is not None:
            raise ConfigError(f"{told}: {fault}; allowed are text, or chat messages with role and content")
        return list(made)

    return checked


def _fault(made: Any) -> str | None:
    if not isinstance(made, list | tuple) or not made:
        return f"returned {'no messages' if isinstance(made, list | tuple) else f'a {type(made).__name__}'}"
    for position, message in enumerate(made):
        if not isinstance(message, Mapping) or not {"role", "content"} <= set(message):
            return f"message {position} is {message!r:.80}"
        content = message["content"]
        if isinstance(content, str):
            continue
        if not isinstance(content, list | tuple):
            return f"the content of message {position} is a {type(content).__name__}"
        for part in content:
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind not in PART_TYPES or (kind == "text" and not isinstance(part.get("text"), str)):
                return (
                    f"part {part!r:.80} of message {position} is neither {{'type': 'text', 'text': ...}} nor an image"
                )
    return None
