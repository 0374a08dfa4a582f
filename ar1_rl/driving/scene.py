"""Scenes: what the policy may see (`Observation`) and what only rewards and metrics may see (`Scene`).

All coordinates are in the ego rig frame at t0 (see `trajectory.py`). Everything with a time axis lives on the scene
clock of 80 ticks at 10 Hz: tick 15 is t0, ticks 0 to 15 are the history, ticks 16 to 79 the future. The same classes
hold both views: in an `Observation` their time axis has 16 ticks, in a `Scene` 80.

`None` where a sequence is expected means "this source does not know"; an empty tuple means "there are none".
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..errors import SceneError
from .decisions import COMPONENT_GROUPS, Decisions
from .trajectory import FUTURE_STEPS, HISTORY_STEPS

SCENE_STEPS = HISTORY_STEPS + FUTURE_STEPS
SCENE_SCHEMA_VERSION = 1

AGENT_KINDS = ("car", "truck", "bus", "motorcycle", "bicycle", "pedestrian", "other")
CONTROL_KINDS = ("traffic_light", "stop_sign", "yield_sign", "crosswalk")
LIGHT_STATES = ("red", "yellow", "green", "unknown")
ROUTES = ("straight", "left", "right", "lane_left", "lane_right", "stop_ahead", "unknown")
"""Route command at t0: go on, turn at the next junction, change lanes, or pull over at the destination."""

Route = Literal["straight", "left", "right", "lane_left", "lane_right", "stop_ahead", "unknown"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Agent:
    """Another road user. Example: a car of 4.5 x 1.9 m standing 20 m ahead."""

    track_id: str
    kind: str
    length_m: float
    width_m: float
    poses_T3: np.ndarray
    """[16 or 80, 3] pose of the box centre; NaN where the agent was not seen."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Lane:
    """A lane by its centre line, in driving direction."""

    lane_id: str
    centerline_N2: np.ndarray
    width_m: float
    speed_limit_mps: float | None = None
    left_id: str | None = None
    right_id: str | None = None
    """Neighbour lanes one may change into."""
    successor_ids: tuple[str, ...] = ()
    turn: Literal["left", "right"] | None = None
    """The lane turns at a junction."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Control:
    """A traffic light, sign or crosswalk, at the point where the ego's path meets its stop line."""

    control_id: str
    kind: str
    position_2: np.ndarray
    lane_id: str | None = None
    states_T: tuple[str, ...] = ()
    """Light state per tick (16 or 80 entries of LIGHT_STATES); empty for what has no state."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Camera:
    """A pinhole camera."""

    name: str
    intrinsics_33: np.ndarray
    rig_from_camera_44: np.ndarray
    width_px: int
    height_px: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Frame:
    """One image, by reference; never later than t0."""

    camera: Camera
    time_s: float
    """Relative to t0, so never positive."""
    path: str


@dataclass(frozen=True, kw_only=True)
class CriticalComponent:
    """A cause that a trace may name, and the track or map element it is."""

    name: str
    element_id: str | None = None
    uncertainty: Literal["low", "high"] | None = None
    """Of critical objects only."""

    @property
    def group(self) -> str:
        """One of the paper's seven groups."""
        return COMPONENT_GROUPS[self.name]


