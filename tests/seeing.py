"""A tiny policy that sees and scenes' frames, made once per test session: real processor, real weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tiny

from ar1_rl.driving import Observation, Scene, TrajectoryCodec
from ar1_rl.policy.config import VisionConfig
from ar1_rl.policy.vision.build import build_tiny, build_vision_tokenizer
from ar1_rl.policy.vision.registration import register
from rollouts.config import FramesLayout
from rollouts.dialogue import Dialogue
from rollouts.vision.prompt import CameraView, camera_views, frames_prompt, words_of

CAMERAS, FRAMES = ("front_wide", "front_tele"), 2
EYES = VisionConfig(hidden_size=32, heads=1, intermediate_size=64)
"""64 x 96 px in patches of 16 px, merged 2 x 2: 6 tokens an image."""


@dataclass(frozen=True)
class SeeingPolicy:
    """An untrained policy that sees, saved as an ordinary folder."""

    path: Path
    dialogue: Dialogue
    scenes: list[Scene]


class Frames:
    """Frames of noise: another for every observation, the same whenever it is asked about."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[CameraView, ...]] = {}

    def __call__(self, observation: Observation) -> tuple[CameraView, ...]:
        place = int.from_bytes(observation.history_T3.tobytes()[:8], "big") % 2**32
        if place not in self._seen:
            noise_CTHW3 = np.random.default_rng(place).integers(0, 256, (2, FRAMES, 64, 96, 3), dtype=np.uint8)
            self._seen[place] = camera_views(CAMERAS, noise_CTHW3)
        return self._seen[place]


def make(folder: Path) -> SeeingPolicy:
    scenes = tiny.scenes(4)
    codec, layout = TrajectoryCodec.compact(), FramesLayout()
    texts = [words_of(layout, CAMERAS, FRAMES), *(s.reference.text for s in scenes if s.reference is not None)]
    tokenizer = build_vision_tokenizer(texts, codec)
    register()
    model, processor = build_tiny(tokenizer, tiny.SMALL, EYES, seed=0)
    awaken(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    dialogue = Dialogue.of(tokenizer, codec, frames_prompt(Frames(), layout), processor)
    return SeeingPolicy(path=folder, dialogue=dialogue, scenes=scenes)


def awaken(model: Any) -> None:
    """Larger weights: an untrained model hardly looks, for its image tokens are small beside those of words."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "projector.linear" in name or "patch_embeddings" in name:
                parameter *= 8.0
            if "language_model.layers" in name and "proj" in name:
                parameter *= 4.0
