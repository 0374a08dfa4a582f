"""Faults planted in the labels of synthetic scenes, so that fine-tuning alone is not enough.

Habits are systematic: in scenes of some kinds a majority of the traces carries the same fault, and the rest are right.
Three sorts: the text decides something else over the right trajectory, the text names another cause, or the trajectory
is that of a clear road under the right text. On top comes a little uniform noise: a sentence of another kind.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from ..config import ConfigModel
from ..driving.decisions import SIDED_DECISIONS
from ..driving.scene import Scene
from ..driving.trajectory import HISTORY_STEPS
from ..errors import ConfigError
from .synthetic.build import DrivenWorld, drive_world
from .synthetic.by_id import world_of
from .synthetic.causes import CAUSES as KINDS
from .synthetic.counterfactual import on_clear_road
from .synthetic.draw import Draw
from .synthetic.generate import SyntheticConfig
from .synthetic.sentences import CAUSES, DECIDED, sentence

Fault = Literal["wrong_decision", "wrong_cause", "wrong_trajectory"]
NOISE = "noise"
"""Names the uniform noise where the others name a habit's fault."""
UNSIDED = tuple(name for name, (_, lateral) in DECIDED.items() if lateral not in SIDED_DECISIONS)
"""Wordings that need no side, so that they can be said of any scene."""
_SENTENCES = 2**31


class Habit(ConfigModel):
    """A fault that most traces of a kind share."""

    fault: Fault
    wording: str | None = None
    """Whose decision and cause a wrong decision names, or whose cause a wrong cause names; see UNSIDED and CAUSES."""
    share: float = Field(0.63, ge=0.0, le=1.0)
    """Of the kind's traces; the others are right."""

    @model_validator(mode="after")
    def _wording_fits_the_fault(self) -> Habit:
        allowed = {"wrong_decision": UNSIDED, "wrong_cause": tuple(CAUSES), "wrong_trajectory": (None,)}
        if self.wording not in allowed[self.fault]:
            raise ValueError(f"wording of {self.fault}: got {self.wording!r}, allowed {allowed[self.fault]}")
        return self


HABITS: dict[str, Habit] = {
    "crossing_pedestrian": Habit(fault="wrong_decision", wording="clear_road"),
    "slow_truck": Habit(fault="wrong_decision", wording="lead_slower"),
    "turn": Habit(fault="wrong_decision", wording="sharp_curve"),
    "red_light": Habit(fault="wrong_cause", wording="lead_stands"),
    "cut_in": Habit(fault="wrong_cause", wording="lead_slower"),
    "sharp_curve": Habit(fault="wrong_cause", wording="speed_bump"),
    "stop_sign": Habit(fault="wrong_cause", wording="red_light"),
    "parked_car": Habit(fault="wrong_trajectory"),
    "route_lane_change": Habit(fault="wrong_trajectory"),
}


class FaultConfig(ConfigModel):
    """Which faults are planted."""

    habits: dict[str, Habit] = Field(default_factory=lambda: dict(HABITS))
    """Kind of scene -> its habit; other kinds are labelled right."""
    uniform_noise: float = Field(0.03, ge=0.0, le=1.0)
    """Share of all traces that carry a sentence of another kind."""

    @model_validator(mode="after")
    def _kinds_are_known(self) -> FaultConfig:
        unknown = sorted(set(self.habits) - set(KINDS))
        if unknown:
            raise ValueError(f"kinds of scene: got {unknown}, allowed {sorted(KINDS)}")
        return self


@dataclass(frozen=True, eq=False)
class LabelledTrace:
    """What fine-tuning is taught for a scene."""

    text: str
    future_T3: np.ndarray
    """[64, 3]"""
    fault: str | None
    """None where the trace is right, else a Fault or NOISE."""


def plant_faults(
    scene: Scene, seed: int, config: FaultConfig | None = None, scenes: SyntheticConfig | None = None
) -> LabelledTrace:
    """The trace of a scene, with a fault or without; always the same for a scene and a seed.

    `scenes` is the config that the scene was generated with.
    Raises ConfigError where the scene has no expert or reference, or where `scenes` does not lead to this scene.
    """
    config = config or FaultConfig()
    draw = Draw([seed, zlib.crc32(scene.id.encode())])
    chance, choice = draw.unit(), int(draw.uniform(0, _SENTENCES))
    if chance < config.uniform_noise:
        return _noise(scene, draw, choice)
    habit = config.habits.get(scene.kind)
    if habit is None or draw.unit() >= habit.share:
        return _right(scene)
    return habitual_trace(scene, habit, choice, scenes)


def habitual_trace(scene: Scene, habit: Habit, choice: int, scenes: SyntheticConfig | None = None) -> LabelledTrace:
    """The trace of a scene with its kind's fault; `choice` picks the sentence."""
    right = _right(scene)
    if habit.fault == "wrong_trajectory":
        return LabelledTrace(right.text, _clear_road_future(scene, scenes or SyntheticConfig()), habit.fault)
    assert habit.wording is not None
    if habit.fault == "wrong_decision":
        return LabelledTrace(sentence(habit.wording, None, choice), right.future_T3, habit.fault)
    driven = _driven(scene, scenes or SyntheticConfig())
    cause = driven.world.cause
    return LabelledTrace(sentence(cause.wording, cause.side, choice, habit.wording), right.future_T3, habit.fault)


def _right(scene: Scene) -> LabelledTrace:
    if scene.reference is None or scene.future_T3 is None:
        raise ConfigError(f"scene {scene.id}: faults are planted in labels, and this scene has no reference or expert")
    return LabelledTrace(scene.reference.text, scene.future_T3, None)


def _noise(scene: Scene, draw: Draw, choice: int) -> LabelledTrace:
    right = _right(scene)
    assert scene.reference is not None
    decided = scene.reference.decisions
    wording = draw.pick([name for name, pair in DECIDED.items() if pair != (decided.longitudinal, decided.lateral)])
    return LabelledTrace(sentence(wording, draw.pick(("left", "right")), choice), right.future_T3, NOISE)


def _clear_road_future(scene: Scene, scenes: SyntheticConfig) -> np.ndarray:
    """What the expert drives [64, 3] where nothing calls for an action."""
    driven = _driven(scene, scenes)
    return drive_world(on_clear_road(driven.world)).poses_T3[HISTORY_STEPS:]


def _driven(scene: Scene, scenes: SyntheticConfig) -> DrivenWorld:
    driven, _ = world_of(scene.id, scenes)
    if not np.allclose(driven.poses_T3[:HISTORY_STEPS], scene.observation.history_T3, atol=1e-6):
        raise ConfigError(f"scene {scene.id} was generated with another config than the one given; pass its own")
    return driven
