"""Consistency: every row of the table with a motion that carries it out and one that does not; the reward around it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving import (
    LATERAL_DECISIONS,
    LONGITUDINAL_DECISIONS,
    SIDED_DECISIONS,
    Completion,
    Lane,
    Scene,
    Trajectory,
    observe,
)
from ar1_rl.driving.carrying_out import LATERAL_TABLE, LONGITUDINAL_TABLE, TABLE_VERSION, compare
from ar1_rl.driving.claims import Claims
from ar1_rl.driving.lane_frame import lane_paths, to_lane_frame
from ar1_rl.driving.motion import Motion, read_motions
from ar1_rl.errors import ConfigError, DecodeError
from ar1_rl.scenes.synthetic.generate import generate_scenes
from rewards.consistency import Consistency

TIME_S = np.arange(65) * 0.1
BEND_RADIUS_M = 60.0
DOCS = Path(__file__).parents[1] / "docs" / "consistency.md"

KEEP = "keep"


def smooth_step(u: np.ndarray) -> np.ndarray:
    """From 0 to 1 with no slope and no bend at the ends."""
    u = np.clip(u, 0.0, 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def offsets(kind: str) -> np.ndarray:
    """Offset to the left of the lane's centre [65]."""
    there = smooth_step((TIME_S - 0.5) / 2.3)
    back = smooth_step((TIME_S - 3.6) / 2.3)
    return {
        KEEP: 0.0 * TIME_S,
        "drift": 0.05 * TIME_S,
        "in": 0.6 * (there - back),
        "out": 1.4 * (there - back),
        "change": 3.5 * smooth_step((TIME_S - 0.5) / 4.0),
        "half a change": 1.5 * smooth_step((TIME_S - 2.5) / 3.9),
        "abort": 1.0 - 1.0 * smooth_step((TIME_S - 0.3) / 3.0),
    }[kind]


def speeds(kind: str) -> np.ndarray:
    """Speed [m/s] at each tick [65]."""
    return {
        "hold": 10.0 + 0.0 * TIME_S,
        "gain": 8.0 + 0.8 * np.maximum(TIME_S - 0.5, 0.0),
        "gain hard": 8.0 + 2.0 * np.maximum(TIME_S - 0.5, 0.0),
        "set off": np.maximum(0.0, 1.8 * (TIME_S - 0.8)),
        "ease": 12.0 - 0.8 * np.maximum(TIME_S - 0.5, 0.0),
        "brake": 14.0 - 2.0 * np.clip(TIME_S - 0.5, 0.0, 3.0),
        "halt": np.maximum(0.0, 9.0 - 2.2 * np.maximum(TIME_S - 0.5, 0.0)),
        "nearly halt": 11.0 - 1.5 * np.maximum(TIME_S - 0.5, 0.0),
        "stand": 0.0 * TIME_S,
        "back": -1.5 + 0.0 * TIME_S,
        "hold, then brake": np.where(TIME_S < 4.0, 10.0, 10.0 - 2.0 * (TIME_S - 4.0)),
    }[kind]


def place(s: np.ndarray, d: np.ndarray, curvature: float) -> np.ndarray:
    """Points [n, 2] at s along and d left of a line through the origin of constant curvature."""
    if curvature == 0.0:
        return np.stack([s, d], axis=1)
    angle, radius = s * curvature, 1.0 / curvature
    return np.stack([(radius - d) * np.sin(angle), radius - (radius - d) * np.cos(angle)], axis=1)


