"""Scenes in pairs that differ only in what a camera can see: the light is red or green, the pedestrian is there or not.

Both members have the same road, the same ego history bit for bit and the same route, and their experts drive
differently. A policy that is given frames, history and route, and no description of the scene, has to look: without
looking it says the same about both, and is right about one of them at most. `blind_ceiling` is that share.

Scene `2 n` of a split has the cause, scene `2 n + 1` has not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...driving.scene import Scene
from ...errors import ConfigError, SceneError
from .build import drive_world, to_scene
from .cited_cause import LEAST_EXPERT_CHANGE_M
from .counterfactual import with_light, without_element
from .generate import SPLITS, Split, SyntheticConfig, draw_world
from .world import World

PREFIX = "synthetic_pairs"
"""Ids are PREFIX/SPLIT/SEED/NUMBER."""
MEMBERS = 2
ATTEMPTS = 60
SEEN_PX = 6
"""A member must differ from its twin in so many pixels of the newest frames, by `SEEN_STEP` or more in a channel."""
SEEN_STEP = 40


def _cited(world: World) -> str:
    element_id = world.cause.components[0].element_id
    assert element_id is not None, "kinds with a twin cite an element"
    return element_id


PAIRED_KINDS: dict[str, Callable[[World], World]] = {
    "red_light": lambda world: with_light(world, _cited(world), "green"),
    "crossing_pedestrian": lambda world: without_element(world, _cited(world)),
    "stop_sign": lambda world: without_element(world, _cited(world)),
    "parked_car": lambda world: without_element(world, _cited(world)),
}
"""Kinds that have a twin: from a world to the one in which its cause is not there."""

DEFAULT_KINDS = ("red_light", "crossing_pedestrian")


@dataclass(frozen=True)
class ScenePair:
    """Two scenes of one past: the expert acts on a cause in one, which cannot be seen in the other."""

    with_cause: Scene
    without_cause: Scene

    @property
    def members(self) -> tuple[Scene, Scene]:
        """Both, the one with the cause first."""
        return self.with_cause, self.without_cause


def generate_pair(seed: int, split: Split, number: int, kinds: Sequence[str] = DEFAULT_KINDS) -> ScenePair:
    """Pair `number` of a split, the same whatever else is generated.

    Worlds are drawn until both experts drive well, their drives lie `LEAST_EXPERT_CHANGE_M` apart on average, and the
    newest frames tell the two apart. Raises ConfigError for a kind without a twin, SceneError where none was found.
    """
    unknown = sorted(set(kinds) - set(PAIRED_KINDS))
    if unknown or not kinds:
        raise ConfigError(f"kinds of pairs: got {sorted(kinds)}, allowed {sorted(PAIRED_KINDS)}")
    if split not in SPLITS or seed < 0 or number < 0:
        raise ConfigError(f"seed {seed}, split {split!r}, pair {number}: allowed 0 and above, and {SPLITS}")
    kind = kinds[number % len(kinds)]
    config = SyntheticConfig(weights={kind: 1.0})
    for attempt in range(ATTEMPTS):
        driven, choice = draw_world([seed, SPLITS.index(split), number, attempt, PAIR_STREAM], kind, config)
    raise SceneError("unreachable")
