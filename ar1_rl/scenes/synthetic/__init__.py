"""Synthetic scenes: the embedded default, generated from a seed, nothing to download.

A cause draws a world, the expert drives it, and the reference chain of causation follows from the cause. A world can
be changed and driven again: that is a counterfactual.
"""

from .build import DrivenWorld, drive_world, to_scene
from .cited_cause import without_bystander, without_cited_cause
from .counterfactual import on_clear_road, with_light, without_element
from .generate import SPLITS, Split, SyntheticConfig, draw_driven, generate_scenes, parse_scene_id, scene_id
from .world import World

__all__ = [
    "SPLITS",
    "DrivenWorld",
    "Split",
    "SyntheticConfig",
    "World",
    "draw_driven",
    "drive_world",
    "generate_scenes",
    "on_clear_road",
    "parse_scene_id",
    "scene_id",
    "to_scene",
    "with_light",
    "without_bystander",
    "without_cited_cause",
    "without_element",
]
