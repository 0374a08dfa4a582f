"""The architecture: a vision encoder, a projector and a decoder, each any that transformers has.

An image is cut into patches by the encoder; merge_size x merge_size neighbours become one token of the decoder (448 x
280 px in patches of 14 px, merged 2 x 2, are the 160 tokens an image of Alpamayo-R1, section 3.4 of the paper). The
tokens take the places of a placeholder whose id lies outside the decoder's vocabulary: it can be neither sampled nor
scored, so the sampler and the trainer agree without a ban on it.

Dimensions: N images, C channels, H W pixels, G patches along an edge, P patches, M merged patches, D size of a hidden
state, B rows, T tokens.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import nn
from transformers import AutoConfig, AutoModel, GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.auto import CONFIG_MAPPING

MODEL_TYPE = "ar1_vision_language"
ARCHITECTURE = "Ar1VisionLanguageForConditionalGeneration"


@strict
class Ar1VisionLanguageConfig(PreTrainedConfig):
    """Configuration of a policy that sees: those of its encoder and its decoder, and how the two meet."""

    model_type = MODEL_TYPE
    sub_configs = {"text_config": AutoConfig, "vision_config": AutoConfig}  # noqa: RUF012 - transformers' own form

    vision_config: Any = None
    text_config: Any = None
    """Configurations of the encoder and the decoder, or what to make them of."""
    image_token_id: int | None = None
    """The placeholder; unset: the first id outside the decoder's vocabulary."""
    merge_size: int = 2
    """Patches along each edge that become one token."""
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.vision_config = _configured(self.vision_config, "dinov2")
        self.text_config = _configured(self.text_config, "qwen2")
        if self.image_token_id is None:
            self.image_token_id = self.text_config.vocab_size
        self.tie_word_embeddings = bool(self.text_config.tie_word_embeddings)
        super().__post_init__(**kwargs)

    @property
    def auto_map(self) -> dict[str, str]:
        """Which Auto class loads the model, which TRL 1.16 reads here to load a reference model; it is in no file."""
        return {"AutoModelForImageTextToText": f"{__name__}.Ar1VisionLanguageForConditionalGeneration"}


def _configured(given: dict[str, Any] | PreTrainedConfig | None, default: str) -> PreTrainedConfig:
    if isinstance(given, PreTrainedConfig):
        return given
    settings = dict(given or {})
    return CONFIG_MAPPING[settings.pop("model_type", default)](**settings)


def vision_tower(config: PreTrainedConfig) -> PreTrainedModel:
    """The encoder of that configuration, without parts that image tokens do not depend on."""
    return AutoModel.from_config(config, **without_unused_parts(config))


def without_unused_parts(config: PreTrainedConfig) -> dict[str, Any]:
    """Switch off in an encoder's configuration what would never get a gradient, and give the arguments that do so.

    The mask token of DINOv3 and of DINOv2 with registers has no switch, CLIP's last norm neither: they stay untrained.
    """
    if hasattr(config, "use_mask_token"):
        config.use_mask_token = False
    if config.model_type.startswith("siglip"):
        config.vision_use_head = False
    model_class = AutoModel._model_mapping[type(config)]
    model_class = model_class[0] if isinstance(model_class, tuple) else model_class
    takes = inspect.signature(model_class.__init__).parameters
    return {"add_pooling_layer": False} if "add_pooling_layer" in takes else {}


