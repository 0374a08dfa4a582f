"""Reference traces of logs by rules: decisions from the future, causes only from what was in view up to t0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.decisions import Decisions
from ar1_rl.driving.dynamics import integrate
from ar1_rl.driving.scene import Agent, Lane, Scene, observe
from ar1_rl.scenes.log_sentences import CAUSES, LATERAL, LONGITUDINAL, WORDS, component_of, sentence
from ar1_rl.scenes.reference_trace import reference_trace, reference_traces


def lane(name: str, y_m: float, left_id: str | None = None, right_id: str | None = None) -> Lane:
    line = np.column_stack([np.arange(-60.0, 240.0, 2.0), np.full(150, y_m)])
    return Lane(lane_id=name, centerline_N2=line, width_m=3.6, left_id=left_id, right_id=right_id)


ROAD = (lane("own", 0.0, left_id="left"), lane("left", 3.6, right_id="own"))


def future(speed_mps: float, acceleration_mps2: float = 0.0, curvature_per_m: float = 0.0) -> np.ndarray:
    """64 poses; braking ends at a standstill."""
    speeds = np.maximum(speed_mps + acceleration_mps2 * 0.1 * np.arange(65), 0.0)
    controls = np.column_stack([np.diff(speeds) / 0.1, np.full(64, curvature_per_m)])
    return integrate(controls[None], np.array([speed_mps]))[0]


def scene(future_T3: np.ndarray, speed_mps: float, agents=(), lanes=ROAD, curvature_per_m: float = 0.0) -> Scene:
    back = integrate(np.tile([0.0, -curvature_per_m], (1, 15, 1)), np.array([speed_mps]))[0]
    history = np.concatenate([back[::-1] * [-1.0, 1.0, 1.0], np.zeros((1, 3))])
    history[:, 1] *= -1.0
    return Scene(
        id="hand made",
        source="test",
        episode="test/1",
        t0_us=0,
        observation=observe(history_T3=history, route="unknown", lanes=lanes, agents=agents, controls=None),
        future_T3=future_T3,
        agents=agents,
        lanes=lanes,
        drivable_area=None,
        controls=None,
    )


def agent(kind: str, x: float, y: float, yaw: float = 0.0, speed_mps: float = 0.0, braking_mps2: float = 0.0) -> Agent:
    """On a straight line; (x, y) at t0."""
    time = 0.1 * np.arange(-15, 65)
    way = speed_mps * time - 0.5 * braking_mps2 * np.sign(time) * time**2
    poses = np.column_stack([x + way * np.cos(yaw), y + way * np.sin(yaw), np.full(80, yaw)])
    size = {"pedestrian": (0.6, 0.6), "bicycle": (1.8, 0.6), "truck": (9.0, 2.5)}.get(kind, (4.5, 1.9))
    return Agent(track_id=f"{kind}_1", kind=kind, length_m=size[0], width_m=size[1], poses_T3=poses)


def said(trace) -> tuple:
    return trace.decisions.longitudinal, trace.decisions.lateral, [(c.name, c.element_id) for c in trace.components]


def test_a_steady_drive_on_an_empty_lane_tracks_the_set_speed_because_the_lane_is_clear():
    trace = reference_trace(scene(future(10.0), 10.0))
    assert said(trace) == ("set_speed_tracking", "lane_keeping", [("clear_lane", "own")])
    assert trace.labeller == "rules" and trace.evidence_s == (-1.5, 0.0)


def test_where_agents_are_not_known_the_lane_is_not_called_clear():
    trace = reference_trace(scene(future(10.0), 10.0, agents=None))
    assert said(trace) == ("set_speed_tracking", "lane_keeping", [])
    assert parse_decisions(trace.text).components == ()


def test_braking_behind_a_slower_vehicle_is_following_it():
    lead = agent("car", 25.0, 0.0, speed_mps=5.0)
    trace = reference_trace(scene(future(10.0, -0.8), 10.0, agents=(lead,)))
    assert said(trace) == ("lead_obstacle_following", "lane_keeping", [("lead_vehicle", "car_1")])


def test_the_same_braking_without_a_cause_in_view_names_none():
    trace = reference_trace(scene(future(10.0, -0.8), 10.0))
    assert said(trace) == ("speed_adaptation", "lane_keeping", [])


def test_a_vehicle_in_another_lane_or_far_ahead_is_no_cause_of_braking():
    others = (agent("car", 25.0, 3.6, speed_mps=5.0), agent("truck", 90.0, 0.0, speed_mps=5.0))
    trace = reference_trace(scene(future(10.0, -0.8), 10.0, agents=others))
    assert said(trace) == ("speed_adaptation", "lane_keeping", [])


@pytest.mark.parametrize(("kind", "name"), [("pedestrian", "pedestrian"), ("bicycle", "cyclist")])
def test_slowing_for_someone_who_walks_toward_the_path_is_yielding(kind, name):
    walker = agent(kind, 25.0, -4.0, yaw=np.pi / 2, speed_mps=1.4)
    trace = reference_trace(scene(future(8.0, -1.0), 8.0, agents=(walker,)))
    assert said(trace) == ("yield", "lane_keeping", [(name, f"{kind}_1")])


def test_someone_who_walks_away_or_stands_on_the_pavement_is_no_cause():
    people = (agent("pedestrian", 25.0, -4.0, yaw=-np.pi / 2, speed_mps=1.4), agent("pedestrian", 20.0, 4.0))
    trace = reference_trace(scene(future(8.0, -0.7), 8.0, agents=people))
    assert said(trace) == ("speed_adaptation", "lane_keeping", [])


def test_a_vehicle_that_crosses_ahead_is_cross_traffic():
    crosser = agent("car", 30.0, 15.0, yaw=-np.pi / 2, speed_mps=6.0)
    trace = reference_trace(scene(future(8.0, -1.0), 8.0, agents=(crosser,)))
    assert said(trace) == ("yield", "lane_keeping", [("cross_traffic", "car_1")])


def test_a_vehicle_that_came_over_from_the_next_lane_cuts_in():
    cutter = agent("car", 14.0, 0.9, yaw=-0.2, speed_mps=7.0)
    cutter = replace(cutter, poses_T3=cutter.poses_T3 + np.array([0.0, 0.0, 0.1]))
    trace = reference_trace(scene(future(9.0, -0.6), 9.0, agents=(cutter,)))
    assert said(trace) == ("lead_obstacle_following", "lane_keeping", [("cut_in_vehicle", "car_1")])


def test_coming_to_a_standstill_without_a_cause_is_a_stop():
    trace = reference_trace(scene(future(8.0, -1.6), 8.0))
    assert said(trace) == ("stop", "lane_keeping", [])


def test_moving_out_around_a_parked_car_is_a_nudge_away_from_it():
    x = 0.1 * 6.0 * np.arange(1, 65)
    y = 0.6 * np.exp(-(((x - 20.0) / 7.0) ** 2))
    yaw = np.arctan(np.gradient(y, x))
    parked = agent("car", 22.0, -2.0)
    trace = reference_trace(scene(np.column_stack([x, y, yaw]), 6.0, agents=(parked,)))
    assert (trace.decisions.lateral, trace.decisions.side) == ("in_lane_nudge", "left")
    assert [(c.name, c.element_id) for c in trace.components] == [("parked_vehicle", "car_1")]


def test_passing_a_slow_truck_by_a_lane_change_names_it():
    x = 8.0 * 0.1 * np.arange(1, 65) + 0.5 * 1.0 * (0.1 * np.arange(1, 65)) ** 2
    y = 3.6 / (1.0 + np.exp(-(x - 25.0) / 4.0))
    yaw = np.arctan(np.gradient(y, x))
    truck = agent("truck", 30.0, 0.0, speed_mps=4.0)
    trace = reference_trace(scene(np.column_stack([x, y, yaw]), 8.0, agents=(truck,)))
    assert said(trace) == ("passing_acceleration", "lane_change", [("slow_vehicle", "truck_1")])
    assert trace.decisions.side == "left"


def test_without_a_map_a_curve_is_a_cause_where_the_ego_is_already_in_it():
    bend = future(10.0, -0.6, curvature_per_m=0.015)
    driven = scene(bend, 10.0, agents=None, lanes=None, curvature_per_m=0.015)
    assert said(reference_trace(driven)) == ("speed_adaptation", "lane_keeping", [("curve", None)])
    ahead = scene(bend, 10.0, agents=None, lanes=None)
    assert said(reference_trace(ahead)) == ("speed_adaptation", "lane_keeping", [])


def test_without_a_map_a_sideways_motion_is_not_labelled():
    x = 0.1 * 10.0 * np.arange(1, 65)
    y = 3.6 / (1.0 + np.exp(-(x - 30.0) / 5.0))
    poses = np.column_stack([x, y, np.arctan(np.gradient(y, x))])
    assert reference_trace(scene(poses, 10.0, agents=None, lanes=None)) is None
    assert reference_trace(scene(poses, 10.0)).decisions.lateral == "lane_change"


def test_a_scene_without_a_future_has_no_trace():
    assert reference_traces([replace(scene(future(10.0), 10.0), future_T3=None)]) == [None]


def test_what_happens_after_t0_gives_no_cause():
    lead = agent("car", 25.0, 0.0, speed_mps=5.0)
    hidden = lead.poses_T3.copy()
    hidden[:16] = np.nan
    trace = reference_trace(scene(future(10.0, -0.8), 10.0, agents=(replace(lead, poses_T3=hidden),)))
    assert said(trace) == ("speed_adaptation", "lane_keeping", [])


# Sentences


@given(
    st.sampled_from(sorted(LONGITUDINAL)),
    st.sampled_from(sorted(LATERAL)),
    st.sampled_from(["left", "right"]),
    st.sampled_from([None, *sorted(CAUSES)]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_every_sentence_reads_back_as_its_decisions_and_cause(longitudinal, lateral, side, wording, choice, speeds_up):
    decisions = Decisions(longitudinal, lateral, None if lateral == "lane_keeping" else side)
    text = sentence(decisions, wording, choice, speeds_up)
    if text is None:
        assert wording is not None
        return
    claims = parse_decisions(text)
    assert claims.decisions == decisions
    assert claims.components == (() if wording is None else (component_of(wording),))
    assert text == text.lower() and WORDS[0] <= len(text.split()) <= WORDS[1]
    assert not any(letter.isdigit() for letter in text)


@pytest.mark.parametrize("longitudinal", sorted(LONGITUDINAL))
@pytest.mark.parametrize("lateral", sorted(LATERAL))
def test_all_pairs_of_decisions_can_be_said_without_a_cause(longitudinal, lateral):
    decisions = Decisions(longitudinal, lateral, None if lateral == "lane_keeping" else "left")
    assert sentence(decisions, None, 0) is not None


@pytest.mark.parametrize(
    ("wording", "longitudinal", "lateral"),
    [
        ("clear_lane", "set_speed_tracking", "lane_keeping"),
        ("lead_slower", "lead_obstacle_following", "lane_keeping"),
        ("lead_braking", "lead_obstacle_following", "turn"),
        ("lead_near", "lead_obstacle_following", "lane_keeping"),
        ("cut_in_vehicle", "lead_obstacle_following", "lane_keeping"),
        ("slow_vehicle", "passing_acceleration", "lane_change"),
        ("pedestrian", "yield", "lane_keeping"),
        ("cyclist", "yield", "turn"),
        ("cross_traffic", "yield", "lane_keeping"),
        ("oncoming_vehicle", "yield", "turn"),
        ("parked_vehicle", "set_speed_tracking", "in_lane_nudge"),
        ("parked_vehicle", "speed_adaptation", "out_of_lane_nudge"),
        ("adjacent_vehicle", "set_speed_tracking", "in_lane_nudge"),
        ("curve", "speed_adaptation", "lane_keeping"),
        ("curve", "speed_adaptation", "turn"),
    ],
)
def test_every_cause_can_be_said_with_the_decision_it_leads_to(wording, longitudinal, lateral):
    decisions = Decisions(longitudinal, lateral, None if lateral == "lane_keeping" else "right")
    assert sentence(decisions, wording, 7) is not None
