"""From questions to what they came to: the same one is asked once, the cache comes first, and all of it is counted."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .cache import CachedReply, ReplyCache
from .connection import CUT_OFF_WHY, Endpoint
from .cost import Usage
from .questions import Question

if TYPE_CHECKING:
    from .client import Answer, Streak


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


class OpenQuestions:
    """The questions of one batch: each is asked once, as soon as it comes, and the cache is looked into first."""

    def __init__(self, endpoint: Endpoint, cache: ReplyCache | None) -> None:
        self._endpoint, self._cache = endpoint, cache
        self._streak: Streak | None = None
        self._known: dict[str, Asked] = {}
        self._asked: dict[str, tuple[Future[list[Answer]], int]] = {}
        """By key: where its answer will be."""
        self._started_s = self._ended_s = time.perf_counter()

    @property
    def wall_s(self) -> float:
        """From the beginning to the last answer [s]."""
        return self._ended_s - self._started_s

    def ask(self, questions: Sequence[Question]) -> None:
        """Ask what has not been asked yet; does not wait for answers."""
        new = {q.key: q for q in questions if q.key not in self._known and q.key not in self._asked}
        found = {} if self._cache is None else self._cache.get_many(list(new))
        self._known |= {key: _remembered(self._endpoint, reply) for key, reply in found.items()}
        rest = [question for key, question in new.items() if key not in found]
        if rest:
            self._streak = self._streak or self._endpoint.new_streak()
            answers = self._endpoint.start_many([question.request for question in rest], self._streak)
            answers.add_done_callback(self._note_end)
            self._asked |= {question.key: (answers, place) for place, question in enumerate(rest)}
        self._note_end()

    def answers(self) -> dict[str, Asked]:
        """What each distinct question came to, by key, once all are answered."""
        asked = {}
        for key, (answers, place) in self._asked.items():
            waits = not answers.done()
            asked[key] = _answered(self._endpoint, answers.result()[place])
            if waits:
                self._note_end()
        return self._known | asked

    def cancel(self) -> None:
        """Give up what has not been answered."""
        for answers, _ in list(self._asked.values()):
            answers.cancel()

    def _note_end(self, _: object = None) -> None:
        self._ended_s = time.perf_counter()


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
