"""A step in which sampling engine and trainer are not one policy is warned of, once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ar1_rl.config import check_config
from ar1_rl.grpo.ratios import DIFFERENCE, ratio_metrics
from recipes.agreement import agreement_callback, disagreement
from recipes.run_config import RunConfig


def config_of(**sections: Any) -> RunConfig:
    raw = {"recipe": "test", "rewards": {"terms": [{"reward": "format"}]}, **sections}
    return check_config(RunConfig, raw, source="test")


def test_the_difference_of_a_step_is_the_mean_over_its_tokens() -> None:
    """0.1, 0.2, 2, 0 and 0.5 in size, of five tokens: 2.8 / 5."""
    gaps = np.array([[0.1, -0.2], [2.0, 0.0], [-0.5, np.nan]])
    assert ratio_metrics(gaps, "token", None, 3.0)[DIFFERENCE] == pytest.approx(0.56)
    assert DIFFERENCE not in ratio_metrics(np.full((1, 2), np.nan), "token", None, 3.0)


@pytest.mark.parametrize(
    ("dtype", "given", "fine", "warned"),
    [("float32", None, 9e-4, 1.1e-3), ("bfloat16", None, 0.09, 0.11), ("bfloat16", 0.01, 0.009, 0.011)],
)
def test_what_rounding_explains_is_not_warned_of(dtype: str, given: float | None, fine: float, warned: float) -> None:
    config = config_of(policy={"dtype": dtype}, grpo={"logprob_difference": given})
    assert disagreement(fine, config) is None
    told = disagreement(warned, config)
    assert told is not None and f"{warned:.2g} nats" in told and "grpo.logprob_difference" in told


def test_a_run_is_warned_once_and_by_its_first_rank_alone() -> None:
    told: list[str] = []
    callback: Any = agreement_callback(config_of(), told.append)
    for step, difference in enumerate((1e-7, 0.06, 0.07), start=1):
        for first in (False, True):
            state = SimpleNamespace(global_step=step, is_world_process_zero=first)
            callback.on_log(None, state, None, logs={DIFFERENCE: difference})
    callback.on_log(None, SimpleNamespace(global_step=4, is_world_process_zero=True), None, logs={"loss": 1.0})
    assert len(told) == 1 and told[0].startswith("step 2: ")
    another: Any = agreement_callback(config_of(), told.append)
    another.on_log(None, SimpleNamespace(global_step=2, is_world_process_zero=False), None, logs={DIFFERENCE: 0.06})
    assert len(told) == 1, "another rank says nothing"
