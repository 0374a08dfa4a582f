"""Scenes from a seed: scene n of a split is the same whatever else is generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

import numpy as np

from ...driving.scene import Scene
from ...errors import ConfigError, SceneError
from .build import DrivenWorld, drive_world, to_scene
from .causes import CAUSES
from .draw import Draw
from .world import EGO_LENGTH_M, EGO_WIDTH_M, World

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

WEIGHTS = {
    "crossing_pedestrian": 8.0,
    "slow_truck": 8.0,
    "turn": 8.0,
    "red_light": 10.0,
    "cut_in": 9.5,
    "sharp_curve": 3.0,
    "stop_sign": 10.0,
    "parked_car": 4.0,
    "route_lane_change": 4.0,
    "lead_slower": 9.0,
    "lead_braking": 5.0,
    "merge": 4.0,
    "pull_over": 4.0,
    "aborted_lane_change": 2.5,
    "clear_road": 11.0,
}
"""Relative frequency of each kind."""


@dataclass(frozen=True)
class SyntheticConfig:
    """What is generated, and what a drive must be like to become a scene."""

    weights: dict[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    smallest_gap_m: float = 0.7
    """Between the expert and anyone else, in road coordinates; above the 0.5 m of a close encounter."""
    largest_deceleration_mps2: float = 3.7
    largest_lateral_mps2: float = 3.0
    attempts: int = 60
    """Worlds drawn for one scene before giving up."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - set(CAUSES))
        if unknown:
            raise ConfigError(f"weights: unknown kinds {unknown}, allowed {sorted(CAUSES)}")
        if any(w < 0 for w in self.weights.values()) or not sum(self.weights.values()) > 0:
            raise ConfigError(f"weights: got {self.weights}, none may be negative and one must be positive")


def generate_scenes(
    seed: int, split: Split, count: int, config: SyntheticConfig | None = None, *, start: int = 0
) -> Iterator[Scene]:
    """Scenes `start` to `start + count - 1` of a split."""
    config = config or SyntheticConfig()
    for number in range(start, start + count):
        driven, choice = draw_driven(seed, split, number, config)
        yield to_scene(driven, scene_id(seed, split, number), choice)


def parse_scene_id(name: str) -> tuple[int, Split, int]:
    """Seed, split and number of a scene that `generate_scenes` made; ConfigError for any other id."""
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "synthetic" or parts[1] not in SPLITS or not (parts[2] + parts[3]).isdigit():
        raise ConfigError(f"scene id: got {name!r}, allowed synthetic/SPLIT/SEED/NUMBER")
    return int(parts[2]), SPLITS[SPLITS.index(parts[1])], int(parts[3])


def scene_id(seed: int, split: Split, number: int) -> str:
    """Names the scene; `draw_driven` finds its world again from the same three values."""
    return f"synthetic/{split}/{seed}/{number}"


def draw_driven(seed: int, split: Split, number: int, config: SyntheticConfig) -> tuple[DrivenWorld, int]:
    """The driven world of one scene, and the number that picks its sentence.

    Raises ConfigError for a split that does not exist or a negative number, SceneError where no drive was good enough.
    """
    if seed < 0 or number < 0:
        raise ConfigError(f"seed {seed}, scene number {number}: allowed 0 and above")
    if split not in SPLITS:
        raise ConfigError(f"split: got {split!r}, allowed {SPLITS}")
    draw = Draw([seed, SPLITS.index(split), number])
    kinds = tuple(config.weights)
    kind = draw.weighted(kinds, tuple(accumulate(config.weights.values())))
    choice = int(draw.uniform(0, 2**31))
    for _ in range(config.attempts):
        driven = drive_world(CAUSES[kind](draw))
        if drive_fault(driven, config) is None:
            return driven, choice
    name = scene_id(seed, split, number)
    raise SceneError(f"{name}: no drivable world of kind {kind!r} in {config.attempts} attempts")


def drive_fault(driven: DrivenWorld, config: SyntheticConfig) -> str | None:
    """Why this drive is not fit to be a scene, or None."""
    drive = driven.drive
    if drive.acceleration_T.min() < -config.largest_deceleration_mps2:
        return "brakes too hard"
    if np.abs(drive.speed_T[:-1] ** 2 * drive.curvature_T).max() > config.largest_lateral_mps2:
        return "bends too hard"
    return "too close" if _smallest_gap(driven.world, drive.s_T, drive.d_T) < config.smallest_gap_m else None


def _smallest_gap(world: World, s_T: np.ndarray, d_T: np.ndarray) -> float:
    """Least distance of the ego box to any actor's [m], both taken parallel to the road."""
    if not world.actors:
        return np.inf
    tracks = [actor.road_track() for actor in world.actors]
    s_AT, d_AT = (np.array(values) for values in zip(*tracks, strict=True))
    half_length_A = np.array([(a.length_m + EGO_LENGTH_M) / 2 for a in world.actors])
    half_width_A = np.array([(a.width_m + EGO_WIDTH_M) / 2 for a in world.actors])
    along_AT = np.maximum(np.abs(s_AT - s_T) - half_length_A[:, None], 0.0)
    across_AT = np.maximum(np.abs(d_AT - d_T) - half_width_A[:, None], 0.0)
    return float(np.sqrt((along_AT**2 + across_AT**2).min()))