def drive(speed: str = "hold", lateral: str = KEEP, side: float = 1.0, curvature: float = 0.0) -> np.ndarray:
    """Poses [65, 3] from t0 on: this speed along the road, this offset from it."""
    v = speeds(speed)
    s = np.concatenate([[0.0], np.cumsum(0.5 * (v[1:] + v[:-1])) * 0.1])
    # Offsets belong to distance: a vehicle that stands does not slide sideways.
    reference = np.maximum(s[-1], 1e-9)
    d = side * np.interp(s / reference * TIME_S[-1], TIME_S, offsets(lateral)) if reference > 1.0 else 0.0 * s
    points = place(s, d, curvature)
    move = np.gradient(points, axis=0)
    heading = np.unwrap(np.arctan2(move[:, 1], move[:, 0])) if s[-1] > 1.0 else s * curvature
    return np.column_stack([points, heading])


def road(curvature: float = 0.0, **fields: object) -> tuple[Lane, ...]:
    s = np.arange(-40.0, 181.0, 2.0)
    return (Lane(lane_id="ego", centerline_N2=place(s, 0.0 * s, curvature), width_m=3.5, **fields),)  # type: ignore[arg-type]


def junction() -> tuple[Lane, ...]:
    """Straight on to x = 15 m, then straight, left or right through quarter circles of 12 m."""
    before = np.column_stack([np.arange(-40.0, 16.0), np.zeros(56)])
    angle = np.linspace(0.0, np.pi / 2, 20)
    left = np.column_stack([15.0 + 12.0 * np.sin(angle), 12.0 - 12.0 * np.cos(angle)])
    exit_left = np.column_stack([np.full(60, 27.0), np.arange(12.0, 72.0)])
    mirror = np.array([1.0, -1.0])
    return (
        Lane(lane_id="ego", centerline_N2=before, width_m=3.5, successor_ids=("left", "on", "right")),
        Lane(lane_id="on", centerline_N2=before + np.array([55.0, 0.0]), width_m=3.5),
        Lane(lane_id="left", centerline_N2=left, width_m=3.5, successor_ids=("left exit",), turn="left"),
        Lane(lane_id="right", centerline_N2=left * mirror, width_m=3.5, successor_ids=("right exit",), turn="right"),
        Lane(lane_id="left exit", centerline_N2=exit_left, width_m=3.5),
        Lane(lane_id="right exit", centerline_N2=exit_left * mirror, width_m=3.5),
    )


def turning(side: float = 1.0) -> np.ndarray:
    """Poses [65, 3]: 6 m/s along the junction's turn to a side."""
    s = 6.0 * TIME_S
    angle = np.clip((s - 15.0) / 12.0, 0.0, np.pi / 2)
    x = np.minimum(s, 15.0) + 12.0 * np.sin(angle)
    y = 12.0 - 12.0 * np.cos(angle) + np.maximum(s - 15.0 - 6.0 * np.pi, 0.0)
    return np.column_stack([x, side * y, side * angle])


def motion(poses: np.ndarray, lanes: tuple[Lane, ...] | None = None, route: str = "unknown") -> Motion:
    return read_motions(poses[None], [lane_paths(lanes, route)])[0]


def strict(claims: Claims, poses: np.ndarray, lanes: tuple[Lane, ...] | None) -> float:
    return compare(claims, motion(poses, lanes)).strict


@pytest.mark.parametrize(
    ("decision", "carrying", "clashing"),
    [
        (
            "set_speed_tracking",
            ["hold", "gain", "set off", "hold, then brake"],
            ["ease", "brake", "halt", "gain hard", "back"],
        ),
        ("lead_obstacle_following", ["hold", "ease", "brake", "halt", "stand"], ["gain", "gain hard", "back"]),
        ("speed_adaptation", ["ease", "brake", "hold, then brake"], ["hold", "gain", "stand"]),
        ("gap_searching", ["hold", "gain", "ease"], ["halt", "gain hard", "stand"]),
        ("passing_acceleration", ["gain", "gain hard"], ["hold", "ease", "stand"]),
        ("yield", ["ease", "brake", "halt", "stand"], ["hold", "gain", "set off"]),
        ("stop", ["halt", "stand", "nearly halt"], ["ease", "brake", "hold", "gain", "set off"]),
    ],
)
def test_each_longitudinal_row(decision: str, carrying: list[str], clashing: list[str]) -> None:
    claims = Claims(longitudinal=decision, lateral="lane_keeping")
    assert {speed: strict(claims, drive(speed), road()) for speed in carrying} == dict.fromkeys(carrying, 1.0)
    assert {speed: strict(claims, drive(speed), road()) for speed in clashing} == dict.fromkeys(clashing, 0.0)


