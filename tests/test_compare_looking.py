"""`ar1-rl compare` of policies that see: each held to the blind ceiling and to its black frames, and to the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import write_evaluation
from rich.console import Console

from recipes.cli import main
from recipes.evaluation_folder import read_evaluation
from recipes.evaluation_table import evaluation_table

PAIRS = 40
NAMES = [f"synthetic_pairs/red_light/test/0/{n}" for n in range(2 * PAIRS)]


def seeing(folder: Path, right: int, *, seed: int = 0, **header: Any) -> Path:
    """Right in both members of `right` pairs and in one of the others; blind in one of each."""
    one_of_two = [1.0, 0.0]
    rng = np.random.default_rng(seed)
    metrics = {
        "consistency": (rng.random(2 * PAIRS) < 0.6).astype(float),
        "faithful_trace": (rng.random(2 * PAIRS) < 0.5).astype(float),
        "picks_expert": [1.0, 1.0] * right + one_of_two * (PAIRS - right),
        "blind_picks_expert": one_of_two * PAIRS,
        "blind_change_ade_m": rng.normal(1.0, 0.5, 2 * PAIRS),
    }
    return write_evaluation(folder, metrics, names=NAMES, per_episode=2, **header)


def reading(folder: Path) -> Path:
    """A text policy's: nothing of frames."""
    nothing = np.full(2 * PAIRS, np.nan)
    metrics = {"consistency": np.ones(2 * PAIRS), "faithful_trace": np.ones(2 * PAIRS)}
    frames = {"picks_expert": nothing, "blind_picks_expert": nothing, "blind_change_ade_m": nothing}
    return write_evaluation(folder, metrics | frames, names=NAMES, per_episode=2)


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["compare", *map(str, arguments), "--by", "none"]) == 0
    return capsys.readouterr().out


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return seeing(tmp_path / "sft", 8), seeing(tmp_path / "rl", 36, seed=1)


def test_metrics_of_looking_are_paired_by_scene_and_corrected_in_a_table_of_their_own(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """28 of 40 pairs gained a member: 0.35 of the scenes."""
    record = json.loads(told(capsys, *two, "--json"))
    (comparison,) = record["comparisons"]
    rows = {row["metric"]: row for row in comparison["looking"]}
    assert list(rows) == ["picks_expert", "blind_picks_expert", "blind_change_ade_m", "faithful_trace"]
    picks = rows["picks_expert"]
    assert (picks["baseline"], picks["policy"], picks["difference"]) == pytest.approx((0.6, 0.95, 0.35))
    assert picks["seeds"][0]["units"] == PAIRS and picks["verdict"] == "better" and picks["p_holm"] >= picks["p"]
    assert rows["blind_picks_expert"]["verdict"] == "no difference shown"
    assert [row["metric"] for row in comparison["metrics"]] == ["consistency"]
    out = told(capsys, *two)
    assert "does it look, rl against sft" in out and "more metrics are in both" not in out


def test_each_policy_is_held_to_the_blind_ceiling_and_to_its_black_frames(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(told(capsys, *two, "--json"))
    sft, rl = (policy["looking"] for policy in record["policies"])
    assert (sft["blind_ceiling"], rl["blind_ceiling"], rl["paired_scenes"]) == (0.5, 0.5, 2 * PAIRS)
    claims = {claim["claim"]: claim for claim in rl["claims"]}
    margin, blind = (claims[f"{shown}_minus_ceiling_picks_expert"] for shown in ("own", "blind"))
    assert margin["difference"] == pytest.approx(0.45) and 0.39 < margin["ci95"][0] < 0.45 < margin["ci95"][1] <= 0.51
    assert margin["p_holm"] < 0.01 and blind["difference"] == 0.0
    assert claims["own_minus_blind_ade_m"]["difference"] < -0.8 and claims["own_minus_blind_ade_m"]["ci95"][1] < 0.0
    out = told(capsys, *two)
    assert "Does sft look?" in out and "Does rl look?" in out and "own frames - blind ceiling" in out
    assert out.count("It looks: in scenes in pairs (80)") == 2


def test_over_seeds_the_margin_has_students_interval(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Margins of 0.3, 0.4 and 0.5: 0.4, and 4.303 standard errors of 0.1 / sqrt(3) to either side."""
    for seed, right in enumerate((24, 32, 40)):
        seeing(tmp_path / f"rl{seed}", right, training_seed=seed)
    record = json.loads(told(capsys, seeing(tmp_path / "sft", 8), f"rl={tmp_path}/rl?", "--json"))
    claims = {claim["claim"]: claim for claim in record["policies"][1]["looking"]["claims"]}
    margin = claims["own_minus_ceiling_picks_expert"]
    assert margin["difference"] == pytest.approx(0.4)
    assert margin["ci95"] == pytest.approx([0.4 - 0.2484, 0.4 + 0.2484], abs=1e-3)


def test_policies_that_read_have_nothing_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = reading(tmp_path / "one"), reading(tmp_path / "two")
    record = json.loads(told(capsys, one, two, "--json"))
    assert record["comparisons"][0]["looking"] == [] and all(p["looking"] is None for p in record["policies"])
    assert "look" not in told(capsys, one, two)
    mixed = told(capsys, one, seeing(tmp_path / "rl", 36))
    assert "does it look, " not in mixed and "Does rl look?" in mixed and "Does one look?" not in mixed


def test_metrics_that_are_asked_for_by_name_stand_in_the_table_of_metrics(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads(told(capsys, *two, "--metrics", "picks_expert", "--json"))
    assert [row["metric"] for row in record["comparisons"][0]["metrics"]] == ["picks_expert"]
    assert record["comparisons"][0]["looking"] == []


def shown(folder: Path) -> str:
    console = Console(width=140)
    with console.capture() as capture:
        console.print(evaluation_table(read_evaluation(folder), 500))
    return capture.get()


def test_the_table_of_an_evaluation_has_other_frames_only_where_some_were_shown(tmp_path: Path) -> None:
    assert "black frames: ADE, change (m)" in shown(seeing(tmp_path / "rl", 36))
    text = shown(reading(tmp_path / "one"))
    assert "frames" not in text and "own expert" not in text and "without the cited cause: another trace" in text
