"""The gold: its labels are legal, complete, and as far from the thresholds as its rules promise."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest

from ar1_rl.driving.decisions import LATERAL_DECISIONS, LONGITUDINAL_DECISIONS, SIDED_DECISIONS, Decisions
from ar1_rl.scenes import LOG_SOURCES
from rewards.gold.trajectories import gold_curvature, gold_speed, gold_ticks, gold_trajectory

MARGIN = 0.15
FINE_S = 0.005 * np.arange(1280) + 0.0025


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (resources.files("rewards") / "gold" / name).read_text("utf-8").splitlines()]


TEXTS = rows("decisions_1.jsonl")
DRIVES = rows("trajectories_1.jsonl")
WINDOWS = rows("log_windows_1.jsonl")


def test_every_text_is_there_once_and_its_label_is_a_legal_decision():
    assert len(TEXTS) >= 440
    assert len({row["text"].lower() for row in TEXTS}) == len(TEXTS)
    for row in TEXTS:
        Decisions(row["longitudinal"], row["lateral"], row["side"])


def test_every_decision_has_20_texts_and_every_sided_one_both_sides():
    longitudinal = Counter(row["longitudinal"] for row in TEXTS)
    lateral = Counter(row["lateral"] for row in TEXTS)
    sides = Counter((row["lateral"], row["side"]) for row in TEXTS)
    assert min(longitudinal[name] for name in LONGITUDINAL_DECISIONS) >= 20
    assert min(lateral[name] for name in LATERAL_DECISIONS) >= 20
    assert min(sides[name, side] for name in SIDED_DECISIONS for side in ("left", "right")) >= 8


def test_the_builder_integrates_a_circle():
    recipe = {
        "speed_mps": [[0, 10.0, "linear"], [6.4, 10.0, "linear"]],
        "curvature_per_m": [[0, 0.02], [6.4, 0.02]],
        "curvature_sines": [],
        "noise": None,
    }
    poses_T3 = gold_trajectory(recipe)
    angle_T = 0.02 * np.arange(1, 65)
    circle_T3 = np.column_stack([50.0 * np.sin(angle_T), 50.0 * (1 - np.cos(angle_T)), angle_T])
    np.testing.assert_allclose(poses_T3, circle_T3, atol=1e-4)


def test_ticks_near_a_border_or_in_an_open_span_do_not_count():
    segments = [{"action": "a", "from_s": 0, "to_s": 2.05}, {"action": "b", "from_s": 2.05, "to_s": 6.4}]
    labels, counted_T = gold_ticks(segments, [[5.95, 6.4]])
    assert labels == ["a"] * 20 + ["b"] * 44
    assert np.flatnonzero(~counted_T).tolist() == [17, 18, 19, 20, 21, 22, 59, 60, 61, 62, 63]


@pytest.mark.parametrize("drive", DRIVES, ids=lambda drive: drive["id"])
def test_segments_are_whole_and_each_is_what_the_thresholds_say_with_a_margin(drive):
    speed, curvature = gold_speed(drive["recipe"], FINE_S), gold_curvature(drive["recipe"], FINE_S)
    assert np.isfinite(gold_trajectory(drive["recipe"])).all()
    for axis, allowed in (("longitudinal", longitudinal_actions), ("lateral", lateral_actions)):
        segments = drive[axis]
        assert (segments[0]["from_s"], segments[-1]["to_s"]) == (0.0, 6.4)
        for before, after in pairwise(segments):
            assert before["to_s"] == after["from_s"] and before["action"] != after["action"]
        for segment in segments:
            inside = (segment["from_s"] <= FINE_S) & (segment["to_s"] >= FINE_S)
            assert segment["to_s"] - segment["from_s"] >= 1.2
            assert allowed(speed[inside], curvature[inside]) == {segment["action"]}


def test_segments_of_log_windows_are_whole_and_most_of_their_ticks_count():
    counted = []
    for window in WINDOWS:
        for axis in ("longitudinal", "lateral"):
            segments = window[axis]
            assert (segments[0]["from_s"], segments[-1]["to_s"]) == (0.0, 6.4)
            for before, after in pairwise(segments):
                assert before["to_s"] == after["from_s"] and before["action"] != after["action"]
            counted.append(gold_ticks(segments, window["open_s"][axis])[1].mean())
    assert len(WINDOWS) >= 30
    assert np.mean(counted) > 0.75


def test_log_windows_are_where_the_logs_have_a_keyframe(data_root):
    logs = {
        (name, source.name_of(path)): path for name, source in LOG_SOURCES.items() for path in source.find(data_root)
    }
    starts = {}
    for window in WINDOWS:
        starts.setdefault((window["source"], window["log"]), []).append(window["t0_us"])
    for key, t0s_us in starts.items():
        log = LOG_SOURCES[key[0]].read(logs[key])
        offset_us_TK = log.start_us + 1e6 * log.t0_s_K - np.array(t0s_us)[:, None]
        assert np.abs(offset_us_TK).min(axis=1).max() < 2.0, key


def readings(value: float) -> tuple[float, float]:
    return value * (1 - MARGIN), value * (1 + MARGIN)


def longitudinal_actions(speed: np.ndarray, _: np.ndarray) -> set[str]:
    """All that the published thresholds would say of a segment whose measures were off by the margin either way."""
    mean = speed.mean()
    gain = speed[-1] - speed[0]
    rate = gain / (0.005 * (len(speed) - 1))
    found = set()
    for v in readings(mean):
        for a in readings(rate):
            for dv in readings(gain):
                if v <= -0.12:
                    found.add("reverse")
                elif v <= 0.12:
                    found.add("stop")
                elif abs(a) >= 0.15 and abs(dv) >= 0.8:
                    strength = "strong" if abs(a) >= 1.4 else "gentle"
                    found.add(f"{strength}_{'acceleration' if a > 0 else 'deceleration'}")
                else:
                    found.add("maintain_speed")
    return found


def lateral_actions(speed: np.ndarray, curvature: np.ndarray) -> set[str]:
    """Likewise; the turn rate is heading over the way driven."""
    way = 0.005 * np.abs(speed).sum()
    turned = 0.005 * (speed * curvature).sum()
    found = set()
    for heading in readings(turned):
        for rate in readings(turned / way if way > 0.05 else 0.0):
            side = "left" if heading > 0 else "right"
            if speed.mean() <= -0.1 and abs(rate) >= 0.002 and abs(heading) >= 0.2:
                found.add(f"reverse_{side}")
            elif abs(rate) >= 0.05 and abs(heading) >= 0.2:
                found.add(f"sharp_steer_{side}")
            elif abs(rate) >= 0.0015 and abs(heading) >= 0.015:
                found.add(f"steer_{side}")
            else:
                found.add("go_straight")
    return found
