"""Qwen3-VL's processor without the part for videos, which needs torchvision; on images both do the same."""

from __future__ import annotations

from typing import Any

from transformers import Qwen3VLProcessor


class Qwen3VLImagesProcessor(Qwen3VLProcessor):
    """For machines without torchvision."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(image_processor=image_processor, tokenizer=tokenizer, chat_template=chat_template)
