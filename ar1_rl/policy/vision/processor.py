"""Text with image placeholders and images in, token ids and pixel values out."""

from __future__ import annotations

from typing import Any

from transformers.image_utils import make_flat_list_of_images
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin

IMAGE_TOKEN = "<|image|>"
IMAGE_START, IMAGE_END = "<|vision_start|>", "<|vision_end|>"
"""Around each image, under Qwen's names: two images that follow each other stay apart."""

FLATTEN_PARTS = (
    "{%- set flattened = namespace(messages=[]) -%}"
    "{%- for message in messages -%}"
    "{%- set written = namespace(text='') -%}"
    "{%- if message['content'] is string -%}{%- set written.text = message['content'] -%}"
    "{%- else -%}{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'text' -%}{%- set written.text = written.text + part['text'] -%}"
    f"{{%- else -%}}{{%- set written.text = written.text + '{IMAGE_START}{IMAGE_TOKEN}{IMAGE_END}' -%}}{{%- endif -%}}"
    "{%- endfor -%}{%- endif -%}"
    "{%- set flattened.messages = flattened.messages + [{'role': message['role'], 'content': written.text}] -%}"
    "{%- endfor -%}"
    "{%- set messages = flattened.messages -%}"
)
"""Put before any decoder's chat template: parts of text and images become one text."""


class Ar1VisionLanguageProcessorKwargs(ProcessingKwargs, total=False):  # type: ignore[call-arg]
    """Defaults of a call."""

    _defaults = {"text_kwargs": {"padding": False}}  # noqa: RUF012 - transformers' own form


class Ar1VisionLanguageProcessor(ProcessorMixin):
    """A tokenizer and an image processor; every image becomes `tokens_per_image` placeholders."""

    valid_processor_kwargs = Ar1VisionLanguageProcessorKwargs

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        tokens_per_image: int = 0,
        chat_template: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.tokens_per_image = tokens_per_image
        self.image_token = IMAGE_TOKEN
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **kwargs: Any) -> str:
        """The placeholders of one image."""
        return self.image_token * self.tokens_per_image

    def _process_images(self, images: Any, **kwargs: Any) -> tuple[Any, list[str]]:
        """Every image is preprocessed once, however many prompts share it by reference: siblings in a trainer do."""
        flat = make_flat_list_of_images(images)
        distinct = {id(image): image for image in flat}
        places = {identity: place for place, identity in enumerate(distinct)}
        processed, replacements = super()._process_images(list(distinct.values()), **kwargs)
        rows = [places[id(image)] for image in flat]
        values = processed["pixel_values"]
        processed["pixel_values"] = values[rows] if hasattr(values, "shape") else [values[row] for row in rows]
        return processed, [replacements[row] for row in rows]