MANOEUVRES = ("keep", "drift", "in", "out", "change", "half a change", "abort", "turn", "park")


def manoeuvre(name: str, curvature: float = 0.0, side: float = 1.0) -> Motion:
    """The motion to the left (side 1) or right (-1), on a straight road or in a bend."""
    if name == "turn":
        return motion(turning(side), junction())
    if name == "park":
        return motion(drive("halt", "change", side, curvature), road(curvature))
    poses = drive("hold", KEEP if name == "keep" else name, side, curvature)
    if not name.startswith("abort"):
        return motion(poses, road(curvature))
    # The ego frame begins at the ego, here one off the centre line: the lane moves the other way.
    offset, heading = poses[0, 1].copy(), poses[0, 2].copy()
    assert heading == pytest.approx(0.0, abs=0.02)
    poses[:, 1] -= offset
    (lane,) = road(curvature)
    return motion(poses, (replace(lane, centerline_N2=lane.centerline_N2 - [0.0, offset]),))


CARRIED = {
    "lane_keeping": {"keep", "drift"},
    "merge_split": {"change", "half a change"},
    "out_of_lane_nudge": {"out", "half a change"},
    "in_lane_nudge": {"in"},
    "lane_change": {"change", "half a change"},
    "pull_over": {"park"},
    "turn": {"turn"},
    "lateral_abort": {"abort"},
}


@pytest.mark.parametrize("curvature", [0.0, 1 / BEND_RADIUS_M, -1 / BEND_RADIUS_M])
@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("decision", LATERAL_DECISIONS)
def test_each_lateral_row_fits_its_own_manoeuvre_and_no_other(decision: str, side: float, curvature: float) -> None:
    """Straight on and in bends of 60 m: following the bend is not steering."""
    name, other = ("left", "right") if side > 0 else ("right", "left")
    sided = decision in SIDED_DECISIONS
    holds = LATERAL_TABLE[decision].holds
    thresholds = Consistency().thresholds
    fits = {n for n in MANOEUVRES if holds(manoeuvre(n, curvature, side), name if sided else None, thresholds)}
    assert fits == CARRIED[decision]
    if sided:
        wrong = {n for n in MANOEUVRES if holds(manoeuvre(n, curvature, side), other, thresholds)}
        assert not wrong & CARRIED[decision]
        unsaid = {n for n in MANOEUVRES if holds(manoeuvre(n, curvature, side), None, thresholds)}
        assert fits <= unsaid


def test_a_nudge_of_unstated_extent_may_leave_the_lane() -> None:
    out = motion(drive(lateral="out"), road())
    assert compare(Claims(lateral="in_lane_nudge", side="left", extent_stated=False), out).strict == 1.0
    assert compare(Claims(lateral="in_lane_nudge", side="left", extent_stated=True), out).strict == 0.0


def test_an_axis_without_a_claim_implies_the_unremarkable() -> None:
    assert strict(Claims(longitudinal="stop"), drive("halt"), road()) == 1.0
    assert strict(Claims(longitudinal="set_speed_tracking"), drive(lateral="change"), road()) == 0.0
    assert strict(Claims(lateral="lane_change", side="left"), drive("gain", "change"), road()) == 1.0
    assert strict(Claims(lateral="lane_keeping"), drive("brake"), road()) == 0.0
    assert strict(Claims(lateral="turn", side="left"), turning(), junction()) == 1.0


