"""What is told of settings that are seldom meant, and how far trainer and engine disagree."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.grpo.ratios import ratio_metrics
from ar1_rl.policy.pretrained import saved_dtype
from recipes.cautions import cautions
from recipes.dry_run import dry_run
from recipes.run_config import RunConfig


def config_of(**sections: Any) -> RunConfig:
    raw = {"recipe": "test", "rewards": {"terms": [{"reward": "format"}]}, **sections}
    return check_config(RunConfig, raw, source="test")


def saved(folder: Path, **written: str) -> str:
    (folder / "config.json").write_text(json.dumps(written))
    return str(folder)


def test_training_with_top_p_below_one_is_warned_of_and_evaluation_may_have_it() -> None:
    (told,) = cautions(config_of(rollouts={"top_p": 0.98}))
    assert "rollouts.top_p is 0.98" in told and "importance-sampling ratio" in told and "rollouts.top_p=1.0" in told
    assert cautions(config_of(eval={"top_p": 0.98})) == []


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_a_bfloat16_checkpoint_trained_in_float32_is_warned_of(tmp_path: Path, key: str) -> None:
    path = saved(tmp_path, **{key: "bfloat16"})
    (told,) = cautions(config_of(policy={"path": path}))
    assert "was saved in bfloat16 and is trained and sampled in float32" in told
    assert cautions(config_of(policy={"path": path, "dtype": "bfloat16"})) == []


def test_a_float32_checkpoint_and_one_that_is_not_here_are_not(tmp_path: Path) -> None:
    assert cautions(config_of(policy={"path": saved(tmp_path, dtype="float32")})) == []
    assert saved_dtype("some-one/some-model") is None and saved_dtype(str(tmp_path / "none")) is None
    assert cautions(config_of()) == []


def test_the_dry_run_tells_them_too() -> None:
    shown = io.StringIO()
    assert dry_run(config_of(rollouts={"top_p": 0.5}), Console(file=shown, width=200)) == 0
    assert "rollouts.top_p is 0.5" in shown.getvalue()


# ratios

NAN = math.nan


def test_ratios_are_told_by_token_and_by_rollout_before_anything_is_masked() -> None:
    """Rollouts of log ratios 0.1 + 0.2, 2 + 0, -0.5: 1.35, 7.39, 0.61, of which one of three is above 3."""
    metrics = ratio_metrics(np.array([[0.1, 0.2], [2.0, 0.0], [-0.5, NAN]]), "sequence", None, 3.0)
    assert metrics["sampling/ratio/sequence/min"] == pytest.approx(math.exp(-0.5))
    assert metrics["sampling/ratio/sequence/p50"] == pytest.approx(math.exp(0.3))
    assert metrics["sampling/ratio/sequence/max"] == pytest.approx(math.exp(2.0))
    assert metrics["sampling/ratio/token/p50"] == pytest.approx(math.exp(0.1)), "of -0.5, 0, 0.1, 0.2, 2"
    assert metrics["sampling/ratio/token/max"] == pytest.approx(math.exp(2.0))
    assert metrics["sampling/ratio/masked_share"] == pytest.approx(1 / 3)


def test_the_masked_share_is_of_what_is_corrected_and_of_both_bounds() -> None:
    gaps = np.array([[0.1, 0.2], [2.0, 0.0], [-0.5, NAN]])
    assert ratio_metrics(gaps, "token", None, 3.0)["sampling/ratio/masked_share"] == pytest.approx(1 / 5)
    assert ratio_metrics(gaps, "token", 0.9, 3.0)["sampling/ratio/masked_share"] == pytest.approx(2 / 5)
    assert ratio_metrics(gaps, "sequence", None, None)["sampling/ratio/masked_share"] == 0.0


def test_a_ratio_that_explodes_is_still_a_number_and_no_tokens_are_no_figures() -> None:
    assert math.isfinite(ratio_metrics(np.full((1, 4), 1e3), "sequence", None, 3.0)["sampling/ratio/sequence/max"])
    assert "sampling/ratio/token/max" not in ratio_metrics(np.full((1, 2), NAN), "token", None, 3.0)
