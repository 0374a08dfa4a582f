"""Both sampling engines, for real: seeds, agreement with the trainer's model, and weight sync."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tiny import TinyPolicy

from rollouts import sequential, vectorised
from rollouts.config import EngineConfig, Greedy, SamplingConfig
from rollouts.engine import Engine, Request, request_seed
from rollouts.policy import Policy

pytestmark = pytest.mark.engine

SAMPLING = SamplingConfig(temperature=0.8, top_p=0.95, max_completion_tokens=24)
CONFIG = EngineConfig(max_model_tokens=192, max_sequences=16)
OPENERS: dict[str, Callable[..., Engine]] = {"vllm": vectorised.open_engine, "transformers": sequential.open_engine}


@pytest.fixture(scope="module")
def engines(tiny_policy: TinyPolicy) -> dict[str, Engine]:
    return {name: open_engine(str(tiny_policy.path), CONFIG, "float32") for name, open_engine in OPENERS.items()}


def requests(policy: TinyPolicy, count: int) -> list[Request]:
    dialogue = policy.dialogue
    prompts = dialogue.token_ids(
        [dialogue.prompt_text(p) for p in dialogue.prompts([s.observation for s in policy.scenes])]
    )
    return [Request(prompts[i % len(prompts)], request_seed(0, 0, "scene", i)) for i in range(count)]


@pytest.mark.parametrize("name", OPENERS)
def test_the_same_seed_gives_the_same_completion_whatever_it_is_batched_with(
    engines: dict[str, Engine], tiny_policy: TinyPolicy, name: str
) -> None:
    stop = tiny_policy.dialogue.layout.future_end
    asked = requests(tiny_policy, 6)
    together = engines[name].sample(asked, SAMPLING, stop)
    alone = [engines[name].sample([request], SAMPLING, stop)[0] for request in asked]
    assert [s.token_ids for s in together] == [s.token_ids for s in alone]
    assert len({s.token_ids for s in together}) == 6


@pytest.mark.parametrize("name", OPENERS)
def test_logprobs_are_those_of_the_distribution_drawn_from(
    engines: dict[str, Engine], tiny_policy: TinyPolicy, name: str
) -> None:
    """At temperature 1 without top-p, the reported ones equal a teacher-forced pass of the plain model."""
    plain = SamplingConfig(temperature=1.0, top_p=1.0, max_completion_tokens=24)
    asked = requests(tiny_policy, 8)
    samples = engines[name].sample(asked, plain, tiny_policy.dialogue.layout.future_end)
    scored = engines["transformers"].logprobs([r.prompt_token_ids for r in asked], [s.token_ids for s in samples])
    for sample, expected in zip(samples, scored, strict=True):
        assert np.abs(np.array(sample.logprobs) - expected).max() < 1e-5


@pytest.mark.parametrize("name", OPENERS)
def test_the_placeholder_of_an_image_is_never_drawn_where_it_is_in_the_vocabulary(
    engines: dict[str, Engine], tiny_policy: TinyPolicy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The likeliest first token plays the placeholder: another one comes, as the rest of the distribution has it."""
    stop, greedy = tiny_policy.dialogue.layout.future_end, Greedy(max_completion_tokens=8)
    asked = requests(tiny_policy, 1)
    likeliest = engines[name].sample(asked, greedy, stop)[0]
    engine: Any = engines[name]
    config = engine._model.config if name == "transformers" else engine._model.llm_engine.model_config.hf_config
    monkeypatch.setattr(config, "image_token_id", likeliest.token_ids[0], raising=False)
    other = engine.sample(asked, greedy, stop)[0]
    assert likeliest.token_ids[0] not in other.token_ids
    alone = engines["transformers"].logprobs([asked[0].prompt_token_ids], [other.token_ids])[0][0]
    assert other.logprobs[0] == pytest.approx(alone - np.log1p(-np.exp(likeliest.logprobs[0])), abs=1e-4)
    monkeypatch.setattr(config, "image_token_id", config.vocab_size)
    assert engine.sample(asked, greedy, stop)[0] == likeliest, "behind the vocabulary it is no token to ban"


