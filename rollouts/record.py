"""One rollout: what was asked, what came back, and how it was scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ar1_rl.driving import Completion
from ar1_rl.frames import FramesConfig

from .engine import Images

ROLLOUT_SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False, kw_only=True)
class Rollout:
    """A completion for one scene, before scoring."""

    scene_id: str
    episode: str
    t0_us: int
    sample: int
    """Which of the K for this scene."""
    seed: int
    step: int
    policy_version: str
    """Names the weights that wrote it, for instance "sft" or "step-40"."""
    prompt_text: str
    prompt_token_ids: tuple[int, ...]
    completion: Completion
    logprobs: tuple[float, ...]
    """Per completion token, under the distribution it was drawn from."""
    images: Images = ()
    """What the policy was shown, by reference."""
    frames: FramesConfig | None = None
    """Which frames of the scene these are; None: the scene in words, or images of a prompt builder of the user's."""


@dataclass(frozen=True, kw_only=True)
class ScoreColumns:
    """One reward's verdict on a rollout, as plain values."""

    value: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What a critic leaves behind: raw reply, model, prompt hash, tokens, seconds, cached."""
