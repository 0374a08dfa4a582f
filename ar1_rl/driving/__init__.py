"""The driving domain: numpy and the standard library only, imports in a blink."""

from .claims import Claim, Claims
from .codec import TrajectoryCodec
from .completion import (
    COT_END,
    COT_START,
    FUTURE_END,
    FUTURE_START,
    HISTORY_END,
    HISTORY_START,
    SPECIAL_TOKENS,
    Completion,
    TokenLayout,
    parse_completions,
    read_text,
)
from .decision_text import parse_claims, parse_decisions
from .decisions import (
    COMPONENT_GROUPS,
    LATERAL_DECISIONS,
    LONGITUDINAL_DECISIONS,
    SIDED_DECISIONS,
    Decisions,
)
from .meta_actions import meta_action_segments, read_meta_actions
from .scene import (
    Agent,
    Camera,
    ChainOfCausation,
    Control,
    CriticalComponent,
    Frame,
    Lane,
    Observation,
    Scene,
    observe,
)
from .trajectory import DT_S, FUTURE_STEPS, HISTORY_STEPS, Trajectory

__all__ = [
    "COMPONENT_GROUPS",
    "COT_END",
    "COT_START",
    "DT_S",
    "FUTURE_END",
    "FUTURE_START",
    "FUTURE_STEPS",
    "HISTORY_END",
    "HISTORY_START",
    "HISTORY_STEPS",
    "LATERAL_DECISIONS",
    "LONGITUDINAL_DECISIONS",
    "SIDED_DECISIONS",
    "SPECIAL_TOKENS",
    "Agent",
    "Camera",
    "ChainOfCausation",
    "Claim",
    "Claims",
    "Completion",
    "Control",
    "CriticalComponent",
    "Decisions",
    "Frame",
    "Lane",
    "Observation",
    "Scene",
    "TokenLayout",
    "Trajectory",
    "TrajectoryCodec",
    "meta_action_segments",
    "observe",
    "parse_claims",
    "parse_completions",
    "parse_decisions",
    "read_meta_actions",
    "read_text",
]
