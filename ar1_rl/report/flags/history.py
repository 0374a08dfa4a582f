"""A training as flags see it: rollouts of its beginning and of its end, as plain values.

Legend: N rollouts, G groups of siblings (one scene at one step), S scenes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .flag import Shown


@dataclass(frozen=True, eq=False, kw_only=True)
class Window:
    """Rollouts of some steps. A value that a rollout does not have is NaN, or None."""

    shown_N: tuple[Shown, ...]
    group_N: np.ndarray
    """Number of the group, from 0."""
    reward_N: np.ndarray
    decodable_N: np.ndarray
    """bool"""
    terms: Mapping[str, np.ndarray]
    """Values of the reward terms, unweighted, each [N]."""
    failure_N: tuple[str | None, ...]
    """"term: cause" of a judge that failed."""
    text_N: tuple[str | None, ...]
    """The reasoning."""
    claimed_N: tuple[str | None, ...]
    """Decisions that the text claims, both axes in one word; None without text."""
    reference_N: tuple[str | None, ...]
    """Decisions of the reference trace, likewise; None where the scene has none."""
    agreement_N: np.ndarray
    """How far the claimed decisions agree with the reference's by rule, 0 to 1."""
    progress_m_N: np.ndarray
    """Way driven [m]."""
    expert_m_N: np.ndarray
    """Way that the expert drove [m]."""

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.group_N.max()) + 1 if len(self.group_N) else 0

    def by_group(self, values_N: np.ndarray) -> np.ndarray:
        """Mean [G] over the siblings that have a value; NaN where none has."""
        known_N = np.isfinite(values_N)
        count_G = np.bincount(self.group_N[known_N], minlength=self.groups)
        total_G = np.bincount(self.group_N[known_N], weights=values_N[known_N], minlength=self.groups)
        return np.divide(total_G, count_G, out=np.full(self.groups, np.nan), where=count_G > 0)

    def highest(self, values_N: np.ndarray) -> tuple[Shown, ...]:
        """Rollouts by falling value; those without one, or with 0, are left out."""
        order = np.argsort(-np.where(np.isfinite(values_N), values_N, -np.inf), kind="stable")
        return tuple(self.shown_N[i] for i in order if np.isfinite(values_N[i]) and values_N[i] > 0)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A metric by a grader that the policy was not trained on, before and after, of the same scenes; higher is better.

    `trained_*_S` is the metric that the policy was trained on and that should rise with it, where there is one.
    """

    name: str
    before_S: np.ndarray
    after_S: np.ndarray
    trained_name: str | None = None
    trained_before_S: np.ndarray | None = None
    trained_after_S: np.ndarray | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class History:
    """All that the flags of a run are read off."""

    begin: Window
    end: Window
    weights: Mapping[str, float] = field(default_factory=dict)
    """Weight / scale of every term of the mix, 0 for one that only watches; empty: not known."""
    critics: tuple[str, ...] = ()
    """Terms that grade the reasoning."""
    held_out: tuple[HeldOut, ...] = ()
    asked: int = 0
    """Rollouts of the whole run that its judges were asked about."""
    failures: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(term, cause) -> failures of its judge in the whole run."""
