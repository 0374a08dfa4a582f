"""How a policy is asked and how it answers, in token ids: scene → prompt, and completion → reasoning and trajectory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ar1_rl.driving import (
    COT_END,
    COT_START,
    FUTURE_END,
    FUTURE_START,
    HISTORY_END,
    HISTORY_START,
    Completion,
    Observation,
    TokenLayout,
    TrajectoryCodec,
    parse_completions,
)
from ar1_rl.policy.vocabulary import token_layout

from .describe import describe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = dict[str, Any]
"""A chat message: role, and content as a list of parts (text or image)."""

PromptBuilder = Callable[[Observation, TrajectoryCodec], list[Message]]


def text_prompt(observation: Observation, codec: TrajectoryCodec) -> list[Message]:
    """The observation in words, and the history as tokens."""
    history = codec.to_text(codec.encode_history(observation.history_T3[None])[0])
    text = f"{describe(observation)} {HISTORY_START}{history}{HISTORY_END}"
    return [{"role": "user", "content": [{"type": "text", "text": text}]}]


@dataclass(frozen=True)
class Dialogue:
    """Everything between scenes and token ids for one tokenizer and one codec."""

    tokenizer: PreTrainedTokenizerBase
    codec: TrajectoryCodec
    layout: TokenLayout
    build_prompt: PromptBuilder = text_prompt

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, codec: TrajectoryCodec) -> Dialogue:
        """The dialogue of a tokenizer that has the policy tokens; ConfigError if it lacks them."""
        return cls(tokenizer=tokenizer, codec=codec, layout=token_layout(tokenizer, codec))

    def prompt(self, observation: Observation) -> list[Message]:
        """Chat messages of one observation."""
        return self.build_prompt(observation, self.codec)

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The prompt as the tokenizer's chat template writes it, ready for the policy to go on."""
        flat = [{**message, "content": _text(message["content"])} for message in messages]
        return str(self.tokenizer.apply_chat_template(flat, tokenize=False, add_generation_prompt=True))

    def prompt_ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        """Token ids of that text."""
        return tuple(self.tokenizer(self.prompt_text(messages), add_special_tokens=False)["input_ids"])

    def completion_text(self, reasoning: str, history_T3: np.ndarray, future_T3: np.ndarray) -> str:
        """What a policy that reasons and drives like this would write."""
        tokens = self.codec.encode(history_T3[None], future_T3[None])[0]
        return f"{COT_START}{reasoning}{COT_END}{FUTURE_START}{self.codec.to_text(tokens)}{FUTURE_END}"

    def completion_ids(self, reasoning: str, history_T3: np.ndarray, future_T3: np.ndarray) -> tuple[int, ...]:
        """Token ids of that completion."""
        text = self.completion_text(reasoning, history_T3, future_T3)
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def parse(self, token_ids: Sequence[Sequence[int]], histories_B16x3: np.ndarray) -> list[Completion]:
        """Completions by token ids; a malformed one carries its error."""
        return parse_completions(
            token_ids, histories_B16x3, layout=self.layout, codec=self.codec, decode_text=self._decode
        )

    def _decode(self, token_ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=False))


def _text(content: str | Sequence[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")
