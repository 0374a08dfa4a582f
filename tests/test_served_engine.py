"""Sampling through a vLLM server, for real. Weights cannot be brought to it here: that takes CUDA on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from served import served
from tiny import TinyPolicy

from rollouts import vectorised
from rollouts.config import EngineConfig, SamplingConfig
from rollouts.engine import Request, request_seed
from rollouts.served import ServedEngine

pytestmark = [pytest.mark.slow, pytest.mark.engine]

SAMPLING = SamplingConfig(temperature=0.8, top_p=0.95, max_completion_tokens=24)


def test_a_server_draws_and_scores_what_vllm_in_this_process_does(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    dialogue = tiny_policy.dialogue
    texts = [dialogue.prompt_text(p) for p in dialogue.prompts([s.observation for s in tiny_policy.scenes])]
    prompts = dialogue.token_ids(texts)
    asked = [Request(prompt, request_seed(0, 0, "scene", i)) for i, prompt in enumerate(prompts)]
    stop = dialogue.layout.future_end
    here = vectorised.open_engine(str(tiny_policy.path), EngineConfig(max_model_tokens=192), "float32")
    expected = here.sample(asked, SAMPLING, stop)
    completions = [sample.token_ids for sample in expected]
    likelihoods = here.logprobs(prompts, completions)

    ready: list[int] = []
    with served(tiny_policy.path, tmp_path / "log", "--max-model-len", "192", "--max-logprobs", "-1") as url:
        engine = ServedEngine(url.removesuffix("/v1"))
        drawn = engine.sample(asked, SAMPLING, stop, ready.append)
        scored = engine.logprobs(prompts, completions)
    assert [sample.token_ids for sample in drawn] == completions
    assert len({sample.token_ids for sample in drawn}) == len(asked) == sum(ready)
    for ours, theirs in zip((s.logprobs for s in drawn), (s.logprobs for s in expected), strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
    for ours, theirs in zip(scored, likelihoods, strict=True):
        assert np.allclose(ours, theirs, atol=1e-5)
