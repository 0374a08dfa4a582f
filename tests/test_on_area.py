"""Boxes on an area: the bands that settle most of them never disagree with a look at every corner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.driving.geometry import box_corners, inside_any_polygon
from ar1_rl.driving.on_area import _by_bands, boxes_on_area

STRIP = np.array([[-10.0, -4.0], [100.0, -4.0], [100.0, 4.0], [-10.0, 4.0]])


def assert_as_corner_by_corner(poses, size, area, areas):
    corners = box_corners(poses, size[:, None]).reshape(-1, 2)
    inside = inside_any_polygon(corners, np.repeat(area, 4 * poses.shape[1]), areas)
    expected = inside.reshape(*poses.shape[:2], 4).all(axis=2)
    np.testing.assert_array_equal(boxes_on_area(poses, size, area, areas), expected)


def road(rng, reach_m=90.0):
    """A bending strip of changing width, winding either way."""
    x = np.sort(rng.uniform(-20.0, reach_m, 30))
    middle = rng.normal(0.0, 0.3) * x + rng.normal(0.0, 0.004) * x**2
    half = rng.uniform(1.5, 6.0) + rng.uniform(0.0, 0.5, 30)
    ring = np.concatenate([np.stack([x, middle - half], 1), np.stack([x, middle + half], 1)[::-1]])
    return ring[:: rng.choice([-1, 1])]


def drives(rng, count, steps):
    """Poses that bend like the roads do, and sizes."""
    x = rng.uniform(2.0, 14.0, (count, 1)) * np.linspace(0.1, 6.4, steps)
    y = rng.normal(0.0, 0.2, (count, 1)) * x + rng.normal(0.0, 0.003, (count, 1)) * x**2 + rng.normal(0, 2, (count, 1))
    yaw = np.arctan2(np.gradient(y, axis=1), np.gradient(x, axis=1))
    return np.stack([x, y, yaw], axis=-1), rng.uniform(0.5, 5.0, (count, 2))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_answer_is_that_of_every_corner(seed):
    rng = np.random.default_rng(seed)
    areas = [[road(rng) for _ in range(rng.integers(0, 4))] for _ in range(3)]
    poses, size = drives(rng, 12, 20)
    area = rng.integers(0, 3, 12)
    assert_as_corner_by_corner(poses, size, area, areas)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_so_it_is_for_boxes_all_over_an_area_with_holes_and_corners(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-30.0, 30.0, (2, 8, 2))
    poses = rng.uniform([-40.0, -40.0, -4.0], [40.0, 40.0, 4.0], (20, 15, 3))
    size, area = rng.uniform(0.2, 3.0, (20, 2)), rng.integers(0, 2, 20)
    areas = [[corners[0]], [corners[1], corners[1] + 7.0]]  # rings that cross themselves
    assert_as_corner_by_corner(poses, size, area, areas)


def test_a_straight_road_settles_what_drives_on_it_and_what_drives_beside_it():
    poses, size, area = np.zeros((4, 30, 3)), np.full((4, 2), [4.0, 2.0]), np.array([0, 0, 1, 0])
    poses[..., 0] = np.linspace(0.0, 60.0, 30)
    poses[..., 1] = np.array([0.0, 1.0, 9.0, 3.5])[:, None]  # the last one has its left half-metre over the edge
    settled, on = _by_bands(poses, size, area, [[STRIP], [STRIP]])
    assert settled.all(axis=1).tolist() == [True, True, True, False] and not settled[3].any()
    assert on.all(axis=1).tolist() == [True, True, False, False]
    assert_as_corner_by_corner(poses, size, area, [[STRIP], [STRIP]])


def test_a_box_that_touches_the_edge_is_left_to_the_exact_test():
    for y in (3.0, 3.0 - 1e-9):
        settled, _ = _by_bands(np.array([[[5.0, y, 0.0]]]), np.array([[4.0, 2.0]]), np.array([0]), [[STRIP]])
        assert not settled.any()


@pytest.mark.parametrize("far", [1e12, np.inf, np.nan])
def test_a_pose_out_of_this_world_changes_nothing(far):
    poses, size = np.array([[[5.0, 0.0, 0.0], [far, 0.0, 0.0]]]), np.array([[4.0, 2.0]])
    with np.errstate(invalid="ignore"):
        assert_as_corner_by_corner(poses, size, np.array([0]), [[STRIP]])


def test_no_polygons_and_no_boxes_are_no_error():
    pose, size = np.zeros((1, 2, 3)), np.ones((1, 2))
    assert not boxes_on_area(pose, size, np.array([0]), [()]).any()
    assert boxes_on_area(np.zeros((0, 2, 3)), np.ones((0, 2)), np.zeros(0, int), []).shape == (0, 2)
