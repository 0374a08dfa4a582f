"""Rendered frames: known points have the colours of what is there, and nothing of after t0 or of any label gets in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.config import check_config
from ar1_rl.driving import Agent, Control, Lane, Observation, Scene, observe
from ar1_rl.driving.camera import project
from ar1_rl.driving.camera_frames import CameraFrames
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.frames import FrameReader, FramesConfig, frames_of, has_frames, pil_images, render
from ar1_rl.frames.bodies import (
    BRAKING_LAMP,
    CONE,
    JACKETS,
    LAMP_HEIGHTS_M,
    LIGHT_COLOURS,
    REAR_LAMP,
    SHADOW,
    STOP_SIGN,
    STOP_SIGN_HEIGHT_M,
    UNLIT,
)
from ar1_rl.frames.ground import ASPHALT, WHITE_LINE, YELLOW_LINE
from ar1_rl.frames.paint import GRASS
from ar1_rl.frames.render import (
    LIGHT_BESIDE_LANE_M,
    LIGHT_BEYOND_LINE_M,
    SIGN_BESIDE_ROAD_M,
    brakes,
)
from ar1_rl.scenes.synthetic import SyntheticConfig, draw_driven, drive_world, generate_scenes, to_scene
from ar1_rl.scenes.synthetic.causes import CAUSES
from ar1_rl.scenes.synthetic.world import Actor

LARGE = FramesConfig(width_px=384, height_px=256)
"""So that a lamp has pixels of its own."""
STEPS = np.arange(-15, 65) * 0.1
SCENES = list(generate_scenes(11, "train", 12))


def road(length_m: float = 150.0) -> Lane:
    """A straight lane of 4 m along the x axis."""
    return Lane(
        lane_id="lane", centerline_N2=np.array([[x, 0.0] for x in np.arange(-20.0, length_m, 5.0)]), width_m=4.0
    )


def agent(kind: str, x: float, y: float = 0.0, *, size=(4.0, 2.0), speed=0.0, braking=0.0, name="a") -> Agent:
    """At (x, y) at t0, heading along the road; it slows down by `braking` all the time."""
    along = x + speed * STEPS - braking / 2 * STEPS**2
    poses = np.stack([along, np.full(80, y), np.zeros(80)], axis=-1)
    return Agent(track_id=name, kind=kind, length_m=size[0], width_m=size[1], poses_T3=poses)


def light(*states: tuple[str, int]) -> Control:
    """30 m ahead; pairs of state and number of ticks."""
    ticks = tuple(state for state, count in states for _ in range(count))
    return Control(
        control_id="l", kind="traffic_light", position_2=np.array([30.0, 0.0]), lane_id="lane", states_T=ticks
    )


def seen(agents=(), controls=(), lanes=None, speed: float = 0.0) -> Observation:
    """The ego drives straight along the lane."""
    history = np.stack([speed * STEPS[:16], np.zeros(16), np.zeros(16)], axis=-1)
    return observe(
        history_T3=history, route="straight", lanes=lanes or (road(),), agents=tuple(agents), controls=tuple(controls)
    )


def pixel(frames: CameraFrames, point_3, camera: str = "front_tele", frame: int = -1) -> tuple[int, ...]:
    """The colour at a point that is given in the rig frame at the time of the frame."""
    number = frames.names.index(camera)
    at, depth = project(frames.cameras[number], np.array([point_3]))
    assert depth[0] > 0.0
    across, down = np.floor(at[0]).astype(int)
    image = frames.images_CTHW3[number, frame]
    assert 0 <= down < image.shape[0] and 0 <= across < image.shape[1], "the point lies outside the image"
    return tuple(int(value) for value in image[down, across])


# What is there is seen where it is


def test_shape_order_and_times_are_as_the_config_says():
    frames = render(seen(), None)
    assert frames.images_CTHW3.shape == (2, 4, 64, 96, 3)
    assert frames.images_CTHW3.dtype == np.uint8
    assert frames.names == ("front_wide", "front_tele")
    np.testing.assert_allclose(frames.times_s_T, [-0.3, -0.2, -0.1, 0.0], atol=1e-12)
    other = render(seen(), None, FramesConfig(cameras=("cross_left", "cross_right"), count=2, every_ticks=5))
    assert other.names == ("cross_left", "cross_right")
    np.testing.assert_allclose(other.times_s_T, [-0.5, 0.0], atol=1e-12)


def test_the_road_its_lines_and_what_lies_beside_it():
    frames = render(seen(), None, LARGE)
    assert pixel(frames, (12.0, 0.0, 0.0)) == ASPHALT
    assert pixel(frames, (12.0, -2.0, 0.0)) == WHITE_LINE
    assert pixel(frames, (12.0, 2.0, 0.0)) == YELLOW_LINE
    assert pixel(frames, (8.0, 6.0, 0.0), "front_wide") == GRASS
    area = (np.array([[-10.0, -2.0], [100.0, -2.0], [100.0, 8.0], [-10.0, 8.0]]),)
    assert pixel(render(seen(), area, LARGE), (8.0, 6.0, 0.0), "front_wide") == ASPHALT


def test_lines_towards_a_neighbour_lane_are_dashed():
    left = replace(road(), lane_id="left", centerline_N2=road().centerline_N2 + np.array([0.0, 4.0]), right_id="lane")
    frames = render(seen(lanes=(replace(road(), left_id="left"), left)), None, LARGE)
    # Lanes begin at x = -20, and a dash of 3 m every 9 m: from 7 to 10, the next at 16.
    colours = [pixel(frames, (x, 2.0, 0.0), "front_wide") for x in (8.5, 13.0)]
    assert colours == [WHITE_LINE, ASPHALT]


@pytest.mark.parametrize(("braking", "colour"), [(2.0, BRAKING_LAMP), (0.0, REAR_LAMP), (-2.0, REAR_LAMP)])
def test_rear_lamps_are_bright_where_a_vehicle_slows_down(braking, colour):
    frames = render(seen([agent("car", 22.0, speed=8.0, braking=braking)]), None, LARGE)
    # The rear is at 20 m; the lamps are 0.34 m wide at its corners, 0.55 to 0.85 m high.
    for side in (-0.83, 0.83):
        assert pixel(frames, (20.0, side, 0.7)) == colour


def test_a_vehicle_seen_from_ahead_shows_no_rear_lamps():
    ahead = agent("car", 22.0, speed=-8.0, braking=-2.0)
    poses = ahead.poses_T3.copy()
    poses[:, 2] = np.pi
    frames = render(seen([replace(ahead, poses_T3=poses)]), None, LARGE)
    reds = (frames.images_CTHW3.astype(int) @ [1, -1, -1]) > 60
    assert not reds.any()


def test_brake_lights_go_on_within_the_frames_and_look_at_the_past_only():
    poses = agent("car", 22.0, speed=8.0).poses_T3.copy()
    speed = np.where(STEPS < -0.25, 8.0, 8.0 - 3.0 * (STEPS + 0.25))
    poses[:, 0] = 22.0 + np.cumsum(speed) * 0.1
    assert [brakes(poses, tick) for tick in (10, 12, 15)] == [False, False, True]
    assert not brakes(poses, 2), "three steps are needed to tell"
    later = poses.copy()
    later[13:, 0] = np.nan
    assert brakes(later, 12) == brakes(poses, 12)


@pytest.mark.parametrize("state", ["red", "yellow", "green"])
def test_the_lit_lamp_of_a_light_has_its_colour_and_the_others_are_dark(state):
    frames = render(seen(controls=[light((state, 80))]), None, LARGE)
    for name, height in LAMP_HEIGHTS_M.items():
        at = (30.0 + LIGHT_BEYOND_LINE_M - 0.21, -2.0 - LIGHT_BESIDE_LANE_M, height)
        assert pixel(frames, at) == (LIGHT_COLOURS[name] if name == state else UNLIT)
    assert pixel(frames, (30.3, 0.0, 0.0)) == WHITE_LINE, "the stop line"


def test_a_light_that_changed_before_t0_is_seen_to_change():
    frames = render(seen(controls=[light(("yellow", 14), ("red", 66))]), None, LARGE)
    at = (30.0 + LIGHT_BEYOND_LINE_M - 0.21, -2.0 - LIGHT_BESIDE_LANE_M)
    assert [pixel(frames, (*at, LAMP_HEIGHTS_M["yellow"]), frame=i) for i in (0, 1, 2, 3)] == [
        LIGHT_COLOURS["yellow"], LIGHT_COLOURS["yellow"], UNLIT, UNLIT,
    ]  # fmt: skip
    assert pixel(frames, (*at, LAMP_HEIGHTS_M["red"]), frame=3) == LIGHT_COLOURS["red"]


def test_signs_stand_beside_the_road_and_cones_and_people_are_seen():
    sign = Control(control_id="s", kind="stop_sign", position_2=np.array([30.0, 0.0]), lane_id="lane")
    person = agent("pedestrian", 25.0, 3.0, size=(0.6, 0.6))
    cone = agent("other", 20.0, -1.0, size=(0.5, 0.5), name="c")
    frames = render(seen([person, cone], [sign]), None, LARGE)
    assert pixel(frames, (30.0, -2.0 - SIGN_BESIDE_ROAD_M, STOP_SIGN_HEIGHT_M)) == STOP_SIGN
    assert pixel(frames, (24.8, 3.0, 1.1)) in JACKETS
    assert pixel(frames, (19.7, -1.0, 0.3)) == CONE
    assert pixel(render(seen([], [sign]), None, LARGE), (24.8, 3.0, 1.1)) not in JACKETS


def test_in_every_frame_things_are_where_they_were_then():
    """At 10 m/s from the right a runner is 3 m to the left at t0, and straight ahead 0.3 s before."""
    runner = agent("pedestrian", 25.0, size=(0.6, 0.6))
    poses = runner.poses_T3.copy()
    poses[:, 1] = 3.0 + 10.0 * STEPS
    frames = render(seen([replace(runner, poses_T3=poses)]), None, LARGE)
    for frame, y in enumerate((0.0, 1.0, 2.0, 3.0)):
        found = [pixel(frames, (24.8, other, 1.1), frame=frame) in JACKETS for other in (y - 1.0, y, y + 1.0)]
        assert found == [False, True, False]


def test_a_lane_that_ends_before_its_neighbour_is_closed_by_cones():
    left = replace(road(), lane_id="left", centerline_N2=road().centerline_N2 + np.array([0.0, 4.0]), right_id="lane")
    short = replace(road(35.0), left_id="left")
    frames = render(seen(lanes=(short, left)), None, LARGE)
    assert pixel(frames, (30.0 - 0.3, -1.6, 0.3)) == CONE
    assert pixel(render(seen(lanes=(road(), left)), None, LARGE), (29.7, -1.6, 0.3)) != CONE


def test_near_things_hide_far_ones():
    person, truck = agent("pedestrian", 40.0, size=(0.6, 0.6)), agent("truck", 20.0, size=(8.0, 2.5), name="t")
    alone, behind = (render(seen(agents), None, LARGE) for agents in ([person], [person, truck]))
    assert pixel(alone, (39.8, 0.0, 1.1)) in JACKETS
    assert pixel(behind, (39.8, 0.0, 1.1)) not in JACKETS


def test_the_world_is_seen_from_where_the_ego_was():
    """At 30 m/s the ego was 9 m further back 0.3 s before t0."""
    sign = Control(control_id="s", kind="stop_sign", position_2=np.array([30.0, 0.0]), lane_id="lane")
    frames = render(seen(controls=[sign], speed=30.0), None, LARGE)
    side, height = -2.0 - SIGN_BESIDE_ROAD_M, STOP_SIGN_HEIGHT_M
    assert pixel(frames, (30.0, side, height), frame=3) == STOP_SIGN
    assert pixel(frames, (39.0, side, height), frame=0) == STOP_SIGN
    assert pixel(frames, (30.0, side, height), frame=0) != STOP_SIGN
    still = render(seen(controls=[sign]), None, LARGE)
    assert (still.images_CTHW3[:, 0] == still.images_CTHW3[:, 3]).all()


def test_what_the_cameras_pass_by_is_cut_off_and_not_folded_over():
    """A bus right beside the ego reaches from behind the camera to ahead of it."""
    frames = render(seen([agent("bus", 0.0, 3.5, size=(12.0, 2.5))]), None, LARGE)
    assert pixel(frames, (4.0, 2.24, 1.0), "front_wide") not in (ASPHALT, GRASS)
    right_half = frames.images_CTHW3[0, -1, :, 192:]
    bare = render(seen(), None, LARGE).images_CTHW3[0, -1, :, 192:]
    np.testing.assert_array_equal(right_half, bare)


def test_a_shadow_lies_under_vehicles():
    frames = render(seen([agent("car", 22.0)]), None, LARGE)
    assert pixel(frames, (19.95, 0.0, 0.05)) == SHADOW


def test_taking_an_object_away_changes_pixels_about_it_and_nothing_else():
    car, person = agent("car", 25.0), agent("pedestrian", 25.0, -4.0, size=(0.6, 0.6), name="p")
    both, without = (render(seen(agents), None) for agents in ([car, person], [car]))
    changed = (both.images_CTHW3 != without.images_CTHW3).any(axis=-1)
    assert changed[:, -1].any(axis=(1, 2)).all(), "seen by both cameras"
    rows, columns = np.nonzero(changed[1, -1])
    at, _ = project(both.cameras[1], np.array([[25.0, -4.0, 0.0], [25.0, -4.0, 1.9]]))
    assert np.abs(columns - at[0, 0]).max() < 4
    assert rows.min() >= at[1, 1] - 2 and rows.max() <= at[0, 1] + 1


# The same scene gives the same frames, and only what is known at t0 gets in


def test_the_same_seed_gives_the_same_frames():
    again = list(generate_scenes(11, "train", 12))
    for one, other in zip(SCENES, again, strict=True):
        np.testing.assert_array_equal(frames_of(one).images_CTHW3, frames_of(other).images_CTHW3)
    assert len({frames_of(scene).images_CTHW3.tobytes() for scene in SCENES}) == len(SCENES)


@settings(max_examples=20, deadline=None)
@given(index=st.integers(0, len(SCENES) - 1), shift=st.floats(-30.0, 30.0), seed=st.integers(0, 1000))
def test_frames_do_not_change_with_anything_after_t0_nor_with_any_label(index, shift, seed):
    scene, noise = SCENES[index], np.random.default_rng(seed)
    agents = tuple(
        replace(a, poses_T3=np.concatenate([a.poses_T3[:16], a.poses_T3[16:] + shift * noise.normal(size=(64, 3))]))
        for a in scene.agents or ()
    )
    controls = tuple(
        replace(c, states_T=c.states_T[:16] + ("green",) * len(c.states_T[16:])) for c in scene.controls or ()
    )
    observation = observe(
        history_T3=scene.observation.history_T3,
        route="unknown",
        lanes=scene.lanes,
        agents=agents,
        controls=controls,
    )
    assert scene.future_T3 is not None
    other = replace(
        scene,
        id="other",
        episode="other",
        kind="other",
        observation=observation,
        agents=agents,
        controls=controls,
        future_T3=scene.future_T3 + shift,
        annotations=(),
    )
    np.testing.assert_array_equal(frames_of(other).images_CTHW3, frames_of(scene).images_CTHW3)


@pytest.mark.parametrize("kind", sorted(CAUSES))
def test_a_world_that_goes_on_otherwise_after_t0_has_the_same_frames(kind):
    def speeding_up(actor: Actor) -> Actor:
        if actor.acceleration_mps2:
            return actor
        return replace(actor, acceleration_mps2=1.0, acceleration_start_s=0.0, final_speed_mps=actor.speed_mps + 5.0)

    driven, _ = draw_driven(3, "test", 0, SyntheticConfig(weights={kind: 1.0}))
    world = driven.world
    later = replace(
        world,
        reaction_s=world.reaction_s + 0.5,
        set_speed_mps=world.set_speed_mps + 3.0,
        moves=tuple(move for move in world.moves if move.start_m < 0.0),
        speed_zones=(),
        destination_m=None,
        actors=tuple(speeding_up(actor) for actor in world.actors),
    )
    one, other = (to_scene(d, "x", 0) for d in (driven, drive_world(later)))
    assert one.to_row()["withheld"] != other.to_row()["withheld"]
    np.testing.assert_array_equal(frames_of(one).images_CTHW3, frames_of(other).images_CTHW3)


# The one function


def test_synthetic_scenes_have_frames_and_hold_no_pixels():
    scene = SCENES[0]
    assert has_frames(scene)
    assert scene.observation.frames == ()
    np.testing.assert_array_equal(frames_of(Scene.from_row(scene.to_row())).images_CTHW3, frames_of(scene).images_CTHW3)


def test_a_source_without_cameras_says_so():
    scene = replace(SCENES[0], source="argoverse2")
    assert not has_frames(scene)
    with pytest.raises(SceneError, match="argoverse2' has no camera frames"):
        frames_of(scene)


def test_a_reader_renders_a_scene_once_as_long_as_it_is_kept():
    reader = FrameReader(keep=2)
    first = reader(SCENES[0])
    assert reader(SCENES[0]) is first and reader.decoded == 1
    reader(SCENES[1])
    reader(SCENES[2])
    assert reader.decoded == 3
    reader(SCENES[0])
    assert reader.decoded == 4, "it was the oldest of three"


def test_images_come_one_by_one_camera_by_camera():
    frames = frames_of(SCENES[0])
    images = pil_images(frames)
    assert len(images) == 8 and images[0].size == (96, 64)
    np.testing.assert_array_equal(np.asarray(images[5]), frames.images_CTHW3[1, 1])
    assert not frames.blackened().images_CTHW3.any()
    assert frames.blackened().names == frames.names


def test_a_config_of_too_many_frames_or_unknown_cameras_is_refused():
    with pytest.raises(ConfigError, match="reach back 20 ticks, allowed are 15"):
        check_config(FramesConfig, {"count": 5, "every_ticks": 5}, source="x")
    with pytest.raises(ConfigError, match="rear"):
        frames_of(SCENES[0], FramesConfig(cameras=("rear",)))


def test_a_thousand_frames_take_a_few_seconds_of_one_core():
    from recipes.bench.frames import GOAL_PER_S, measure

    assert measure(30, 96, 64)["frames_per_s"] > GOAL_PER_S
