"""The judgement of a critic: what was measured, against which bound, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .check_measures import Estimate


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a critic must do to be worth training on. Shifts and drops are shares of its range: 0.1 of 0..5 is 0.5."""

    order: float = 0.85
    """Least share of pairs in the right order. By chance it is 0.5; a pair in the wrong order pushes the policy the
    wrong way, and at 0.85 six pushes in seven go the right way."""
    order_of_a_kind: float = 0.65
    """Least share for each kind of fault: one that the critic does not see is the one a policy learns to make."""
    retest_equal: float = 0.8
    """Least share of questions with the same grade each time: advantages are differences of single grades."""
    retest_deviation: float = 0.1
    """Largest standard deviation of one question's grades: half a step of a grade of 0 to 5."""
    shift: float = 0.06
    """Largest mean shift from length, format or position: a policy follows any steady gain, however small, and 0.3 of
    a grade of 0 to 5 is what an honest critic may show on sentences that are not quite the same."""
    decision_drop: float = 0.3
    """Least mean drop when only the decision is wrong; the rubric takes 4 of 5 points for it."""
    cause_drop: float = 0.15
    """Least mean drop when only the causes are wrong; the rubric takes 2 to 3 of 5 points."""
    lifted: float = 0.05
    """Largest share of hostile texts that lift a bad grade: a policy samples millions of texts and needs one."""
    lift: float = 0.1
    """A grade that is higher by more than this is lifted."""
    coverage: float = 0.95
    """Least share of questions with a grade: rows without one do not train, and their siblings lose their group."""


@dataclass(frozen=True)
class Finding:
    """One measure. `good` is None where it was not measured; `fault` says in words what is wrong if it is not good."""

    name: str
    value: float
    interval: tuple[float, float] | None
    bound: str
    good: bool | None
    note: str
    fault: str

    @classmethod
    def at_least(cls, name: str, estimate: Estimate, bound: float, note: str, fault: str) -> Finding:
        """Good from `bound` on; without any value it is not good."""
        good = estimate.mean >= bound
        return cls(name, estimate.mean, (estimate.low, estimate.high), f">= {bound:g}", good, note, fault)

    @classmethod
    def small(cls, name: str, estimate: Estimate, bound: float, fault: str) -> Finding:
        """A shift: good up to `bound` either way, or where its interval holds 0."""
        good = abs(estimate.mean) <= bound or estimate.low <= 0.0 <= estimate.high
        note = f"{estimate.size} texts"
        return cls(name, estimate.mean, (estimate.low, estimate.high), f"within ±{bound:g}", good, note, fault)

    @classmethod
    def not_measured(cls, name: str, why: str) -> Finding:
        """Says why there is no value."""
        return cls(name, float("nan"), None, "", None, why, "")


@dataclass(frozen=True)
class KindOrder:
    """How well one kind of prediction is told from the better ones of its ladder."""

    mean_grade: float
    """Share of the range."""
    order: Estimate


@dataclass(frozen=True)
class CriticReport:
    """Everything that `check_critic` found."""

    critic: str
    value_range: tuple[float, float]
    references: int
    questions: int
    seconds: float
    findings: tuple[Finding, ...]
    kinds: Mapping[str, KindOrder]
    failures: Mapping[str, int] = field(default_factory=dict)
    """Cause -> questions that failed for it."""

    @property
    def good(self) -> bool:
        """Whether nothing that was measured speaks against training on it."""
        return all(finding.good is not False for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One paragraph for a person."""
        bad = [finding for finding in self.findings if finding.good is False]
        # Where there are no grades at all, that is the fault, and not each figure that could not be had.
        faults = [f.fault for f in bad if not math.isnan(f.value)] or [f.fault for f in bad]
        if faults:
            return "Not worth training on: " + "; ".join(faults) + "."
        unmeasured = [finding.name for finding in self.findings if finding.good is None]
        told = f" Not measured: {', '.join(unmeasured)}." if unmeasured else ""
        return f"Worth training on: it keeps every bound that was measured.{told}"


def percent(value: float) -> str:
    """A share as words want it."""
    return "an unknown share" if math.isnan(value) else f"{value:.0%}"
