"""What a failing judge does to the advantages, by failure policy: the bench's arithmetic, and what it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recipes.bench import faults
from recipes.bench.faults import advantages, compared, measure, planted, synthetic_rollouts

NAN = float("nan")


@pytest.fixture(scope="module")
def rollouts() -> faults.Rollouts:
    return synthetic_rollouts(scenes=24, siblings=8)


@pytest.fixture(scope="module")
def table(rollouts: faults.Rollouts) -> Any:
    return measure(rollouts, seeds=3)


def test_advantages_are_the_distance_from_the_mean_of_the_judged_in_standard_deviations() -> None:
    given = np.array([[1.0, 0.0, NAN, 2.0], [3.0, 3.0, 3.0, 3.0], [NAN, NAN, NAN, 5.0], [NAN] * 4])
    expected = [[0.0, -0.9999, NAN, 0.9999], [0.0] * 4, [NAN, NAN, NAN, 0.0], [NAN] * 4]
    assert np.allclose(advantages(given), expected, equal_nan=True, atol=1e-6)


def test_figures_by_hand() -> None:
    """Deviations: of (0, 1, 2) one, of (0, 1) half a root of two; with the best one gone, the second is best."""
    clean = np.array([[0.0, 1.0, 2.0], [5.0, 5.0, 5.0]])
    lost = np.array([[0.0, 1.0, NAN], [5.0, 5.0, 5.0]])
    failed, good = np.isnan(lost), clean >= 4
    figures = compared(clean, lost, failed, good)
    assert figures["lost"] == pytest.approx(1 / 6) and figures["best_changed"] == 0.5
    assert np.isnan(figures["bias_failed"]) and np.isnan(figures["bias_good"])
    assert figures["bias_judged"] == pytest.approx((1 - np.sqrt(0.5) + np.sqrt(0.5)) / 5, abs=1e-3)
    assert figures["rms"] == pytest.approx(np.sqrt(((1 - np.sqrt(0.5)) ** 2 + 0.5) / 5), abs=1e-3)
    zero = compared(clean, np.array([[0.0, 1.0, 0.0], [5.0, 5.0, 5.0]]), failed, good)
    assert zero["lost"] == 0.0 and zero["bias_failed"] == pytest.approx(-np.sqrt(1 / 3) - 1, abs=1e-3)
    assert zero["bias_judged"] == pytest.approx((1 - np.sqrt(1 / 3) + 2 * np.sqrt(1 / 3)) / 5, abs=1e-3)


def test_a_tie_that_is_broken_by_a_fault_is_no_other_best() -> None:
    clean, faulty = np.array([[2.0, 2.0, 0.0]]), np.array([[2.0, NAN, 0.0]])
    assert compared(clean, faulty, np.isnan(faulty), clean > 3)["best_changed"] == 0.0


def test_siblings_that_say_the_same_fail_together_and_the_share_is_kept(rollouts: faults.Rollouts) -> None:
    drawn = np.array([planted(rollouts, 0.2, seed) for seed in range(50)])
    assert drawn.mean() == pytest.approx(0.2, abs=0.03)
    fate: dict[tuple[str, str], set[bool]] = {}
    for completion, scene, failed in zip(rollouts.completions, rollouts.scenes, drawn[0], strict=True):
        fate.setdefault((scene.id, completion.reasoning), set()).add(bool(failed))
    assert all(len(fates) == 1 for fates in fate.values())
    assert not planted(rollouts, 0.0, 0).any()


def test_what_a_policy_loses_and_what_it_bends(table: Any) -> None:
    for share in ("0.05", "0.2"):
        row = {policy: by_share[share] for policy, by_share in table.items()}
        assert row["value 0"]["lost"] == row["abstain, not required"]["lost"] == 0.0
        assert 0.0 < row["abstain"]["lost"] < row["drop_group"]["lost"]
        assert np.isnan(row["abstain"]["bias_failed"]), "who was not judged is not trained on"
        assert abs(row["abstain"]["bias_judged"]) < abs(row["value 0"]["bias_failed"]) / 2
        assert row["value 0"]["bias_failed"] < -0.05 and row["value 0"]["bias_judged"] > 0.0
        assert row["drop_group"]["rms"] == 0.0, "whole groups are as without faults, or gone"


def test_the_bench_prints_a_table_with_what_it_was_measured_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.main(["--scenes", "6", "--siblings", "4", "--seeds", "1"]) == 0
    told = capsys.readouterr().out
    assert "24 rollouts (synthetic), groups of 4" in told and f"numpy {np.__version__}" in told
    assert sum(line.startswith("| ") for line in told.splitlines()) == 1 + 4 * 3
    assert faults.main(["--scenes", "6", "--siblings", "4", "--seeds", "1", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["table"]) == set(faults.POLICIES)


@pytest.mark.engine
def test_the_advantages_are_those_of_the_installed_trl(tiny_policy: Any, tmp_path: Path) -> None:
    from test_trainer import build

    given: dict[int, float | None] = {0: 1.0, 1: 0.2, 2: None, 3: -1.0, 4: 0.5, 5: None, 6: None, 7: None}
    trainer = build(tiny_policy, given, tmp_path)
    rows = [dict(trainer.train_dataset[i // 4]) for i in range(8)]
    trainer.model.train()
    batch = trainer._generate_and_score_completions(rows)
    values = np.array([NAN if value is None else value for value in given.values()]).reshape(2, 4)
    assert batch["advantages"].tolist() == pytest.approx(np.nan_to_num(advantages(values)).ravel().tolist(), abs=1e-5)
