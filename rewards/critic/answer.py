"""What a call to a critic can come to: a reply, or a failure with its cause in one word.

The text of a transport error may hold the request with its key, so nothing of an exception is ever told, only what
kind it is; of a refusal, the server's message, without the key.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import openai

MESSAGE_CHARACTERS = 200
"""Of a server's message, this much is told."""
MIN_SECRET_CHARACTERS = 6
"""A shorter key, such as `none`, is a placeholder that stands in ordinary text too."""
REMOVED = "[key removed]"

RETRIED_STATUS = frozenset({408, 409, 429})
"""With 5xx, the only statuses after which another try may help."""
CAUSES = {401: "Denied", 403: "Denied", 404: "NotFound", 408: "Timeout", 409: "Conflict", 429: "RateLimited"}
TOLD_STATUS = frozenset({400, 404, 413, 422})
"""Statuses whose message says what is wrong with the request; that of a 401 is about the key."""


@dataclass(frozen=True)
class Reply:
    """A chat completion, whatever it says."""

    text: str
    finish_reason: str
    logprobs: Sequence[Any] | None = None
    """`choices[0].logprobs.content`, as the server sent it."""
    prompt_tokens: int | None = None
    """None where the server does not tell."""
    completion_tokens: int | None = None

    @property
    def cut_off(self) -> bool:
        """Whether the reply ended where it had reached its longest."""
        return self.finish_reason == "length"


@dataclass(frozen=True)
class Failure:
    """No reply."""

    cause: str
    """One word, for counting: Timeout, RateLimited, Server500, Transport, Denied, NotJson, ..."""
    why: str
    retry: bool = False
    """Whether another try may help."""
    retry_after_s: float | None = None
    """How long the server wants to be left alone."""


def read_body(body: bytes, clean: Callable[[str], str]) -> Reply | Failure:
    """The chat completion in a response's body; what is no JSON or no chat completion is a failure."""
    try:
        content = json.loads(body)
    except ValueError:
        return Failure("NotJson", f"the body of {len(body)} bytes is not JSON")
    try:
        choice = content["choices"][0]
        text = choice["message"]["content"] or ""
        reason = str(choice.get("finish_reason") or "")
        logprobs = (choice.get("logprobs") or {}).get("content")
        usage = content.get("usage") or {}
        tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (KeyError, IndexError, TypeError, AttributeError):
        return Failure("WrongSchema", "the body is not a chat completion")
    if not isinstance(text, str) or not (logprobs is None or isinstance(logprobs, list)):
        return Failure("WrongSchema", "the content of the chat completion is no text")
    prompt_tokens, completion_tokens = (n if type(n) is int and n >= 0 else None for n in tokens)
    if clean(text) != text or clean(whole := body.decode(errors="replace")) != whole:
        # Its tokens spell the key too.
        logprobs = None
    return Reply(clean(text), reason, logprobs, prompt_tokens, completion_tokens)


def read_error(error: Exception, timeout_s: float, clean: Callable[[str], str]) -> Failure:
    """What kind of failure an exception of the SDK stands for."""
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Failure("Timeout", f"no reply within {timeout_s:g} s", retry=True)
    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        cause = CAUSES.get(status) or (f"Server{status}" if status >= 500 else f"Refused{status}")
        told = f": {clean(_message(error))[:MESSAGE_CHARACTERS]}" if status in TOLD_STATUS else ""
        retry = status in RETRIED_STATUS or status >= 500
        return Failure(cause, f"status {status}{told}", retry, _retry_after_s(error.response.headers))
    if isinstance(error, openai.APIConnectionError | OSError):
        return Failure("Transport", "no connection, or it broke off", retry=True)
    return Failure(type(error).__name__, f"the request failed with {type(error).__name__}")


def cleaner(key: str) -> Callable[[str], str]:
    """Removes a key from a text: a server that prints what it was sent must not get it into a record."""
    if len(key) < MIN_SECRET_CHARACTERS:
        return lambda text: text
    return lambda text: text.replace(key, REMOVED)


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) else "no message"


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms`, or from `retry-after` in seconds or as a date."""
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        return max(0.0, (parsedate_to_datetime(headers["retry-after"]) - datetime.now(UTC)).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
