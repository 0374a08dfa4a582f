"""Which metrics a comparison is about unless it is asked for others."""

from __future__ import annotations

from collections.abc import Iterable

PRIMARY = "consistency"
"""The metric that this library is about: a comparison tests it first."""

HEADLINE = (
    *("consistency", "consistency_held_out", "consistency_graded", "reasoning_score", "reasoning_score_held_out"),
    *("consistency_mean", "reasoning_score_mean", "ade_m", "minade6_m", "miss_rate"),
    *("close_encounter_rate", "off_road_rate", "comfort", "feasible", "stability", "parse_rate", "critic_coverage"),
)
"""What a comparison shows, and corrects for, in this order."""


def in_order(names: Iterable[str]) -> list[str]:
    """Headline metrics first and in their order, then the others in theirs."""
    given = list(dict.fromkeys(names))
    return [name for name in HEADLINE if name in given] + [name for name in given if name not in HEADLINE]
