"""PhysicalAI-AV clips, from a small set of the same layout: parquet tables, zips of a chunk, and real videos."""

from __future__ import annotations

import builtins
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ar1_rl.driving.camera import CAMERA_AXES_33
from ar1_rl.errors import MissingDependencyError, SceneError
from ar1_rl.frames import FramesConfig, frames_of, has_frames
from ar1_rl.scenes import load_scenes
from ar1_rl.scenes.physical_ai_av import SOURCE, find, read, short_name

pd = pytest.importorskip("pandas")
cv2 = pytest.importorskip("cv2")

CLIPS = ("25cd4769-5dcf-4b53-a351-bf2c5deb6124", "0a948f59-0a06-41a2-8e20-ac3a39ff4d61")
CAMERAS = ("camera_front_wide_120fov", "camera_front_tele_30fov")
SIZE_PX = (64, 48)
FRAMES = 275
"""At 30 Hz: 9.1 s."""
TURN_RAD = 0.5
"""The rig heads so far to the left of the world's x axis, at 8 m/s."""
SMALL = FramesConfig(width_px=32, height_px=24)


def parquet(frame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return buffer.getvalue()


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in members.items():
            packed.writestr(name, data)


def egomotion() -> bytes:
    """100 Hz from -0.2 s to 9.2 s."""
    stamps = np.arange(-200_000, 9_200_001, 10_000)
    s = stamps / 1e6
    zero = np.zeros(len(stamps))
    columns = {
        "timestamp": stamps, "qx": zero, "qy": zero,
        "qz": zero + np.sin(TURN_RAD / 2), "qw": zero + np.cos(TURN_RAD / 2),
        "x": 8 * s * np.cos(TURN_RAD), "y": 8 * s * np.sin(TURN_RAD), "z": zero + 0.3,
        "vx": zero, "vy": zero, "vz": zero, "ax": zero, "ay": zero, "az": zero, "curvature": zero,
    }  # fmt: skip
    return parquet(pd.DataFrame(columns))


def grey_of(number: int) -> int:
    """How bright picture `number` is."""
    return 20 + number * 200 // FRAMES


def video(folder: Path, blue: int) -> bytes:
    """Pictures that tell their number; `blue` tells the camera."""
    path = folder / "v.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, SIZE_PX)
    for number in range(FRAMES):
        writer.write(np.full((SIZE_PX[1], SIZE_PX[0], 3), (blue, grey_of(number), grey_of(number)), dtype=np.uint8))
    writer.release()
    return path.read_bytes()


@pytest.fixture(scope="module")
def master(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("physical")
    data = root / "data"
    rows = [["egomotion", "labels", "labels/egomotion/egomotion.chunk_{chunk_id:04d}.zip",
             json.dumps({"egomotion": "{clip_id}.egomotion.parquet"})]]  # fmt: skip
    for name in (*CAMERAS, "camera_rear_tele_30fov"):
        files = {"video": f"{{clip_id}}.{name}.mp4", "frame_timestamps": f"{{clip_id}}.{name}.timestamps.parquet"}
        rows.append([name, "camera", f"camera/{name}/{name}.chunk_{{chunk_id:04d}}.zip", json.dumps(files)])
    for name in ("camera_intrinsics", "sensor_extrinsics", "vehicle_dimensions"):
        rows.append([name, "calibration", f"calibration/{name}/{name}.chunk_{{chunk_id:04d}}.parquet", None])
    data.mkdir()
    columns = ["feature", "directory", "chunk_path", "clip_files_in_zip"]
    pd.DataFrame(rows, columns=columns).set_index("feature").to_csv(data / "features.csv")
    index = pd.Index([*CLIPS, "clip-of-a-chunk-that-is-not-here"], name="clip_id")
    pd.DataFrame({"chunk": [7, 7, 8], "split": "train"}, index=index).to_parquet(data / "clip_index.parquet")
    write_zip(
        data / "labels/egomotion/egomotion.chunk_0007.zip", {f"{c}.egomotion.parquet": egomotion() for c in CLIPS}
    )
    # The frames of the second camera come 10 ms later.
    for number, name in enumerate(CAMERAS):
        stamps = parquet(pd.DataFrame({"timestamp": (np.arange(FRAMES) * 1e6 / 30).astype(int) + 10_000 * number}))
        moving = video(root, 40 + 150 * number)
        members = {f"{c}.{name}.mp4": moving for c in CLIPS} | {f"{c}.{name}.timestamps.parquet": stamps for c in CLIPS}
        write_zip(data / f"camera/{name}/{name}.chunk_0007.zip", members)
    write_calibration(data)
    return data


def write_calibration(data: Path) -> None:
    """Cameras that look ahead from 1.7 m before the rear axle and 1.4 m above the ground."""
    quaternion = (0.5, -0.5, 0.5, -0.5)  # w, x, y, z of the axes (right, down, ahead) in (ahead, left, up)
    both = pd.MultiIndex.from_product([CLIPS, CAMERAS], names=["clip_id", "camera_name"])
    sensors = both.set_names(["clip_id", "sensor_name"])
    inside = pd.DataFrame({"width": SIZE_PX[0], "height": SIZE_PX[1], "cx": 32.5, "cy": 24.5}, index=both)
    inside["fw_poly_0"], inside["fw_poly_1"], inside["fw_poly_2"] = 0.0, [30.0, 110.0] * 2, -1.0
    mounted = pd.DataFrame({"x": 1.7, "y": 0.0, "z": 1.4}, index=sensors)
    for name, value in zip(("qw", "qx", "qy", "qz"), quaternion, strict=True):
        mounted[name] = value
    dimensions = pd.DataFrame(
        {"length": 4.9, "width": 2.1, "height": 1.8, "rear_axle_to_bbox_center": 1.45},
        index=pd.Index(CLIPS, name="clip_id"),
    )
    for name, frame in (
        ("camera_intrinsics", inside),
        ("sensor_extrinsics", mounted),
        ("vehicle_dimensions", dimensions),
    ):
        path = data / f"calibration/{name}/{name}.chunk_0007.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path)


@pytest.fixture
def copy(master, tmp_path) -> Path:
    """The same, to be broken."""
    return Path(shutil.copytree(master, tmp_path / "copy"))


def test_clips_are_found_whose_egomotion_is_there(master, copy):
    assert [SOURCE.name_of(path) for path in find(master)] == list(CLIPS)
    assert find(master.parent) == find(master)
    (copy / "labels/egomotion/egomotion.chunk_0007.zip").unlink()
    assert find(copy) == []
    (copy / "features.csv").write_text("some,other,table\n1,2,3\n")
    assert find(copy) == []


def test_poses_times_and_sizes_are_those_of_the_tables(master):
    log = read(find(master)[0])
    assert (log.name, log.source) == (CLIPS[0], "physical_ai_av")
    np.testing.assert_allclose(log.times_s_N[[0, 20, -1]], [-0.2, 0.0, 9.2])
    # 8 m/s for 1 s, in the direction of 0.5 rad.
    np.testing.assert_allclose(log.poses_N3[120], [8 * np.cos(0.5), 8 * np.sin(0.5), 0.5], atol=1e-9)
    assert log.ego_size_m == (4.9, 2.1)
    assert log.ego_center_ahead_m == 1.45


def test_cameras_have_their_short_names_poses_and_the_focal_length_at_the_axis(master):
    wide, tele = read(find(master)[0]).cameras
    assert (wide.camera.name, tele.camera.name) == ("front_wide", "front_tele")
    np.testing.assert_allclose(tele.camera.intrinsics_33, [[110, 0, 32.5], [0, 110, 24.5], [0, 0, 1]])
    np.testing.assert_allclose(wide.camera.rig_from_camera_44[:3, :3], CAMERA_AXES_33, atol=1e-12)
    np.testing.assert_allclose(wide.camera.rig_from_camera_44[:3, 3], [1.7, 0.0, 1.4])
    assert len(wide.times_s_N) == FRAMES and tele.times_s_N[0] == pytest.approx(0.01)
    assert short_name("camera_cross_left_120fov") == "cross_left"


def test_a_scene_shows_the_last_pictures_before_its_ticks(master):
    scenes, left_out = load_scenes("physical_ai_av", master, split="all", annotate=False)
    assert not left_out
    scene = next(s for s in scenes if s.episode == f"physical_ai_av/{CLIPS[0]}")
    np.testing.assert_allclose(scene.observation.history_T3[0], [-12.0, 0.0, 0.0], atol=1e-6)
    assert has_frames(scene) and scene.t0_us == 1_300_000
    frames = frames_of(scene, SMALL)
    assert frames.names == ("front_wide", "front_tele")
    assert frames.images_CTHW3.shape == (2, 4, 24, 32, 3)
    # t0 is 1.3 s: wide pictures 30, 33, 36, 39 at 1.0 to 1.3 s; those of the other camera come 10 ms later, so its
    # newest ones are 29, 32, 35, 38.
    for camera, numbers, blue in ((0, (30, 33, 36, 39), 40), (1, (29, 32, 35, 38), 190)):
        seen = frames.images_CTHW3[camera, :, 12, 16].astype(int)
        expected = [(grey_of(n), grey_of(n), blue) for n in numbers]
        assert np.abs(seen - expected).max() <= 6, "videos are coded with loss"
        assert (np.diff(seen[:, 0]) > 0).all()
    # Half the size, half the focal length.
    assert frames.cameras[1].intrinsics_33[0, 0] == 55.0
    only = frames_of(scene, SMALL.model_copy(update={"cameras": ("front_tele",)}))
    np.testing.assert_array_equal(only.images_CTHW3[0], frames.images_CTHW3[1])


def test_a_clip_without_videos_is_a_log_without_cameras(copy):
    shutil.rmtree(copy / "camera")
    shutil.rmtree(copy / "calibration")
    log = read(find(copy)[0])
    assert log.cameras == ()
    assert log.ego_size_m[0] > 4.0
    assert not has_frames(load_scenes("physical_ai_av", copy, split="all", annotate=False)[0][0])


def test_bad_copies_are_named_with_the_reason(copy):
    clip = find(copy)[0]
    zips = copy / f"camera/{CAMERAS[0]}/{CAMERAS[0]}.chunk_0007.zip"
    scene = load_scenes("physical_ai_av", copy, split="all", annotate=False)[0][0]
    write_zip(zips, {f"{CLIPS[0]}.{CAMERAS[0]}.mp4": b"no video"})
    with pytest.raises(SceneError, match=r"mp4 ends before picture 30"):
        frames_of(scene, SMALL)
    with pytest.raises(SceneError, match=r"timestamps.parquet cannot be read"):
        read(clip)
    zips.write_bytes(b"no zip")
    with pytest.raises(SceneError, match=r"chunk_0007.zip: .*mp4 cannot be read"):
        frames_of(scene, SMALL)
    zips.unlink()
    (copy / "calibration/sensor_extrinsics/sensor_extrinsics.chunk_0007.parquet").unlink()
    with pytest.raises(SceneError, match=r"sensor_extrinsics do not name camera_front_tele_30fov"):
        read(clip)
    write_zip(copy / "labels/egomotion/egomotion.chunk_0007.zip", {f"{CLIPS[0]}.egomotion.parquet": b"no table"})
    with pytest.raises(SceneError, match=r"egomotion.parquet: cannot be read as a parquet file"):
        read(clip)
    with pytest.raises(SceneError, match=r"clip nowhere is not in the index"):
        read(clip.parent / "nowhere")


def test_without_a_decoder_the_message_has_the_line_that_installs_one(master, monkeypatch):
    scene = load_scenes("physical_ai_av", master, split="all", annotate=False)[0][0]
    real = builtins.__import__

    def without(name, *arguments, **named):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"pip install 'ar1-rl\[video\]'"):
        frames_of(scene, SMALL)
