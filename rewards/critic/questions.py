"""From a rollout to the question that a critic is asked about it, or to its score where there is nothing to ask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import SceneError

from ..score import Score
from .cache import cache_key
from .prompt import CriticPrompt, last_history_frame


@dataclass(frozen=True)
class Question:
    """A request, and the key of its reply."""

    key: str
    request: Mapping[str, Any]
    """The body of a chat completion, without the model's name."""


@dataclass(frozen=True)
class Questioner:
    """What all questions of a critic have in common."""

    model: str
    prompt: CriticPrompt
    sampling: Mapping[str, Any]
    """Temperature, longest reply and the like, as they are sent."""
    form: Mapping[str, Any]
    """What is sent so that the reply has the rubric's form."""
    images: bool

    def ask(self, completion: Completion, scene: Scene, draw: int = 0) -> Question | Score:
        """The question about a rollout; with another draw, a sample of its own."""
        if scene.reference is None:
            return Score(None, why="the scene has no reference trace")
        if not completion.reasoning:
            return Score(self.prompt.rubric.value_range[0], why="no reasoning")
        try:
            image = last_history_frame(scene) if self.images else None
            if self.images and image is None:
                return Score(None, why="the scene has no image")
            messages = self.prompt.messages(scene.reference.text, completion.reasoning, image)
        except SceneError as error:
            return Score(None, why=str(error), failure="NoImage")
        return self._question(messages, scene, completion.reasoning, draw, image)

    def _question(
        self, messages: list[dict[str, Any]], scene: Scene, prediction: str, draw: int, image: bytes | None
    ) -> Question:
        assert scene.reference is not None, "asked before"
        sampling = dict(self.sampling)
        if draw and "seed" in sampling:
            sampling["seed"] += draw
        key = cache_key(
            self.model,
            self.prompt.hash,
            {**sampling, **self.form, "draw": draw},
            # Without an image nothing of a scene is shown but its reference, so scenes with the same one can share.
            scene.id if image is not None else "",
            scene.reference.text,
            prediction,
            None if image is None else hashlib.sha256(image).hexdigest(),
        )
        return Question(key, {"messages": messages, **sampling, **self.form})
