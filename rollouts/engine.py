"""What every sampling engine offers: draw completions with a seed per request, and score given ones.

Seeds are a hash of (run seed, step, scene, sample), so a rollout never depends on what it was batched with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .config import SamplingConfig


@dataclass(frozen=True)
class Request:
    """One completion to draw."""

    prompt_token_ids: tuple[int, ...]
    seed: int


@dataclass(frozen=True)
class Sample:
    """Token ids as drawn, the stop token included, and the log-probability of each under the sampling distribution."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


Progress = Callable[[int], None]
"""Called with the number of completions that have just become ready."""


class Engine(Protocol):
    """A sampling engine that holds one policy."""

    def sample(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """One sample a request, in order."""
        ...

    def logprobs(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], progress: Progress | None = None
    ) -> list[tuple[float, ...]]:
        """Per token log-probabilities of given completions at temperature 1, without top-p."""
        ...


def request_seed(run_seed: int, step: int, scene_id: str, sample: int) -> int:
    """63-bit seed of one rollout."""
    digest = hashlib.blake2b(f"{run_seed}|{step}|{scene_id}|{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
