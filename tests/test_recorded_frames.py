"""Frames of recorded drives: which images belong to a scene, how they are read, and KITTI's where they are there."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ar1_rl.driving import Scene
from ar1_rl.driving.camera import inside_image, pinhole, project
from ar1_rl.errors import SceneError
from ar1_rl.frames import FramesConfig, frames_of, has_frames
from ar1_rl.scenes import load_scenes
from ar1_rl.scenes.kitti_odometry import read
from ar1_rl.scenes.log_frames import LogCamera, frames_up_to

CAMERA = pinhole("c", field_of_view_deg=90.0, position_m=(1.0, 0.0, 1.5), width_px=40, height_px=20)
TWO_FRAMES = FramesConfig(count=2)


def camera(times_s, **fields) -> LogCamera:
    times = np.asarray(times_s, dtype=float)
    return LogCamera(**{"camera": CAMERA, "times_s_N": times, "paths_N": tuple(f"{t:.2f}" for t in times), **fields})


# Which images belong to a scene


def test_the_newest_image_before_each_tick_of_the_history_and_none_after_t0():
    thirty_hertz = camera(np.arange(0, 300) / 30)
    frames = frames_up_to([thirty_hertz], 5.0)
    assert len(frames) == 16
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(-15, 1) * 0.1, atol=1e-6)
    # Just before the next image, the one of 33 ms ago is the newest.
    late = frames_up_to([thirty_hertz], 5.03)
    assert late[-1].time_s == pytest.approx(-0.03)
    assert all(frame.time_s <= 0.0 for frame in late)


def test_an_image_is_taken_once_where_images_are_rare():
    frames = frames_up_to([camera([4.0, 4.5, 4.95, 5.2])], 5.0)
    assert [frame.path for frame in frames] == ["4.00", "4.50", "4.95"]
    assert [frame.time_s for frame in frames] == pytest.approx([-1.0, -0.5, -0.05])


def test_a_camera_that_saw_nothing_lately_has_no_frames():
    assert frames_up_to([camera([3.0, 4.0, 4.84])], 5.0) == ()
    assert frames_up_to([camera([5.1])], 5.0) == ()
    assert len(frames_up_to([camera([4.9]), camera([3.0])], 5.0)) == 1


def test_images_out_of_order_or_without_a_time_are_refused():
    with pytest.raises(SceneError, match="do not increase"):
        camera([1.0, 1.0])
    with pytest.raises(SceneError, match="2 times for 1 images"):
        camera([1.0, 2.0], paths_N=("a",))


# Files: a small sequence of KITTI odometry


@pytest.fixture
def sequence(tmp_path) -> Path:
    """Sequence 07 with 12 s of poses straight on and 40 grey images of 613 x 185, each of its number's brightness."""
    poses = tmp_path / "poses" / "07.txt"
    poses.parent.mkdir()
    poses.write_text("".join(f"1 0 0 0 0 1 0 0 0 0 1 {i}\n" for i in range(120)))
    write_images(tmp_path / "images_half" / "07", range(40), (613, 185))
    return poses


def write_images(folder: Path, numbers, size, mode="L") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        colour = number if mode == "L" else (number, 0, 200)
        Image.new(mode, size, colour).save(folder / f"{number:06}.png")
    (folder / "calib.txt").write_text(f"{' '.join(['700 0 600 0', '0 700 180 0', '0 0 1 0'])}\n" * 2)


def scenes_of(poses: Path) -> list[Scene]:
    return load_scenes("kitti_odometry", poses.parent.parent, split="all", annotate=False)[0]


def test_a_scene_refers_to_its_images_and_their_calibration_is_scaled_with_them(sequence):
    scene = scenes_of(sequence)[0]
    # t0 is the first pose with 1.5 s before it: number 15, at 1.5555 s.
    newest = scene.observation.frames[-1]
    assert Path(newest.path).name == "000015.png"
    assert newest.time_s == 0.0
    assert [Path(frame.path).stem for frame in scene.observation.frames] == [f"{n:06}" for n in range(16)]
    # 613 of 1226 pixels and 185 of 370: half of everything.
    np.testing.assert_allclose(newest.camera.intrinsics_33, [[350, 0, 300], [0, 350, 90], [0, 0, 1]])
    at, depth = project(newest.camera, np.array([[10.9, 1.0, 1.65]]))
    np.testing.assert_allclose(at, [[300 - 35, 90]])
    assert depth == pytest.approx([10.0])


def test_its_frames_are_the_images_at_the_ticks_in_the_size_asked_for(sequence):
    frames = frames_of(scenes_of(sequence)[0])
    assert frames.images_CTHW3.shape == (1, 4, 64, 96, 3)
    assert frames.names == ("front",)
    # 0.3 s before t0 the newest is number 12, at -0.3111 s.
    assert frames.images_CTHW3[0, :, 30, 40].tolist() == [[n] * 3 for n in (12, 13, 14, 15)]
    np.testing.assert_allclose(frames.cameras[0].intrinsics_33[0], [350 * 96 / 613, 0, 300 * 96 / 613])


def test_windows_without_images_have_none_and_a_source_may_lack_them(sequence, tmp_path):
    scenes = scenes_of(sequence)
    has = [has_frames(scene) for scene in scenes]
    # Images end at number 39: at 1.56, 2.07, 2.59, 3.01, 3.53 and 4.04 s there is one at t0.
    assert has == [True] * 6 + [False] * (len(scenes) - 6)
    with pytest.raises(SceneError, match="has no camera frames"):
        frames_of(scenes[-1])


