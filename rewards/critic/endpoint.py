"""The critic behind an endpoint, as a reward: rollouts -> distinct questions -> cache or model -> verdicts -> scores.

A judge that cannot be reached or gives no grade is a failure (`Score.failure`), never a grade.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError

from ..base import BatchReward, Needs
from ..score import Score
from .asking import Asked, recorded
from .batch import CriticBatch
from .cache import MAX_BYTES, ReplyCache
from .connection import IMAGE_TOKENS, Endpoint
from .cost import Estimate, Usage, estimate_tokens
from .grading import grade_reply
from .prompt import MAX_CHARACTERS, CriticPrompt, load_prompt
from .questions import Questioner
from .rubric import DEFAULT_RUBRIC, Rubric, load_rubric
from .settings import AT_LEAST_ONE, NAME, SWITCH, faults_of, is_whole, optional
from .verdict import REPLY_MODES, ReplyMode, response_format

REPLY_TOKENS = 80
"""For estimates: a sentence or two and the verdict. A critic that thinks first writes ten times as much."""
MOST_TOP_LOGPROBS = 20
"""That OpenAI's interface and vLLM's default allow."""


def _is_place(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, str) and bool(value))


RULES = {
    "name": NAME,
    "rubric": (_is_place, "the name of a shipped one, or a path"),
    "prompt": optional((_is_place, "a path")),
    "max_characters": AT_LEAST_ONE,
    "reply": (lambda value: value in REPLY_MODES, ", ".join(REPLY_MODES)),
    "cache_max_bytes": AT_LEAST_ONE,
    "reason_characters": optional(AT_LEAST_ONE),
    "expected": SWITCH,
    "top_logprobs": (
        lambda value: is_whole(value) and 1 <= value <= MOST_TOP_LOGPROBS,
        f"a whole number from 1 to {MOST_TOP_LOGPROBS}",
    ),
    "images": SWITCH,
    "cache": (
        lambda value: value is None or isinstance(value, bool) or _is_place(value),
        "the path of a file on a local disk, true for the user's cache folder, or false",
    ),
}


@dataclass(frozen=True)
class EndpointCritic(Endpoint, BatchReward):
    """Grades the reasoning against the scene's reference trace, by a language model and a rubric."""

    name: str = "critic"
    rubric: str | Path = DEFAULT_RUBRIC
    """A shipped one by name, or the path of one's own."""
    prompt: str | Path | None = None
    """Path of a prompt of one's own, with {reference} and {prediction}."""
    max_characters: int = MAX_CHARACTERS
    """Of each graded text, this much is shown to the critic."""
    reply: ReplyMode = "none"
    """What the server can hold the reply to: json_schema, choice (vLLM's own; then there is no reason), or none."""
    reason_characters: int | None = None
    """Bound of the reason in a JSON schema."""
    expected: bool = False
    """Take the grade's expectation from the logprobs; where a reply has none, its grade counts as it is written."""
    top_logprobs: int = MOST_TOP_LOGPROBS
    images: bool = False
    """Show the critic the last frame of the history; a scene without one is not judged."""
    cache: str | Path | bool | None = None
    """Keep replies in this file, on a local disk; true: in the user's cache folder."""
    cache_max_bytes: int = MAX_BYTES
    needs: ClassVar[Needs] = "text"
    waits: ClassVar[bool] = True

    @property
    def value_range(self) -> tuple[float, float]:
        """The rubric's worst and best value."""
        return self.loaded_rubric.value_range

    @property
    def prompt_hash(self) -> str:
        """Of all that the critic is told beside the graded texts."""
        return self.loaded_prompt.hash

    @property
    def usage(self) -> Usage:
        """What all batches took so far, those before a resume included; the difference of two is what lay between."""
        return self.__dict__.get("_usage", Usage())

    @cached_property
    def loaded_rubric(self) -> Rubric:
        """Criteria, choices and weights."""
        return load_rubric(self.rubric)

    @cached_property
    def loaded_prompt(self) -> CriticPrompt:
        """The prompt with the rubric in it."""
        return load_prompt(self.prompt, self.loaded_rubric, mode=self.reply, max_characters=self.max_characters)

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Grade a batch; a question that stands in it twice is asked once."""
        return self.score_draws(completions, scenes, [0] * len(completions))

    def score_draws(
        self, completions: Sequence[Completion], scenes: Sequence[Scene], draws: Sequence[int]
    ) -> list[Score]:
        """Grade a batch in which a row with another draw asks for another sample of the critic's opinion."""
        batch = self.open_batch()
        rows = range(len(completions))
        batch.ask(rows, completions, scenes, draws)
        scores = batch.finish()
        return [scores[row] for row in rows]

    def open_batch(self) -> CriticBatch:
        """A batch that is graded as it comes."""
        return CriticBatch(self, self._questioner, self._replies)

    def replay(self, record: Mapping[str, Any]) -> Score:
        """The score of a recorded reply, read anew by this critic's rubric; the model is not asked."""
        return self.grade(recorded(record))

    def estimate(
        self, *, steps: int, rollouts: int, scenes: Sequence[Scene] = (), reply_tokens: int = REPLY_TOKENS
    ) -> Estimate:
        """What `steps` with `rollouts` each would take, if predictions are as long as the scenes' references."""
        references = [scene.reference.text for scene in scenes if scene.reference is not None] or [""]
        characters = statistics.fmean(len(self.loaded_prompt.text(text, text)) for text in references)
        prompt_tokens = estimate_tokens(characters) + IMAGE_TOKENS * self.images
        calls = steps * rollouts
        tokens = calls * prompt_tokens, calls * reply_tokens
        return Estimate(calls, *tokens, self.money(*tokens))

    def state_dict(self) -> dict[str, Any]:
        """What belongs into a checkpoint: the usage."""
        return {"usage": asdict(self.usage)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting where a checkpoint left off."""
        self.__dict__["_usage"] = Usage(**state["usage"])

    @cached_property
    def _questioner(self) -> Questioner:
        return Questioner(self.model, self.loaded_prompt, self.sampling, self._form, self.images)

    @cached_property
    def _replies(self) -> ReplyCache | None:
        if self.cache is None or self.cache is False:
            return None
        return ReplyCache(None if self.cache is True else self.cache, self.cache_max_bytes)

    def grade(self, asked: Asked) -> Score:
        """The score of what a question came to."""
        score = grade_reply(asked, self.loaded_rubric, self.expected)
        return replace(score, record={"prompt_hash": self.prompt_hash, **score.record})

    def count(self, usage: Usage) -> None:
        """Add what a batch took."""
        with self._lock:
            self.__dict__["_usage"] = self.usage + usage

    @cached_property
    def _form(self) -> dict[str, Any]:
        form = response_format(self.loaded_rubric, self.reply, self.reason_characters)
        logprobs = {"logprobs": True, "top_logprobs": self.top_logprobs} if self.expected else {}
        return {**form, **form.pop("extra_body", {}), **logprobs}

    def _faults(self) -> list[str]:
        faults = super()._faults() + faults_of(self, RULES)
        broken = {fault.partition(":")[0] for fault in faults}
        for settings, load in (
            ({"rubric"}, lambda: self.loaded_rubric),
            ({"rubric", "prompt", "reply", "max_characters"}, lambda: self.loaded_prompt),
            ({"rubric", "reply", "reason_characters"}, lambda: self._form),
            ({"cache", "cache_max_bytes"}, lambda: self._replies),
        ):
            if not settings & broken:
                try:
                    load()
                except ConfigError as error:
                    faults.append(str(error))
                    broken |= settings & {"rubric"}
        return faults
