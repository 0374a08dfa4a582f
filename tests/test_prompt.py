"""What the policy is told: everything that matters up to t0, and nothing of what comes after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving import Agent, Control, Lane, Observation, Scene, observe
from ar1_rl.scenes.synthetic import generate_scenes
from rollouts.describe import VOCABULARY, describe
from rollouts.dialogue import text_prompt

SCENES = tiny.scenes(24)


def straight_history(speed_mps: float = 10.0) -> np.ndarray:
    history = np.zeros((16, 3))
    history[:, 0] = (np.arange(16) - 15) * 0.1 * speed_mps
    return history


def agent(kind: str, x: float, y: float, speed_mps: float = 0.0, sideways_mps: float = 0.0) -> Agent:
    ticks = (np.arange(80) - 15) * 0.1
    poses = np.stack([x + speed_mps * ticks, y + sideways_mps * ticks, np.zeros(80)], axis=1)
    return Agent(track_id=kind, kind=kind, length_m=4.5, width_m=1.9, poses_T3=poses)


def seen(**changes: object) -> Observation:
    line = np.stack([np.arange(-40.0, 200.0), np.zeros(240)], axis=1)
    world = {
        "history_T3": straight_history(),
        "route": "straight",
        "lanes": (Lane(lane_id="a", centerline_N2=line, width_m=3.5, speed_limit_mps=14.0, left_id="b"),),
        "agents": (),
        "controls": (),
    }
    return observe(**{**world, **changes})  # type: ignore[arg-type]


def test_a_straight_empty_road_by_hand() -> None:
    assert describe(seen()) == "speed 10mps ; route straight ; limit 14mps 4mps faster ; lane straight left_free"


def test_road_users_are_described_by_place_and_motion_the_ones_in_the_way_first() -> None:
    others = (
        agent("car", 12.0, 3.6, 9.0),
        agent("truck", 30.0, 0.0, 5.0),
        agent("pedestrian", 20.0, -4.0, 0.0, 1.0),
        agent("car", 40.0, -3.0),
    )
    text = describe(seen(agents=others))
    assert text.split(" ; ")[4:] == [
        "pedestrian 20m ahead 40dm right 0mps to_left",
        "truck 30m ahead 0dm 5mps 5mps slower",
        "car 12m ahead 35dm left 9mps",
        "car 40m ahead 30dm right standing",
    ]


def test_a_light_is_told_with_its_state_now_and_its_distance() -> None:
    states = ("green",) * 10 + ("red",) * 70
    light = Control(control_id="l", kind="traffic_light", position_2=np.array([26.0, 0.0]), states_T=states)
    assert describe(seen(controls=(light,))).endswith("red traffic_light 26m")


def test_a_bend_is_told_by_the_headings_of_the_lane_ahead() -> None:
    angle = np.maximum(np.arange(-20.0, 150.0), 0.0) / 40.0
    x = np.where(angle > 0, 40.0 * np.sin(angle), np.arange(-20.0, 150.0))
    line = np.stack([x, 40.0 * (1.0 - np.cos(angle))], axis=1)[:140]
    text = describe(seen(lanes=(Lane(lane_id="a", centerline_N2=line, width_m=3.5),)))
    told = next(part for part in text.split(" ; ") if part.startswith("lane"))
    by_hand = [np.degrees((at + 0.5) / 40.0) for at in (4, 8, 12, 16, 22, 30, 40, 55, 75)]
    degrees = [float(word.removesuffix("deg_left")) for word in told.split()[5:]]
    assert told.startswith("lane bends 0m radius 40m ")
    assert all(abs(a - b) <= 2.5 for a, b in zip(degrees, by_hand, strict=True))


def test_what_a_source_does_not_know_is_said_to_be_unknown() -> None:
    text = describe(seen(lanes=None, agents=None, controls=None))
    assert text == "speed 10mps ; route straight ; lane unknown ; agents unknown"


def test_every_word_of_every_description_is_in_the_vocabulary() -> None:
    words = {word for scene in generate_scenes(3, "train", 300) for word in describe(scene.observation).split()}
    assert words <= set(VOCABULARY)


@settings(max_examples=40, deadline=None)
@given(index=st.integers(0, len(SCENES) - 1), shift=st.floats(-30.0, 30.0), seed=st.integers(0, 1000))
def test_the_prompt_does_not_change_with_anything_after_t0(index: int, shift: float, seed: int) -> None:
    """The leak guard: another future, other annotations, agents that go elsewhere, lights that change."""
    scene = SCENES[index]
    noise = np.random.default_rng(seed)

    def elsewhere(other: Agent) -> Agent:
        later = other.poses_T3[16:] + shift * noise.normal(size=(64, 3))
        return replace(other, poses_T3=np.concatenate([other.poses_T3[:16], later]))

    def changed(control: Control) -> Control:
        return replace(control, states_T=control.states_T[:16] + ("green",) * len(control.states_T[16:]))

    assert scene.future_T3 is not None and scene.agents is not None and scene.controls is not None
    agents = tuple(elsewhere(a) for a in scene.agents)
    controls = tuple(changed(c) for c in scene.controls)
    observation = observe(
        history_T3=scene.observation.history_T3,
        route=scene.observation.route,
        lanes=scene.lanes,
        agents=agents,
        controls=controls,
    )
    other = replace(
        scene,
        observation=observation,
        agents=agents,
        controls=controls,
        future_T3=scene.future_T3 + shift,
        annotations=(),
        kind="other",
    )
    assert text_prompt(other.observation, "<i1>") == text_prompt(scene.observation, "<i1>")


def test_the_observation_holds_nothing_later_than_t0() -> None:
    for scene in SCENES:
        observation = scene.observation
        assert observation.history_T3.shape == (16, 3)
        assert all(a.poses_T3.shape == (16, 3) for a in observation.agents or ())
        assert all(len(c.states_T) in (0, 16) for c in observation.controls or ())


def test_the_scene_survives_its_dataset_row() -> None:
    for scene in SCENES:
        again = Scene.from_row(scene.to_row())
        assert again.to_row() == scene.to_row()
        assert describe(again.observation) == describe(scene.observation)
