"""The connection to a language model behind an OpenAI-compatible endpoint: its settings, and asking it many things."""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ar1_rl.errors import ConfigError, CriticError, MissingDependencyError

from ..calling import BackgroundLoop
from .cost import PriceTable, estimate_tokens
from .limits import Limits, rank_and_world_size
from .settings import (
    AT_LEAST_ONE,
    COUNT,
    MAPPING,
    NAME,
    NOT_NEGATIVE,
    POSITIVE,
    WHOLE,
    faults_of,
    optional,
    url_faults,
)

if TYPE_CHECKING:
    from .client import Answer, CriticClient, Streak

Messages = Sequence[Mapping[str, Any]]
"""Chat messages."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

IMAGE_TOKENS = 1000
"""What an image is taken to count for in estimates: about 0.7 megapixels at 28 x 28 pixels a token (Qwen2.5-VL)."""

RULES = {
    "model": NAME,
    "timeout_s": POSITIVE,
    "max_retries": COUNT,
    "backoff_s": NOT_NEGATIVE,
    "max_wait_s": NOT_NEGATIVE,
    "rest_s": NOT_NEGATIVE,
    "give_up_after": AT_LEAST_ONE,
    "in_flight": AT_LEAST_ONE,
    "requests_per_minute": optional(POSITIVE),
    "tokens_per_minute": optional(POSITIVE),
    "rank": optional(COUNT),
    "world_size": optional(AT_LEAST_ONE),
    "temperature": optional(NOT_NEGATIVE),
    "top_p": optional(POSITIVE),
    "max_tokens": optional(AT_LEAST_ONE),
    "seed": optional(WHOLE),
    "extra": MAPPING,
}


@dataclass(frozen=True)
class Endpoint:
    """Where a model is asked, how often and how fast. The key is read from the environment when it is first asked."""

    base_url: str | Sequence[str]
    """One address or several, such as `http://localhost:8000/v1`: asked in turn; one that fails is rested."""
    model: str
    """The name that the endpoint serves it under."""
    api_key_env: str | None = None
    """The environment variable that holds the key. Unset: the endpoint wants none."""
    timeout_s: float = 60.0
    """Of one attempt, to the last byte of the reply."""
    max_retries: int = 3
    """More attempts after a timeout, a lost connection, and the statuses 408, 409, 429 and 5xx; after nothing else."""
    backoff_s: float = 0.5
    """Bound of the first random wait before another attempt; it doubles each time."""
    max_wait_s: float = 60.0
    """Bound of any such wait, also of one that the server asks for (Retry-After)."""
    rest_s: float = 30.0
    """How long an address is left out after three failures in a row."""
    give_up_after: int = 32
    """Calls that failed one after another, all their attempts used, after which the rest of a batch is not asked."""
    in_flight: int = 32
    """Requests at once, for the whole run: each rank gets its share (see `limits`)."""
    requests_per_minute: float | None = None
    """For the whole run, as is the next."""
    tokens_per_minute: float | None = None
    rank: int | None = None
    """Unset: from the environment variable RANK, and the next from WORLD_SIZE."""
    world_size: int | None = None
    temperature: float | None = 0.0
    """None is not sent, as are the others: some hosted models refuse what they cannot change."""
    top_p: float | None = None
    max_tokens: int | None = 1024
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More of the request's body, such as `{reasoning_effort: low}`."""
    prices: PriceTable | Mapping[str, Any] | None = None
    """`{currency: USD, models: {MODEL: {prompt: 0.2, completion: 0.8}}}`, money for a million tokens."""

    def __post_init__(self) -> None:
        urls = (self.base_url,) if isinstance(self.base_url, str) else self.base_url
        object.__setattr__(self, "base_url", tuple(urls) if isinstance(urls, Sequence) else urls)
        faults = self._faults()
        if faults:
            raise ConfigError("critic endpoint: " + "; ".join(faults))

    @property
    def base_urls(self) -> tuple[str, ...]:
        """All addresses."""
        assert isinstance(self.base_url, tuple), "made one on construction"
        return self.base_url

    @property
    def limits(self) -> Limits:
        """Those of the run."""
        return Limits(self.in_flight, self.requests_per_minute, self.tokens_per_minute)

    @property
    def sampling(self) -> dict[str, Any]:
        """What is sent with each request beside the messages, and what a reply depends on."""
        named = {name: getattr(self, name) for name in ("temperature", "top_p", "max_tokens", "seed")}
        return {name: value for name, value in named.items() if value is not None} | dict(self.extra)

    def money(self, prompt_tokens: float, completion_tokens: float) -> dict[str, float]:
        """What so many tokens cost, by currency; empty without prices."""
        if self.prices is None:
            return {}
        assert isinstance(self.prices, PriceTable), "read on construction"
        return {self.prices.currency: self.prices.models[self.model].money(prompt_tokens, completion_tokens)}

    def ask(self, messages: Messages, **more: Any) -> str:
        """The text of one reply; CriticError with its `cause` where there is none, or where it was cut off."""
        from .answer import Failure

        outcome = self.ask_many([{"messages": messages, **self.sampling, **more}])[0].outcome
        if isinstance(outcome, Failure):
            raise CriticError(f"{self.model}: {outcome.why}", cause=outcome.cause)
        if outcome.cut_off:
            raise CriticError(f"{self.model}: {CUT_OFF_WHY}", cause="CutOff")
        return outcome.text

    def ask_many(self, requests: Sequence[Mapping[str, Any]]) -> list[Answer]:
        """Answers in the order of the requests, which are bodies of chat completions without the model's name."""
        answers = self.start_many(requests)
        try:
            return answers.result()
        except BaseException:
            answers.cancel()
            raise

    def start_many(self, requests: Sequence[Mapping[str, Any]], streak: Streak | None = None) -> Future[list[Answer]]:
        """The same without waiting. Parts of one batch share a `new_streak`."""
        bodies = [{"model": self.model, **request} for request in requests]
        return self._line().start(bodies, [self._tokens(body) for body in bodies], streak)

    @property
    def requests_open(self) -> int:
        """Requests of this process that are under way."""
        line = self.__dict__.get("_open_line")
        return 0 if line is None or line.process != os.getpid() else line.client.requests_open

    def new_streak(self) -> Streak:
        """Counts the failures in a row of one batch, after `give_up_after` of which the rest of it is not asked."""
        return self._line().client.new_streak()

    def _faults(self) -> list[str]:
        faults = url_faults(self.base_url) + faults_of(self, RULES)
        faults += _variable_faults(self.api_key_env)
        if self.prices is not None:
            try:
                table = PriceTable.read(self.prices)
            except ConfigError as error:
                return [*faults, str(error)]
            object.__setattr__(self, "prices", table)
            if self.model not in table.models:
                faults.append(f"prices: none for model {self.model!r}; there are: {', '.join(table.models) or 'none'}")
        return faults

    def _tokens(self, request: Mapping[str, Any]) -> float:
        """About what a request will use, at most."""
        text, images = _size(request["messages"])
        return estimate_tokens(text) + images * IMAGE_TOKENS + (self.max_tokens or 0)

    @property
    def _lock(self) -> threading.Lock:
        return self.__dict__.setdefault("_own_lock", threading.Lock())

    def _line(self) -> _Line:
        """The open connections of this process; one that was forked off has to open its own."""
        with self._lock:
            line = self.__dict__.get("_open_line")
            if line is None or line.process != os.getpid():
                line = self.__dict__["_open_line"] = _Line(_client_of(self))
            return line

    def __getstate__(self) -> dict[str, Any]:
        """The settings alone: connections, and the key in them, stay in this process."""
        return {name: value for name, value in self.__dict__.items() if name in self.__dataclass_fields__}


