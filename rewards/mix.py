"""The mix: several rewards made into one number per completion. Weights are applied here and nowhere else.

What a completion gets, first match wins:

1. it cannot be decoded: `undecodable_value`, below everything a decodable one can get; its text is still scored;
2. a failed judge drops its group (`on_failure: drop_group`): None, and its decodable siblings get None too;
3. a gate is closed: `gate_value`, at or below everything a completion can get that no gate closed;
4. a required term could not be judged: None;
5. the sum over terms of weight * (value - offset) / scale.

An optional term that could not be judged for one decodable sibling is left out for all siblings of that scene in the
batch, so that siblings are always compared on the same terms; the other weights stay as they are.

Beside the whole there are its parts, for a trainer that credits tokens apart: the sum over the terms that judge the
reasoning, and that over the terms that judge the trajectory. A term that judges how they fit together (`credit: both`)
counts in full for both. A value from 1. or 3. lies as far below the lowest sum of each part as below that of the whole.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError, RewardError

from .base import Credit
from .calling import BackgroundLoop
from .failures import FailureCounts, FailureLimits
from .score import Score
from .scoring import Judged, ScoringSession
from .state import restore_terms, term_states
from .terms import Term

UNDECODABLE_MARGIN = 0.1
"""How far below the lowest decodable value an undecodable completion lies by default, as a share of the range."""

NOT_ASKED = Score(None, why="not asked: no trajectory could be decoded")

STALL_S = 1800.0
"""Longer than a judge with timeouts and retries of its own needs to give up."""

Outcome = Literal["scored", "undecodable", "dropped", "gated", "unjudged"]

PARTS: tuple[Credit, ...] = ("text", "trajectory")

Values = tuple[float | None, float | None, float | None]
"""Of the whole, of the reasoning, and of the trajectory."""

NOTHING: Values = (None, None, None)


@dataclass(frozen=True)
class MixedScore:
    """The mixed value of a completion, and the score of every term by name."""

    value: float | None
    scores: dict[str, Score]
    outcome: Outcome
    why: str = ""
    text_value: float | None = None
    """What the terms that judge the reasoning add up to; None where `value` is."""
    trajectory_value: float | None = None
    """Likewise of the trajectory."""


class Mix:
    """Weighted, named terms. Scoring is batched; `failures` and `asked` count per term over the object's life."""

    def __init__(
        self,
        terms: Sequence[Term],
        *,
        gate_value: float | None = None,
        undecodable_value: float | None = None,
        failure_limits: FailureLimits | None = None,
        stall_s: float = STALL_S,
        control: str = "",
    ) -> None:
        """Check that the values keep their order: undecodable < closed gate <= anything else.

        Unset, `gate_value` is the lowest sum and `undecodable_value` a tenth of the range below it. `failure_limits`
        are for whoever runs the mix in training (`CompositeReward`). When a reward that waits for others brings no
        score for `stall_s` seconds at the end of a batch, StallError. `control` says why nobody should train on it.
        Raises ConfigError with all faults.
        """
        self.terms = tuple(terms)
        self.failure_limits = failure_limits or FailureLimits()
        self.stall_s = stall_s
        self.control = control
        self.lowest = sum(term.contribution_range[0] for term in self.terms)
        self.highest = sum(term.contribution_range[1] for term in self.terms)
        self.gate_value = self.lowest if gate_value is None else float(gate_value)
        floor = min(self.lowest, self.gate_value) if self.gated else self.lowest
        margin = UNDECODABLE_MARGIN * ((self.highest - floor) or 1.0)
        self.undecodable_value = floor - margin if undecodable_value is None else float(undecodable_value)
        faults = self._faults(floor)
        if faults:
            raise ConfigError("reward mix: " + "; ".join(faults))
        self.failures: Counter[tuple[str, str]] = Counter()
        """(term, cause) -> completions."""
        self.asked: Counter[str] = Counter()
        """Term -> completions."""
        self._taken = FailureCounts()
        self._loop = BackgroundLoop()

    @property
    def gated(self) -> bool:
        """Whether any term has a gate."""
        return any(term.gate is not None for term in self.terms)

    @property
    def requests_open(self) -> int:
        """Requests to models that are under way now, of all terms that say so."""
        return sum(getattr(term.inner, "requests_open", 0) for term in self.terms)

    @property
    def training_fault(self) -> str | None:
        """Why this mix cannot train a policy, or None."""
        if self.control:
            return self.control
        if all(term.weight == 0 for term in self.terms) and not (self.gated and self.gate_value < self.lowest):
            return (
                "every weight is 0, so all decodable completions are worth the same and there is nothing to learn; "
                "give one term a weight above 0"
            )
        return None

    def score(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[MixedScore]:
        """Score completions, each in the scene of the same position; siblings are rows with the same scene id."""
        if len(completions) != len(scenes):
            raise RewardError(f"{len(completions)} completions for {len(scenes)} scenes")
        session = self.open(scenes)
        session.all_ready(range(len(scenes)), completions)
        return session.finish()

    def open(self, scenes: Sequence[Scene]) -> ScoringSession:
        """Score a batch that is still being written: one row a scene, and the session is told as they come."""
        return ScoringSession(self.terms, scenes, self._loop, self._mixed, self.stall_s)

    def take_counts(self) -> FailureCounts:
        """Completions asked and failed since this was last called."""
        now = FailureCounts(dict(self.asked), dict(self.failures))
        new, self._taken = now.minus(self._taken), now
        return new

    def state_dict(self) -> dict[str, Any]:
        """Counters, and the state of rewards that have one; plain values."""
        counts = FailureCounts(dict(self.asked), dict(self.failures))
        return {"counts": counts.as_record(), "terms": term_states(self.terms)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned; RewardError where it is of another mix."""
        restore_terms(self.terms, state["terms"])
        counts = FailureCounts.from_record(state["counts"])
        self.asked, self.failures = Counter(counts.asked), Counter(counts.failed)
        self._taken = counts

    def _faults(self, floor: float) -> list[str]:
        names = [term.name for term in self.terms]
        faults = []
        if not names:
            faults.append("no terms")
        faults += [f"two terms are named {name!r}; set `name`" for name, n in Counter(names).items() if n > 1]
        unbounded = [t.name for t in self.terms if not all(map(math.isfinite, t.contribution_range))]
        if unbounded:
            faults.append(
                f"{', '.join(unbounded)}: no finite range, so nothing lies below every value it may take; "
                "clip the reward, or set `range` on the term"
            )
            return faults
        if self.gated and self.gate_value > self.lowest:
            faults.append(f"gate_value: got {self.gate_value:g}, allowed up to {self.lowest:g}, the lowest open value")
        if not self.undecodable_value < floor:
            faults.append(
                f"undecodable_value: got {self.undecodable_value:g}, allowed below {floor:g}, "
                "the lowest a decodable completion can get"
            )
        return faults

    def _mixed(
        self, completions: Sequence[Completion], scenes: Sequence[Scene], judged: Sequence[Judged]
    ) -> list[MixedScore]:
        """The mixed scores of a batch from what every term said about the rows it was asked about."""
        if not completions:
            return []
        by_term = []
        for term, asked, scores in judged:
            everything = [NOT_ASKED] * len(completions)
            for row, score in zip(asked.rows, self._settle(term, asked.scenes, scores), strict=True):
                everything[row] = score
            by_term.append(everything)
        decodable_B = np.array([c.trajectory is not None for c in completions])
        group_B = _group_numbers(scenes)
        names = [term.name for term in self.terms]
        return [
            MixedScore(values[0], dict(zip(names, scores, strict=True)), outcome, why, *values[1:])
            for scores, (values, outcome, why) in zip(
                zip(*by_term, strict=True), self._combine(by_term, decodable_B, group_B), strict=True
            )
        ]

    def _settle(self, term: Term, scenes: Sequence[Scene], scores: Sequence[Score]) -> list[Score]:
        """Count failures and apply the term's policy to them."""
        self.asked[term.name] += len(scores)
        settled = list(scores)
        for row, score in enumerate(scores):
            if score.failure is None:
                continue
            self.failures[term.name, score.failure] += 1
            if term.on_failure == "raise":
                raise RewardError(f"reward {term.name!r} failed on scene {scenes[row].id!r}: {score.why}")
            if term.on_failure == "value":
                why = f"{score.why}; counted as the failure value"
                settled[row] = replace(score, value=term.failure_value, why=why)
        return settled

    def _combine(
        self, by_term: list[list[Score]], decodable_B: np.ndarray, group_B: np.ndarray
    ) -> list[tuple[Values, Outcome, str]]:
        """Values, outcome and why of each row, in the order of precedence given at the top of this file."""
        rows = len(decodable_B)
        total_B3 = np.zeros((rows, 1 + len(PARTS)))
        unjudged, gated, dropped = (_Reasons(rows) for _ in range(3))
        for term, scores in zip(self.terms, by_term, strict=True):
            value_B = np.array([np.nan if score.value is None else score.value for score in scores], dtype=float)
            missing_B = np.isnan(value_B) & decodable_B
            if term.on_failure == "drop_group":
                failed_B = np.array([score.failure is not None for score in scores]) & decodable_B
                dropped.add(_spread_to_group(failed_B, group_B), f"{term.name} failed for a sibling")
            if term.required:
                unjudged.add(missing_B, f"{term.name} could not be judged")
            left_out_B = missing_B if term.required else _spread_to_group(missing_B, group_B)
            if term.gate is not None:
                with np.errstate(invalid="ignore"):
                    closed_B = (value_B <= term.gate.closes_at) & ~left_out_B
                gated.add(closed_B, f"closed by {term.gate.name or term.name}")
            if term.weight:
                added_B = term.weight * (value_B - term.offset) / term.scale
                counts_3 = [True, *(term.credit in (part, "both") for part in PARTS)]
                total_B3 += np.where(left_out_B | np.isnan(value_B), 0.0, added_B)[:, None] * counts_3
        undecodable = _Reasons.where(~decodable_B, "no trajectory could be decoded")
        precedence: tuple[tuple[_Reasons, Values, Outcome], ...] = (
            (undecodable, self._below(self.undecodable_value), "undecodable"),
            (dropped, NOTHING, "dropped"),
            (gated, self._below(self.gate_value), "gated"),
            (unjudged, NOTHING, "unjudged"),
        )
        totals = [(whole, text, trajectory) for whole, text, trajectory in total_B3.tolist()]
        return [_first(precedence, row, values) for row, values in enumerate(totals)]

    def _lowest_part(self, part: Credit) -> float:
        return sum(term.contribution_range[0] for term in self.terms if term.credit in (part, "both"))

    def _below(self, value: float) -> Values:
        """A fixed value of the whole, and as much below the lowest sum of each part."""
        text, trajectory = (self._lowest_part(part) + (value - self.lowest) for part in PARTS)
        return value, text, trajectory


class _Reasons:
    """The first reason noted for each row."""

    def __init__(self, rows: int) -> None:
        self.why = [""] * rows

    def add(self, rows_B: np.ndarray, why: str) -> None:
        for row in np.flatnonzero(rows_B).tolist():
            self.why[row] = self.why[row] or why

    @classmethod
    def where(cls, rows_B: np.ndarray, why: str) -> _Reasons:
        reasons = cls(len(rows_B))
        reasons.add(rows_B, why)
        return reasons


def _first(
    precedence: tuple[tuple[_Reasons, Values, Outcome], ...], row: int, totals: Values
) -> tuple[Values, Outcome, str]:
    for reasons, values, outcome in precedence:
        if reasons.why[row]:
            return values, outcome, reasons.why[row]
    return totals, "scored", ""


def _group_numbers(scenes: Sequence[Scene]) -> np.ndarray:
    """A number per row, the same for rows with the same scene id."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(scene.id, len(numbers)) for scene in scenes])


def _spread_to_group(rows_B: np.ndarray, group_B: np.ndarray) -> np.ndarray:
    """Every row of a group in which any row is marked."""
    marked = np.zeros(group_B.max() + 1, dtype=bool)
    np.logical_or.at(marked, group_B, rows_B)
    return marked[group_B]
