"""Does it look: the section of report.html of a run on frames, and that a run on text has none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import page_run
import pytest
from evaluations import write_evaluation
from rich.console import Console
from test_browser import chromium, script

from recipes.report_page import page_content, write_page
from recipes.report_run import read_run

QUIET = Console(file=io.StringIO())
PAIRS = 20


def write_side(run: Path, side: str, right: int, *, sees: bool = True) -> None:
    """`right` of 20 pairs right in both members, the others in one; blind always in one, 1 m further off the expert."""
    metrics: dict[str, Any] = {"consistency": np.ones(2 * PAIRS), "faithful_plan": np.tile([0.0, 1.0], PAIRS)}
    if sees:
        metrics |= {
            "picks_expert": [1.0, 1.0] * right + [1.0, 0.0] * (PAIRS - right),
            "blind_picks_expert": [1.0, 0.0] * PAIRS,
            "blind_change_ade_m": np.ones(2 * PAIRS),
        }
    names = [f"synthetic_pairs/red_light/test/0/{n}" for n in range(2 * PAIRS)]
    write_evaluation(run / "evaluations" / side, metrics, names=names, per_episode=2, label=side)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = page_run.make(tmp_path_factory.mktemp("looking") / "run", scenes=2, samples=2)
    write_side(folder, "before", 0)
    write_side(folder, "after", 16)
    return folder


def test_the_page_says_before_and_after_whether_the_policy_looks_with_the_margin_above_the_ceiling(
    run_folder: Path,
) -> None:
    content = page_content(read_run(run_folder), 2, QUIET)
    looking = content["looking"]
    told = dict(looking["told"])
    assert told["before"].startswith("Not shown that it looks") and told["after"].startswith("It looks")
    rows = {row["name"]: row for row in looking["claims"]}
    margin = rows["own_minus_ceiling_picks_expert"]
    assert (margin["before"]["difference"], margin["before"]["ci95"]) == (0.0, [0.0, 0.0])
    assert margin["after"]["difference"] == pytest.approx(0.4) and margin["after"]["ci95"][0] > 0.25
    assert (margin["after"]["value"], margin["after"]["against"]) == pytest.approx((0.9, 0.5))
    assert rows["own_minus_blind_ade_m"]["after"]["difference"] == pytest.approx(-1.0)
    of_looking = {row["name"].split(":")[0]: row["looking"] for row in content["change"]["rows"]}
    assert of_looking == {
        "consistency": False, "faithful_plan": True, "picks_expert": True, "blind_picks_expert": True,
        "blind_change_ade_m": True,
    }  # fmt: skip


def test_before_the_run_has_ended_there_is_one_side(tmp_path: Path) -> None:
    folder = page_run.make(tmp_path / "run", scenes=2, samples=2)
    write_side(folder, "before", 4)
    looking = page_content(read_run(folder), 2, QUIET)["looking"]
    assert looking["sides"] == ["before"] and all("after" not in row for row in looking["claims"])


def test_a_run_on_text_has_no_such_section(tmp_path: Path) -> None:
    folder = page_run.make(tmp_path / "run", scenes=2, samples=2)
    for side in ("before", "after"):
        write_side(folder, side, 0, sees=False)
    content = page_content(read_run(folder), 2, QUIET)
    assert content["looking"] is None and not any(row["looking"] for row in content["change"]["rows"])


@pytest.mark.slow
def test_a_browser_shows_the_section_and_its_tables(run_folder: Path) -> None:
    page = write_page(run_folder, QUIET)
    driver = chromium()
    try:
        driver.get(page.as_uri())
        assert script(driver, "document.documentElement.dataset.ready") == "yes"
        assert not script(driver, "document.getElementById('looking').hidden")
        text = script(driver, "document.getElementById('looking').innerText")
        assert "After: It looks: in scenes in pairs (40)" in text and "+0.400 0.900 − 0.500" in text
        assert script(driver, "document.querySelectorAll('#looking table').length") == 2
        assert "black frames" not in script(driver, "document.getElementById('change').innerText")
    finally:
        driver.quit()
