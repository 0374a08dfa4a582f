"""Oriented boxes and polygons: how far apart, and inside or out. Metres, batched, numpy only.

Legend: B ego trajectories, T time, S scenes, A agents, N flat items. A box is a centre pose (x, y, yaw) and a size
(length, width). Boxes that touch or overlap are 0 m apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_CORNER_SIGNS_42 = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.5, 0.5]])


def box_corners(poses: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Corners [..., 4, 2] of boxes with centre `poses` [..., 3] and `size` [..., 2]; the two broadcast."""
    offsets = _CORNER_SIGNS_42 * np.asarray(size)[..., None, :]
    cos, sin = np.cos(poses[..., 2])[..., None], np.sin(poses[..., 2])[..., None]
    x = poses[..., 0, None] + cos * offsets[..., 0] - sin * offsets[..., 1]
    y = poses[..., 1, None] + sin * offsets[..., 0] + cos * offsets[..., 1]
    return np.stack([x, y], axis=-1)


def box_distance_m(a_N3: np.ndarray, size_a_N2: np.ndarray, b_N3: np.ndarray, size_b_N2: np.ndarray) -> np.ndarray:
    """Smallest distance [N] between box a and box b of every pair; 0 where they touch or overlap.

    Disjoint convex shapes are nearest at a corner of one of them, so eight corner-to-box distances settle it;
    the separating-axis test finds the overlaps in which no corner lies inside the other box.
    """
    b_seen_N42 = _seen_from(a_N3, box_corners(b_N3, size_b_N2))
    a_seen_N42 = _seen_from(b_N3, box_corners(a_N3, size_a_N2))
    overlap = _spans_meet(b_seen_N42, size_a_N2) & _spans_meet(a_seen_N42, size_b_N2)
    apart = np.minimum(_nearest_corner_m(b_seen_N42, size_a_N2), _nearest_corner_m(a_seen_N42, size_b_N2))
    return np.where(overlap, 0.0, apart)


def nearest_box_m(
    ego_BT3: np.ndarray,
    ego_size_B2: np.ndarray,
    agents_SAT3: np.ndarray,
    agent_size_SA2: np.ndarray,
    scene_B: np.ndarray,
    *,
    cap_m: float = np.inf,
) -> np.ndarray:
    """Smallest distance [B] of each ego trajectory to any agent of its scene at the same tick.

    `scene_B` gives the row of `agents_SAT3` an ego drives in; NaN poses are ticks without the agent. Distances are
    cut at `cap_m`, which is also the answer where no agent is ever seen. A small cap is fast: only pairs whose
    circumscribed circles come closer than the best known upper bound are measured exactly.
    """
    nearest_B = np.full(len(ego_BT3), float(cap_m))
    if agents_SAT3.shape[1] == 0 or len(ego_BT3) == 0:
        return nearest_B
    centre_BAT = _centre_distance(ego_BT3, agents_SAT3, scene_B)
    outer_BA, inner_BA = (
        ego_B[:, None] + agent_SA[scene_B]
        for ego_B, agent_SA in zip(_radii(ego_size_B2), _radii(agent_size_SA2), strict=True)
    )
    upper_BA = np.fmin.reduce(centre_BAT, axis=2) - inner_BA
    bound_B = np.fmin(np.fmin.reduce(np.maximum(upper_BA, 0.0), axis=1), cap_m)
    row_N, agent_N, tick_N = np.nonzero(centre_BAT <= (bound_B[:, None] + outer_BA)[:, :, None])
    scene_N = scene_B[row_N]
    distance_N = box_distance_m(
        ego_BT3[row_N, tick_N],
        ego_size_B2[row_N],
        agents_SAT3[scene_N, agent_N, tick_N],
        agent_size_SA2[scene_N, agent_N],
    )
    np.minimum.at(nearest_B, row_N, distance_N)
    return nearest_B


