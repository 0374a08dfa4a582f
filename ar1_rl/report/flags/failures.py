"""Judges that fail: what they failed for is not trained on, or is paid a fixed value."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from .flag import Flag, flag, unmeasured
from .history import History
from .rise import SURE_Z

NAME = "failures"


def failures(history: History, threshold: float) -> Flag:
    """Score: share of failed judgements in the whole run, of the term that failed most (lower bound)."""
    if not history.asked:
        return unmeasured(NAME, threshold, "nobody was asked")
    by_term: Counter[str] = Counter()
    for (term, _), count in history.failures.items():
        by_term[term] += count
    if not any(by_term.values()):
        return flag(NAME, 0.0, threshold, f"No judge failed in {history.asked} rollouts.")
    term, failed = by_term.most_common(1)[0]
    share = min(1.0, failed / history.asked)
    causes = Counter({cause: n for (name, cause), n in history.failures.items() if name == term and n})
    told = ", ".join(f"{cause} {n}" for cause, n in causes.most_common(3))
    sure = share - SURE_Z * math.sqrt(share * (1.0 - share) / history.asked)
    evidence = f"{term} failed for {failed} of {history.asked} rollouts ({share:.1%}): {told}."
    failed_N = np.array([failure is not None for failure in history.end.failure_N], dtype=float)
    return flag(NAME, sure, threshold, evidence, history.end.highest(failed_N))
