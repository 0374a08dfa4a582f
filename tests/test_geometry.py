from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path

from ar1_rl.driving.geometry import _BLOCK, box_corners, box_distance_m, inside_any_polygon, nearest_box_m

SEEDS = st.integers(0, 10_000)


def slow_distance_m(a, size_a, b, size_b):
    """Edge by edge: 0 where edges cross or a corner is inside, else the nearest corner to an edge."""
    one, two = box_corners(a, size_a), box_corners(b, size_b)
    closed = [Path(np.concatenate([ring, ring[:1]]), closed=True) for ring in (one, two)]
    if closed[0].intersects_path(closed[1], filled=True):
        return 0.0
    return min(to_segment(p, q[i - 1], q[i]) for ps, q in ((one, two), (two, one)) for p in ps for i in range(4))


def to_segment(point, start, end):
    along = np.clip((point - start) @ (end - start) / ((end - start) @ (end - start)), 0.0, 1.0)
    return np.linalg.norm(start + along * (end - start) - point)


def random_boxes(rng, count, spread_m=12.0):
    poses = np.concatenate([rng.uniform(-spread_m, spread_m, (count, 2)), rng.uniform(-4, 4, (count, 1))], axis=1)
    return poses, rng.uniform(0.5, 8.0, (count, 2))


