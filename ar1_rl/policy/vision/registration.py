"""Our architecture among those that transformers' Auto classes know."""

from __future__ import annotations


def register() -> None:
    """Let AutoConfig, AutoModel, AutoModelForImageTextToText and AutoProcessor know it; twice does no harm."""
    from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

    from .architecture import (
        MODEL_TYPE,
        Ar1VisionLanguageConfig,
        Ar1VisionLanguageForConditionalGeneration,
        Ar1VisionLanguageModel,
    )
    from .processor import Ar1VisionLanguageProcessor

    AutoConfig.register(MODEL_TYPE, Ar1VisionLanguageConfig, exist_ok=True)
    AutoModel.register(Ar1VisionLanguageConfig, Ar1VisionLanguageModel, exist_ok=True)
    AutoModelForImageTextToText.register(
        Ar1VisionLanguageConfig, Ar1VisionLanguageForConditionalGeneration, exist_ok=True
    )
    AutoProcessor.register(Ar1VisionLanguageConfig, Ar1VisionLanguageProcessor, exist_ok=True)