def test_driving_straight_over_a_junction_is_keeping_the_lane_whatever_the_route() -> None:
    for route in ("left", "straight", "unknown"):
        over = motion(drive(), junction(), route)
        assert compare(Claims("set_speed_tracking", "lane_keeping"), over).strict == 1.0
        assert compare(Claims("set_speed_tracking", "turn", "left"), over).strict == 0.0


def test_joining_another_road_along_ones_own_lane_is_a_merge() -> None:
    ahead = np.column_stack([np.arange(30.0, 150.0), np.zeros(120)])
    other = np.column_stack([np.arange(-40.0, 31.0), np.linspace(9.0, 0.0, 71)])
    lanes = (
        Lane(lane_id="ramp", centerline_N2=ahead[:71] - [70.0, 0.0], width_m=3.5, successor_ids=("main",)),
        Lane(lane_id="main", centerline_N2=ahead, width_m=3.5),
        Lane(lane_id="other", centerline_N2=other, width_m=3.5, successor_ids=("main",)),
    )
    assert strict(Claims("gap_searching", "merge_split"), drive(), lanes) == 1.0
    assert strict(Claims("gap_searching", "merge_split"), drive(), lanes[:2]) == 0.0


def test_without_lanes_the_plain_cases_are_still_told_apart() -> None:
    assert strict(Claims(lateral="lane_keeping"), drive(), None) == 1.0
    assert strict(Claims(lateral="lane_keeping"), drive(curvature=1 / BEND_RADIUS_M), None) == 1.0
    assert strict(Claims(lateral="turn", side="left"), drive(curvature=1 / BEND_RADIUS_M), None) == 0.0
    assert strict(Claims(lateral="turn", side="right"), turning(-1.0), None) == 1.0
    assert strict(Claims(lateral="lane_keeping"), turning(-1.0), None) == 0.0
    assert strict(Claims(lateral="lane_change", side="left"), drive(lateral="change"), None) == 1.0
    assert strict(Claims(lateral="lane_keeping"), drive(lateral="change"), None) == 0.0
    assert strict(Claims(lateral="in_lane_nudge", side="left"), drive(lateral="in"), None) == 1.0


def test_the_lane_frame_gives_back_what_was_laid_into_it() -> None:
    """s, d and yaw of a lane change in a 60 m bend, to 2 cm and 0.02 rad; the line begins 40 m behind the ego."""
    curvature = 1 / BEND_RADIUS_M
    poses = drive(lateral="change", curvature=curvature)
    reading = to_lane_frame(poses[None], lane_paths(road(curvature))[:1])
    assert np.abs(reading.d_BT[0] - offsets("change")).max() < 0.02
    assert np.abs(reading.s_BT[0] - 40.0 - 10.0 * TIME_S).max() < 0.1
    slope = np.arctan2(np.gradient(offsets("change"), 0.1), 10.0 * (1.0 - curvature * offsets("change")))
    assert np.abs(reading.yaw_BT[0] - slope).max() < 0.02


def test_a_trajectory_reads_the_same_beside_others_on_other_roads_as_alone() -> None:
    curvatures = (0.0, 1 / BEND_RADIUS_M, -1 / BEND_RADIUS_M, 0.0)
    paths = [lane_paths(road(curvature))[0] for curvature in curvatures]
    poses = np.stack([drive(), drive(lateral="change", curvature=curvatures[1]), drive(), drive(lateral="in")])
    together = to_lane_frame(poses, paths)
    for i, path in enumerate(paths):
        for row, alone in zip(together, to_lane_frame(poses[i : i + 1], [path]), strict=True):
            np.testing.assert_array_equal(row[i], alone[0])


def test_a_path_goes_on_straight_beyond_its_ends() -> None:
    path = lane_paths(road())[0]
    poses = np.array([[[-90.0, 1.0, 0.1], [300.0, -2.0, 0.0], [400.0, -2.5, -0.1]]])
    reading = to_lane_frame(poses, [path])
    assert reading.s_BT[0] == pytest.approx([-50.0, 340.0, 440.0])
    assert reading.d_BT[0] == pytest.approx([1.0, -2.0, -2.5])
    assert reading.yaw_BT[0] == pytest.approx([0.1, 0.0, -0.1])