def inside_any_polygon(points_N2: np.ndarray, area_N: np.ndarray, areas: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Whether each point lies in the union of the polygons of its area: bool [N].

    `areas[area_N[i]]` are the polygons [V, 2] that count for point i; a ring may be closed or open, and may wind
    either way. A ray towards +y is crossed an odd number of times from inside. Points are sorted by x once, so each
    edge meets only the points in its own x range.
    """
    edges = _edges(areas)
    inside_N = np.zeros(len(points_N2), dtype=bool)
    if len(points_N2) == 0 or edges is None:
        return inside_N
    start_E2, end_E2, area_E, polygon_E = edges
    # Every area gets a stretch of the x axis to itself, so that one sort serves them all.
    stretch = 2.0 * (1.0 + np.ptp(np.concatenate([points_N2[:, 0], start_E2[:, 0]])))
    order_N = np.argsort(points_N2[:, 0] + stretch * area_N, kind="stable")
    x_N, y_N = points_N2[order_N].T
    key_N = x_N + stretch * area_N[order_N]
    first_E = np.searchsorted(key_N, np.minimum(start_E2[:, 0], end_E2[:, 0]) + stretch * area_E)
    count_E = np.searchsorted(key_N, np.maximum(start_E2[:, 0], end_E2[:, 0]) + stretch * area_E) - first_E
    crossings = _crossings(start_E2, end_E2, polygon_E, first_E, count_E, x_N, y_N)
    inside_N[order_N] = (crossings & 1).any(axis=0)
    return inside_N


def _crossings(
    start_E2: np.ndarray,
    end_E2: np.ndarray,
    polygon_E: np.ndarray,
    first_E: np.ndarray,
    count_E: np.ndarray,
    x_N: np.ndarray,
    y_N: np.ndarray,
) -> np.ndarray:
    """How many edges of each polygon lie above each point: [polygons, N].

    Edge i meets the `count_E[i]` points from `first_E[i]` on. Most edges are wholly above or below the points they
    meet and need no look at the single point.
    """
    polygons, points = int(polygon_E.max()) + 1, len(x_N)
    met = np.flatnonzero(count_E)
    start_E2, end_E2, first_E, count_E = start_E2[met], end_E2[met], first_E[met], count_E[met]
    row_E = polygon_E[met] * (points + 1)
    ends = np.stack([first_E, first_E + count_E], axis=1).ravel()
    above = np.minimum(start_E2[:, 1], end_E2[:, 1]) > np.maximum.reduceat(np.append(y_N, -np.inf), ends)[::2]
    below = np.maximum(start_E2[:, 1], end_E2[:, 1]) <= np.minimum.reduceat(np.append(y_N, np.inf), ends)[::2]
    changes = np.bincount((row_E + first_E)[above], minlength=polygons * (points + 1))
    changes -= np.bincount((row_E + first_E + count_E)[above], minlength=polygons * (points + 1))
    crossings = np.cumsum(changes.reshape(polygons, points + 1), axis=1)

    near = ~(above | below)
    start_E2, end_E2, first_E, count_E, row_E = start_E2[near], end_E2[near], first_E[near], count_E[near], row_E[near]
    rise_E = (end_E2[:, 1] - start_E2[:, 1]) / (end_E2[:, 0] - start_E2[:, 0])
    point_M = np.arange(count_E.sum()) + np.repeat(first_E - np.cumsum(count_E) + count_E, count_E)
    edge_y_M = np.repeat(rise_E, count_E) * x_N[point_M]
    edge_y_M += np.repeat(start_E2[:, 1] - rise_E * start_E2[:, 0], count_E)
    crossed_M = edge_y_M > y_N[point_M]
    point_M += np.repeat(row_E, count_E)
    crossings += np.bincount(point_M[crossed_M], minlength=crossings.size).reshape(crossings.shape)
    return crossings[:, :points]


def _edges(
    areas: Sequence[Sequence[np.ndarray]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Start and end [E, 2] of all edges, their area [E] and the polygon's number within the area [E]."""
    rings = [(area, number, ring) for area, rings in enumerate(areas) for number, ring in enumerate(rings)]
    if not rings:
        return None
    lengths = [len(ring) for _, _, ring in rings]
    start_E2 = np.concatenate([np.asarray(ring, dtype=float) for _, _, ring in rings])
    last = np.cumsum(lengths) - 1
    following = np.arange(len(start_E2)) + 1
    following[last] = last - np.array(lengths) + 1
    area_E = np.repeat([area for area, _, _ in rings], lengths)
    polygon_E = np.repeat([number for _, number, _ in rings], lengths)
    return start_E2, start_E2[following], area_E, polygon_E


def _centre_distance(ego_BT3: np.ndarray, agents_SAT3: np.ndarray, scene_B: np.ndarray) -> np.ndarray:
    """Distance [B, A, T] between centres; NaN where the agent was not seen."""
    dx_BAT = agents_SAT3[..., 0][scene_B]
    dx_BAT -= ego_BT3[:, None, :, 0]
    dy_BAT = agents_SAT3[..., 1][scene_B]
    dy_BAT -= ego_BT3[:, None, :, 1]
    dx_BAT *= dx_BAT
    dy_BAT *= dy_BAT
    dx_BAT += dy_BAT
    return np.sqrt(dx_BAT, out=dx_BAT)


def _radii(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radii [...] of the circles around and within boxes of `size` [..., 2]."""
    return 0.5 * np.hypot(size[..., 0], size[..., 1]), 0.5 * size.min(axis=-1)


def _seen_from(origin_N3: np.ndarray, points_N42: np.ndarray) -> np.ndarray:
    """Points [N, 4, 2] in the frame of `origin_N3`."""
    dx, dy = points_N42[..., 0] - origin_N3[:, None, 0], points_N42[..., 1] - origin_N3[:, None, 1]
    cos, sin = np.cos(origin_N3[:, None, 2]), np.sin(origin_N3[:, None, 2])
    return np.stack([cos * dx + sin * dy, -sin * dx + cos * dy], axis=-1)


def _spans_meet(corners_N42: np.ndarray, size_N2: np.ndarray) -> np.ndarray:
    """Whether the corners' extent meets the centred box of `size_N2` on both of its axes: bool [N]."""
    half_N2 = 0.5 * size_N2
    return ((corners_N42.min(axis=1) <= half_N2) & (corners_N42.max(axis=1) >= -half_N2)).all(axis=-1)


def _nearest_corner_m(corners_N42: np.ndarray, size_N2: np.ndarray) -> np.ndarray:
    """Smallest distance [N] of the corners to the centred box of `size_N2`."""
    beyond_N42 = np.maximum(np.abs(corners_N42) - 0.5 * size_N2[:, None, :], 0.0)
    return np.hypot(beyond_N42[..., 0], beyond_N42[..., 1]).min(axis=1)
