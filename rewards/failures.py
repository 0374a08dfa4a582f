"""Failures of judges: plain counts that add up over ranks, and the window in which too many of them stop a run."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ar1_rl.errors import ConfigError

FAILURE_WINDOW = 200
"""Completions asked, per term. A judge that fails for one in five stays inside the bound with certainty
(P < 1e-20), and one that is gone is noticed after about a hundred failures."""

FAILURE_RATE = 0.5
"""Share of the window. Beyond a half, the mean of a group of eight rests on fewer than four judged siblings."""


@dataclass(frozen=True)
class FailureCounts:
    """How many completions each term was asked about, and how many of them failed by which cause."""

    asked: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(term, cause) -> completions."""

    @classmethod
    def total(cls, many: Iterable[FailureCounts]) -> FailureCounts:
        """The sum, for instance over ranks."""
        asked: Counter[str] = Counter()
        failed: Counter[tuple[str, str]] = Counter()
        for counts in many:
            asked.update(counts.asked)
            failed.update(counts.failed)
        return cls(dict(asked), dict(failed))

    def minus(self, earlier: FailureCounts) -> FailureCounts:
        """What came on top of `earlier`."""
        asked = {term: n - earlier.asked.get(term, 0) for term, n in self.asked.items()}
        failed = {key: n - earlier.failed.get(key, 0) for key, n in self.failed.items()}
        return FailureCounts({k: n for k, n in asked.items() if n}, {k: n for k, n in failed.items() if n})

    def of(self, term: str) -> dict[str, int]:
        """Cause -> completions of one term, the most frequent first."""
        causes = {cause: n for (name, cause), n in self.failed.items() if name == term and n}
        return dict(sorted(causes.items(), key=lambda item: (-item[1], item[0])))

    def as_record(self) -> dict[str, Any]:
        """Plain values for a file; `from_record` is the inverse."""
        failed = [[term, cause, n] for (term, cause), n in sorted(self.failed.items())]
        return {"asked": dict(sorted(self.asked.items())), "failed": failed}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> FailureCounts:
        """The counts that `as_record` wrote."""
        return cls(dict(record["asked"]), {(term, cause): n for term, cause, n in record["failed"]})


@dataclass(frozen=True)
class FailureLimits:
    """A run stops when more than `rate` of the last `window` completions that a term was asked about failed."""

    window: int = FAILURE_WINDOW
    rate: float = FAILURE_RATE
    """1: never."""

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ConfigError(f"failure_window: got {self.window}, allowed 1 or more")
        if not (math.isfinite(self.rate) and 0.0 <= self.rate <= 1.0):
            raise ConfigError(f"failure_rate: got {self.rate}, allowed 0 to 1")


class FailureWindow:
    """The counts of a run: all of them in `total`, and per term those of the last completions asked.

    Counts are added batch by batch, summed over ranks, so that every rank comes to the same verdict at the same point.
    A batch leaves the window as a whole, once those after it fill it.
    """

    def __init__(self, limits: FailureLimits) -> None:
        self.limits = limits
        self.total = FailureCounts()
        self._recent: dict[str, deque[tuple[int, FailureCounts]]] = {}

    def add(self, counts: FailureCounts) -> str | None:
        """Add a batch; a message if that was too much. Before the window is full its missing part counts as good."""
        self.total = FailureCounts.total([self.total, counts])
        for term, asked in counts.asked.items():
            recent = self._recent.setdefault(term, deque())
            recent.append((asked, counts))
            while sum(n for n, _ in recent) - recent[0][0] >= self.limits.window:
                recent.popleft()
        messages = [message for term in counts.asked if (message := self._verdict(term)) is not None]
        return "; ".join(messages) or None

    def metrics(self, counts: FailureCounts) -> dict[str, float]:
        """`failures/<term>/<cause>` of a batch, with a zero for each cause that this run has met before."""
        return {
            f"failures/{term}/{cause}": float(counts.failed.get((term, cause), 0)) for term, cause in self.total.failed
        }

    def _verdict(self, term: str) -> str | None:
        asked = sum(n for n, _ in self._recent[term])
        causes = FailureCounts.total(counts for _, counts in self._recent[term]).of(term)
        failed = sum(causes.values())
        if failed <= self.limits.rate * max(asked, self.limits.window):
            return None
        told = ", ".join(f"{cause} {n}" for cause, n in causes.items())
        return (
            f"reward {term!r} failed for {failed} of the last {asked} completions ({told}); at most "
            f"{self.limits.rate:g} of {self.limits.window} may fail. Mend the cause and go on with the run, or set "
            "rewards.failure_window and rewards.failure_rate"
        )
