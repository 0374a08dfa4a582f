"""Small scenes and completions with known numbers, for the tests of rewards and metrics."""

from __future__ import annotations

import numpy as np

from ar1_rl.driving import (
    Agent,
    ChainOfCausation,
    Completion,
    CriticalComponent,
    Decisions,
    Scene,
    Trajectory,
    observe,
)
from ar1_rl.errors import DecodeError

SPEED_MPS = 10.0
TIMES_S = np.arange(1, 65) * 0.1
ROAD = (np.array([[-20.0, -5.0], [200.0, -5.0], [200.0, 5.0], [-20.0, 5.0]]),)


def straight(speed_mps: float = SPEED_MPS, y_m: float = 0.0) -> np.ndarray:
    """Future [64, 3] at constant speed along x, set off to the side by y."""
    return np.stack([speed_mps * TIMES_S, np.full(64, y_m), np.zeros(64)], axis=1)


def accelerating(acceleration_mps2: float, speed_mps: float = SPEED_MPS) -> np.ndarray:
    x = speed_mps * TIMES_S + 0.5 * acceleration_mps2 * TIMES_S**2
    return np.stack([x, np.zeros(64), np.zeros(64)], axis=1)


def circle(speed_mps: float, radius_m: float) -> np.ndarray:
    angle = speed_mps * TIMES_S / radius_m
    return np.stack([radius_m * np.sin(angle), radius_m * (1 - np.cos(angle)), angle], axis=1)


def standing_agent(x_m: float, y_m: float, length_m: float = 4.0, width_m: float = 2.0) -> Agent:
    return Agent(
        track_id=f"{x_m},{y_m}",
        kind="car",
        length_m=length_m,
        width_m=width_m,
        poses_T3=np.tile([x_m, y_m, 0.0], (80, 1)),
    )


def a_scene(
    scene_id: str = "s",
    *,
    agents: tuple[Agent, ...] | None = (),
    road: tuple[np.ndarray, ...] | None = ROAD,
    future: np.ndarray | None = None,
    has_future: bool = True,
    reference: tuple[Decisions, tuple[str, ...]] | None = None,
) -> Scene:
    """A straight road; the expert drives at 10 m/s, the ego is 4 x 2 m."""
    history = np.stack([np.arange(-15, 1) * 1.0, np.zeros(16), np.zeros(16)], axis=1)
    annotations = ()
    if reference is not None:
        decisions, causes = reference
        components = tuple(CriticalComponent(name=name) for name in causes)
        annotations = (
            ChainOfCausation(decisions=decisions, components=components, text="the reference", labeller="test"),
        )
    return Scene(
        id=scene_id,
        source="test",
        episode="e",
        t0_us=0,
        observation=observe(history_T3=history, route="straight", lanes=None, agents=agents, controls=None),
        future_T3=(straight() if future is None else future) if has_future else None,
        agents=agents,
        lanes=None,
        drivable_area=road,
        controls=None,
        annotations=annotations,
        ego_size_m=(4.0, 2.0),
    )


def driven(poses_T3: np.ndarray, reasoning: str | None = "keep the lane") -> Completion:
    return Completion(
        text=reasoning or "",
        token_ids=(1,),
        reasoning=reasoning,
        trajectory=Trajectory(poses_T3=poses_T3, source="tokens"),
        error=None,
    )


def undecodable(reasoning: str | None = "keep the lane") -> Completion:
    return Completion(
        text=reasoning or "", token_ids=(1,), reasoning=reasoning, trajectory=None, error=DecodeError("no end")
    )
