"""The score of one completion: three outcomes, good, bad, or could not judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Score:
    """`value` is None only where a judge failed or the scene lacks the data; such a row never trains the policy.

    Example: `Score(value=-1.2, parts={"ade_m": 1.2}, why="1.2 m from the expert on average")`.
    """

    value: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    """Unweighted terms; a name ends in its unit where it has one."""
    why: str = ""
    record: Mapping[str, object] = field(default_factory=dict)
    """What a judge leaves for the rollout record: raw reply, model, prompt hash, tokens, seconds."""
    failure: str | None = None
    """Cause in one word, where `value` is None because the judge failed and not because the scene lacks the data."""
