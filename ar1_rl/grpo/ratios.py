"""How far the trainer and the sampling engine disagree about what was drawn: importance-sampling ratios, raw.

TRL corrects the loss by these ratios and logs them after masking, when a ratio that exploded reads as 0. Here they are
as they are. Legend: B rollouts, T completion tokens.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Level = Literal["token", "sequence"]
"""What a ratio is of: a token, or a whole rollout (the product over its tokens)."""

QUANTILES = {"min": 0.0, "p05": 0.05, "p50": 0.5, "p95": 0.95, "max": 1.0}

DIFFERENCE = "sampling/logprob_difference/mean"
"""Mean |log pi_trainer - log pi_engine| of the drawn tokens [nats]: 0 where both are one policy."""

LARGEST_LOG_RATIO = 700.0
"""exp of more is no number."""


def ratio_metrics(log_ratios_BT: np.ndarray, level: Level, low: float | None, high: float | None) -> dict[str, float]:
    """The mean difference, `sampling/ratio/<token|sequence>/<quantile>`, and `sampling/ratio/masked_share`.

    `log_ratios_BT` is log pi_trainer - log pi_engine of the drawn tokens, NaN past the end of a completion. Masked (or
    truncated, as the correction is set) are those outside `low` to `high`; None is no bound.
    """
    log_ratios = {"token": log_ratios_BT[~np.isnan(log_ratios_BT)], "sequence": np.nansum(log_ratios_BT, axis=1)}
    ratios = {
        name: np.exp(np.clip(values, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)) for name, values in log_ratios.items()
    }
    metrics: dict[str, float] = {}
    if len(log_ratios["token"]):
        metrics[DIFFERENCE] = float(np.abs(log_ratios["token"]).mean())
    for name, values in ratios.items():
        if len(values):
            found = np.quantile(values, list(QUANTILES.values()))
            metrics |= {f"sampling/ratio/{name}/{q}": float(v) for q, v in zip(QUANTILES, found, strict=True)}
    corrected = ratios[level]
    outside = np.zeros(len(corrected), dtype=bool)
    if low is not None:
        outside |= corrected < low
    if high is not None:
        outside |= corrected > high
    if len(corrected):
        metrics["sampling/ratio/masked_share"] = float(outside.mean())
    return metrics