class Projector(nn.Module):
    """Patches of the encoder to tokens of the decoder."""

    def __init__(self, config: Ar1VisionLanguageConfig) -> None:
        super().__init__()
        vision, text = config.vision_config.hidden_size, config.text_config.hidden_size
        self.merge_size = config.merge_size
        self.norm = nn.LayerNorm(vision)
        self.linear_in = nn.Linear(vision * config.merge_size**2, text)
        self.activation = nn.GELU()
        self.linear_out = nn.Linear(text, text)

    def forward(self, patches_NGGD: torch.Tensor) -> torch.Tensor:
        """Tokens [N, M, D] of patches on their grid."""
        count, rows, columns, size = patches_NGGD.shape
        edge = self.merge_size
        blocks = self.norm(patches_NGGD).view(count, rows // edge, edge, columns // edge, edge, size)
        merged_NMD = blocks.transpose(2, 3).reshape(count, (rows // edge) * (columns // edge), edge * edge * size)
        return self.linear_out(self.activation(self.linear_in(merged_NMD)))


def image_tokens(tower: PreTrainedModel, projector: Projector, pixel_values_NCHW: torch.Tensor) -> torch.Tensor:
    """Tokens [N, M, D] of images; ValueError where they cannot be cut into whole tokens."""
    height, width = pixel_values_NCHW.shape[-2:]
    rows, columns = grid(tower.config, projector.merge_size, height, width)
    arguments: dict[str, Any] = {}
    if "interpolate_pos_encoding" in inspect.signature(tower.forward).parameters:
        arguments["interpolate_pos_encoding"] = (height, width) != _pair(tower.config.image_size)
    hidden_NTD = tower(pixel_values_NCHW, **arguments).last_hidden_state
    # What stands before the patches (a class token, registers) is the encoder's own.
    patches_NPD = hidden_NTD[:, hidden_NTD.shape[1] - rows * columns :]
    return projector(patches_NPD.reshape(len(patches_NPD), rows, columns, -1))


def grid(vision_config: PreTrainedConfig, merge_size: int, height_px: int, width_px: int) -> tuple[int, int]:
    """Patches along the two edges of an image; ValueError where they do not fill it or cannot be merged."""
    patch_height, patch_width = _pair(vision_config.patch_size)
    if height_px % (patch_height * merge_size) or width_px % (patch_width * merge_size):
        raise ValueError(
            f"images of {height_px} x {width_px} px (height x width); allowed are multiples of "
            f"{patch_height * merge_size} x {patch_width * merge_size} px: patches of {patch_height} x {patch_width} "
            f"px, of which {merge_size} x {merge_size} make a token"
        )
    return height_px // patch_height, width_px // patch_width


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


class Ar1VisionLanguagePreTrainedModel(PreTrainedModel):
    """What the model with and without its output layer share."""

    config: Ar1VisionLanguageConfig
    config_class = Ar1VisionLanguageConfig
    base_model_prefix = "model"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012 - transformers' own form

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """As for any model, under the names that the weights have here.

        By default transformers 5 saves some encoders (ViT among them) under the names of version 4, which the sampling
        engine, whose encoder is transformers' own, would not find.
        """
        super().save_pretrained(*args, **{"save_original_format": False, **kwargs})


class Ar1VisionLanguageModel(Ar1VisionLanguagePreTrainedModel):
    """Encoder, projector and decoder, without the output layer."""

    def __init__(self, config: Ar1VisionLanguageConfig) -> None:
        super().__init__(config)
        self.vision_tower = vision_tower(config.vision_config)
        self.projector = Projector(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the decoder's."""
        self.language_model.set_input_embeddings(value)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Hidden states [B, T, D]; `pixel_values` [N, C, H, W] are the images of all rows in their order.

        ValueError where the images give another number of tokens than there are placeholders for.
        """
        if inputs_embeds is None:
            inputs_embeds = self._embedded(input_ids, pixel_values)
        output = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            **kwargs,
        )
        return BaseModelOutputWithPast(
            last_hidden_state=output.last_hidden_state,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )

    def _embedded(self, input_ids_BT: torch.Tensor, pixel_values_NCHW: torch.Tensor | None) -> torch.Tensor:
        places_BT = input_ids_BT == self.config.image_token_id
        embedded_BTD = self.get_input_embeddings()(input_ids_BT.masked_fill(places_BT, 0))
        wanted = int(places_BT.sum())
        if pixel_values_NCHW is None and not wanted:
            return embedded_BTD
        seen_NMD = embedded_BTD.new_zeros(0, 0, embedded_BTD.shape[-1])
        if pixel_values_NCHW is not None:
            dtype = self.projector.linear_in.weight.dtype
            seen_NMD = image_tokens(self.vision_tower, self.projector, pixel_values_NCHW.to(dtype))
        if seen_NMD.shape[:2].numel() != wanted:
            raise ValueError(
                f"the images give {seen_NMD.shape[:2].numel()} tokens, and the prompts have places for {wanted}"
            )
        return embedded_BTD.masked_scatter(places_BT[..., None], seen_NMD.to(embedded_BTD.dtype))


class Ar1VisionLanguageForConditionalGeneration(Ar1VisionLanguagePreTrainedModel, GenerationMixin):
    """A policy that sees."""

    _tied_weights_keys = {  # noqa: RUF012 - transformers' own form
        "lm_head.weight": "model.language_model.embed_tokens.weight"
    }

    def __init__(self, config: Ar1VisionLanguageConfig) -> None:
        super().__init__(config)
        self.model = Ar1VisionLanguageModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The decoder's."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the decoder's."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The output layer."""
        return self.lm_head

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits [B, T, vocabulary], and the loss where there are labels (-100: not counted)."""
        output = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(output.last_hidden_state[:, kept, :])
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size, **kwargs
            )
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )
