"""Images of a prompt on their way into vLLM: counted, preprocessed once each, given their places among the tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import BatchFeature
from vllm.multimodal.inputs import MultiModalFieldConfig
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
)

from ar1_rl.policy.vision.architecture import Ar1VisionLanguageConfig
from ar1_rl.policy.vision.processor import Ar1VisionLanguageProcessor


class ImageInfo(BaseProcessingInfo):
    """What vLLM asks about images of our architecture."""

    def get_hf_config(self) -> Ar1VisionLanguageConfig:
        """The model's configuration."""
        return self.ctx.get_hf_config(Ar1VisionLanguageConfig)

    def get_hf_processor(self, **kwargs: object) -> Ar1VisionLanguageProcessor:
        """The processor that the trainer uses as well."""
        return self.ctx.get_hf_processor(Ar1VisionLanguageProcessor, **kwargs)

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        """Any number of images."""
        return {"image": None}

    def get_mm_max_tokens_per_item(self, seq_len: int, mm_counts: Mapping[str, int]) -> Mapping[str, int]:
        """Every image has as many."""
        return {"image": self.get_hf_processor().tokens_per_image}


class DummyImages(BaseDummyInputsBuilder[ImageInfo]):
    """Images for vLLM's trial run."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        """A placeholder each."""
        return self.info.get_hf_processor().image_token * mm_counts.get("image", 0)

    def get_dummy_mm_data(self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Mapping[str, Any]) -> Any:
        """Images of the size that the processor makes of any."""
        size = self.info.get_hf_processor().image_processor.size
        images = self._get_dummy_images(
            width=size["width"],
            height=size["height"],
            num_images=mm_counts.get("image", 0),
            overrides=mm_options.get("image"),
        )
        return {"image": images}


class ImageInputs(BaseMultiModalProcessor[ImageInfo]):
    """Pixel values an image, and the tokens that stand for it in the prompt."""

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        return {"pixel_values": MultiModalFieldConfig.batched("image")}

    def _get_prompt_updates(
        self, mm_items: Any, hf_processor_mm_kwargs: Mapping[str, object], out_mm_kwargs: Any
    ) -> Sequence[PromptReplacement]:
        """Prompts come with a placeholder an image, from users, or with all of them, from trainers (trl#6294).

        The whole run is looked for first: it stays as it is, where a single one would be expanded once more.
        """
        placeholder = self.info.get_hf_config().image_token_id
        run = [placeholder] * self.info.get_hf_processor().tokens_per_image
        return [PromptReplacement(modality="image", target=target, replacement=run) for target in (run, [placeholder])]
