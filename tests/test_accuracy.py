"""Accuracy of the consistency checker: hand-counted figures, the gold's rules, the targets on the shipped gold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ar1_rl.driving.claims import Claims
from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.decisions import Decisions
from ar1_rl.errors import ConfigError
from recipes.accuracy_table import show_accuracy
from rewards.accuracy import Confusion, ConsistencyAccuracy, measure_consistency, measure_drives, measure_texts, rate
from rewards.gold.trajectories import gold_trajectory
from rewards.gold_files import GoldDrive, GoldText, gold_drives, gold_texts, gold_windows, parts

STRAIGHT = {
    "speed_mps": [[0.0, 10.0, "linear"], [6.4, 10.0, "linear"]],
    "curvature_per_m": [[0.0, 0.0], [6.4, 0.0]],
    "curvature_sines": [],
    "noise": None,
}


def spans(longitudinal: str = "maintain_speed", lateral: str = "go_straight", open_s: list | None = None) -> dict:
    return {
        "longitudinal": [{"action": longitudinal, "from_s": 0.0, "to_s": 6.4}],
        "lateral": [{"action": lateral, "from_s": 0.0, "to_s": 6.4}],
        "open_s": {"longitudinal": open_s or [], "lateral": []},
    }


def drive(name: str, **labels: str) -> tuple[GoldDrive, np.ndarray]:
    row = spans(**labels)
    return GoldDrive(name, row, row["open_s"], recipe=STRAIGHT), gold_trajectory(STRAIGHT)


def test_texts_are_counted_by_hand() -> None:
    """Four texts: one all right, one with the wrong side, one passed over, one that claims nothing and is read so."""
    readings = {
        "a": Claims("stop", "turn", "left"),
        "b": Claims(None, "lane_change", "right"),
        "c": Claims(),
        "d": Claims(),
    }
    texts = [
        GoldText("a", Decisions("stop", "turn", "left")),
        GoldText("b", Decisions(None, "lane_change", "left")),
        GoldText("c", Decisions("yield", None, None)),
        GoldText("d", Decisions()),
    ]
    measured = measure_texts(1, texts, readings.__getitem__)
    assert (measured.agreement.hits, measured.agreement.total) == (2, 4)
    assert (measured.longitudinal.hits, measured.lateral.hits, measured.side.hits) == (3, 4, 3)
    assert (measured.side_words.hits, measured.side_words.total) == (1, 2)
    assert (measured.abstained.hits, measured.abstained.total) == (1, 3)
    assert measured.wrong == ("b", "c")
    assert Confusion("side", "left", "right", 1) in measured.worst
    assert Confusion("longitudinal", "yield", "nothing", 1) in measured.worst
    by_name = {one.name: one for one in measured.classes}
    assert (by_name["yield"].recall.share, by_name["yield"].abstained.share) == (0.0, 1.0)
    assert by_name["yield"].precision.share is None
    assert (by_name["lane_change"].precision.share, by_name["lane_change"].recall.share) == (1.0, 1.0)


def test_ticks_are_counted_by_hand() -> None:
    """Two straight drives at speed; the second is labelled as stopping: 64 of 128 ticks are right on that axis."""
    measured = measure_drives(1, "synthetic", [drive("a"), drive("b", longitudinal="stop")])
    assert (measured.longitudinal.hits, measured.longitudinal.total) == (64, 128)
    assert (measured.lateral.hits, measured.lateral.total) == (128, 128)
    assert (measured.whole.hits, measured.whole.total) == (1, 2)
    assert measured.worst == (Confusion("longitudinal", "stop", "maintain_speed", 64),)


def test_open_spans_do_not_count() -> None:
    """From 0 to 3.2 s: 32 of the 64 ticks."""
    row = spans(open_s=[[0.0, 3.2]])
    measured = measure_drives(1, "synthetic", [(GoldDrive("a", row, row["open_s"]), gold_trajectory(STRAIGHT))])
    assert (measured.longitudinal.total, measured.lateral.total) == (32, 64)


def test_a_share_has_wilsons_interval() -> None:
    """9 of 10: centre (0.9 + 1.92/10) / (1 + 3.84/10) = 0.789, half width 0.193."""
    nine = rate(9, 10)
    assert (nine.low, nine.high) == (pytest.approx(0.596, abs=1e-3), pytest.approx(0.982, abs=1e-3))
    assert rate(0, 0).share is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"text": "Go.", "longitudinal": "go", "lateral": None, "side": None}, "'go'"),
        ({"text": "Keep.", "longitudinal": None, "lateral": "lane_keeping", "side": "left"}, "only"),
        ({"text": "Turn.", "longitudinal": None, "lateral": "turn", "side": "port"}, "'port'"),
        ({"text": " STOP  now", "longitudinal": "stop", "lateral": None, "side": None}, "line 1 again"),
        ({"text": "Stop.", "longitudinal": "stop", "lateral": None}, "needed"),
        ({"text": "Stop.", "longitudinal": "stop", "lateral": None, "side": None, "sied": 1}, "sied"),
        ({"text": "", "longitudinal": "stop", "lateral": None, "side": None}, "no text"),
    ],
)
def test_a_text_that_breaks_a_rule_is_named(line: dict, message: str, tmp_path: Path) -> None:
    good = {"text": "Stop now", "longitudinal": "stop", "lateral": None, "side": None}
    (tmp_path / "decisions_3.jsonl").write_text(f"{json.dumps(good)}\n{json.dumps(line)}\n")
    assert parts("decisions", tmp_path) == [3]
    with pytest.raises(ConfigError, match=f"decisions_3.jsonl: line 2.*{message}"):
        gold_texts(3, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"longitudinal": [{"action": "brake", "from_s": 0.0, "to_s": 6.4}]}, "brake"),
        ({"longitudinal": [{"action": "stop", "from_s": 0.0, "to_s": 6.0}]}, "follow one another"),
        ({"lateral": [{"action": "go_straight", "from_s": 1.0, "to_s": 6.4}]}, "follow one another"),
    ],
)
def test_segments_that_break_a_rule_are_named(change: dict, message: str, tmp_path: Path) -> None:
    row = {"id": "a", "recipe": STRAIGHT, **spans(), **change}
    (tmp_path / "trajectories_1.jsonl").write_text(f"{json.dumps(row)}\n")
    with pytest.raises(ConfigError, match=message):
        gold_drives(1, tmp_path)


def test_the_gold_that_ships_is_read() -> None:
    assert len(gold_texts(1)) >= 400
    assert len(gold_drives(1)) + len(gold_windows(1)) >= 150


@pytest.fixture(scope="module")
def shipped() -> ConsistencyAccuracy:
    return measure_consistency()


def test_texts_are_read_as_their_labels_say(shipped: ConsistencyAccuracy) -> None:
    """The targets: 0.95 agreement with at most 3 % abstention, 0.98 of the side words."""
    part = next(text for text in shipped.texts if text.part == 1)
    assert part.agreement.share >= 0.95
    assert part.abstained.share <= 0.03
    assert part.side_words.share >= 0.98


def test_trajectories_are_read_as_their_labels_say(shipped: ConsistencyAccuracy) -> None:
    """The target: 0.93 of the ticks on each axis, synthetic and logged."""
    assert {drive.kind for drive in shipped.drives} | {"logs"} == {"synthetic", "logs"}
    for measured in shipped.drives:
        assert measured.longitudinal.share >= 0.93
        assert measured.lateral.share >= 0.93


def test_everything_is_printed_and_recorded(shipped: ConsistencyAccuracy) -> None:
    console = Console(width=120, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    show_accuracy(shipped, console)
    printed = console.export_text()
    for words in ("Gold texts, part 1", "side words", "lateral_abort", "sharp_steer_left", "whole trajectories"):
        assert words in printed
    record = json.loads(json.dumps(shipped.as_record(), allow_nan=False))
    assert record["texts"][0]["agreement"]["total"] == len(gold_texts(1))


def test_without_logs_their_windows_are_left_out_and_it_is_said(tmp_path: Path) -> None:
    measured = measure_consistency(parse_decisions, data_root=tmp_path / "nowhere")
    assert {drive.kind for drive in measured.drives} == {"synthetic"}
    assert "no folder with driving logs" in measured.left_out[0]
