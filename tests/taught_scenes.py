"""The scenes that `tiny.teach` teaches, as a source of one's own."""

from __future__ import annotations

from collections.abc import Iterator

from ar1_rl.driving import Scene
from ar1_rl.scenes.synthetic import generate_scenes


def taught(split: str) -> Iterator[Scene]:
    return generate_scenes(0, "train", 16)
