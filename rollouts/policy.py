"""A policy, whatever is inside: observations in, K completions each out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ar1_rl.driving import Completion, Observation, Scene

from .config import SamplingConfig
from .dialogue import Dialogue, Prompt
from .engine import Engine, Event, Progress, Request, Sample, TextReady, Whole, collect, request_seed
from .record import Rollout


class Listener(Protocol):
    """Told of completions while others are still being drawn; must return at once. A row is a request's number."""

    def text_ready(self, row: int, completion: Completion) -> None:
        """The text of a completion is closed; only its text part is there."""
        ...

    def ready(self, row: int, completion: Completion) -> None:
        """A completion is whole."""
        ...


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
        prompts = self.dialogue.ask(observations)
        requests = [request_for(prompts[i // k], seed) for i, seed in enumerate(seeds)]
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
        listener: Listener | None = None,
    ) -> list[Rollout]:
        """One recorded rollout for each (scene, sample number) pair; `listener` is told of each as it comes."""
        unique, sight = {scene.id: scene for scene in scenes}, self.dialogue.sight
        asked = self.dialogue.ask_about(list(unique.values()))
        prompts = dict(zip(unique, asked, strict=True))
        seeds = [request_seed(run_seed, step, s.id, k) for s, k in zip(scenes, samples, strict=True)]
        requests = [request_for(prompts[scene.id], seed) for scene, seed in zip(scenes, seeds, strict=True)]
        histories = np.stack([scene.observation.history_T3 for scene in scenes])
        if listener is None:
            drawn = self.engine.sample(requests, self.sampling, self.dialogue.layout.future_end, progress)
            parsed = self.dialogue.parse([d.token_ids for d in drawn], histories)
        else:
            drawn, parsed = self._told(requests, histories, listener, progress)
        return [
            Rollout(
                scene_id=scene.id,
                episode=scene.episode,
                t0_us=scene.t0_us,
                sample=number,
                seed=seed,
                step=step,
                policy_version=self.version,
                prompt_text=prompts[scene.id].text,
                prompt_token_ids=prompts[scene.id].token_ids,
                completion=completion,
                logprobs=sample.logprobs,
                images=prompts[scene.id].images,
                frames=None if sight is None else sight.frames,
            )
            for scene, number, seed, sample, completion in zip(scenes, samples, seeds, drawn, parsed, strict=True)
        ]

    def _told(
        self, requests: Sequence[Request], histories_B16x3: np.ndarray, listener: Listener, progress: Progress | None
    ) -> tuple[list[Sample], list[Completion]]:
        """Samples and completions in the order of the requests, told of in the order in which they come."""
        layout = self.dialogue.layout
        completions: dict[int, Completion] = {}

        def told() -> Iterator[list[Event]]:
            for events in self.engine.stream(requests, self.sampling, layout.future_end, layout.cot_end):
                texts = [event for event in events if isinstance(event, TextReady)]
                whole = {event.request: event.sample.token_ids for event in events if isinstance(event, Whole)}
                for event in texts:
                    listener.text_ready(event.request, self.dialogue.read_text(event.token_ids))
                if whole:
                    parsed = self.dialogue.parse(list(whole.values()), histories_B16x3[list(whole)])
                    completions.update(zip(whole, parsed, strict=True))
                for row in whole:
                    listener.ready(row, completions[row])
                yield events

        samples = collect(told(), progress)
        return samples, [completions[row] for row in range(len(requests))]


def request_for(prompt: Prompt, seed: int) -> Request:
    """A completion to draw for a prompt."""
    return Request(prompt.token_ids, seed, prompt.images)
