"""Sampling from a `vllm serve` on GPUs of its own; the trainer's weights reach it over NCCL, through TRL.

Every request is sent by itself, for each has a seed of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from ar1_rl.errors import ConfigError

from .config import SamplingConfig
from .engine import Event, Images, Progress, Request, Sample, Whole, collect

REQUESTS_AT_ONCE = 256
"""Of one rank; the server makes batches of them."""


def check_machine() -> None:
    """ConfigError where weights cannot be brought to a server."""
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(
            "rollouts.server: weights reach a vLLM server over NCCL, which needs CUDA on both sides, and there is none "
            "here; unset it, and vLLM shares the process of the trainer"
        )


def _check_blind(images: Sequence[Images]) -> None:
    if any(images):
        raise ConfigError(
            "rollouts.server: the completions endpoint of a server takes no images; unset it, and vLLM shares the "
            "process of the trainer"
        )


class ServedEngine:
    """`Engine` over the completions endpoint of a vLLM server."""

    def __init__(self, base_url: str, timeout_s: float = 600.0) -> None:
        from openai import OpenAI

        # A vLLM server wants no key, and the client wants one to send.
        self._client = OpenAI(base_url=f"{base_url.rstrip('/')}/v1", api_key="none", timeout=timeout_s, max_retries=2)
        self._model = self._client.models.list().data[0].id

    def stream(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        text_end_token_id: int | None = None,
    ) -> Iterator[list[Event]]:
        """Whole completions as they come; a server tells of none before it is whole."""
        _check_blind([request.images for request in requests])

        def draw(request: Request) -> Sample:
            answer = self._client.completions.create(
                model=self._model,
                prompt=list(request.prompt_token_ids),
                max_tokens=sampling.max_completion_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                seed=request.seed,
                logprobs=0,
                extra_body={
                    "stop_token_ids": [stop_token_id],
                    "skip_special_tokens": False,
                    "return_token_ids": True,
                },
            )
            choice: Any = answer.choices[0]
            return Sample(tuple(choice.token_ids), tuple(choice.logprobs.token_logprobs))

        with ThreadPoolExecutor(max_workers=REQUESTS_AT_ONCE) as pool:
            numbers = {pool.submit(draw, request): number for number, request in enumerate(requests)}
            for done in as_completed(numbers):
                yield [Whole(numbers[done], done.result())]

    def sample(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """One sample a request, in order; each has its own random stream."""
        return collect(self.stream(requests, sampling, stop_token_id), progress)

    def logprobs(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        progress: Progress | None = None,
        images: Sequence[Images] | None = None,
    ) -> list[tuple[float, ...]]:
        """Log-probabilities of given completions at temperature 1, read off as those of a prompt."""
        _check_blind(images or ())

        def read(pair: tuple[Sequence[int], Sequence[int]]) -> tuple[float, ...]:
            prompt, completion = pair
            answer = self._client.completions.create(
                model=self._model,
                prompt=[*prompt, *completion],
                max_tokens=1,
                temperature=1.0,
                extra_body={"prompt_logprobs": 0},
            )
            choice: Any = answer.choices[0]
            entries = choice.prompt_logprobs[len(prompt) :]
            return tuple(entry[str(token)]["logprob"] for entry, token in zip(entries, completion, strict=True))

        with ThreadPoolExecutor(max_workers=REQUESTS_AT_ONCE) as pool:
            waiting = [pool.submit(read, pair) for pair in zip(prompts, completions, strict=True)]
            for done in as_completed(waiting):
                done.result()
                if progress:
                    progress(1)
            return [answer.result() for answer in waiting]
