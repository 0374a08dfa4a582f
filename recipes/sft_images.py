"""Batches of SFT with the images that their prompts have places for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rollouts.engine import Images

if TYPE_CHECKING:
    import torch
    from transformers import ProcessorMixin

PLACE = "place"
"""Column of a row's number among the images."""

LENGTH = "length"
"""Column of its number of tokens, by which batches are grouped; Hugging Face's name."""

ImageArrays = tuple[np.ndarray, ...]
"""Images [H, W, 3] uint8 of a prompt, in their order."""


def as_arrays(images: Images) -> ImageArrays:
    """Decoded images as they go to a file."""
    return tuple(np.asarray(image) for image in images)


class ImageCollator:
    """Rows of token ids, labels and a place to what a model that sees takes; their images come from a file."""

    def __init__(self, processor: ProcessorMixin, images: Sequence[ImageArrays]) -> None:
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

        self._processor = processor
        self._images = images
        self._texts = DataCollatorForLanguageModeling(pad_token_id=processor.tokenizer.pad_token_id)

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """A batch; rows without an image are text alone."""
        from PIL import Image

        from rollouts.sequential import model_inputs

        batch: dict[str, torch.Tensor] = self._texts(list(rows))
        shown = [[Image.fromarray(image) for image in self._images[row[PLACE]]] for row in rows]
        if any(shown):
            batch |= model_inputs(self._processor, shown, batch["input_ids"])
        return batch
