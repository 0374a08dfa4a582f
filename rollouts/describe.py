"""An observation in words: what a text-only policy reads instead of camera frames.

Only what can be known at t0 goes in. Quantities are single words with their unit (`24m`, `5dm`, `8mps`), so that a
word-level tokenizer spends one token on each and a pretrained model can still read them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ar1_rl.driving import DT_S, HISTORY_STEPS, Agent, Control, Lane, Observation
from ar1_rl.driving.lane_frame import LanePath, lane_paths, to_lane_frame
from ar1_rl.driving.scene import AGENT_KINDS, LIGHT_STATES, ROUTES


@dataclass(frozen=True)
class DescriptionLimits:
    """What is near, far, moving or standing. Our own choices: they shape the prompt, not a score."""

    agents: int = 4
    """Road users described, the most relevant first."""
    ahead_m: float = 90.0
    behind_m: float = 15.0
    beside_m: float = 9.0
    in_path_m: float = 1.6
    """Lateral distance below which a road user is in the way."""
    standing_mps: float = 0.4
    crossing_mps: float = 0.35
    """Lateral speed above which a road user is said to move sideways."""
    same_speed_mps: float = 0.75
    """A difference from the ego speed that is worth words; a small policy cannot subtract two numbers."""
    changing_mps2: float = 0.6
    """Acceleration above which it is said to slow down or speed up."""
    acceleration_window: int = 5
    """Ticks of the history over which a change of speed is read."""
    course_m: tuple[int, ...] = (4, 8, 12, 16, 22, 30, 40, 55, 75)
    """Where along the lane its heading is told: closer together where the next seconds lead."""
    bend_window_m: int = 8
    """Way over which a curvature is read."""
    straight_deg: float = 2.5
    """A lane that turns less than this over all of them is straight."""
    offset_m: float = 0.25
    """Distance from the lane centre that is worth a word."""


LIMITS = DescriptionLimits()


def describe(observation: Observation, limits: DescriptionLimits = LIMITS) -> str:
    """One line about ego motion, route, lane, controls and the most relevant road users."""
    paths = lane_paths(observation.lanes, observation.route)
    path = paths[0] if paths else _straight_path()
    agents = [
        a for a in observation.agents or () if np.isfinite(a.poses_T3[HISTORY_STEPS - 2 : HISTORY_STEPS, 0]).all()
    ]
    controls = observation.controls or ()
    ahead_NW, left_NW = _in_lane_frame(controls, agents, path, limits)
    here = Place(ahead_NW[0], left_NW[0])
    ahead_NW = ahead_NW - here.ahead_m
    places = [Place(ahead, left) for ahead, left in zip(ahead_NW[1:], left_NW[1:], strict=True)]
    ego_mps = _ego_speed(observation.history_T3)
    seen = places[len(controls) :]
    parts = [
        f"speed {_speed(ego_mps)}",
        f"route {observation.route}",
        *(_lane(observation.lanes or (), path, here, ego_mps, limits) if paths else ["lane unknown"]),
        *_controls(controls, places[: len(controls)], limits),
        *(_agents(agents, seen, ego_mps, limits) if observation.agents is not None else ["agents unknown"]),
    ]
    return " ; ".join(parts)


def _ego_speed(history_T3: np.ndarray, ticks: int = 3) -> float:
    """Mean speed [m/s] over the last ticks; the history tokens tell it more finely."""
    moved = history_T3[-1, :2] - history_T3[-1 - ticks, :2]
    return float(np.hypot(*moved)) / (ticks * DT_S)


class Place(NamedTuple):
    """Something seen from the lane over the last W ticks."""

    ahead_W: np.ndarray
    """[m] along the lane, from the ego vehicle (of the ego itself: from the start of the path)."""
    left_W: np.ndarray
    """[m] to the left of the centre line."""

    @property
    def ahead_m(self) -> float:
        """Now."""
        return float(self.ahead_W[-1])

    @property
    def left_m(self) -> float:
        """Now."""
        return float(self.left_W[-1])


def _in_lane_frame(
    controls: Sequence[Control], agents: Sequence[Agent], path: LanePath, limits: DescriptionLimits
) -> tuple[np.ndarray, np.ndarray]:
    """Along and across the lane [N, W] of ego, controls and agents, all at once; unseen ticks repeat the first seen."""
    window = limits.acceleration_window + 1
    rows = np.zeros((1 + len(controls) + len(agents), window, 3))
    for i, control in enumerate(controls):
        rows[1 + i, :, :2] = control.position_2
    for i, agent in enumerate(agents):
        recent = agent.poses_T3[HISTORY_STEPS - window : HISTORY_STEPS]
        first = int(np.isfinite(recent[:, 0]).argmax())
        rows[1 + len(controls) + i] = recent
        rows[1 + len(controls) + i, :first] = recent[first]
    reading = to_lane_frame(rows, [path] * len(rows))
    return reading.s_BT, reading.d_BT


def _lane(
    lanes: Sequence[Lane], path: LanePath, here: Place, ego_mps: float, limits: DescriptionLimits
) -> Iterator[str]:
    lane = next(lane for lane in lanes if lane.lane_id == path.lane_ids[0])
    if lane.speed_limit_mps is not None:
        yield " ".join(["limit", _speed(lane.speed_limit_mps), *_than_ego(lane.speed_limit_mps, ego_mps, limits)])
    beside = [f"{side}_free" for side, other in (("left", lane.left_id), ("right", lane.right_id)) if other is not None]
    yield " ".join(["lane", _course(path, here.ahead_m, limits), *beside])
    if abs(here.left_m) >= limits.offset_m:
        yield f"offset {_lateral(here.left_m)}"
    remaining_m = len(path.points_N2) - 1 - here.ahead_m
    if remaining_m < limits.ahead_m:
        yield f"lane_end {_distance(remaining_m)}"


def _course(path: LanePath, s_m: float, limits: DescriptionLimits) -> str:
    """Where the lane leads: where its sharpest bend begins, its radius, and headings at fixed distances ahead."""
    ahead = path.points_N2[int(s_m) : int(s_m) + limits.course_m[-1] + limits.bend_window_m]
    step = np.diff(ahead, axis=0)
    headings = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    seen = [float(np.degrees(headings[at])) for at in limits.course_m if at < len(headings)]
    if max(map(abs, seen), default=0.0) < limits.straight_deg or len(headings) <= limits.bend_window_m:
        return "straight"
    turned = np.abs(headings[limits.bend_window_m :] - headings[: -limits.bend_window_m]) / limits.bend_window_m
    sharpest = float(turned.max())
    begins = int((turned > 0.5 * sharpest).argmax())
    return " ".join(["bends", _distance(begins), "radius", _distance(1.0 / sharpest), *map(_heading, seen)])


def _controls(controls: Sequence[Control], places: Sequence[Place], limits: DescriptionLimits) -> list[str]:
    found = []
    for control, place in zip(controls, places, strict=True):
        if 0.0 <= place.ahead_m <= limits.ahead_m:
            state = control.states_T[HISTORY_STEPS - 1] + " " if control.states_T else ""
            found.append((place.ahead_m, f"{state}{control.kind} {_distance(place.ahead_m)}"))
    return [text for _, text in sorted(found)]


def _agents(agents: Sequence[Agent], places: Sequence[Place], ego_mps: float, limits: DescriptionLimits) -> list[str]:
    """The road users in reach: first those in the way ahead, then the others, each by distance."""
    ranked = []
    for agent, place in zip(agents, places, strict=True):
        ahead, left = place.ahead_m, place.left_m
        if not -limits.behind_m <= ahead <= limits.ahead_m or abs(left) > limits.beside_m:
            continue
        motion = _motion(place)
        in_the_way = ahead > 0 and (abs(left) < limits.in_path_m or abs(motion.sideways_mps) > limits.crossing_mps)
        where = [_distance(abs(ahead)), "ahead" if ahead >= 0 else "behind", _lateral(left)]
        words = [agent.kind, *where, *_motion_words(motion, limits)]
        if in_the_way and motion.speed_mps >= limits.standing_mps:
            words += _than_ego(motion.speed_mps, ego_mps, limits)
        ranked.append((not in_the_way, abs(ahead), " ".join(words)))
    return [text for *_, text in sorted(ranked)[: limits.agents]]


class Motion(NamedTuple):
    """How something moves now, seen from the lane."""

    speed_mps: float
    """Along the lane; negative for oncoming."""
    sideways_mps: float
    """To the left."""
    change_mps2: float


def _motion(place: Place) -> Motion:
    """Mean speeds over the window, and the change of speed between its two halves."""
    speeds = np.diff(place.ahead_W) / DT_S
    half = len(speeds) // 2
    late, early = float(speeds[-half:].mean()), float(speeds[:half].mean())
    sideways = float(place.left_W[-1] - place.left_W[0]) / (len(speeds) * DT_S)
    return Motion(late, sideways, (late - early) / ((len(speeds) - half) * DT_S))


def _motion_words(motion: Motion, limits: DescriptionLimits) -> list[str]:
    if abs(motion.speed_mps) < limits.standing_mps and abs(motion.sideways_mps) < limits.crossing_mps:
        return ["standing"]
    words = [_speed(abs(motion.speed_mps))]
    if motion.speed_mps < -limits.standing_mps:
        words.append("oncoming")
    if abs(motion.sideways_mps) >= limits.crossing_mps:
        words.append("to_left" if motion.sideways_mps > 0 else "to_right")
    if abs(motion.change_mps2) >= limits.changing_mps2:
        words.append("slowing" if motion.change_mps2 * motion.speed_mps < 0 else "speeding")
    return words


def _than_ego(speed_mps: float, ego_mps: float, limits: DescriptionLimits) -> list[str]:
    """By how much a speed differs from the ego's, where it does."""
    difference = speed_mps - ego_mps
    if abs(difference) < limits.same_speed_mps:
        return []
    return [_speed(abs(difference)), "faster" if difference > 0 else "slower"]


