"""How a policy is asked and how it answers, in token ids: scene → prompt, and completion → reasoning and trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ar1_rl.driving import (
    COT_END,
    COT_START,
    FUTURE_END,
    FUTURE_START,
    Completion,
    Observation,
    Scene,
    TokenLayout,
    TrajectoryCodec,
    parse_completions,
    read_text,
)
from ar1_rl.errors import ConfigError
from ar1_rl.policy.vocabulary import token_layout

from .config import PromptConfig
from .engine import Images
from .prompts import Message, PromptBuilder, prompt_builder, text_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, ProcessorMixin

    from .vision.sight import Sight


@dataclass(frozen=True)
class Prompt:
    """One prompt as the engines take it."""

    text: str
    """As the chat template writes it: one placeholder an image."""
    token_ids: tuple[int, ...]
    """With a placeholder for every token of every image."""
    images: Images = ()


@dataclass(frozen=True)
class Dialogue:
    """Everything between scenes and token ids for one tokenizer and one codec; with a processor, for one that sees."""

    tokenizer: PreTrainedTokenizerBase
    codec: TrajectoryCodec
    layout: TokenLayout
    build_prompt: PromptBuilder = text_prompt
    processor: ProcessorMixin | None = None
    sight: Sight | None = None
    """Frames of scenes in the place of `build_prompt`, which knows observations only."""

    @classmethod
    def of(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        codec: TrajectoryCodec,
        build_prompt: PromptBuilder = text_prompt,
        processor: ProcessorMixin | None = None,
        sight: Sight | None = None,
    ) -> Dialogue:
        """The dialogue of a tokenizer that has the policy tokens; ConfigError if it lacks them."""
        return cls(tokenizer, codec, token_layout(tokenizer, codec), build_prompt, processor, sight)

    @classmethod
    def configured(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        codec: TrajectoryCodec,
        config: PromptConfig,
        processor: ProcessorMixin | None = None,
    ) -> Dialogue:
        """The dialogue that a config asks for: the scene in words, in frames, or in a prompt of the user's own.

        ConfigError for frames and a policy that cannot see.
        """
        if config.frames is None:
            return cls.of(tokenizer, codec, prompt_builder(config), processor)
        if processor is None:
            raise ConfigError(
                "rollouts.frames: the policy cannot see; unset it, or take a policy with a vision encoder "
                "(policy.vision, or a vision-language model at policy.path)"
            )
        from .vision.sight import Sight

        return cls.of(tokenizer, codec, processor=processor, sight=Sight.of(config.frames))

    def ask_about(self, scenes: Sequence[Scene]) -> list[Prompt]:
        """The prompt of each scene, frames and all."""
        return self._asked(self.prompts_about(scenes))

    def prompts_about(self, scenes: Sequence[Scene]) -> list[list[Message]]:
        """Chat messages of each scene, of which the policy is shown what was known at t0."""
        observations = [scene.observation for scene in scenes]
        if self.sight is None:
            return self.prompts(observations)
        histories = self._histories(observations)
        return [self.sight.messages(scene, text) for scene, text in zip(scenes, histories, strict=True)]

    def ask(self, observations: Sequence[Observation]) -> list[Prompt]:
        """The prompt of each observation, images and all; ConfigError for images and a policy that cannot see."""
        return self._asked(self.prompts(observations))

    def _asked(self, messages: Sequence[Sequence[Message]]) -> list[Prompt]:
        texts = [self.prompt_text(m) for m in messages]
        images = [images_of(m) for m in messages]
        if not any(images):
            return [Prompt(text, ids) for text, ids in zip(texts, self.token_ids(texts), strict=True)]
        return [
            Prompt(text, self._token_ids_with(text, shown), shown) for text, shown in zip(texts, images, strict=True)
        ]

    def prompts(self, observations: Sequence[Observation]) -> list[list[Message]]:
        """Chat messages of each observation; ConfigError where the policy is shown frames, which belong to scenes."""
        if self.sight is not None:
            raise ConfigError("this policy is shown the frames of scenes: ask about scenes, not observations")
        histories = self._histories(observations)
        return [self.build_prompt(o, text) for o, text in zip(observations, histories, strict=True)]

    def _histories(self, observations: Sequence[Observation]) -> list[str]:
        tokens = self.codec.encode_history(np.stack([o.history_T3 for o in observations]))
        return [self.codec.to_text(row) for row in tokens]

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The prompt as the chat template writes it, ready for the policy to go on."""
        if self.processor is not None:
            return str(self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        flat = [{**message, "content": text_of(message["content"])} for message in messages]
        return str(self.tokenizer.apply_chat_template(flat, tokenize=False, add_generation_prompt=True))

    def completion_texts(
        self, reasonings: Sequence[str], histories_B16x3: np.ndarray, futures_B64x3: np.ndarray
    ) -> list[str]:
        """What policies that reason and drive like this would write."""
        tokens_BK = self.codec.encode(histories_B16x3, futures_B64x3)
        return [
            f"{COT_START}{reasoning}{COT_END}{FUTURE_START}{self.codec.to_text(tokens)}{FUTURE_END}"
            for reasoning, tokens in zip(reasonings, tokens_BK, strict=True)
        ]

    def token_ids(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of prompts or completions."""
        return [tuple(ids) for ids in self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]

    def parse(self, token_ids: Sequence[Sequence[int]], histories_B16x3: np.ndarray) -> list[Completion]:
        """Completions by token ids; a malformed one carries its error."""
        return parse_completions(
            token_ids, histories_B16x3, layout=self.layout, codec=self.codec, decode_text=self._decode
        )

    def read_text(self, token_ids: Sequence[int]) -> Completion:
        """The text part of a completion of which only the tokens up to `<|cot_end|>` are there yet."""
        return read_text(token_ids, layout=self.layout, decode_text=self._decode)

    def _token_ids_with(self, text: str, images: Images) -> tuple[int, ...]:
        """The same call that TRL makes for its trainer, so both have the same ids."""
        if self.processor is None:
            raise ConfigError(
                f"the prompt has {len(images)} images, and the policy cannot see; take a prompt builder without "
                "images, or a policy with a vision encoder (policy.vision)"
            )
        if not images:
            return self.token_ids([text])[0]
        return tuple(self.processor(text=[text], images=[list(images)], add_special_tokens=False)["input_ids"][0])

    def _decode(self, token_ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(token_ids), skip_special_tokens=False))


def text_of(content: str | Sequence[dict[str, Any]]) -> str:
    """The words of a message's content, without its images."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def without_images(messages: Sequence[Message]) -> list[Message]:
    """The same conversation with the places of its images, and no image in them."""

    def bare(content: str | Sequence[dict[str, Any]]) -> str | list[dict[str, Any]]:
        if isinstance(content, str):
            return content
        return [{"type": "image"} if part["type"] == "image" else part for part in content]

    return [{**message, "content": bare(message["content"])} for message in messages]


def images_of(messages: Sequence[Message]) -> Images:
    """The images of a conversation, in their order."""
    contents = [message["content"] for message in messages if not isinstance(message["content"], str)]
    return tuple(part["image"] for content in contents for part in content if part["type"] == "image")
