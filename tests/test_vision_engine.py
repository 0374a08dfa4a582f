"""A policy that sees in vLLM, for real: agreement with transformers, weight sync on repeated images, one pass each."""

from __future__ import annotations

import copy
import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing
from seeing import SeeingPolicy

from rollouts import sequential, vectorised
from rollouts.config import EngineConfig, Greedy, SamplingConfig
from rollouts.dialogue import Prompt
from rollouts.engine import Request
from rollouts.policy import Policy, request_for
from rollouts.sequential import SequentialEngine
from rollouts.vectorised import VectorisedEngine

pytestmark = pytest.mark.engine

ROOT = Path(__file__).resolve().parent.parent
CONFIG = EngineConfig(max_model_tokens=256, max_sequences=8)
PLAIN = SamplingConfig(temperature=1.0, top_p=1.0, max_completion_tokens=24)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> SeeingPolicy:
    return seeing.make(tmp_path_factory.mktemp("seeing") / "policy")


@pytest.fixture(scope="module")
def engine(policy: SeeingPolicy) -> VectorisedEngine:
    return vectorised.open_engine(str(policy.path), CONFIG, "float32")


@pytest.fixture(scope="module")
def reference(policy: SeeingPolicy) -> SequentialEngine:
    return sequential.open_engine(str(policy.path), CONFIG, "float32")


@pytest.fixture
def prompts(policy: SeeingPolicy) -> list[Prompt]:
    return policy.dialogue.ask([scene.observation for scene in policy.scenes])


@pytest.fixture
def synced(engine: VectorisedEngine, reference: SequentialEngine) -> Iterator[Any]:
    """Brings a model's weights into the engine as TRL does; afterwards those of the folder are back."""

    def sync(model: Any) -> None:
        inner = engine._model.llm_engine.model_executor.driver_worker.model_runner.model
        for name, parameter in model.named_parameters():
            inner.load_weights([(name, parameter.data)])
        engine._model.reset_prefix_cache()

    yield sync
    sync(reference._model)


def gap(drawn: list[tuple[float, ...]], scored: list[tuple[float, ...]]) -> float:
    """Mean absolute difference of log-probabilities, over tokens."""
    return float(np.mean(np.abs(np.concatenate(drawn) - np.concatenate(scored))))


def draw(engine: VectorisedEngine, policy: SeeingPolicy, asked: list[Prompt]) -> Any:
    """Drawn completions and their log-probabilities."""
    requests = [request_for(prompt, seed) for seed, prompt in enumerate(asked)]
    samples = engine.sample(requests, PLAIN, policy.dialogue.layout.future_end)
    return [s.token_ids for s in samples], [s.logprobs for s in samples]


def test_vllm_and_transformers_agree_on_what_is_seen_and_not_on_what_is_not(
    engine: VectorisedEngine, reference: SequentialEngine, policy: SeeingPolicy, prompts: list[Prompt]
) -> None:
    ids, logprobs = draw(engine, policy, prompts)
    asked, images = [p.token_ids for p in prompts], [p.images for p in prompts]
    assert gap(logprobs, reference.logprobs(asked, ids, images=images)) < 1e-5
    wrong = gap(logprobs, reference.logprobs(asked, ids, images=[*images[1:], images[0]]))
    print(f"mean |difference of log-probability| with the wrong images: {wrong:.3f}")
    assert wrong > 0.01


def test_both_engines_take_the_same_likeliest_tokens(
    engine: VectorisedEngine, reference: SequentialEngine, policy: SeeingPolicy, prompts: list[Prompt]
) -> None:
    requests = [request_for(prompt, 0) for prompt in prompts]
    stop = policy.dialogue.layout.future_end
    ours, theirs = (e.sample(requests, Greedy(max_completion_tokens=16), stop) for e in (engine, reference))
    assert [s.token_ids for s in ours] == [s.token_ids for s in theirs]
    assert len({s.token_ids for s in ours}) > 1, "what is written does not depend on what is seen"


def test_given_completions_are_scored_alike_by_both_engines(
    engine: VectorisedEngine, reference: SequentialEngine, policy: SeeingPolicy, prompts: list[Prompt]
) -> None:
    ids, _ = draw(engine, policy, prompts)
    asked, images = [p.token_ids for p in prompts], [p.images for p in prompts]
    ours, theirs = (e.logprobs(asked, ids, images=images) for e in (engine, reference))
    assert gap(ours, theirs) < 1e-5


def test_the_same_seed_gives_the_same_completion_whatever_it_is_batched_with(
    engine: VectorisedEngine, policy: SeeingPolicy, prompts: list[Prompt]
) -> None:
    together, _ = draw(engine, policy, prompts)
    requests = [request_for(prompt, seed) for seed, prompt in enumerate(prompts)]
    alone = [engine.sample([request], PLAIN, policy.dialogue.layout.future_end)[0] for request in requests]
    assert [sample.token_ids for sample in alone] == together


def test_a_prompt_is_as_long_in_vllm_as_in_the_trainer_whether_expanded_or_not(
    engine: VectorisedEngine, policy: SeeingPolicy, prompts: list[Prompt]
) -> None:
    """Trainers pass prompts with all placeholders, users with one an image (trl#6294)."""
    from vllm import SamplingParams

    (short,) = policy.dialogue.token_ids([prompts[0].text])
    whole = prompts[0].token_ids
    assert len(whole) - len(short) == 4 * 5, "four images, five further tokens each"
    for ids in (whole, short):
        asked: Any = {"prompt_token_ids": list(ids), "multi_modal_data": {"image": list(prompts[0].images)}}
        (output,) = engine._model.generate([asked], SamplingParams(max_tokens=1), use_tqdm=False)
        assert tuple(output.prompt_token_ids) == whole


