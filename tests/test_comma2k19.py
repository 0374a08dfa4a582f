"""comma2k19 segments: poses in the earth's frame to a plane on the ground, the camera's mounting, and bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.errors import SceneError
from ar1_rl.scenes import comma2k19
from ar1_rl.scenes.comma2k19 import CAMERA_AHEAD_OF_REAR_AXLE_M, east_north_up
from ar1_rl.scenes.windows import cut_windows

EQUATOR = np.array([6378137.0, 0.0, 0.0])
POLE = np.array([0.0, 0.0, 6356752.314245])


# The real segment


def test_the_real_segment_has_the_figures_that_were_worked_out_by_hand(data_root):
    log = comma2k19.read(data_root / "comma2k19")
    # 1,200 frames at 20 Hz on a straight motorway to the north of San Francisco's peninsula.
    assert len(log.times_s_N) == 1200 and log.duration_s == pytest.approx(59.949, abs=0.001)
    step_m = np.linalg.norm(np.diff(log.poses_N3[:, :2], axis=0), axis=1)
    assert step_m.sum() == pytest.approx(1011.3, abs=0.2)
    assert np.linalg.norm(log.poses_N3[-1, :2] - log.poses_N3[0, :2]) == pytest.approx(1011.2, abs=0.2)
    np.testing.assert_allclose(np.degrees(log.poses_N3[[0, -1], 2]), [87.7, 87.3], atol=0.1)
    assert (log.tracks, log.lanes, log.drivable_area, log.crosswalks, log.lights) == (None,) * 5
    # t0 from frame 31 (1.55 s) to the last with 6.4 s after it (53.50 s), every 0.5 s.
    scenes, left_out = cut_windows(log)
    assert (len(scenes), left_out) == (104, {})
    assert all(scene.agents is None and scene.lanes is None and scene.controls is None for scene in scenes)


def test_the_wheels_say_the_same_speed_as_the_poses(data_root):
    log = comma2k19.read(data_root / "comma2k19")
    folder = data_root / "comma2k19" / "processed_log" / "CAN" / "speed"
    stamps, wheels = (np.load((folder / name).open("rb")).reshape(-1) for name in ("t", "value"))
    speed = np.linalg.norm(np.diff(log.poses_N3[:, :2], axis=0), axis=1) / np.diff(log.times_s_N)
    middle_s = log.start_us / 1e6 + 0.5 * (log.times_s_N[1:] + log.times_s_N[:-1])
    ratio = speed / np.interp(middle_s, stamps, wheels)
    assert ratio.mean() == pytest.approx(1.008, abs=0.005) and ratio.std() < 0.006


def test_the_camera_of_the_real_segment_is_turned_by_nine_tenths_of_a_degree(data_root):
    log = comma2k19.read(data_root / "comma2k19")
    moved = np.diff(log.poses_N3[:, :2], axis=0)
    off = np.degrees(np.arctan2(moved[:, 1], moved[:, 0]) - log.poses_N3[:-1, 2])
    assert abs(np.median(off)) < 0.05 and np.abs(off).max() < 1.0


# Files made here


def quaternion(rotation_33: np.ndarray) -> np.ndarray:
    """w, x, y, z of a rotation, by the eigenvector of the symmetric 4x4 matrix (Bar-Itzhack 2000)."""
    m = rotation_33
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2]],
            [m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2]],
            [m[1, 0] - m[0, 1], m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    return np.linalg.eigh(k)[1][:, -1]


def write(
    folder: Path, yaw_N: np.ndarray, speed_mps: float = 10.0, mounted_rad: float = 0.0, at: np.ndarray = EQUATOR
) -> tuple[Path, np.ndarray]:
    """A segment at 20 Hz and the poses of its rear axle, which goes where it points."""
    step_N2 = 0.05 * speed_mps * np.column_stack([np.cos(yaw_N), np.sin(yaw_N)])
    axle_N2 = np.cumsum(step_N2, axis=0) - 0.5 * step_N2
    camera_N2 = axle_N2 + CAMERA_AHEAD_OF_REAR_AXLE_M * np.column_stack([np.cos(yaw_N), np.sin(yaw_N)])
    local_33 = east_north_up(at)
    up_N3 = np.column_stack([camera_N2, np.zeros(len(yaw_N))])
    seen_N = yaw_N + mounted_rad
    axes = [
        np.array([[np.cos(a), np.sin(a), 0.0], [np.sin(a), -np.cos(a), 0.0], [0.0, 0.0, -1.0]]) for a in seen_N
    ]  # columns forward, right, down
    arrays = {
        "frame_times": 100.0 + 0.05 * np.arange(len(yaw_N)),
        "frame_positions": at + up_N3 @ local_33,
        "frame_velocities": np.gradient(up_N3, 0.05, axis=0) @ local_33,
        "frame_orientations": np.array([quaternion(local_33.T @ rotation_33) for rotation_33 in axes]),
    }
    (folder / "global_pose").mkdir(parents=True)
    for name, array in arrays.items():
        with (folder / "global_pose" / name).open("wb") as file:
            np.save(file, array)
    return folder, np.column_stack([axle_N2, yaw_N])


def test_east_north_and_up_at_the_equator_and_at_the_pole():
    np.testing.assert_allclose(east_north_up(EQUATOR), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(east_north_up(POLE)[2], [0, 0, 1], atol=1e-12)


@given(st.floats(-80.0, 80.0), st.floats(-180.0, 180.0), st.floats(-100.0, 4000.0))
def test_up_is_the_normal_of_the_ellipsoid_at_every_latitude(latitude, longitude, height_m):
    b, c = np.radians(latitude), np.radians(longitude)
    square = (2.0 - 1.0 / 298.257223563) / 298.257223563
    n = 6378137.0 / np.sqrt(1.0 - square * np.sin(b) ** 2)
    flat = (n + height_m) * np.cos(b)
    position = np.array([flat * np.cos(c), flat * np.sin(c), (n * (1.0 - square) + height_m) * np.sin(b)])
    normal = [np.cos(b) * np.cos(c), np.cos(b) * np.sin(c), np.sin(b)]
    np.testing.assert_allclose(east_north_up(position)[2], normal, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(st.floats(-3.0, 3.0), st.floats(-0.2, 0.2), st.floats(-0.1, 0.1))
def test_the_rear_axle_is_found_behind_a_camera_that_is_mounted_askew(tmp_path_factory, yaw, rate, mounted_rad):
    folder = tmp_path_factory.mktemp("segment")
    written, axle = write(folder / "s", yaw + rate * 0.05 * np.arange(200), mounted_rad=mounted_rad)
    log = comma2k19.read(written)
    np.testing.assert_allclose(np.unwrap(log.poses_N3[:, 2]) - axle[:, 2], log.poses_N3[0, 2] - axle[0, 2], atol=1e-3)
    np.testing.assert_allclose(np.cos(log.poses_N3[:, 2] - axle[:, 2]), 1.0, atol=1e-5)
    start = log.poses_N3[0, :2] - axle[0, :2]
    np.testing.assert_allclose(log.poses_N3[:, :2] - axle[:, :2] - start, 0.0, atol=0.02)


def test_a_car_that_never_drives_is_not_calibrated(tmp_path):
    folder, axle = write(tmp_path / "s", np.full(200, 0.3), speed_mps=1.0, mounted_rad=0.05)
    np.testing.assert_allclose(comma2k19.read(folder).poses_N3[:, 2], axle[:, 2] + 0.05, atol=1e-9)


def test_a_numbered_segment_is_called_after_its_route(tmp_path):
    folder, _ = write(tmp_path / "Chunk_1" / "b0c9d2329ad1606b|2018-08-02--08-34-47" / "40", np.zeros(3))
    assert comma2k19.find(tmp_path) == [folder]
    assert comma2k19.read(folder).name == "b0c9d2329ad1606b|2018-08-02--08-34-47_40"
    assert comma2k19.read(folder).start_us == 100_000_000


def change(folder: Path, name: str, new: np.ndarray | None) -> None:
    path = folder / "global_pose" / name
    path.unlink()
    if new is not None:
        with path.open("wb") as file:
            np.save(file, new, allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "new", "words"),
    [
        ("frame_times", None, "frame_times: the file is missing"),
        ("frame_times", np.arange(2.0), "the arrays have different lengths"),
        ("frame_times", np.array([1.0, 1.0, 2.0]), "time does not increase after ego pose number 0"),
        ("frame_positions", np.zeros((3, 2)), r"frame_positions: an array of float64 with shape \(3, 2\)"),
        ("frame_positions", np.full((3, 3), np.nan), "frame_positions: is not finite in row 0"),
        ("frame_velocities", np.zeros((0, 3)), "frame_velocities: an array of"),
        ("frame_velocities", np.array([["x"] * 3] * 3), "frame_velocities: an array of"),
        ("frame_orientations", np.array([[{}] * 4] * 3), "frame_orientations: cannot be read as a numpy array"),
    ],
)
def test_a_bad_segment_is_an_error_that_names_file_and_reason(tmp_path, name, new, words):
    folder, _ = write(tmp_path / "s", np.zeros(3))
    change(folder, name, new)
    with pytest.raises(SceneError, match=words):
        comma2k19.read(folder)


def test_a_truncated_array_is_named(tmp_path):
    folder, _ = write(tmp_path / "s", np.zeros(3))
    path = folder / "global_pose" / "frame_positions"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(SceneError, match="frame_positions: cannot be read as a numpy array"):
        comma2k19.read(folder)