CUT_OFF_WHY = "the reply was cut off at its longest; raise max_tokens"


class _Line:
    """A client and the event loop it lives on, in a thread of its own."""

    def __init__(self, client: CriticClient) -> None:
        self.process = os.getpid()
        self.client = client
        self._loop = BackgroundLoop()
        weakref.finalize(self, _hang_up, self._loop, client).atexit = False

    def start(
        self, requests: Sequence[Mapping[str, Any]], tokens: Sequence[float], streak: Streak | None
    ) -> Future[list[Answer]]:
        return self._loop.submit(self.client.ask_all(requests, tokens, streak))


def _hang_up(loop: BackgroundLoop, client: CriticClient) -> None:
    loop.submit(client.close()).add_done_callback(lambda _: loop.close())


def _client_of(endpoint: Endpoint) -> CriticClient:
    try:
        from .client import NO_KEY, ClientSettings, CriticClient
    except ImportError as error:
        raise MissingDependencyError(
            f"a critic endpoint needs the package {error.name}: pip install openai tenacity"
        ) from error
    share = endpoint.limits.share(*rank_and_world_size(endpoint.rank, endpoint.world_size))
    settings = ClientSettings(
        base_urls=endpoint.base_urls,
        limits=share,
        timeout_s=endpoint.timeout_s,
        max_retries=endpoint.max_retries,
        backoff_s=endpoint.backoff_s,
        max_wait_s=endpoint.max_wait_s,
        rest_s=endpoint.rest_s,
        give_up_after=endpoint.give_up_after,
    )
    return CriticClient(settings, _key(endpoint.api_key_env) if endpoint.api_key_env else NO_KEY)


def _variable_faults(variable: Any) -> list[str]:
    """What is wrong with the name of the key's variable. It is told only if it looks like one: it may be the key."""
    allowed = "allowed is the name of an environment variable, not the key itself, or none"
    if variable is None:
        return []
    if not isinstance(variable, str) or not _VARIABLE.fullmatch(variable):
        return [f"api_key_env: got a {type(variable).__name__} that is no such name, {allowed}"]
    if os.environ.get(variable, "").strip():
        return []
    told = variable if variable.isupper() else f"of {len(variable)} characters that is named"
    return [f"api_key_env: the environment variable {told} is not set, or empty; {allowed}"]


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"critic endpoint: the environment variable {variable} is not set, or empty")
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"critic endpoint: what is in {variable} cannot be sent as a key: it has control characters")
    return key


def _size(messages: Messages) -> tuple[int, int]:
    """Characters and images of chat messages."""
    parts = [
        part
        for message in messages
        for part in ([{"text": message["content"]}] if isinstance(message["content"], str) else message["content"])
    ]
    return sum(len(part.get("text", "")) for part in parts), sum("image_url" in part for part in parts)
