"""A policy, whatever is inside: observations in, K completions each out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ar1_rl.driving import Completion, Observation, Scene

from .config import SamplingConfig
from .dialogue import Dialogue
from .engine import Engine, Progress, Request, request_seed
from .record import Rollout


@dataclass(frozen=True)
class Policy:
    """A sampling engine and the dialogue its model was trained on."""

    engine: Engine
    dialogue: Dialogue
    sampling: SamplingConfig
    version: str
    """Names the weights in every rollout record."""

    def sample(self, observations: Sequence[Observation], k: int, seeds: Sequence[int]) -> list[list[Completion]]:
        """K completions an observation; `seeds` has k entries an observation, in order."""
        messages = self.dialogue.prompts(observations)
        prompts = self.dialogue.token_ids([self.dialogue.prompt_text(m) for m in messages])
        requests = [Request(prompts[i // k], seed) for i, seed in enumerate(seeds)]
        samples = self.engine.sample(requests, self.sampling, self.dialogue.layout.future_end)
        histories = np.stack([o.history_T3 for o in observations for _ in range(k)])
        parsed = self.dialogue.parse([s.token_ids for s in samples], histories)
        return [parsed[i : i + k] for i in range(0, len(parsed), k)]

    def rollouts(
        self,
        scenes: Sequence[Scene],
        samples: Sequence[int],
        *,
        run_seed: int,
        step: int,
        progress: Progress | None = None,
    ) -> list[Rollout]:
        """One recorded rollout for each (scene, sample number) pair."""
        unique = {scene.id: scene for scene in scenes}
        messages = self.dialogue.prompts([scene.observation for scene in unique.values()])
        texts = {i: self.dialogue.prompt_text(m) for i, m in zip(unique, messages, strict=True)}
        ids = dict(zip(texts, self.dialogue.token_ids(list(texts.values())), strict=True))
        seeds = [request_seed(run_seed, step, s.id, k) for s, k in zip(scenes, samples, strict=True)]
        requests = [Request(ids[scene.id], seed) for scene, seed in zip(scenes, seeds, strict=True)]
        drawn = self.engine.sample(requests, self.sampling, self.dialogue.layout.future_end, progress)
        histories = np.stack([scene.observation.history_T3 for scene in scenes])
        parsed = self.dialogue.parse([d.token_ids for d in drawn], histories)
        return [
            Rollout(
                scene_id=scene.id,
                episode=scene.episode,
                t0_us=scene.t0_us,
                sample=number,
                seed=seed,
                step=step,
                policy_version=self.version,
                prompt_text=texts[scene.id],
                prompt_token_ids=ids[scene.id],
                completion=completion,
                logprobs=sample.logprobs,
            )
            for scene, number, seed, sample, completion in zip(scenes, samples, seeds, drawn, parsed, strict=True)
        ]