@pytest.mark.parametrize("name", OPENERS)
def test_greedy_takes_the_likeliest_token_at_every_place_whatever_the_seed(
    engines: dict[str, Engine], tiny_policy: TinyPolicy, name: str
) -> None:
    import torch

    asked = requests(tiny_policy, 3)
    again = [Request(request.prompt_token_ids, request.seed + 1) for request in asked]
    stop = tiny_policy.dialogue.layout.future_end
    samples = engines[name].sample(asked, Greedy(max_completion_tokens=12), stop)
    assert samples == engines[name].sample(again, Greedy(max_completion_tokens=12), stop)
    model = engines["transformers"]._model  # type: ignore[attr-defined]
    for request, sample in zip(asked, samples, strict=True):
        ids = torch.tensor([[*request.prompt_token_ids, *sample.token_ids]])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0, len(request.prompt_token_ids) - 1 : -1]
        assert logits.argmax(-1).tolist() == list(sample.token_ids)
        assert sample.logprobs == pytest.approx(torch.log_softmax(logits, -1).max(-1).values.tolist(), abs=1e-5)


def test_both_engines_score_given_completions_alike(engines: dict[str, Engine], tiny_policy: TinyPolicy) -> None:
    asked = requests(tiny_policy, 8)
    prompts = [r.prompt_token_ids for r in asked]
    completions = [s.token_ids for s in engines["vllm"].sample(asked, SAMPLING, tiny_policy.dialogue.layout.future_end)]
    ours, theirs = (
        engines["vllm"].logprobs(prompts, completions),
        engines["transformers"].logprobs(prompts, completions),
    )
    assert all(np.abs(np.array(a) - b).max() < 1e-5 for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("name", OPENERS)
def test_a_policy_samples_k_completions_for_each_observation(
    engines: dict[str, Engine], tiny_policy: TinyPolicy, name: str
) -> None:
    policy = Policy(engines[name], tiny_policy.dialogue, SAMPLING, "untrained")
    observations = [s.observation for s in tiny_policy.scenes[:3]]
    answers = policy.sample(observations, 2, seeds=list(range(6)))
    assert [len(row) for row in answers] == [2, 2, 2]
    again = policy.sample(observations, 2, seeds=list(range(6)))
    assert [[c.token_ids for c in row] for row in again] == [[c.token_ids for c in row] for row in answers]


def test_the_progress_callback_counts_every_completion(engines: dict[str, Engine], tiny_policy: TinyPolicy) -> None:
    counted: list[int] = []
    engines["vllm"].sample(requests(tiny_policy, 5), SAMPLING, tiny_policy.dialogue.layout.future_end, counted.append)
    assert sum(counted) == 5


def test_seeds_differ_by_run_step_scene_and_sample() -> None:
    seeds = {request_seed(r, t, s, k) for r in (0, 1) for t in (0, 1) for s in ("a", "b") for k in (0, 1)}
    assert len(seeds) == 16 and all(0 <= seed < 2**63 for seed in seeds)
    assert request_seed(0, 1, "a", 2) == request_seed(0, 1, "a", 2)


def test_noise_drawn_once_for_requests_with_a_seed_is_that_of_vllm() -> None:
    """`engine_defaults` takes vLLM's sampling for other machines on a CPU: the same tokens, half the noise."""
    import torch
    from vllm.v1.sample.ops.topk_topp_sampler import TopKTopPSampler

    drawn = []
    for name in ("forward_cpu", "forward_native"):
        sampler = TopKTopPSampler("processed_logprobs")
        generators = {row: torch.Generator().manual_seed(row) for row in range(64)}
        logits = torch.randn(64, 500, generator=torch.Generator().manual_seed(0))
        p = torch.full((64,), 0.9)
        drawn.append([getattr(sampler, name)(logits.clone(), generators, None, p) for _ in range(20)])
    tokens = [torch.stack([token for token, _ in draws]) for draws in drawn]
    assert torch.equal(tokens[0], tokens[1]) and len(tokens[0].unique()) > 100
    assert all(torch.equal(one[1], other[1]) for one, other in zip(*drawn, strict=True))
