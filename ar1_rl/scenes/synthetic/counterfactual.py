"""Worlds changed by one thing: drive both, and the difference is what that thing does."""

from __future__ import annotations

from dataclasses import replace

from .world import CLEAR, RESUME, World


def without_element(world: World, element_id: str) -> World:
    """The world without one road user or signal; where that was the cause, the road is clear."""
    left = replace(
        world,
        actors=tuple(a for a in world.actors if a.element_id != element_id),
        signals=tuple(s for s in world.signals if s.element_id != element_id),
    )
    return _recaused(left, world, element_id)


def with_light(world: World, element_id: str, state: str) -> World:
    """The world with one traffic light in another state, on which the light has been all along."""
    signals = tuple(
        replace(s, state=state, state_before="") if s.element_id == element_id else s for s in world.signals
    )
    changed = replace(world, signals=signals)
    return _recaused(changed, world, element_id) if state == "green" else changed


def on_clear_road(world: World) -> World:
    """The world in which nothing calls for an action: same road, same speed, straight on in the own lane."""
    cited = {c.element_id for c in world.cause.components}
    return replace(
        world,
        kind="clear_road",
        cause=CLEAR,
        actors=tuple(a for a in world.actors if a.element_id not in cited),
        signals=tuple(s for s in world.signals if not s.stops_traffic),
        moves=tuple(m for m in world.moves if m.start_m < 0.0),
        set_speed_mps=world.speed_mps or world.set_speed_mps,
        speed_zones=(),
        destination_m=None,
        route="straight",
    )


def _recaused(changed: World, world: World, element_id: str) -> World:
    if element_id not in {c.element_id for c in world.cause.components}:
        return changed
    set_speed = max(world.speed_mps, world.set_speed_mps)
    cause = RESUME if set_speed > world.speed_mps else CLEAR
    return replace(changed, kind="clear_road", cause=cause, moves=(), set_speed_mps=set_speed)
