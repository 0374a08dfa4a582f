"""Pairs of scenes that differ by one thing: the cause that the reference trace cites is gone, or something uncited is.

Everything is derived again from the changed world: what is there, the expert's drive, the reference trace. The past and
the route stay, so whatever changes in the answer changes because of that one thing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...driving.scene import Scene
from ...errors import ConfigError, SceneError
from .build import SOURCE, DrivenWorld, drive_world, to_scene
from .by_id import world_of
from .counterfactual import without_element

LEAST_EXPERT_CHANGE_M = 2.0
"""A cause counts only where the expert drives this far from its old drive without it, on average."""


def without_cited_cause(scene: Scene) -> Scene | None:
    """The scene without the road user, light or sign that its reference trace names.

    None where there is no such scene: the cause is a lane, a curve or the route, which cannot be taken out; the past
    would be another one; or the expert would hardly drive otherwise. Scenes of other sources have none either.
    """
    found = _world_of(scene)
    if found is None or scene.observation.route != "straight":
        return None
    driven, choice = found
    cited = {component.element_id for component in driven.world.cause.components}
    for element_id in [e.element_id for e in driven.world.actors] + [e.element_id for e in driven.world.signals]:
        if element_id in cited:
            other = _without(scene, driven, element_id, choice)
            return other if other is not None and _expert_change_m(scene, other) >= LEAST_EXPERT_CHANGE_M else None
    return None


def without_bystander(scene: Scene) -> Scene | None:
    """The control: the scene without its nearest road user that the trace does not name and the expert ignores.

    None where there is none, or where the expert would drive otherwise after all.
    """
    found = _world_of(scene)
    if found is None:
        return None
    driven, choice = found
    cited = {component.element_id for component in driven.world.cause.components}
    for agent in scene.agents or ():
        if agent.track_id in cited:
            continue
        other = _without(scene, driven, agent.track_id, choice)
        return other if other is not None and _expert_change_m(scene, other) < 1e-9 else None
    return None


def _world_of(scene: Scene) -> tuple[DrivenWorld, int] | None:
    """The driven world behind a scene and the choice of its sentence, by its id; None where that tells of none."""
    if scene.source != SOURCE:
        return None
    try:
        return world_of(scene.id)
    except (ConfigError, SceneError):
        return None


def _without(scene: Scene, driven: DrivenWorld, element_id: str, choice: int) -> Scene | None:
    world = without_element(driven.world, element_id)
    other = to_scene(drive_world(world), f"{scene.id}/without/{element_id}", choice)
    # The past is another one if it leads up to the cause, and if a scene of another mixture of kinds has this id.
    same_past = np.allclose(other.observation.history_T3, scene.observation.history_T3, atol=1e-9)
    return replace(other, episode=scene.episode) if same_past else None


def _expert_change_m(scene: Scene, other: Scene) -> float:
    assert scene.future_T3 is not None and other.future_T3 is not None, "synthetic scenes have a future"
    return float(np.linalg.norm(scene.future_T3[:, :2] - other.future_T3[:, :2], axis=1).mean())