def _straight_path() -> LanePath:
    """Where no lane is known, the ego's own direction."""
    s = np.arange(-20.0, 120.0)
    return LanePath(lane_ids=(), points_N2=np.stack([s, np.zeros_like(s)], axis=1), width_m=3.5, turn=None)


# Quantities as words. Steps widen with size: what is far needs less.

DISTANCES_M = (*range(30), *range(30, 60, 2), *range(60, 121, 5))
HEADINGS_DEG = (*range(20), *range(20, 50, 2), *range(50, 181, 5))
LATERALS_DM = tuple(range(0, 91, 5))
SPEEDS_MPS = tuple(range(41))


def _nearest(value: float, steps: Sequence[int]) -> int:
    """The step closest to a size; beyond the last one, the last."""
    at = bisect_left(steps, value)
    return min(steps[max(at - 1, 0) : at + 1] or steps[-1:], key=lambda step: abs(step - value))


def _distance(value_m: float) -> str:
    return f"{_nearest(value_m, DISTANCES_M)}m"


def _lateral(value_m: float) -> str:
    decimetres = _nearest(abs(value_m) * 10, LATERALS_DM)
    return f"{decimetres}dm {'left' if value_m >= 0 else 'right'}" if decimetres else "0dm"


def _heading(value_deg: float) -> str:
    degrees = _nearest(abs(value_deg), HEADINGS_DEG)
    return f"{degrees}deg_{'left' if value_deg >= 0 else 'right'}" if degrees else "0deg"


def _speed(value_mps: float) -> str:
    return f"{_nearest(value_mps, SPEEDS_MPS)}mps"


VOCABULARY: tuple[str, ...] = (
    *("speed", "route", "limit", "lane", "unknown", "offset", "lane_end", "bends", "radius", "straight", "agents"),
    *("left", "right", "left_free", "right_free", "ahead", "behind", "0dm", "0deg", ";"),
    *("standing", "oncoming", "to_left", "to_right", "slowing", "speeding", "faster", "slower"),
    *AGENT_KINDS,
    *ROUTES,
    *LIGHT_STATES,
    *("traffic_light", "stop_sign", "yield_sign", "crosswalk"),
    *(f"{value}m" for value in DISTANCES_M),
    *(f"{value}dm" for value in LATERALS_DM),
    *(f"{value}mps" for value in SPEEDS_MPS),
    *(f"{value}deg_{side}" for value in HEADINGS_DEG[1:] for side in ("left", "right")),
)
"""Every word that a description can hold."""
