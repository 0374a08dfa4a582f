"""From questions to what they came to: the same one is asked once, the cache comes first, and all of it is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cache import CachedReply, ReplyCache
from .connection import CUT_OFF_WHY, Endpoint
from .cost import Usage
from .questions import Question

if TYPE_CHECKING:
    from .client import Answer


NOTHING = Usage()


@dataclass(frozen=True)
class Asked:
    """What a question came to: a reply, or a failure with its cause."""

    reply: str | None
    record: Mapping[str, Any]
    """Model, base_url, tokens, seconds, attempts, cached, money."""
    failure: str | None = None
    why: str = ""
    logprobs: Sequence[Any] | None = None
    usage: Usage = NOTHING
    """What it took; nothing if it came from the cache."""


def ask_distinct(endpoint: Endpoint, cache: ReplyCache | None, questions: Sequence[Question]) -> dict[str, Asked]:
    """What each distinct question came to, by key."""
    distinct = {question.key: question for question in questions}
    known = {} if cache is None else cache.get_many(list(distinct))
    asked = {key: _remembered(endpoint, reply) for key, reply in known.items()}
    new = [question for key, question in distinct.items() if key not in known]
    answers = endpoint.ask_many([question.request for question in new]) if new else []
    return asked | {q.key: _answered(endpoint, answer) for q, answer in zip(new, answers, strict=True)}


def recorded(record: Mapping[str, Any]) -> Asked:
    """What a recorded question came to."""
    return Asked(record.get("reply"), record, record.get("failure"), str(record.get("why", "")), record.get("logprobs"))


def keep(cache: ReplyCache, asked: Mapping[str, Asked]) -> None:
    """Put the replies that are not there yet into the cache."""
    new = {key: one for key, one in asked.items() if one.reply is not None and not one.record["cached"]}
    cache.put_many(
        {
            key: CachedReply(one.reply, one.record["prompt_tokens"], one.record["completion_tokens"], one.logprobs)
            for key, one in new.items()
            if one.reply is not None
        }
    )


def _remembered(endpoint: Endpoint, reply: CachedReply) -> Asked:
    record = {
        "model": endpoint.model,
        "base_url": None,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "seconds": 0.0,
        "attempts": 0,
        "cached": True,
    }
    return Asked(reply.reply, record, logprobs=reply.logprobs)


def _answered(endpoint: Endpoint, answer: Answer) -> Asked:
    from .answer import Failure

    record: dict[str, Any] = {
        "model": endpoint.model,
        "base_url": answer.base_url or None,
        "prompt_tokens": None,
        "completion_tokens": None,
        "seconds": round(answer.seconds, 4),
        "attempts": answer.attempts,
        "cached": False,
    }
    usage = Usage(calls=1, attempts=answer.attempts, request_s=answer.seconds)
    outcome = answer.outcome
    if isinstance(outcome, Failure):
        return Asked(None, record, outcome.cause, outcome.why, usage=usage)
    tokens = {"prompt_tokens": outcome.prompt_tokens, "completion_tokens": outcome.completion_tokens}
    if outcome.prompt_tokens is None or outcome.completion_tokens is None:
        usage += Usage(untold=1)
    else:
        money = endpoint.money(outcome.prompt_tokens, outcome.completion_tokens)
        usage += Usage(prompt_tokens=outcome.prompt_tokens, completion_tokens=outcome.completion_tokens, money=money)
        record["money"] = money
    failure, why = ("CutOff", CUT_OFF_WHY) if outcome.cut_off else (None, "")
    return Asked(outcome.text, record | tokens, failure, why, outcome.logprobs, usage)
