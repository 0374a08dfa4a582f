"""Oriented boxes and polygons: how far apart, and inside or out. Metres, batched, numpy only.

Legend: B ego trajectories, T time, S scenes, A agents, N flat items. A box is a centre pose (x, y, yaw) and a size
(length, width). Boxes that touch or overlap are 0 m apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BLOCK = 128
"""Trajectories compared with agents at a time: their working set stays in the processor's cache."""

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
    away_N3 = b_N3 - a_N3
    a_meets_N, a_square_N = _seen_from(a_N3[:, 2], size_a_N2, away_N3, size_b_N2)
    b_meets_N, b_square_N = _seen_from(b_N3[:, 2], size_b_N2, -away_N3, size_a_N2)
    return np.where(a_meets_N & b_meets_N, 0.0, np.sqrt(np.minimum(a_square_N, b_square_N)))


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
    blocks = [slice(first, first + _BLOCK) for first in range(0, max(len(ego_BT3), 1), _BLOCK)]
    return np.concatenate(
        [
            _nearest_box_m(ego_BT3[rows], ego_size_B2[rows], agents_SAT3, agent_size_SA2, scene_B[rows], cap_m)
            for rows in blocks
        ]
    )


def _nearest_box_m(
    ego_BT3: np.ndarray,
    ego_size_B2: np.ndarray,
    agents_SAT3: np.ndarray,
    agent_size_SA2: np.ndarray,
    scene_B: np.ndarray,
    cap_m: float,
) -> np.ndarray:
    nearest_B = np.full(len(ego_BT3), float(cap_m))
    if agents_SAT3.shape[1] == 0:
        return nearest_B
    square_BAT = _centre_square(ego_BT3, agents_SAT3, scene_B)
    outer_BA, inner_BA = (
        ego_B[:, None] + agent_SA[scene_B]
        for ego_B, agent_SA in zip(_radii(ego_size_B2), _radii(agent_size_SA2), strict=True)
    )
    upper_BA = np.sqrt(np.fmin.reduce(square_BAT, axis=2)) - inner_BA
    bound_B = np.fmin(np.fmin.reduce(np.maximum(upper_BA, 0.0), axis=1), cap_m)
    close_BAT = square_BAT <= np.square(bound_B[:, None] + outer_BA)[:, :, None]
    row_N, agent_N, tick_N = np.unravel_index(np.flatnonzero(close_BAT), close_BAT.shape)
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
    edges = polygon_edges(areas)
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


def polygon_edges(
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


def _centre_square(ego_BT3: np.ndarray, agents_SAT3: np.ndarray, scene_B: np.ndarray) -> np.ndarray:
    """Squared distance [B, A, T] between centres; NaN where the agent was not seen."""
    square_BAT = np.square(agents_SAT3[..., 0][scene_B] - ego_BT3[:, None, :, 0])
    square_BAT += np.square(agents_SAT3[..., 1][scene_B] - ego_BT3[:, None, :, 1])
    return square_BAT


def _radii(size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radii [...] of the circles around and within boxes of `size` [..., 2]."""
    return 0.5 * np.hypot(size[..., 0], size[..., 1]), 0.5 * size.min(axis=-1)


def _seen_from(
    yaw_N: np.ndarray, size_N2: np.ndarray, away_N3: np.ndarray, other_N2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Other boxes, `away_N3` from boxes that head `yaw_N`: whether their extents meet, and how near a corner comes.

    The extents are those along the two axes of the box that looks; the squared distance [N] is that of the other's
    nearest corner. One corner at a time, as numpy is fast along N and slow along four.
    """
    (half_x, half_y), (half_length, half_width) = 0.5 * size_N2.T, 0.5 * other_N2.T
    dx, dy, turn = away_N3.T
    cos, sin = np.cos(yaw_N), np.sin(yaw_N)
    x, y = cos * dx + sin * dy, cos * dy - sin * dx
    cos, sin = np.cos(turn), np.sin(turn)
    ahead_x, ahead_y, left_x, left_y = cos * half_length, sin * half_length, -sin * half_width, cos * half_width
    meets = np.abs(x) <= half_x + np.abs(ahead_x) + np.abs(left_x)
    meets &= np.abs(y) <= half_y + np.abs(ahead_y) + np.abs(left_y)
    square = np.full(len(x), np.inf)
    for corner_x, corner_y in ((ahead_x + left_x, ahead_y + left_y), (ahead_x - left_x, ahead_y - left_y)):
        for sign in (1.0, -1.0):
            beyond_x = np.maximum(np.abs(x + sign * corner_x) - half_x, 0.0)
            beyond_y = np.maximum(np.abs(y + sign * corner_y) - half_y, 0.0)
            np.minimum(square, beyond_x**2 + beyond_y**2, out=square)
    return meets, square
