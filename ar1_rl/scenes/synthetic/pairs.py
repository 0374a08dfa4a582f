"""Scenes in pairs that differ only in what a camera can see: the light is red or green, the pedestrian is there or not.

Both members have the same road, the same ego history bit for bit and the same route, and their experts drive
differently. A policy that is given frames, history and route, and no description of the scene, has to look: without
looking it says the same about both, and is right about one of them at most. `blind_ceiling` is that share.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from pydantic import Field, field_validator

from ...config import ConfigModel
from ...driving.scene import Scene
from ...errors import ConfigError, SceneError
from ...frames.config import FramesConfig
from ...frames.render import render
from .build import DrivenWorld, drive_world, to_scene
from .cited_cause import LEAST_EXPERT_CHANGE_M
from .counterfactual import with_light, without_element
from .generate import SPLITS, Split, SyntheticConfig, draw_driven, drive_fault, generate_scenes
from .world import World

PREFIX = "synthetic_pairs"
"""Ids are PREFIX/KIND/SPLIT/SEED/NUMBER: scene `2 n` of a kind has the cause, scene `2 n + 1` has not."""
ATTEMPTS = 60
NEWEST = FramesConfig(count=1)
SEEN_PX = 6
"""The newest frames of two members differ in so many pixels, by `SEEN_STEP` or more in some channel."""
SEEN_STEP = 40
ROUNDING = 1e-9


def _cited(world: World) -> str:
    element_id = world.cause.components[0].element_id
    assert element_id is not None, "kinds with a twin cite an element"
    return element_id


PAIRED_KINDS: dict[str, Callable[[World], World]] = {
    "red_light": lambda world: with_light(world, _cited(world), "green"),
    "crossing_pedestrian": lambda world: without_element(world, _cited(world)),
    "stop_sign": lambda world: without_element(world, _cited(world)),
    "lead_slower": lambda world: without_element(world, _cited(world)),
}
"""Kinds that have a twin: from a world to the one in which its cause is not there."""

DEFAULT_KINDS = ("red_light", "crossing_pedestrian")


@dataclass(frozen=True)
class ScenePair:
    """Two scenes of one past: the expert acts on a cause in one, which is not there in the other."""

    with_cause: Scene
    without_cause: Scene

    @property
    def members(self) -> tuple[Scene, Scene]:
        """Both, the one with the cause first."""
        return self.with_cause, self.without_cause


def generate_pair(kind: str, seed: int, split: Split, number: int) -> ScenePair:
    """Pair `number` of a kind and split, the same whatever else is generated; errors as of `driven_pair`."""
    return driven_pair(kind, seed, split, number).scenes


@dataclass(frozen=True, eq=False)
class DrivenPair:
    """A pair with the driven worlds behind it, and the number that picks its sentences."""

    scenes: ScenePair
    worlds: tuple[DrivenWorld, DrivenWorld]
    choice: int


def driven_pair(kind: str, seed: int, split: Split, number: int) -> DrivenPair:
    """Pair `number` of a kind and split with its worlds.

    Worlds are drawn until both experts drive well, their drives lie `LEAST_EXPERT_CHANGE_M` apart on average, and the
    newest frames of the front cameras tell the two apart. Raises ConfigError for a kind without a twin, a split that
    does not exist or a negative number, SceneError where no such pair was found.
    """
    if kind not in PAIRED_KINDS:
        raise ConfigError(f"kind of pairs: got {kind!r}, allowed {sorted(PAIRED_KINDS)}")
    config = SyntheticConfig(weights={kind: 1.0})
    names = [f"{PREFIX}/{kind}/{split}/{seed}/{2 * number + member}" for member in (0, 1)]
    for attempt in range(ATTEMPTS):
        driven, choice = draw_driven(seed, split, number * ATTEMPTS + attempt, config)
        twin = drive_world(PAIRED_KINDS[kind](driven.world))
        if drive_fault(twin, config) is not None:
            continue
        cause, none = (to_scene(world, name, choice) for world, name in zip((driven, twin), names, strict=True))
        if _expert_change_m(cause, none) >= LEAST_EXPERT_CHANGE_M and _pixels_apart(cause, none) >= SEEN_PX:
            episode = f"{PREFIX}/{kind}/{split}/{seed}/pair_{number}"
            scenes = ScenePair(replace(cause, episode=episode), replace(none, episode=episode))
            return DrivenPair(scenes, (driven, twin), choice)
    raise SceneError(f"{names[0]}: no pair of kind {kind!r} that can be told apart in {ATTEMPTS} attempts")


def generate_pairs(
    seed: int, split: Split, count: int, kinds: Sequence[str] = DEFAULT_KINDS, *, start: int = 0
) -> Iterator[ScenePair]:
    """Pairs `start` to `start + count - 1` of a split, the kinds in turn."""
    if not kinds:
        raise ConfigError(f"kinds of pairs: got none, allowed one or more of {sorted(PAIRED_KINDS)}")
    for pair in range(start, start + count):
        yield generate_pair(kinds[pair % len(kinds)], seed, split, pair // len(kinds))


def paired_scenes(
    split: Split, seed: int = 0, count: int = 1000, kinds: Sequence[str] = DEFAULT_KINDS
) -> Iterator[Scene]:
    """At most `count` scenes, the members of each pair one after the other, as a source for configs.

    Example: `scenes.source: ar1_rl.scenes.synthetic.pairs:paired_scenes`, `scenes.arguments: {seed: 7}`.
    """
    members = (scene for pair in generate_pairs(seed, split, (count + 1) // 2, kinds) for scene in pair.members)
    return islice(members, count)


class PairsConfig(ConfigModel):
    """Scenes in pairs, with ordinary scenes among them."""

    kinds: tuple[str, ...] = Field(DEFAULT_KINDS, strict=False, min_length=1)
    share: float = Field(0.5, gt=0.0, le=1.0)
    """Of the scenes, in pairs; the others are ordinary synthetic ones."""

    @field_validator("kinds")
    @classmethod
    def _kinds_have_twins(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [kind for kind in kinds if kind not in PAIRED_KINDS]:
            raise ValueError(f"got {unknown}, allowed {sorted(PAIRED_KINDS)}")
        return kinds


def mixed_scenes(seed: int, split: Split, count: int, config: PairsConfig | None = None) -> Iterator[Scene]:
    """`count` scenes of a split: both members of a pair, one after the other, as soon as their share is due.

    No pair is cut in two: where one scene is left, it is an ordinary one.
    """
    config = config or PairsConfig()
    paired = ordinary = 0
    while paired + ordinary < count:
        room = count - paired - ordinary
        if room > 1 and paired + 2 <= config.share * (paired + ordinary + 2) + ROUNDING:
            (pair,) = generate_pairs(seed, split, 1, config.kinds, start=paired // 2)
            yield from pair.members
            paired += 2
        else:
            yield from generate_scenes(seed, split, 1, start=ordinary)
            ordinary += 1


def twin_of(scene: Scene) -> Scene:
    """The other member of a scene's pair; SceneError for a scene that is none of a pair."""
    kind, seed, split, number = _named(scene.id)
    return generate_pair(kind, seed, split, number // 2).members[1 - number % 2]


def paired_scene(identity: str) -> Scene:
    """The scene of that id, made again; SceneError for an id of no pair."""
    kind, seed, split, number = _named(identity)
    return generate_pair(kind, seed, split, number // 2).members[number % 2]


def paired_world(identity: str) -> tuple[DrivenWorld, int]:
    """The driven world of the scene of that id, and the number that picks its sentence."""
    kind, seed, split, number = _named(identity)
    pair = driven_pair(kind, seed, split, number // 2)
    return pair.worlds[number % 2], pair.choice


def is_paired(identity: str) -> bool:
    """Whether that is the id of a member of a pair."""
    return identity.startswith(f"{PREFIX}/")


def _named(identity: str) -> tuple[str, int, Split, int]:
    parts = identity.split("/")
    if len(parts) != 5 or parts[0] != PREFIX or parts[2] not in SPLITS or not (parts[3] + parts[4]).isdigit():
        raise SceneError(f"scene {identity!r} is of no pair; pairs have ids {PREFIX}/KIND/SPLIT/SEED/NUMBER")
    return parts[1], int(parts[3]), SPLITS[SPLITS.index(parts[2])], int(parts[4])


def picks_own_expert(poses_BT3: np.ndarray, scene: Scene, twin: Scene) -> np.ndarray:
    """Whether trajectories [B, 64, 3] lie nearer to the expert of the scene than to that of its twin: bool [B].

    One trajectory cannot do so for both, so a policy that does not look has 1/2 on average over pairs, at most: a
    trajectory as near to one as to the other is nearer to neither.
    """
    assert scene.future_T3 is not None and twin.future_T3 is not None, "synthetic scenes have a future"
    own_B, other_B = (
        np.linalg.norm(poses_BT3[..., :2] - future_T3[:, :2], axis=-1).mean(axis=-1)
        for future_T3 in (scene.future_T3, twin.future_T3)
    )
    nearer_B: np.ndarray = own_B < other_B
    return nearer_B


def pick_ceilings(identities: Sequence[str]) -> list[float]:
    """For each member of a pair, by its id, the share of those of its pair that one trajectory can be nearest to.

    1/2 where both members are among them, 1 where one is. The mean is the ceiling of `picks_own_expert` for who does
    not look, and so drives the same in both. Raises SceneError for an id of no pair.
    """
    pairs = [(kind, seed, split, number // 2) for kind, seed, split, number in map(_named, identities)]
    members = Counter(pairs)
    return [1.0 / members[pair] for pair in pairs]


def blind_ceiling(scenes: Sequence[Scene]) -> float:
    """The largest share of scenes that a policy can get right which sees history and route and nothing else.

    Right is who decides as the reference does. Scenes of equal history and route look the same to such a policy, and
    its best answer to them is their most frequent one. For whole pairs it is 1/2.
    """
    if not scenes:
        raise ConfigError("blind_ceiling: got no scenes, allowed is one or more")
    answers: dict[tuple[bytes, str], Counter[object]] = defaultdict(Counter)
    for scene in scenes:
        seen = scene.observation.history_T3.tobytes(), scene.observation.route
        answers[seen][scene.reference.decisions if scene.reference else None] += 1
    return sum(max(counts.values()) for counts in answers.values()) / len(scenes)


def _expert_change_m(scene: Scene, other: Scene) -> float:
    assert scene.future_T3 is not None and other.future_T3 is not None, "synthetic scenes have a future"
    return float(np.linalg.norm(scene.future_T3[:, :2] - other.future_T3[:, :2], axis=1).mean())


def _pixels_apart(scene: Scene, other: Scene) -> int:
    one, two = (render(s.observation, s.drivable_area, NEWEST).images_CTHW3.astype(int) for s in (scene, other))
    return int((np.abs(one - two).max(axis=-1) >= SEEN_STEP).sum())
