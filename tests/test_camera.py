"""Pinhole cameras: where points are seen, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving.camera import MOUNTS, box_corners_3d, inside_image, mounted, pinhole, project, resized
from ar1_rl.errors import ConfigError


def camera_100x80(**fields):
    """90 degrees across 100 pixels: a focal length of 50 pixels; 1 m ahead and 2 m above the ground."""
    settings = {"field_of_view_deg": 90.0, "position_m": (1.0, 0.0, 2.0), "width_px": 100, "height_px": 80, **fields}
    return pinhole("c", **settings)


def test_points_ahead_are_seen_where_similar_triangles_say():
    points = np.array([[11.0, 0.0, 2.0], [11.0, 1.0, 2.0], [11.0, -2.0, 2.0], [11.0, 0.0, 0.0], [26.0, 0.0, 4.0]])
    pixels, depth = project(camera_100x80(), points)
    # 10 m away 1 m is 5 px: left is less across, down is more down. At 25 m it is 2 px.
    np.testing.assert_allclose(pixels, [[50, 40], [45, 40], [60, 40], [50, 50], [50, 36]], atol=1e-9)
    np.testing.assert_allclose(depth, [10, 10, 10, 10, 25], atol=1e-9)


def test_what_is_behind_the_camera_has_no_pixel():
    pixels, depth = project(camera_100x80(), np.array([[0.0, 0.0, 2.0], [1.0, 3.0, 2.0]]))
    assert np.isnan(pixels).all()
    np.testing.assert_allclose(depth, [-1.0, 0.0], atol=1e-9)
    assert not inside_image(camera_100x80(), pixels).any()


def test_the_edges_of_the_field_of_view_are_the_edges_of_the_image():
    pixels, _ = project(camera_100x80(), np.array([[11.0, 9.99, 2.0], [11.0, 10.01, 2.0], [11.0, 0.0, -5.99]]))
    np.testing.assert_allclose(pixels[:, 0], [0.05, -0.05, 50.0], atol=1e-9)
    assert inside_image(camera_100x80(), pixels).tolist() == [True, False, True]


def test_a_camera_turned_to_the_left_looks_to_the_left():
    pixels, depth = project(camera_100x80(yaw_deg=90.0), np.array([[1.0, 10.0, 2.0], [2.0, 10.0, 2.0]]))
    np.testing.assert_allclose(pixels, [[50, 40], [55, 40]], atol=1e-9)
    np.testing.assert_allclose(depth, [10, 10], atol=1e-9)


def test_a_resized_image_shows_the_same_things_at_scaled_pixels():
    small = resized(camera_100x80(), 50, 20)
    point = np.array([[11.0, 1.0, 0.0]])
    np.testing.assert_allclose(project(small, point)[0], [[45 / 2, 50 / 4]], atol=1e-9)
    assert (small.width_px, small.height_px) == (50, 20)


def test_the_named_cameras_have_the_published_fields_of_view_and_directions():
    cameras = {camera.name: camera for camera in mounted(tuple(MOUNTS), 96, 64)}
    # 48 px / tan(60 deg) and 48 px / tan(15 deg).
    assert cameras["front_wide"].intrinsics_33[0, 0] == pytest.approx(27.713, abs=1e-3)
    assert cameras["front_tele"].intrinsics_33[1, 1] == pytest.approx(179.138, abs=1e-3)
    left, right = cameras["cross_left"].rig_from_camera_44[:3, 2], cameras["cross_right"].rig_from_camera_44[:3, 2]
    np.testing.assert_allclose(left, [0.5, np.sqrt(0.75), 0.0], atol=1e-12)
    np.testing.assert_allclose(right, [0.5, -np.sqrt(0.75), 0.0], atol=1e-12)


def test_bad_cameras_are_refused_with_what_is_allowed():
    with pytest.raises(ConfigError, match=r"got \['rear'\], allowed \['cross_left', 'front_wide'"):
        mounted(("front_wide", "rear"), 96, 64)
    with pytest.raises(ConfigError, match="180"):
        camera_100x80(field_of_view_deg=180.0)


def test_a_box_stands_on_the_ground_with_its_front_first():
    corners = box_corners_3d(np.array([10.0, 2.0, np.pi / 2]), 4.0, 2.0, 1.5)
    # It heads along +y: its front is at y = 4, its left at x = 9.
    foot = [[9, 4], [11, 4], [11, 0], [9, 0]]
    np.testing.assert_allclose(corners[:4], [[*point, 0.0] for point in foot], atol=1e-12)
    np.testing.assert_allclose(corners[4:], [[*point, 1.5] for point in foot], atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(yaw=st.floats(-180, 180), across=st.floats(0, 100), down=st.floats(0, 80), depth=st.floats(0.5, 200))
def test_the_point_at_a_depth_along_a_pixels_ray_is_seen_at_that_pixel(yaw, across, down, depth):
    camera = camera_100x80(yaw_deg=yaw)
    ray = np.linalg.inv(camera.intrinsics_33) @ [across, down, 1.0]
    point = camera.rig_from_camera_44 @ [*(depth * ray), 1.0]
    pixels, seen = project(camera, point[None, :3])
    np.testing.assert_allclose(pixels[0], [across, down], atol=1e-6)
    assert seen[0] == pytest.approx(depth)