def test_lanes_that_run_the_other_way_or_lie_elsewhere_are_not_the_egos() -> None:
    (lane,) = road()
    oncoming = replace(lane, centerline_N2=lane.centerline_N2[::-1])
    away = replace(lane, centerline_N2=lane.centerline_N2 + np.array([0.0, 3.5]))
    assert lane_paths((oncoming, away)) == ()
    assert lane_paths(None) == ()
    assert motion(drive(), (oncoming,)).on_map is False


# The table in the docs.


def documented(table: str) -> dict[str, list[str]]:
    """Rows of a table of docs/consistency.md by decision."""
    block = DOCS.read_text().split(f"<!-- {table} table -->")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.strip().splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}


def names(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`(\w+)`", cell))


def test_the_docs_print_the_longitudinal_table_row_by_row() -> None:
    rows = documented("longitudinal")
    assert tuple(rows) == LONGITUDINAL_DECISIONS == tuple(LONGITUDINAL_TABLE)
    for decision, row in LONGITUDINAL_TABLE.items():
        actions, also = rows[decision]
        assert names(actions) == row.actions
        assert (also == "comes to rest") == row.standstill


def test_the_docs_print_the_lateral_table_row_by_row() -> None:
    rows = documented("lateral")
    assert tuple(rows) == LATERAL_DECISIONS == tuple(LATERAL_TABLE)
    for decision, row in LATERAL_TABLE.items():
        condition, neighbours, implied = rows[decision]
        assert condition == row.condition
        assert names(neighbours) == row.neighbours
        assert names(implied) == row.implied_actions


def test_the_docs_name_the_version_of_the_table() -> None:
    assert f"it is {TABLE_VERSION}." in DOCS.read_text()


# The reward.


def scene(lanes: tuple[Lane, ...] | None = None) -> Scene:
    seen = observe(history_T3=np.zeros((16, 3)), route="straight", lanes=lanes, agents=(), controls=())
    return Scene(
        id="s", source="test", episode="e", t0_us=0, observation=seen, future_T3=None, agents=(), lanes=lanes,
        drivable_area=None, controls=(),
    )  # fmt: skip


def completion(text: str | None, poses_T3: np.ndarray | None) -> Completion:
    trajectory = None if poses_T3 is None else Trajectory(poses_T3=poses_T3[1:], source="tokens")
    error = DecodeError("none") if poses_T3 is None else None
    return Completion(text=text or "", token_ids=(), reasoning=text, trajectory=trajectory, error=error)


@pytest.mark.parametrize("mode", ["strict", "graded"])
def test_text_and_action_that_agree_score_one_and_say_why(mode: str) -> None:
    score = Consistency(mode=mode)(completion("Stop for the red light.", drive("halt")), scene(road()))  # type: ignore[arg-type]
    assert score.value == 1.0
    assert dict(score.parts) == {"longitudinal": 1.0, "lateral": 1.0}
    assert "stop: strong_deceleration" in score.why


def test_without_a_claim_strict_is_zero_and_graded_abstains() -> None:
    silent = completion("The sky is blue.", drive())
    assert Consistency()(silent, scene(road())).value == 0.0
    assert Consistency(mode="graded")(silent, scene(road())).value is None
    assert Consistency()(completion(None, drive()), scene(road())).value == 0.0


@pytest.mark.parametrize("mode", ["strict", "graded"])
def test_without_a_trajectory_the_score_is_zero_in_both_modes(mode: str) -> None:
    score = Consistency(mode=mode)(completion("Keep lane.", None), scene(road()))  # type: ignore[arg-type]
    assert (score.value, score.why) == (0.0, "no trajectory")


def test_graded_gives_half_for_a_gentle_neighbour_and_strict_gives_nothing() -> None:
    """Claimed: deceleration. Driven: speed held, one gentle step away; the lane is kept."""
    held = completion("Adapt speed for the curve and keep the lane.", drive("hold"))
    assert Consistency(mode="graded")(held, scene(road())).value == 0.75
    assert Consistency()(held, scene(road())).value == 0.0
    assert Consistency()(held, scene(road())).parts["longitudinal"] == 0.0


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="strict"):
        Consistency(mode="lenient")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="one scene each"):
        Consistency().score_batch([completion("Stop.", None)], [])


