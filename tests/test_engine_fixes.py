"""The fixes for the installed TRL and vLLM, as far as they need no engine; with one: tests/test_vision_engine.py."""

from __future__ import annotations

import warnings

import pytest

from ar1_rl.errors import ConfigError
from rollouts import engine_fixes

IMAGE = 9


def test_every_run_of_placeholders_becomes_one() -> None:
    ids = [1, IMAGE, IMAGE, IMAGE, 2, IMAGE, IMAGE, IMAGE, 3]
    assert engine_fixes.one_placeholder_an_image(ids, IMAGE, 2) == [1, IMAGE, 2, IMAGE, 3]
    assert engine_fixes.one_placeholder_an_image([1, IMAGE, 2, IMAGE, 3], IMAGE, 2) == [1, IMAGE, 2, IMAGE, 3]
    assert engine_fixes.one_placeholder_an_image([1, 1, 2, 2], IMAGE, 0) == [1, 1, 2, 2]


@pytest.mark.parametrize(("images", "places"), [(1, 2), (3, 2)])
def test_as_many_runs_as_images_or_the_prompt_is_refused(images: int, places: int) -> None:
    told = f"a prompt of {images} images has placeholders in {places} places"
    with pytest.raises(ConfigError, match=told):
        engine_fixes.one_placeholder_an_image([IMAGE, IMAGE, 2, IMAGE], IMAGE, images)


@pytest.mark.engine
@pytest.mark.parametrize(("name", "version"), [("trl", "1.17.0"), ("vllm", "0.32.0"), ("vllm", "0.30.9")])
def test_other_versions_than_those_tested_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, name: str, version: str
) -> None:
    import trl
    import vllm

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine_fixes.check_versions()
    monkeypatch.setattr({"trl": trl, "vllm": vllm}[name], "__version__", version)
    with pytest.warns(UserWarning, match=rf"{name} {version} is installed, and the fixes .* were tested with {name}>="):
        engine_fixes.check_versions()
    monkeypatch.setattr({"trl": trl, "vllm": vllm}[name], "__version__", "0.31.0+cpu" if name == "vllm" else "1.16.2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine_fixes.check_versions()


@pytest.mark.engine
def test_the_fixes_are_gone_when_the_engine_is_built() -> None:
    import trl.generation.vllm_generation as generation
    import vllm.model_executor.layers.utils as layers
    from vllm.v1.sample.ops.topk_topp_sampler import TopKTopPSampler

    def places() -> tuple[object, ...]:
        return generation.LLM, layers.dispatch_cpu_unquantized_gemm, TopKTopPSampler.forward_cpu

    before = places()
    with engine_fixes.applied({}):
        assert all(now is not then for now, then in zip(places(), before, strict=True))
    assert places() == before