@dataclass(frozen=True, kw_only=True)
class ChainOfCausation:
    """A reference trace: decisions, their causes, and one sentence that says both."""

    decisions: Decisions
    components: tuple[CriticalComponent, ...]
    text: str
    labeller: str
    """Who or what wrote it: "synthetic", "rules", a person, a model."""
    status: str = "accepted"
    version: int = 1
    evidence_s: tuple[float, float] = (-1.5, 0.0)
    """The window, relative to t0, in which the causes can be seen."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Observation:
    """All that a policy may see: nothing in it is later than t0."""

    history_T3: np.ndarray
    """[16, 3] ego poses, the last one (0, 0, 0)."""
    route: Route
    lanes: tuple[Lane, ...] | None
    agents: tuple[Agent, ...] | None
    controls: tuple[Control, ...] | None
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """An observation and what followed. `future_T3` is None where the log ends at t0."""

    id: str
    source: str
    episode: str
    """The log or drive it was cut from; splits never share one."""
    t0_us: int
    observation: Observation
    future_T3: np.ndarray | None
    """[64, 3] what the expert drove."""
    agents: tuple[Agent, ...] | None
    lanes: tuple[Lane, ...] | None
    drivable_area: tuple[np.ndarray, ...] | None
    """Polygons [N, 2]; the vehicle is on the road where it is inside any of them."""
    controls: tuple[Control, ...] | None
    annotations: tuple[ChainOfCausation, ...] = ()
    kind: str = "unknown"
    """Scenario type, for tables; the policy never sees it."""
    ego_size_m: tuple[float, float] = (4.8, 2.0)
    """Length and width of the ego vehicle [m]."""
    ego_center_ahead_m: float = 0.0
    """How far the centre of its box lies ahead of its pose [m]; real logs give the pose of the rear axle."""

    @property
    def reference(self) -> ChainOfCausation | None:
        """The newest accepted annotation, or None."""
        accepted = [a for a in self.annotations if a.status == "accepted"]
        return max(accepted, key=lambda a: a.version) if accepted else None

    def to_row(self) -> dict[str, Any]:
        """A flat dataset row of scalars and JSON text; `Scene.from_row` is its inverse."""
        withheld = {
            "future_T3": _listed(self.future_T3),
            "agents": _rows(self.agents, _agent_row),
            "lanes": _rows(self.lanes, _lane_row),
            "drivable_area": None if self.drivable_area is None else [_listed(p) for p in self.drivable_area],
            "controls": _rows(self.controls, _control_row),
            "annotations": [_annotation_row(a) for a in self.annotations],
            "ego_size_m": list(self.ego_size_m),
            "ego_center_ahead_m": self.ego_center_ahead_m,
        }
        return {
            "schema_version": SCENE_SCHEMA_VERSION,
            "id": self.id,
            "source": self.source,
            "episode": self.episode,
            "kind": self.kind,
            "t0_us": self.t0_us,
            "observation": json.dumps(_observation_row(self.observation)),
            "withheld": json.dumps(withheld),
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Scene:
        """The scene that `to_row` wrote; raises SceneError for another schema version."""
        if row.get("schema_version") != SCENE_SCHEMA_VERSION:
            raise SceneError(
                f"scene row {row.get('id')!r}: schema_version {row.get('schema_version')!r}, "
                f"this version reads {SCENE_SCHEMA_VERSION}; write the scenes again"
            )
        withheld = json.loads(row["withheld"])
        polygons = withheld["drivable_area"]
        future = withheld["future_T3"]
        return cls(
            id=row["id"],
            source=row["source"],
            episode=row["episode"],
            kind=row["kind"],
            t0_us=row["t0_us"],
            observation=_observation(json.loads(row["observation"])),
            future_T3=None if future is None else np.array(future),
            agents=_parsed(withheld["agents"], _agent),
            lanes=_parsed(withheld["lanes"], _lane),
            drivable_area=None if polygons is None else tuple(np.array(p) for p in polygons),
            controls=_parsed(withheld["controls"], _control),
            annotations=tuple(_annotation(a) for a in withheld["annotations"]),
            ego_size_m=tuple(withheld["ego_size_m"]),
            ego_center_ahead_m=withheld["ego_center_ahead_m"],
        )


def observe(
    *,
    history_T3: np.ndarray,
    route: Route,
    lanes: tuple[Lane, ...] | None,
    agents: tuple[Agent, ...] | None,
    controls: tuple[Control, ...] | None,
    frames: tuple[Frame, ...] = (),
) -> Observation:
    """The view up to t0 of a world on the scene clock: the one place where the future is cut off.

    `agents` and `controls` have 80 ticks; agents that were never seen up to t0 are left out.
    """
    seen = None
    if agents is not None:
        cut = (replace(a, poses_T3=a.poses_T3[:HISTORY_STEPS]) for a in agents)
        seen = tuple(a for a in cut if np.isfinite(a.poses_T3).any())
    signs = None
    if controls is not None:
        signs = tuple(replace(c, states_T=c.states_T[:HISTORY_STEPS]) for c in controls)
    return Observation(history_T3=history_T3, route=route, lanes=lanes, agents=seen, controls=signs, frames=frames)


# Rows. JSON has no NaN: a pose that was not seen is written as null.


def _listed(array: np.ndarray | None) -> list[Any] | None:
    if array is None:
        return None
    return [None if not np.isfinite(row).all() else row for row in array.tolist()]


def _poses(rows: list[Any]) -> np.ndarray:
    return np.array([[np.nan] * 3 if row is None else row for row in rows], dtype=float).reshape(-1, 3)


def _rows(items: tuple[Any, ...] | None, write: Any) -> list[Any] | None:
    return None if items is None else [write(item) for item in items]


def _parsed(rows: list[Any] | None, read: Any) -> tuple[Any, ...] | None:
    return None if rows is None else tuple(read(row) for row in rows)


def _agent_row(agent: Agent) -> dict[str, Any]:
    return {**vars(agent), "poses_T3": _listed(agent.poses_T3)}


def _agent(row: dict[str, Any]) -> Agent:
    return Agent(**{**row, "poses_T3": _poses(row["poses_T3"])})


def _lane_row(lane: Lane) -> dict[str, Any]:
    return {**vars(lane), "centerline_N2": _listed(lane.centerline_N2), "successor_ids": list(lane.successor_ids)}


def _lane(row: dict[str, Any]) -> Lane:
    return Lane(
        **{**row, "centerline_N2": np.array(row["centerline_N2"]), "successor_ids": tuple(row["successor_ids"])}
    )


def _control_row(control: Control) -> dict[str, Any]:
    return {**vars(control), "position_2": control.position_2.tolist(), "states_T": list(control.states_T)}


def _control(row: dict[str, Any]) -> Control:
    return Control(**{**row, "position_2": np.array(row["position_2"]), "states_T": tuple(row["states_T"])})


def _frame_row(frame: Frame) -> dict[str, Any]:
    camera = {
        **vars(frame.camera),
        "intrinsics_33": frame.camera.intrinsics_33.tolist(),
        "rig_from_camera_44": frame.camera.rig_from_camera_44.tolist(),
    }
    return {"camera": camera, "time_s": frame.time_s, "path": frame.path}


def _frame(row: dict[str, Any]) -> Frame:
    camera = row["camera"]
    arrays = {name: np.array(camera[name]) for name in ("intrinsics_33", "rig_from_camera_44")}
    return Frame(camera=Camera(**{**camera, **arrays}), time_s=row["time_s"], path=row["path"])


def _observation_row(observation: Observation) -> dict[str, Any]:
    return {
        "history_T3": _listed(observation.history_T3),
        "route": observation.route,
        "lanes": _rows(observation.lanes, _lane_row),
        "agents": _rows(observation.agents, _agent_row),
        "controls": _rows(observation.controls, _control_row),
        "frames": [_frame_row(f) for f in observation.frames],
    }


def _observation(row: dict[str, Any]) -> Observation:
    return Observation(
        history_T3=np.array(row["history_T3"]),
        route=row["route"],
        lanes=_parsed(row["lanes"], _lane),
        agents=_parsed(row["agents"], _agent),
        controls=_parsed(row["controls"], _control),
        frames=tuple(_frame(f) for f in row["frames"]),
    )


def _annotation_row(annotation: ChainOfCausation) -> dict[str, Any]:
    return {
        **vars(annotation),
        "decisions": vars(annotation.decisions),
        "components": [vars(c) for c in annotation.components],
        "evidence_s": list(annotation.evidence_s),
    }


def _annotation(row: dict[str, Any]) -> ChainOfCausation:
    return ChainOfCausation(
        **{
            **row,
            "decisions": Decisions(**row["decisions"]),
            "components": tuple(CriticalComponent(**c) for c in row["components"]),
            "evidence_s": tuple(row["evidence_s"]),
        }
    )
