"""The one client for any OpenAI-compatible endpoint: retries, limits, several servers. Prompts and grades it knows not.

A call ends in an `Answer`, never in an exception: an exception of the SDK holds the request, and so the key.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, stop_after_attempt

from .answer import Failure, Reply, cleaner, read_body, read_error
from .limits import Limiter, Limits
from .rotation import Rotation

NO_KEY = "none"
"""Sent to an endpoint that wants no key: the SDK insists on one."""


@dataclass(frozen=True)
class Answer:
    """What a call came to, after all its attempts."""

    outcome: Reply | Failure
    base_url: str
    attempts: int
    seconds: float
    """In flight, over all attempts; waiting for a turn or for another try is not in it."""


@dataclass(frozen=True)
class ClientSettings:
    """How a critic is called; `limits` are those of this rank."""

    base_urls: tuple[str, ...]
    limits: Limits
    timeout_s: float
    """Of one attempt, from the request to the last byte of the reply."""
    max_retries: int
    backoff_s: float
    """The first wait before another try is a random one up to this; each further bound is twice the last."""
    max_wait_s: float
    """The longest wait before another try, also where the server asks for a longer one."""
    rest_s: float
    give_up_after: int


@dataclass
class Streak:
    """Calls of a batch that failed one after another, none answered in between."""

    give_up_after: int
    failures: int = 0

    @property
    def hopeless(self) -> bool:
        """Whether the rest of the batch need not be asked."""
        return self.failures >= self.give_up_after

    def count(self, outcome: Reply | Failure) -> None:
        """Take note of how a call ended."""
        self.failures = self.failures + 1 if isinstance(outcome, Failure) else 0


@dataclass
class _Call:
    """What is known of a call while it is under way."""

    request: Mapping[str, Any]
    tokens: float
    streak: Streak
    base_url: str = ""
    attempts: int = 0
    seconds: float = 0.0


_Lane = tuple[openai.AsyncOpenAI, ...]
"""A connection to each server, used by one request at a time.

One pool for all would be searched from end to end at every request, which takes longer than all the rest of it.
"""


@dataclass
class CriticClient:
    """Belongs to one event loop. The key goes to the endpoint and nowhere else."""

    settings: ClientSettings
    key: str = field(default=NO_KEY, repr=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self._clean = cleaner(self.key)
        self._limiter = Limiter(settings.limits)
        self._rotation = Rotation(len(settings.base_urls), settings.rest_s)
        self._tls = ssl.create_default_context()
        self._lanes: list[_Lane] = []
        self._free_lanes: list[_Lane] = []

    @property
    def requests_open(self) -> int:
        """Requests under way; may be asked from any thread."""
        return self._limiter.open

    def new_streak(self) -> Streak:
        """For a batch that is asked about in parts."""
        return Streak(self.settings.give_up_after)

    async def ask_all(
        self, requests: Sequence[Mapping[str, Any]], tokens: Sequence[float], streak: Streak | None = None
    ) -> list[Answer]:
        """Answers in the order of the requests, each the arguments of a chat completion; `tokens` are estimates.

        After `give_up_after` failed calls in a row the rest is given up, so that a dead server costs minutes and not
        its timeout times everything. Parts of one batch share a streak.
        """
        streak = streak or self.new_streak()
        return await asyncio.gather(*(self._ask(_Call(r, t, streak)) for r, t in zip(requests, tokens, strict=True)))

    async def close(self) -> None:
        """Close all connections."""
        for lane in self._lanes:
            for sdk in lane:
                await sdk.close()

    async def _ask(self, call: _Call) -> Answer:
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.settings.max_retries + 1),
            wait=self._backoff_s,
            retry=retry_if_result(lambda outcome: isinstance(outcome, Failure) and outcome.retry),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        outcome: Reply | Failure = await retrying(self._attempt, call)
        call.streak.count(outcome)
        return Answer(outcome, call.base_url, call.attempts, call.seconds)

    def _backoff_s(self, state: RetryCallState) -> float:
        """Exponential with full jitter. What the server asked for is kept by the rotation, for all calls alike."""
        bound_s = self.settings.backoff_s * 2.0 ** (state.attempt_number - 1)
        return random.uniform(0.0, min(bound_s, self.settings.max_wait_s))

    async def _attempt(self, call: _Call) -> Reply | Failure:
        async with self._limiter.slot(call.tokens) as settle:
            server, closed_s = self._rotation.pick(time.monotonic())
            if closed_s:
                await asyncio.sleep(closed_s + random.uniform(0.0, self.settings.backoff_s))
            if call.streak.hopeless:
                return Failure("GaveUp", f"not asked: {call.streak.failures} calls in a row had failed")
            call.attempts += 1
            call.base_url = self.settings.base_urls[server]
            lane = self._free_lanes.pop() if self._free_lanes else self._new_lane()
            started_s = time.monotonic()
            try:
                outcome = await self._send(lane[server], call.request)
            finally:
                self._free_lanes.append(lane)
            ended_s = time.monotonic()
            call.seconds += ended_s - started_s
            self._note(server, outcome, ended_s)
            if isinstance(outcome, Reply) and outcome.prompt_tokens is not None:
                settle(outcome.prompt_tokens + (outcome.completion_tokens or 0))
            return outcome

    async def _send(self, sdk: openai.AsyncOpenAI, request: Mapping[str, Any]) -> Reply | Failure:
        try:
            # The SDK's own timeout starts anew with each byte, and a server may send one now and then.
            async with asyncio.timeout(self.settings.timeout_s):
                # As `extra_body`, since checking messages against their types takes the SDK longer than sending them.
                raw = await sdk.chat.completions.with_raw_response.create(model="", messages=[], extra_body=request)
            return read_body(raw.content, self._clean)
        except Exception as error:
            return read_error(error, self.settings.timeout_s, self._clean)

    def _new_lane(self) -> _Lane:
        lane = tuple(
            openai.AsyncOpenAI(
                base_url=url,
                api_key=self.key,
                timeout=self.settings.timeout_s,
                max_retries=0,
                # A TLS context of its own for each would take as long to set up as a request takes.
                http_client=openai.DefaultAsyncHttpxClient(verify=self._tls),
            )
            for url in self.settings.base_urls
        )
        self._lanes.append(lane)
        return lane

    def _note(self, server: int, outcome: Reply | Failure, now_s: float) -> None:
        if isinstance(outcome, Reply):
            self._rotation.worked(server)
        elif outcome.retry_after_s is not None:
            self._rotation.close(server, now_s + min(outcome.retry_after_s, self.settings.max_wait_s))
        elif outcome.cause != "RateLimited":
            self._rotation.failed(server, now_s)
