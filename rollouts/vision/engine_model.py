"""Our architecture in vLLM: encoder and projector are those of the trainer, the decoder is vLLM's own.

Dimensions: N images, C channels, H W pixels, M tokens an image, D size of a hidden state.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from vllm.config import VllmConfig
from vllm.model_executor.models.interfaces import SupportsMultiModal, SupportsPP
from vllm.model_executor.models.module_mapping import MultiModelKeys
from vllm.model_executor.models.utils import (
    AutoWeightsLoader,
    WeightsMapper,
    init_vllm_registered_model,
    maybe_prefix,
)
from vllm.multimodal import MULTIMODAL_REGISTRY

from ar1_rl.policy.vision.architecture import Projector, image_tokens, vision_tower
from ar1_rl.policy.vision.processor import IMAGE_TOKEN

from .engine_inputs import DummyImages, ImageInfo, ImageInputs


@MULTIMODAL_REGISTRY.register_processor(ImageInputs, info=ImageInfo, dummy_inputs=DummyImages)
class Ar1VisionLanguageForConditionalGeneration(nn.Module, SupportsMultiModal, SupportsPP):
    """A policy that sees, as vLLM runs it."""

    packed_modules_mapping: ClassVar[dict[str, list[str]]] = {
        "qkv_proj": ["q_proj", "k_proj", "v_proj"],
        "gate_up_proj": ["gate_proj", "up_proj"],
    }
    hf_to_vllm_mapper = WeightsMapper(
        orig_to_new_prefix={
            "model.language_model.": "language_model.model.",
            "model.vision_tower.": "vision_tower.",
            "model.projector.": "projector.",
            "lm_head.": "language_model.lm_head.",
        }
    )

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str | None:
        """What stands for an image in a prompt."""
        return IMAGE_TOKEN if modality.startswith("image") else None

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__()
        config = vllm_config.model_config.hf_config
        decoder = config.text_config
        self.config = config
        self.configure_mm_token_handling(vocab_size=decoder.vocab_size, mm_token_ids=[config.image_token_id])
        with self._mark_tower_model(vllm_config, "image"):
            self.vision_tower = vision_tower(config.vision_config)
            self.projector = Projector(config)
        with self._mark_language_model(vllm_config):
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config,
                hf_config=decoder,
                architectures=[MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[decoder.model_type]],
                prefix=maybe_prefix(prefix, "language_model"),
            )
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors

    def embed_multimodal(self, *, pixel_values: torch.Tensor | None = None, **kwargs: object) -> Any:
        """Tokens [N, M, D] of images [N, C, H, W]."""
        if pixel_values is None:
            return []
        weight = self.projector.linear_in.weight
        return image_tokens(self.vision_tower, self.projector, pixel_values.to(weight.device, weight.dtype))

    def forward(
        self,
        input_ids: torch.Tensor | None,
        positions: torch.Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: object,
    ) -> Any:
        """Hidden states of the decoder."""
        if intermediate_tensors is not None:
            inputs_embeds = None
        return self.language_model.model(input_ids, positions, intermediate_tensors, inputs_embeds=inputs_embeds)

    def compute_logits(self, hidden_states: torch.Tensor) -> torch.Tensor | None:
        """Logits of the vocabulary, and minus infinity for the placeholder behind it.

        vLLM looks up the log-probability of every token of a prompt that is scored, placeholders among them.
        """
        logits = self.language_model.compute_logits(hidden_states)
        if logits is None:
            return None
        missing = self.config.image_token_id + 1 - logits.shape[-1]
        return nn.functional.pad(logits, (0, max(missing, 0)), value=-torch.inf)

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        """Take weights under the names that transformers gives them: of a checkpoint, or one by one from a trainer."""
        return AutoWeightsLoader(self).load_weights(weights, mapper=self.hf_to_vllm_mapper)

    def get_mm_mapping(self) -> MultiModelKeys:
        """Which part is what."""
        return MultiModelKeys.from_string_field(
            language_model="language_model", connector="projector", tower_model="vision_tower"
        )