def test_the_colour_camera_of_the_full_data_set_goes_first(sequence):
    full = sequence.parent.parent / "sequences" / "07"
    write_images(full / "image_2", range(30), (1226, 370), "RGB")
    (full / "calib.txt").write_text("P0: 1 0 0 0 0 1 0 0 0 0 1 0\nP2: 718 0 607 45 0 718 185 0 0 0 1 0\n")
    frame = scenes_of(sequence)[0].observation.frames[-1]
    assert frame.path == str(full / "image_2" / "000015.png")
    np.testing.assert_allclose(frame.camera.intrinsics_33, [[718, 0, 607], [0, 718, 185], [0, 0, 1]])
    assert frames_of(scenes_of(sequence)[0]).images_CTHW3[0, -1, 0, 0].tolist() == [15, 0, 200]


def test_bad_files_are_named_with_the_reason(sequence):
    scene = scenes_of(sequence)[0]
    images = sequence.parent.parent / "images_half" / "07"
    with pytest.raises(SceneError, match=r"no frames of \['rear'\], there are cameras \['front'\]"):
        frames_of(scene, FramesConfig(cameras=("rear",)))
    Image.new("L", (10, 10)).save(images / "000014.png")
    with pytest.raises(SceneError, match=r"000014.png has \(10, 10\) pixels, its calibration is for \(613, 185\)"):
        frames_of(scene)
    (images / "000014.png").write_text("no image")
    with pytest.raises(SceneError, match=r"000014.png"):
        frames_of(scene)
    (images / "000014.png").unlink()
    with pytest.raises(SceneError, match=r"000014.png: No such file"):
        frames_of(scene)
    (images / "calib.txt").write_text("1 2 3\n")
    with pytest.raises(SceneError, match=r"calib.txt: line P0 is not 12 numbers"):
        read(sequence)
    (images / "calib.txt").unlink()
    with pytest.raises(SceneError, match=r"calib.txt: the calibration of images cannot be read"):
        read(sequence)


def test_an_image_without_a_pose_is_refused(sequence):
    write_images(sequence.parent.parent / "images_half" / "07", [120], (613, 185))
    with pytest.raises(SceneError, match=r"image number 120, .*07\.txt has 120 poses"):
        read(sequence)


def test_too_few_frames_are_no_frames(sequence):
    scene = scenes_of(sequence)[0]
    newest = replace(scene, observation=replace(scene.observation, frames=scene.observation.frames[-1:]))
    assert frames_of(newest, FramesConfig(count=1)).images_CTHW3.shape[1] == 1
    with pytest.raises(SceneError, match=r"camera front has no frame for -0\.3 s \(none\)"):
        frames_of(newest)
    ends = (scene.observation.frames[0], scene.observation.frames[-1])
    apart = replace(scene, observation=replace(scene.observation, frames=ends))
    with pytest.raises(SceneError, match=r"no frame for -0\.3 s \(the newest is from -1\.5\d s\)"):
        frames_of(apart)


def test_a_frame_from_after_t0_is_never_shown(sequence):
    scene = scenes_of(sequence)[0]
    later = replace(scene.observation.frames[-1], time_s=0.1, path="of the future.png")
    other = replace(scene, observation=replace(scene.observation, frames=(*scene.observation.frames, later)))
    np.testing.assert_array_equal(frames_of(other).images_CTHW3, frames_of(scene).images_CTHW3)


def test_frames_do_not_change_with_the_rest_of_the_drive(sequence):
    """Another future: the car stands after t0, and the images after t0 are others."""
    before = scenes_of(sequence)[0]
    lines = sequence.read_text().splitlines()
    sequence.write_text("\n".join([*lines[:16], *[lines[16]] * (len(lines) - 16)]) + "\n")
    Image.new("L", (613, 185), 255).save(sequence.parent.parent / "images_half" / "07" / "000016.png")
    from ar1_rl.scenes.windows import WindowConfig, cut_windows

    after = cut_windows(read(sequence), WindowConfig(max_acceleration_mps2=200.0))[0][0]
    assert after.id == before.id
    assert not np.allclose(after.future_T3, before.future_T3)
    np.testing.assert_array_equal(frames_of(after).images_CTHW3, frames_of(before).images_CTHW3)


def test_scenes_are_small_and_survive_their_row(sequence):
    scene = scenes_of(sequence)[0]
    assert len(pickle.dumps(scene)) < 10_000, "a reference to each image, and no pixels"
    again = Scene.from_row(scene.to_row())
    assert again.to_row() == scene.to_row()
    np.testing.assert_array_equal(frames_of(again).images_CTHW3, frames_of(scene).images_CTHW3)


# The real ones


def test_kitti_windows_with_images_show_the_road_that_is_driven(data_root):
    scenes = load_scenes("kitti_odometry", data_root, split="all", annotate=False)[0]
    shown = [scene for scene in scenes if has_frames(scene)]
    assert {scene.episode for scene in shown} == {"kitti_odometry/01", "kitti_odometry/06"}
    assert len(shown) >= 12
    for scene in shown[::3]:
        frames = frames_of(scene, FramesConfig(width_px=310, height_px=94))
        assert frames.images_CTHW3.shape == (1, 4, 94, 310, 3)
        assert frames.images_CTHW3.std() > 20.0, "there is something to see"
        newest, before = (frames.images_CTHW3[0, i].astype(int) for i in (-1, -2))
        assert np.abs(newest - before).mean() > 1.0, "the car moves"
        # The expert's way, on the ground, is in the lower middle of the image.
        assert scene.future_T3 is not None
        way = np.column_stack([scene.future_T3[:, :2], np.zeros(64)])
        pixels, depth = project(frames.cameras[0], way)
        near = (depth > 7.0) & (depth < 14.0)
        assert near.sum() >= 3 and inside_image(frames.cameras[0], pixels[near]).all()
        assert (pixels[near, 1] > frames.cameras[0].intrinsics_33[1, 2]).all(), "below the horizon"
