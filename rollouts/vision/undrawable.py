"""Tokens that no completion may have: a model that meets an image's placeholder there looks for the image."""

from __future__ import annotations

from typing import Any

from ar1_rl.policy.vision.adapter import has_word_for_images

BAN = -100.0
"""Added to a logit; vLLM allows no more."""


def undrawable(model_config: Any) -> tuple[int, ...]:
    """Placeholders of images that are in the vocabulary of the model with that transformers config.

    Our own architecture has its placeholder behind the vocabulary, and text models have none. Where one is banned, the
    sampler's log-probabilities are too high by what the trainer gives the placeholder: next to nothing in a trained
    model, 1.5e-3 in an untrained one.
    """
    placeholder = getattr(model_config, "image_token_id", None)
    if placeholder is None or not has_word_for_images(model_config):
        return ()
    return (int(placeholder),)
