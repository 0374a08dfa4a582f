"""The table of metrics: which names it knows, and which direction is better."""

from __future__ import annotations

import pytest

from ar1_rl.metrics import HEADLINE, METRIC_TABLE, PRIMARY, in_order, metric_of
from ar1_rl.metrics.metric_table import UNKNOWN
from recipes.evaluate import METRICS


@pytest.mark.parametrize("name", [*METRICS, *HEADLINE, *METRIC_TABLE])
def test_every_metric_of_an_evaluation_is_in_the_table(name: str) -> None:
    known = metric_of(name.replace("<k>", "6").replace("<horizon>", "3s").replace("<threshold>", "0_5m"))
    assert known.says


@pytest.mark.parametrize(
    ("name", "unit", "better"),
    [
        ("consistency", "", "up"),
        ("reasoning_score_mean", "0-5", "up"),
        ("ade_m", "m", "down"),
        ("ade_6_4s_m", "m", "down"),
        ("minade6_m", "m", "down"),
        ("minade6_3s_m", "m", "down"),
        ("minade6_per_horizon_1s_m", "m", "down"),
        ("encounter_rate_0_5m", "", "down"),
        ("ttc_rate_1_5s", "", "down"),
        ("comfort_yaw_rate_radps", "", "up"),
        ("off_road_rate_mean", "", "down"),
        ("trace_words", "words", None),
    ],
)
def test_units_and_directions(name: str, unit: str, better: str | None) -> None:
    assert (metric_of(name).unit, metric_of(name).better) == (unit, better)


def test_conventions_of_minade_are_told_apart() -> None:
    assert "best on the full one" in metric_of("minade6_3s_m").says
    assert "best there" in metric_of("minade6_per_horizon_3s_m").says


@pytest.mark.parametrize("name", ["consistensy", "ade_3_m", "mean", "_mean", ""])
def test_a_name_that_is_not_there_has_no_direction(name: str) -> None:
    assert metric_of(name) is UNKNOWN


def test_headline_metrics_come_first_the_primary_one_before_all() -> None:
    assert in_order(["trace_words", "ade_m", "fde_m", PRIMARY]) == [PRIMARY, "ade_m", "trace_words", "fde_m"]