def test_a_prompt_that_vllm_makes_longer_is_an_error_and_not_another_policy(
    engine: VectorisedEngine, policy: SeeingPolicy, prompts: list[Prompt]
) -> None:
    from ar1_rl.errors import RunError

    (short,) = policy.dialogue.token_ids([prompts[0].text])
    request = Request(short, 0, prompts[0].images)
    with pytest.raises(RunError, match=rf"reads a prompt of {len(short)} tokens as {len(short) + 20}"):
        engine.sample([request], PLAIN, policy.dialogue.layout.future_end)
    # The next batch finds the engine empty.
    assert len(engine.sample([request_for(prompts[0], 0)], PLAIN, policy.dialogue.layout.future_end)) == 1


def test_after_weight_syncs_repeated_images_are_seen_as_the_new_weights_see_them(
    engine: VectorisedEngine, policy: SeeingPolicy, prompts: list[Prompt], synced: Any, reference: SequentialEngine
) -> None:
    """Three times in a row, in float32 and on the same images (trl#7198)."""
    import torch

    model = copy.deepcopy(reference._model)
    trained = SequentialEngine(model, reference._pad, 8, reference._processor)
    asked, images = [p.token_ids for p in prompts], [p.images for p in prompts]
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        synced(model)
        ids, logprobs = draw(engine, policy, prompts)
        assert gap(logprobs, trained.logprobs(asked, ids, images=images)) < 1e-5


def test_without_the_reset_of_the_encoder_s_cache_they_are_seen_as_before(
    engine: VectorisedEngine, policy: SeeingPolicy, prompts: list[Prompt], synced: Any, reference: SequentialEngine
) -> None:
    """What the fix is for: fails once vLLM or TRL resets it by itself, and the fix can go."""
    import torch

    draw(engine, policy, prompts)
    model = copy.deepcopy(reference._model)
    with torch.no_grad():
        for parameter in model.model.projector.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    mended = engine._model.reset_prefix_cache
    engine._model.reset_prefix_cache = type(engine._model).reset_prefix_cache.__get__(engine._model)
    try:
        synced(model)
    finally:
        engine._model.reset_prefix_cache = mended
    ids, logprobs = draw(engine, policy, prompts)
    trained = SequentialEngine(model, reference._pad, 8, reference._processor)
    scored = trained.logprobs([p.token_ids for p in prompts], ids, images=[p.images for p in prompts])
    stale = gap(logprobs, scored)
    print(f"mean |difference of log-probability| with a stale encoder cache: {stale:.3f}")
    assert stale > 1e-3


def test_the_engine_computes_in_float32_and_without_compiling(engine: VectorisedEngine) -> None:
    import torch

    config = engine._model.llm_engine.model_config
    assert config.dtype == torch.float32
    assert config.enforce_eager or torch.cuda.is_available()


def test_an_image_is_preprocessed_and_encoded_once_for_all_rollouts_of_its_scene(
    engine: VectorisedEngine, policy: SeeingPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two scenes of four images, six rollouts each."""
    from ar1_rl.policy.vision.processor import Ar1VisionLanguageProcessor

    encoded: list[int] = []
    prepared: list[int] = []
    inner = engine._model.llm_engine.model_executor.driver_worker.model_runner.model
    embed, prepare = type(inner).embed_multimodal, Ar1VisionLanguageProcessor._process_images

    def embed_counted(self: Any, **kwargs: Any) -> Any:
        encoded.append(len(kwargs["pixel_values"]))
        return embed(self, **kwargs)

    def prepare_counted(self: Any, images: Any, **kwargs: Any) -> Any:
        made = prepare(self, images, **kwargs)
        prepared.append(len(made[0]["pixel_values"]))
        return made

    engine._model.llm_engine.reset_encoder_cache()
    engine._model.llm_engine.reset_mm_cache()
    asking = Policy(engine, policy.dialogue, PLAIN, "untrained")
    scenes = [scene for scene in policy.scenes[:2] for _ in range(6)]
    monkeypatch.setattr(type(inner), "embed_multimodal", embed_counted)
    monkeypatch.setattr(Ar1VisionLanguageProcessor, "_process_images", prepare_counted)
    rollouts = asking.rollouts(scenes, list(range(6)) * 2, run_seed=0, step=0)
    assert sum(encoded) == 8
    # Once for the ids of the prompt, and once for vLLM's pixel values.
    assert sum(prepared) == 16
    assert len({id(rollout.images) for rollout in rollouts}) == 2
    assert len({rollout.completion.token_ids for rollout in rollouts}) > 2


def test_the_plugin_is_declared_for_every_process_of_vllm() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["entry-points"]["vllm.general_plugins"]["ar1-rl"]
    module, _, name = declared.partition(":")
    getattr(importlib.import_module(module), name)()
    from vllm import ModelRegistry

    assert "Ar1VisionLanguageForConditionalGeneration" in ModelRegistry.get_supported_archs()


def test_neither_torchvision_nor_vllm_s_pixtral_is_imported(engine: VectorisedEngine) -> None:
    import sys

    assert not {"torchvision", "vllm.model_executor.models.pixtral"} & set(sys.modules)
