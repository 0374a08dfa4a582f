"""The state of a synthetic world, explicit and frozen: what is there, and what the ego vehicle wants.

A world says nothing about how it is driven: `expert.drive` is a pure function of it. So a counterfactual is a changed
world that is driven again: `counterfactual` makes such worlds.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ...driving.decisions import Decisions, Side
from ...driving.scene import SCENE_STEPS, CriticalComponent, Route
from ...driving.trajectory import DT_S, HISTORY_STEPS
from .road import Road
from .sentences import decisions_of

EGO_LENGTH_M, EGO_WIDTH_M = 4.8, 2.0
TIMES_T = (np.arange(SCENE_STEPS) - (HISTORY_STEPS - 1)) * DT_S
"""[80] times of the scene clock relative to t0 [s]."""

Role = Literal["lead", "crossing", "none"]


@dataclass(frozen=True)
class Actor:
    """A road user that follows a script; it does not react to the ego vehicle.

    Example: `Actor("car_1", "car", 4.5, 1.9, s_m=30.0, speed_mps=8.0, role="lead")`.
    """

    element_id: str
    kind: str
    length_m: float
    width_m: float
    s_m: float
    """Where its centre is at t0."""
    d_m: float = 0.0
    speed_mps: float = 0.0
    """Along the road, before any acceleration; negative for oncoming traffic."""
    role: Role = "none"
    """What the expert does about it: keep a distance behind it, let it cross, or nothing."""
    acceleration_mps2: float = 0.0
    acceleration_start_s: float = 0.0
    final_speed_mps: float | None = None
    """Where the change of speed ends; only with an acceleration."""
    lateral_mps: float = 0.0
    """Steady motion across the road, to the left: pedestrians."""
    shift_m: float = 0.0
    shift_start_s: float = 0.0
    shift_duration_s: float = 3.0
    """A smooth change of d by `shift_m`, to the left: vehicles that change lanes."""
    yaw_rad: float = 0.0
    """Relative to the road."""

    def road_track(self) -> tuple[np.ndarray, np.ndarray]:
        """Road coordinates s and d [80] on the scene clock."""
        return self._along(), self._across()

    def _along(self) -> np.ndarray:
        if self.acceleration_mps2 == 0.0:
            return self.s_m + self.speed_mps * TIMES_T
        final = self.speed_mps if self.final_speed_mps is None else self.final_speed_mps
        change_T = self.acceleration_mps2 * np.maximum(TIMES_T - self.acceleration_start_s, 0.0)
        low, high = sorted((self.speed_mps, final))
        speed_T = np.clip(self.speed_mps + change_T, low, high)
        s_T = np.concatenate([[0.0], np.cumsum(speed_T[1:] + speed_T[:-1]) * (DT_S / 2)])
        return self.s_m + s_T - s_T[HISTORY_STEPS - 1]

    def _across(self) -> np.ndarray:
        d_T = self.d_m + self.lateral_mps * TIMES_T
        if self.shift_m == 0.0:
            return d_T
        u = np.clip((TIMES_T - self.shift_start_s) / self.shift_duration_s, 0.0, 1.0)
        return d_T + self.shift_m * u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


@dataclass(frozen=True)
class Signal:
    """A light or a sign. The expert stops for stop signs and for lights that are not green."""

    element_id: str
    kind: str
    s_m: float
    """Stop line."""
    state: str = ""
    """Light state at t0 and after; empty for signs."""
    state_before: str = ""
    """Light state up to `changed_s`, where it has changed."""
    changed_s: float = -0.5

    @property
    def stops_traffic(self) -> bool:
        """Whether one has to stop for it."""
        return self.kind == "stop_sign" or (self.kind == "traffic_light" and self.state in ("red", "yellow"))


@dataclass(frozen=True)
class Move:
    """A change of the lateral target: from `start_m` on, within `length_m`, to `target_m` left of the lane centre."""

    start_m: float
    length_m: float
    target_m: float


@dataclass(frozen=True)
class SpeedZone:
    """From `start_m` on no faster than `speed_mps`: a curve, a turn."""

    start_m: float
    speed_mps: float


@dataclass(frozen=True)
class Layout:
    """Lanes around the ego lane."""

    lane_width_m: float = 3.6
    lanes_left: int = 0
    lanes_right: int = 0
    oncoming: bool = True
    """A lane for oncoming traffic to the left of all others."""
    shoulder_m: float = 1.0
    """Drivable strip to the right of all lanes."""
    left_shoulder_m: float = 0.5
    """Drivable strip to the left of all lanes."""
    lane_end_m: float | None = None
    """Where the ego lane ends."""
    turn: tuple[float, float, Literal["left", "right"]] | None = None
    """Begin and end [m] of the ego lane's turn at a junction, and its side."""


@dataclass(frozen=True)
class Cause:
    """Why the expert acts. `wording` names a row of `sentences.DECIDED`; `side` is where its decision goes."""

    wording: str
    components: tuple[CriticalComponent, ...]
    side: Side | None = None

    @property
    def decisions(self) -> Decisions:
        """What the expert decides."""
        return decisions_of(self.wording, self.side)


CLEAR = Cause("clear_road", (CriticalComponent(name="clear_lane", element_id="lane_ego"),))


@dataclass(frozen=True, kw_only=True)
class World:
    """All there is to a scene before anyone drives. Speeds in m/s, times relative to t0 in s."""

    kind: str
    cause: Cause
    speed_mps: float
    """Of the ego vehicle at t0, about."""
    set_speed_mps: float
    """What it would drive on a clear road once it has reacted."""
    speed_limit_mps: float
    road: Road = field(default_factory=Road)
    layout: Layout = field(default_factory=Layout)
    history_acceleration_mps2: float = 0.0
    """Up to t0."""
    offset_m: float = 0.0
    """Where in its lane it drives, to the left of the centre."""
    reaction_s: float = 0.5
    """When it begins to act on the cause."""
    acceleration_mps2: float = 1.2
    """The most it takes to gain speed."""
    route: Route = "straight"
    actors: tuple[Actor, ...] = ()
    signals: tuple[Signal, ...] = ()
    moves: tuple[Move, ...] = ()
    speed_zones: tuple[SpeedZone, ...] = ()
    destination_m: float | None = None
    """Where it pulls over and stops."""


RESUME = replace(CLEAR, wording="resume_speed")
"""The road is clear and the ego vehicle is slower than it would like."""
