"""From a rollout to the question that a critic is asked about it, or to its score where there is nothing to ask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import SceneError

from ..score import Score
from .cache import cache_key
from .image import data_url, last_history_frame
from .prompt import CriticPrompt


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

    def ask(
        self,
        completions: Sequence[Completion],
        scenes: Sequence[Scene],
        draws: Sequence[int],
        pictures: Pictures | None = None,
    ) -> list[Question | Score]:
        """The questions about rows of a batch; one with another draw has a sample of its own."""
        pictures = pictures or Pictures()
        return [self._row(*row, pictures) for row in zip(completions, scenes, draws, strict=True)]

    def _row(self, completion: Completion, scene: Scene, draw: int, pictures: Pictures) -> Question | Score:
        if scene.reference is None:
            return Score(None, why="the scene has no reference trace")
        if not completion.reasoning:
            return Score(self.prompt.rubric.value_range[0], why="no reasoning")
        texts = scene.reference.text, completion.reasoning
        if not self.images:
            # Nothing of a scene is shown but its reference, so scenes with the same one share their replies.
            return self._question(self.prompt.messages(*texts), texts, draw, "", None)
        picture = pictures.of(scene)
        if isinstance(picture, Score):
            return picture
        messages = self.prompt.messages(*texts, picture.image)
        return self._question(picture.shared_by(messages), texts, draw, scene.id, picture.hash)

    def _question(
        self, messages: list[dict[str, Any]], texts: tuple[str, str], draw: int, scene_id: str, image_hash: str | None
    ) -> Question:
        sampling = dict(self.sampling)
        if draw and "seed" in sampling:
            sampling["seed"] += draw
        how = {**sampling, **self.form, "draw": draw}
        key = cache_key(self.model, self.prompt.hash, how, scene_id, *texts, image_hash)
        return Question(key, {"messages": messages, **sampling, **self.form})


@dataclass(frozen=True)
class _Picture:
    """The image of a scene, and the one copy of its text form that all its siblings send."""

    image: bytes
    url: str
    hash: str

    def shared_by(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same messages. A copy of the image in each of some hundred requests would fill the memory."""
        for message in messages:
            for part in message["content"]:
                if part.get("type") == "image_url" and part["image_url"]["url"] == self.url:
                    part["image_url"]["url"] = self.url
        return messages


class Pictures:
    """Those of a batch, each read or rendered once."""

    def __init__(self) -> None:
        self._by_source: dict[tuple[str, ...] | str, _Picture | Score] = {}
        """By the files, or by the id of a scene that is rendered."""

    def of(self, scene: Scene) -> _Picture | Score:
        """The scene's picture, or the score where it has none."""
        source = tuple(frame.path for frame in scene.observation.frames) or scene.id
        if source not in self._by_source:
            self._by_source[source] = _picture(scene)
        return self._by_source[source]


def _picture(scene: Scene) -> _Picture | Score:
    """A scene's picture, or the score where it has none or none that can be shown."""
    try:
        image = last_history_frame(scene)
        if image is None:
            return Score(None, why="the scene has no image")
        return _Picture(image, data_url(image), hashlib.sha256(image).hexdigest())
    except SceneError as error:
        return Score(None, why=str(error), failure="NoImage")
