"""A reference Chain-of-Causation for a real log, by rules: what from the logged future, why from what came before.

The decisions are those that the logged future carries out (`driving/carrying_out.py`); of several, the one whose cause
is in view comes first. Where no cause is in view the sentence states the decisions alone, and where the table has no
decision for the motion there is no trace. The labeller is "rules": plausible, and not what the driver thought.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from ar1_rl.driving.carrying_out import LATERAL_TABLE, THRESHOLDS, first_action, match_longitudinal
from ar1_rl.driving.claims import Claims
from ar1_rl.driving.decisions import Decisions, Side
from ar1_rl.driving.lane_frame import LanePath, follow, lane_paths
from ar1_rl.driving.motion import Motion, read_motions
from ar1_rl.driving.scene import ChainOfCausation, CriticalComponent, Observation, Scene

from . import evidence
from .log_sentences import component_of, sentence
from .sightings import Sighting, driven_path, sightings

LABELLER = "rules"


class Cause(NamedTuple):
    """A cause in view, and the key of the words for it in `log_sentences.CAUSES`."""

    component: CriticalComponent
    wording: str


class View(NamedTuple):
    """What there is to be seen at t0; `seen` is None where agents are not known."""

    observation: Observation
    path: LanePath
    seen: list[Sighting] | None
    speed_mps: float

    @property
    def lane_id(self) -> str | None:
        """The lane of the ego at t0, where there is a map."""
        return self.path.lane_ids[0] if self.path.lane_ids else None


def reference_trace(scene: Scene) -> ChainOfCausation | None:
    """The trace of one scene; see `reference_traces`."""
    return reference_traces([scene])[0]


def reference_traces(scenes: Sequence[Scene]) -> list[ChainOfCausation | None]:
    """The traces of scenes; None where the future is not known or is none of the known decisions."""
    known = [i for i, scene in enumerate(scenes) if scene.future_T3 is not None]
    traces: list[ChainOfCausation | None] = [None] * len(scenes)
    if known:
        poses_BT3 = np.stack([np.concatenate([np.zeros((1, 3)), scenes[i].future_T3]) for i in known])
        choices = [lane_paths(scenes[i].lanes, scenes[i].observation.route) for i in known]
        for row, motion in enumerate(read_motions(poses_BT3, choices)):
            path = follow(poses_BT3[row : row + 1], [choices[row]])[1][0] if choices[row] else None
            traces[known[row]] = _trace(scenes[known[row]], motion, path)
    return traces


def _trace(scene: Scene, motion: Motion, path: LanePath | None) -> ChainOfCausation | None:
    path = path or driven_path(scene.observation)
    seen = sightings(scene.observation, path, scene.ego_size_m[0])
    view = View(scene.observation, path, seen, motion.start_mps)
    sideways = next(_lateral(view, motion), None)
    if sideways is None:
        return None
    lateral, side, why_sideways = sideways
    along = next(
        (
            (decision, why)
            for decision, why in _longitudinal(view, lateral, side, why_sideways)
            if match_longitudinal(Claims(longitudinal=decision, lateral=lateral, side=side), motion).credit == 1.0
        ),
        None,
    )
    if along is None:
        return None
    decisions = Decisions(longitudinal=along[0], lateral=lateral, side=side)
    speeds_up = motion.end_mps > motion.start_mps and first_action(motion, True).endswith("acceleration")
    choice = zlib.crc32(scene.id.encode())
    for why in dict.fromkeys((why_sideways, along[1], None) if why_sideways else (along[1], None)):
        text = sentence(decisions, why.wording if why else None, choice, speeds_up)
        if text is not None:
            components = () if why is None else (why.component,)
            return ChainOfCausation(decisions=decisions, components=components, text=text, labeller=LABELLER)
    return None


def _lateral(view: View, motion: Motion) -> Iterator[tuple[str, Side | None, Cause | None]]:
    """Lateral decisions that the motion carries out, the most telling first, with their cause.

    Without a map a winding road looks like a nudge or a lane change, so neither is claimed there.
    """
    seen = view.seen or []
    sides: tuple[Side, Side] = ("left", "right")
    for name in ("turn", "lane_change", "in_lane_nudge", "out_of_lane_nudge") if motion.on_map else ("turn",):
        for side in sides:
            if not LATERAL_TABLE[name].holds(motion, side, THRESHOLDS):
                continue
            if name == "turn":
                yield name, side, None
            elif name == "lane_change":
                ahead = evidence.lead(seen, view.path)
                slow = ahead is not None and evidence.is_slow(ahead, view.speed_mps)
                yield name, side, _cause("slow_vehicle", ahead) if ahead is not None and slow else None
            else:
                yield name, side, _beside(view, "right" if side == "left" else "left")
    if LATERAL_TABLE["lane_keeping"].holds(motion, None, THRESHOLDS):
        yield "lane_keeping", None, None


def _longitudinal(view: View, lateral: str, side: Side | None, why: Cause | None) -> Iterator[tuple[str, Cause | None]]:
    """Longitudinal decisions that would answer to what is in view, the most telling first, with their cause."""
    seen, speed = view.seen or [], view.speed_mps
    if lateral == "lane_change" and why is not None:
        yield "passing_acceleration", why
    walker = evidence.crossing(seen, speed)
    if walker is not None:
        yield "yield", _cause("pedestrian" if walker.agent.kind == "pedestrian" else "cyclist", walker)
    ahead = evidence.lead(seen, view.path)
    if ahead is not None and evidence.is_near(ahead, speed):
        yield "lead_obstacle_following", _lead(view, ahead)
    oncoming, crossing = evidence.oncoming(seen), evidence.cross_traffic(seen)
    if (lateral, side) == ("turn", "left") and oncoming is not None:
        yield "yield", _cause("oncoming_vehicle", oncoming)
    if crossing is not None:
        yield "yield", _cause("cross_traffic", crossing)
    yield "stop", None
    bends, lane_id = evidence.curve(view.observation, view.path, speed)
    if bends:
        yield "speed_adaptation", Cause(CriticalComponent(name="curve", element_id=lane_id), "curve")
    if view.seen is not None and evidence.is_clear(seen, view.path, speed):
        yield "set_speed_tracking", Cause(CriticalComponent(name="clear_lane", element_id=view.lane_id), "clear_lane")
    yield "set_speed_tracking", None
    yield "speed_adaptation", None


def _lead(view: View, ahead: Sighting) -> Cause:
    if evidence.cuts_in(ahead, view.path):
        return _cause("cut_in_vehicle", ahead)
    if evidence.is_braking(ahead):
        return _cause("lead_braking", ahead)
    if evidence.is_closing(ahead, view.speed_mps):
        return _cause("lead_slower", ahead)
    return _cause("lead_near", ahead)


def _beside(view: View, side: Side) -> Cause | None:
    """Whom the ego moves away from, standing vehicles first."""
    seen = view.seen or []
    parked = evidence.beside(seen, side, view.speed_mps, parked=True)
    if parked is not None:
        return _cause("parked_vehicle", parked)
    moving = evidence.beside(seen, side, view.speed_mps, parked=False)
    if moving is None:
        return None
    return _cause("oncoming_vehicle" if moving.along_mps < 0.0 else "adjacent_vehicle", moving)


def _cause(wording: str, sighting: Sighting) -> Cause:
    uncertainty: Literal["low", "high"] = "low" if evidence.is_certain(sighting) else "high"
    component = CriticalComponent(
        name=component_of(wording), element_id=sighting.agent.track_id, uncertainty=uncertainty
    )
    return Cause(component, wording)
