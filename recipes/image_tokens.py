"""How many tokens an image takes in a prompt, by its size and the architecture, where no processor is here to count.

Dimensions in pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ar1_rl.errors import ConfigError
from ar1_rl.policy.config import PolicyConfig
from ar1_rl.policy.vision.adapter import IMAGES_ALONE
from rollouts.config import ShownFrames

from .recorded_architecture import policy_settings

if TYPE_CHECKING:
    from transformers import PretrainedConfig

FEWEST_PIXELS, MOST_PIXELS = 65_536, 16_777_216
"""Of an image in Qwen3-VL, which is scaled up or down to lie between: `size` in its preprocessor_config.json."""


def tokens_of_image(policy: PolicyConfig, shown: ShownFrames) -> int | None:
    """Placeholders of one frame of a policy with a path; None where its architecture, or its rule, is not known.

    ConfigError where an image cannot be cut into whole tokens.
    """
    settings = policy_settings(policy)
    if settings is None:
        return None
    if policy.vision is not None:
        from ar1_rl.policy.vision.architecture import grid

        try:
            rows, columns = grid(
                settings.vision_config, settings.merge_size, policy.vision.image_height_px, policy.vision.image_width_px
            )
        except ValueError as error:
            raise ConfigError(f"policy.vision: {error}") from error
        return int(rows * columns // settings.merge_size**2)
    if settings.model_type in IMAGES_ALONE:
        return qwen_tokens(settings, shown.height_px, shown.width_px)
    return None


def qwen_tokens(
    settings: PretrainedConfig, height_px: int, width_px: int, fewest: int = FEWEST_PIXELS, most: int = MOST_PIXELS
) -> int:
    """Tokens of an image of Qwen3-VL, which scales it to whole blocks of merged patches."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    block = settings.vision_config.patch_size * settings.vision_config.spatial_merge_size
    height, width = smart_resize(height_px, width_px, factor=block, min_pixels=fewest, max_pixels=most)
    return int(height // block * (width // block))