def test_the_corners_of_a_turned_box_are_where_a_drawing_puts_them():
    corners = box_corners(np.array([1.0, 2.0, np.pi / 2]), np.array([4.0, 2.0]))
    np.testing.assert_allclose(corners, [[0, 4], [2, 4], [2, 0], [0, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("pose", "distance_m"),
    [
        ((10.0, 0.0, 0.0), 6.0),
        ((0.0, 5.0, 0.0), 3.0),
        ((7.0, 6.0, 0.0), 5.0),  # 3 m ahead and 4 m aside
        ((4.0, 0.0, 0.0), 0.0),  # they touch
        ((1.0, 0.5, 0.3), 0.0),
        ((0.0, 0.0, np.pi / 2), 0.0),  # a cross: no corner of one is inside the other
        ((10.0, 0.0, np.pi / 2), 7.0),
        ((10.0, 0.0, np.pi / 4), 8.0 - 3.0 / np.sqrt(2)),  # its corner points at us
    ],
)
def test_the_distance_of_two_boxes_of_4_by_2_metres_is_the_one_on_paper(pose, distance_m):
    size = np.array([[4.0, 2.0]])
    got = box_distance_m(np.zeros((1, 3)), size, np.array([pose]), size)
    np.testing.assert_allclose(got, [distance_m], atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_distance_agrees_with_a_slow_one_and_is_symmetric(seed):
    rng = np.random.default_rng(seed)
    a, size_a = random_boxes(rng, 40)
    b, size_b = random_boxes(rng, 40)
    got = box_distance_m(a, size_a, b, size_b)
    expected = [slow_distance_m(*boxes) for boxes in zip(a, size_a, b, size_b, strict=True)]
    np.testing.assert_allclose(got, expected, atol=1e-9)
    np.testing.assert_allclose(got, box_distance_m(b, size_b, a, size_a), atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.sampled_from([np.inf, 5.0, 1.0]))
def test_the_nearest_box_is_the_smallest_of_all_pairs_cut_at_the_cap(seed, cap_m):
    rng = np.random.default_rng(seed)
    egos, agents, steps, scenes = 4, 3, 6, 2
    ego = np.concatenate([rng.uniform(-20, 20, (egos, steps, 2)), rng.uniform(-4, 4, (egos, steps, 1))], axis=2)
    other = np.concatenate(
        [rng.uniform(-20, 20, (scenes, agents, steps, 2)), rng.uniform(-4, 4, (scenes, agents, steps, 1))], axis=3
    )
    other[rng.random((scenes, agents, steps)) < 0.3] = np.nan
    ego_size, size = rng.uniform(1, 5, (egos, 2)), rng.uniform(1, 5, (scenes, agents, 2))
    scene_B = rng.integers(0, scenes, egos)
    got = nearest_box_m(ego, ego_size, other, size, scene_B, cap_m=cap_m)
    for b in range(egos):
        s = scene_B[b]
        seen = [(a, t) for a in range(agents) for t in range(steps) if np.isfinite(other[s, a, t]).all()]
        mine = [
            box_distance_m(ego[b, t][None], ego_size[b][None], other[s, a, t][None], size[s, a][None])[0]
            for a, t in seen
        ]
        assert got[b] == pytest.approx(min([cap_m, *mine]))


def test_a_large_batch_answers_as_its_rows_do_alone():
    rng = np.random.default_rng(0)
    ego, ego_size = rng.uniform(-15, 15, (2 * _BLOCK + 3, 5, 3)), rng.uniform(1, 5, (2 * _BLOCK + 3, 2))
    others, size, scene_B = rng.uniform(-15, 15, (3, 4, 5, 3)), rng.uniform(1, 5, (3, 4, 2)), np.arange(len(ego)) % 3
    rows = [slice(i, i + 1) for i in range(len(ego))]
    alone = [nearest_box_m(ego[i], ego_size[i], others, size, scene_B[i])[0] for i in rows]
    np.testing.assert_array_equal(nearest_box_m(ego, ego_size, others, size, scene_B), alone)


def test_an_agent_counts_only_at_the_tick_at_which_it_is_there():
    ego = np.zeros((1, 2, 3))
    ego[0, 1, 0] = 50.0
    agents = np.full((1, 1, 2, 3), np.nan)
    agents[0, 0, 1] = (0.0, 0.0, 0.0)  # it comes to where the ego was a tick before
    size = np.array([[4.0, 2.0]])
    assert nearest_box_m(ego, size, agents, size[None], np.array([0]))[0] == pytest.approx(46.0)


def test_nothing_around_is_as_far_as_the_cap():
    size = np.array([[4.0, 2.0]])
    no_agents = nearest_box_m(np.zeros((1, 2, 3)), size, np.zeros((1, 0, 2, 3)), np.zeros((1, 0, 2)), np.array([0]))
    assert no_agents[0] == np.inf
    unseen = np.full((1, 1, 2, 3), np.nan)
    assert nearest_box_m(np.zeros((1, 2, 3)), size, unseen, size[None], np.array([0]), cap_m=5.0)[0] == 5.0


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_points_inside_the_union_of_rings_agree_with_matplotlib(seed):
    rng = np.random.default_rng(seed)
    areas = [[star(rng) for _ in range(rng.integers(0, 4))] for _ in range(3)]
    points, area = rng.uniform(-12, 12, (200, 2)), rng.integers(0, 3, 200)
    expected = [any(Path(ring).contains_point(p) for ring in areas[k]) for p, k in zip(points, area, strict=True)]
    np.testing.assert_array_equal(inside_any_polygon(points, area, areas), expected)


def star(rng):
    """A ring without crossings, winding either way, closed or open."""
    angle = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 12)))
    ring = rng.uniform(-5, 5, 2) + np.stack([np.cos(angle), np.sin(angle)], 1) * rng.uniform(1, 9, (len(angle), 1))
    ring = ring[:: rng.choice([-1, 1])]
    return np.concatenate([ring, ring[:1]]) if rng.random() < 0.5 else ring


def test_two_lanes_that_overlap_are_one_road():
    lanes = [[np.array([[0, 0], [4, 0], [4, 2], [0, 2.0]]), np.array([[2, 0], [6, 0], [6, 2], [2, 2.0]])]]
    points = np.array([[1, 1], [3, 1], [5, 1], [7, 1], [3, 3.0]])
    np.testing.assert_array_equal(inside_any_polygon(points, np.zeros(5, int), lanes), [True, True, True, False, False])


def test_without_polygons_every_point_is_outside():
    assert not inside_any_polygon(np.zeros((2, 2)), np.zeros(2, int), [()]).any()