@lru_cache(maxsize=1)
def motions() -> dict[tuple[str, str, float], Motion]:
    sideways = ("in", "out", "change", KEEP)
    ways = product(("hold", "gain", "ease", "brake", "halt", "stand", "gain hard"), sideways, (1.0, -1.0))
    return {way: motion(drive(*way), road()) for way in ways}


ALL_CLAIMS = [
    Claims(longitudinal, lateral, side)
    for longitudinal, lateral in product((None, *LONGITUDINAL_DECISIONS), (None, *LATERAL_DECISIONS))
    for side in (("left", "right") if lateral in SIDED_DECISIONS else (None,))
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(ALL_CLAIMS), st.data())
def test_making_an_axis_match_never_scores_lower(claims: Claims, data: st.DataObject) -> None:
    """Monotonicity: two motions that are alike on one axis, and one of them carries out the claim on the other."""
    table = motions()
    speed, sideways, side = data.draw(st.sampled_from(sorted(table)))
    here = compare(claims, table[speed, sideways, side])
    for other in table:
        there = compare(claims, table[other])
        if there.longitudinal.credit >= here.longitudinal.credit and there.lateral.credit >= here.lateral.credit:
            assert there.strict >= here.strict
            assert (there.graded or 0.0) >= (here.graded or 0.0)
    assert here.graded is None or 0.0 <= here.strict <= here.graded <= 1.0


def test_the_expert_of_a_synthetic_scene_carries_out_its_reference_and_seldom_another_scenes() -> None:
    scenes = list(generate_scenes(7, "test", 150))
    reward = Consistency()
    own = [_reference(one, one) for one in scenes]
    assert np.mean([s.value for s in reward.score_batch(own, scenes)]) >= 0.98
    pairs = [(a, b) for a, b in pairwise(scenes) if a.kind != b.kind]
    swapped = reward.score_batch([_reference(text, drive) for text, drive in pairs], [drive for _, drive in pairs])
    assert np.mean([s.value for s in swapped]) < 0.35


def test_the_batch_scores_what_single_calls_score() -> None:
    scenes = [*generate_scenes(3, "test", 12), scene(None), scene(road())]
    completions = [_reference(one, one) for one in scenes[:12]]
    completions += [completion("Turn left.", turning()), completion("Keep lane.", None)]
    reward = Consistency(mode="graded")
    assert reward.score_batch(completions, scenes) == [reward(c, s) for c, s in zip(completions, scenes, strict=True)]


def test_a_batch_of_rollouts_is_scored_fast_enough() -> None:
    """At least 2,000 rollouts a second of processor time in groups of 8; about 14,000 on a free core."""
    scenes = [one for one in generate_scenes(5, "train", 60) for _ in range(8)]
    completions = [_reference(one, one) for one in scenes]
    begin = time.process_time()
    Consistency().score_batch(completions, scenes)
    assert len(scenes) / (time.process_time() - begin) > 2000


def _reference(text: Scene, drive: Scene) -> Completion:
    assert text.reference is not None
    assert drive.future_T3 is not None
    trajectory = Trajectory(poses_T3=drive.future_T3, source="expert")
    return Completion(text="", token_ids=(), reasoning=text.reference.text, trajectory=trajectory, error=None)
