"""How fast a critic may be asked: requests at once, requests and tokens per minute, divided over the ranks of a run.

The limits are the run's. Rank r of W gets in_flight // W requests at once, and one more if r < in_flight % W, so that
the ranks together have exactly what is allowed; where there are more ranks than requests, each still gets one. What is
allowed per minute is divided evenly.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ar1_rl.errors import ConfigError

SECONDS_PER_MINUTE = 60.0
LONGEST_NAP_S = 0.25
"""A request that waits for tokens looks again this often, because others give back what they did not use."""


@dataclass(frozen=True)
class Limits:
    """Example: `Limits(in_flight=32, requests_per_minute=600.0, tokens_per_minute=None)`; None is no limit."""

    in_flight: int
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def share(self, rank: int, world_size: int) -> Limits:
        """The part of one rank."""
        even, left_over = divmod(self.in_flight, world_size)
        return Limits(
            max(1, even + (rank < left_over)),
            None if self.requests_per_minute is None else self.requests_per_minute / world_size,
            None if self.tokens_per_minute is None else self.tokens_per_minute / world_size,
        )


def rank_and_world_size(
    rank: int | None = None, world_size: int | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[int, int]:
    """Rank and number of ranks: as given, else from RANK and WORLD_SIZE, else 0 of 1; ConfigError if they clash."""
    try:
        size = int(environment.get("WORLD_SIZE", 1)) if world_size is None else world_size
        place = int(environment.get("RANK", 0)) if rank is None else rank
    except ValueError as error:
        raise ConfigError(f"the environment variables RANK and WORLD_SIZE must be whole numbers: {error}") from error
    if not (size >= 1 and 0 <= place < size):
        raise ConfigError(f"rank {place} of world size {size}: allowed is a rank from 0 to world size - 1")
    return place, size


class Pace:
    """Spreads use evenly over time, so that no minute holds more than `per_minute`, but for one request at its edge."""

    def __init__(self, per_minute: float) -> None:
        self._seconds_each = SECONDS_PER_MINUTE / per_minute
        self._free_at_s = float("-inf")

    def wait_s(self, now_s: float) -> float:
        """How long [s] the next request has to wait."""
        return max(0.0, self._free_at_s - now_s)

    def take(self, amount: float, now_s: float) -> None:
        """Use some, from now on."""
        self._free_at_s = max(self._free_at_s, now_s) + amount * self._seconds_each

    def give_back(self, amount: float) -> None:
        """Some that was taken was not used; a negative amount takes what was used beyond it."""
        self._free_at_s -= amount * self._seconds_each


class Limiter:
    """Holds the requests of one event loop to `limits`; those that wait are let in in the order they came."""

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.open = 0
        """Requests that have their turn now."""
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._door = asyncio.Lock()
        self._clock, self._sleep = clock, sleep
        self._requests = Pace(limits.requests_per_minute) if limits.requests_per_minute else None
        self._tokens = Pace(limits.tokens_per_minute) if limits.tokens_per_minute else None

    @asynccontextmanager
    async def slot(self, tokens: float) -> AsyncIterator[Callable[[float], None]]:
        """Wait for a turn, and reserve `tokens`; yields a function that is told how many were used.

        A request of which nothing is told keeps its reservation: it may have been worked on all the same.
        """
        async with self._slots:
            async with self._door:
                while wait_s := self._wait_s():
                    await self._sleep(min(wait_s, LONGEST_NAP_S))
                now_s = self._clock()
                for pace, amount in ((self._requests, 1.0), (self._tokens, tokens)):
                    if pace is not None:
                        pace.take(amount, now_s)
            self.open += 1
            try:
                yield lambda used: self._settle(tokens - used)
            finally:
                self.open -= 1

    def _wait_s(self) -> float:
        now_s = self._clock()
        return max((pace.wait_s(now_s) for pace in (self._requests, self._tokens) if pace is not None), default=0.0)

    def _settle(self, unused: float) -> None:
        if self._tokens is not None:
            self._tokens.give_back(unused)
