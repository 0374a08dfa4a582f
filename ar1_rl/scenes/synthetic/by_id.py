"""The driven world behind a synthetic scene, found again by the scene's id."""

from __future__ import annotations

from .build import DrivenWorld
from .generate import SyntheticConfig, draw_driven, parse_scene_id


def world_of(identity: str, config: SyntheticConfig | None = None) -> tuple[DrivenWorld, int]:
    """The world, and the number that picks its sentence; `config` is the one that ordinary scenes were generated with.

    ConfigError for an id of no synthetic scene.
    """
    # Pairs are built of counterfactuals, which need worlds by id themselves.
    from .pairs import is_paired, paired_world

    if is_paired(identity):
        return paired_world(identity)
    return draw_driven(*parse_scene_id(identity), config or SyntheticConfig())
