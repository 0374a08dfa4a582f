"""What every sampling engine offers: draw completions with a seed per request, and score given ones.

Seeds are a hash of (run seed, step, scene, sample), so a rollout never depends on what it was batched with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .config import SamplingConfig

Images = Sequence[Any]
"""PIL images of one prompt, in the order of its placeholders; by reference, so K rollouts of a scene share them."""


@dataclass(frozen=True)
class Request:
    """One completion to draw."""

    prompt_token_ids: tuple[int, ...]
    """With a placeholder for every token of every image."""
    seed: int
    images: Images = field(default=(), compare=False)


@dataclass(frozen=True)
class Sample:
    """Token ids as drawn, the stop token included, and the log-probability of each under the sampling distribution."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class TextReady:
    """The text of a completion is there, up to and including the token that closes it; the rest is being drawn."""

    request: int
    """Its number among the requests."""
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Whole:
    """A completion is there."""

    request: int
    sample: Sample


Event = TextReady | Whole

Progress = Callable[[int], None]
"""Called with the number of completions that have just become ready."""


class Engine(Protocol):
    """A sampling engine that holds one policy."""

    def stream(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        text_end_token_id: int | None = None,
    ) -> Iterator[list[Event]]:
        """One sample a request, each told of as soon as it is whole; what comes in one step comes together.

        With `text_end_token_id`, an engine that can tells also that this token has been drawn, once a request.
        Whoever stops listening ends the sampling.
        """
        ...

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
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        progress: Progress | None = None,
        images: Sequence[Images] | None = None,
    ) -> list[tuple[float, ...]]:
        """Per token log-probabilities of given completions at temperature 1, without top-p; `images` a prompt."""
        ...


def collect(steps: Iterable[Sequence[Event]], progress: Progress | None = None) -> list[Sample]:
    """The samples of a stream in the order of their requests."""
    samples: dict[int, Sample] = {}
    for events in steps:
        whole = [event for event in events if isinstance(event, Whole)]
        samples |= {event.request: event.sample for event in whole}
        if progress and whole:
            progress(len(whole))
    return [samples[number] for number in range(len(samples))]


def request_seed(run_seed: int, step: int, scene_id: str, sample: int) -> int:
    """63-bit seed of one rollout."""
    digest = hashlib.blake2b(f"{run_seed}|{step}|{scene_id}|{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
