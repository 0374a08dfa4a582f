"""Many tests at once: p values corrected so that the chance of any false finding stays what it was for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PRIMARY_SHARE = 0.9
"""Of the chance of a false finding, what a declared primary test gets as long as nothing is found."""


def holm(p_M: Sequence[float] | np.ndarray, weights_M: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """Corrected p [M] (Holm 1979; his section 4 has the weights).

    With a chance of 1 - alpha none of those below alpha is false, however the tests depend on each other. Weights say
    how alpha is divided while nothing is rejected; None is evenly. NaN is no test: it stays NaN and costs nothing.
    """
    p = np.asarray(p_M, dtype=float)
    weights = np.ones(len(p)) if weights_M is None else np.asarray(weights_M, dtype=float)
    corrected = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested] / weights[tested], kind="stable")]
    left = np.cumsum(weights[order][::-1])[::-1]
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(left * p[order] / weights[order]))
    return corrected


def primary_weights(names: Sequence[str], primary: str | None, share: float = PRIMARY_SHARE) -> np.ndarray:
    """Weights for `holm`: `share` for the primary, the rest evenly; even ones where the primary is not among them."""
    if primary not in names or len(names) == 1:
        return np.ones(len(names))
    rest = (1.0 - share) / (len(names) - 1)
    return np.array([share if name == primary else rest for name in names])
