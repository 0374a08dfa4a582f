"""A critic behind any OpenAI-compatible endpoint: vLLM, llama.cpp, or a hosted one.

A judge that cannot be reached or gives no grade is a failure (`Score.failure`), never a grade.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError, CriticError, MissingDependencyError

from ..base import BatchReward, Needs
from ..score import Score
from .prompt import FIELDS, build_prompt
from .verdict import GRADES, read_grade

if TYPE_CHECKING:
    from openai import OpenAI


@dataclass(frozen=True)
class EndpointCritic(BatchReward):
    """Grade 0 to 5 of the reasoning against the scene's reference trace, by a language model.

    The key is read from the environment variable named `api_key_env`, at the first call, and kept out of every
    record. `timeout_s` is per attempt; timeouts, resets, 408, 409, 429 and 5xx are tried again `max_retries` times.
    """

    base_url: str
    model: str
    name: str = "critic"
    api_key_env: str | None = None
    """Unset: the endpoint wants no key."""
    timeout_s: float = 60.0
    max_retries: int = 2
    in_flight: int = 16
    """Requests at once."""
    temperature: float = 0.0
    max_tokens: int = 1024
    max_characters: int = 4000
    """Of each graded text, this much is shown to the critic."""
    prompt: str | None = None
    """Path of a prompt of one's own, with {reference} and {prediction}."""
    needs: ClassVar[Needs] = "text"
    value_range: ClassVar[tuple[float, float]] = (float(GRADES[0]), float(GRADES[-1]))
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        faults = [
            f"{field}: got {value!r}, allowed {allowed}"
            for field, value, good, allowed in (
                ("base_url", self.base_url, self.base_url.startswith(("http://", "https://")), "http(s)://..."),
                ("model", self.model, bool(self.model), "the name the endpoint serves"),
                ("timeout_s", self.timeout_s, self.timeout_s > 0, "above 0"),
                ("max_retries", self.max_retries, self.max_retries >= 0, "0 or more"),
                ("in_flight", self.in_flight, self.in_flight >= 1, "1 or more"),
            )
            if not good
        ]
        if self.api_key_env and self.api_key_env not in os.environ:
            faults.append(f"api_key_env: the environment variable {self.api_key_env} is not set")
        if faults:
            raise ConfigError("critic endpoint: " + "; ".join(faults))
        missing = [field for field in FIELDS if f"{{{field}}}" not in self.template]
        if missing:
            raise ConfigError(f"critic prompt {self.prompt}: placeholders missing: {missing}")

    @cached_property
    def template(self) -> str:
        """The prompt with its placeholders."""
        if self.prompt is None:
            return resources.files(__package__).joinpath("prompts/critic.md").read_text(encoding="utf-8")
        try:
            return Path(self.prompt).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"critic prompt {self.prompt}: {error.strerror}") from error

    @cached_property
    def prompt_hash(self) -> str:
        """The first 16 hexadecimal digits of the template's SHA-256."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:16]

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Grade a batch with at most `in_flight` requests at once; a failed one is a Score with its cause."""
        client = self._client
        with ThreadPoolExecutor(self.in_flight) as pool:
            return list(pool.map(lambda pair: self._grade(client, *pair), zip(completions, scenes, strict=True)))

    @cached_property
    def _client(self) -> OpenAI:
        try:
            from openai import OpenAI
        except ImportError as error:
            raise MissingDependencyError("a critic endpoint needs the package openai: pip install openai") from error
        key = os.environ.get(self.api_key_env, "") if self.api_key_env else "none"
        if not key:
            raise ConfigError(f"critic endpoint: the environment variable {self.api_key_env} is empty or not set")
        return OpenAI(base_url=self.base_url, api_key=key, timeout=self.timeout_s, max_retries=self.max_retries)

    def _grade(self, client: OpenAI, completion: Completion, scene: Scene) -> Score:
        if scene.reference is None:
            return Score(None, why="the scene has no reference trace")
        if not completion.reasoning:
            return Score(0.0, why="no reasoning")
        record: dict[str, object] = {"model": self.model, "prompt_hash": self.prompt_hash}
        start = time.perf_counter()
        try:
            prompt = build_prompt(self.template, scene.reference.text, completion.reasoning, self.max_characters)
            reply = self._ask(client, prompt, record)
            value = read_grade(reply)
        except Exception as error:
            # The text of a transport error may hold the request with its key, so only its kind is told.
            told = str(error) if isinstance(error, CriticError) else _kind(error)
            return Score(None, why=told, record=_timed(record, start), failure=_kind(error))
        return Score(float(value), why=reply.strip()[:200], record=_timed(record, start))

    def _ask(self, client: OpenAI, prompt: str, record: dict[str, object]) -> str:
        """The reply's text; CriticError where there is none or it was cut off."""
        response: Any = client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": prompt}],
            temperature=self.temperature,
            max_tokens=self.max_tokens,
        )
        choices = getattr(response, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise CriticError("the reply is not a chat completion")
        reply = choices[0].message.content or ""
        record["reply"] = reply
        usage = getattr(response, "usage", None)
        if usage is not None:
            record["prompt_tokens"], record["completion_tokens"] = usage.prompt_tokens, usage.completion_tokens
        if choices[0].finish_reason == "length":
            raise CriticError(f"the reply was cut off at {self.max_tokens} tokens; raise max_tokens")
        return reply


def _timed(record: dict[str, object], start: float) -> dict[str, object]:
    return {**record, "seconds": round(time.perf_counter() - start, 3)}


def _kind(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"{type(error).__name__}{status}" if status else type(error).__name__
