"""What a flag says: its name, whether it is raised, how strongly, and what shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MOST_SHOWN = 12
"""Rollouts that a flag names."""


class Shown(NamedTuple):
    """A rollout by name: label of its file, training step, scene and sample."""

    label: str
    step: int
    scene_id: str
    sample: int


@dataclass(frozen=True)
class Flag:
    """One sign of a hacked reward. It is a question to look into, not a verdict.

    Example: `Flag("length_drift", True, 0.8, 0.4, "Traces went from 11.0 to 25.1 words ...", (Shown(...), ...))`.
    """

    name: str
    raised: bool | None
    """None: it could not be measured, and `evidence` says why."""
    score: float | None
    """Higher is more suspicious. As a rule the least effect that the data support; see `rise`."""
    threshold: float
    """It is raised where the score is above."""
    evidence: str
    """One sentence with numbers."""
    rollouts: tuple[Shown, ...] = ()
    """Some that show it, the clearest first."""


def flag(name: str, score: float, threshold: float, evidence: str, rollouts: tuple[Shown, ...] = ()) -> Flag:
    """A flag that was measured; it names rollouts only where it is raised."""
    raised = bool(score > threshold)
    return Flag(name, raised, float(score), threshold, evidence, rollouts[:MOST_SHOWN] if raised else ())


def unmeasured(name: str, threshold: float, why: str) -> Flag:
    """A flag that could not be measured."""
    return Flag(name, None, None, threshold, f"Not measured: {why}.")
