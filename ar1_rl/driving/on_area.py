"""Whether boxes lie on an area of polygons, such as vehicles on the road. Most are settled without a look at corners.

Each area is cut into upright bands. Between the floor and the ceiling of a band there is no edge, so all of that is
inside or all of it is outside, and one point tells which. Only the corners of boxes that do not fit in there are looked
at one by one. Legend: B trajectories, T time, E edges, K bands of all areas, one area after the other, U those where a
box is, N boxes left over, M pairs of an edge and a band. A box is a centre pose (x, y, yaw) and a size (length, width),
in metres.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .geometry import box_corners, inside_any_polygon, polygon_edges

_BANDS = 64
"""Per area, over the whole range in x of the boxes: 2 m wide where they drive 130 m."""
_SLACK_M = 1e-6
"""Boxes closer to an edge are never settled by bands, so that rounding cannot matter."""


def boxes_on_area(
    poses_BT3: np.ndarray, size_B2: np.ndarray, area_B: np.ndarray, areas: Sequence[Sequence[np.ndarray]]
) -> np.ndarray:
    """Whether all corners of each box lie in the union of the polygons `areas[area_B[i]]`: bool [B, T]."""
    settled_BT, on_BT = _by_bands(poses_BT3, size_B2, area_B, areas)
    row_N, tick_N = np.nonzero(~settled_BT)
    corners_N42 = box_corners(poses_BT3[row_N, tick_N], size_B2[row_N])
    inside = inside_any_polygon(corners_N42.reshape(-1, 2), np.repeat(area_B[row_N], 4), areas)
    on_BT[row_N, tick_N] = inside.reshape(-1, 4).all(axis=1)
    return on_BT


def _by_bands(
    poses_BT3: np.ndarray, size_B2: np.ndarray, area_B: np.ndarray, areas: Sequence[Sequence[np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes the bands settle, and which of those lie inside: two times bool [B, T]."""
    if poses_BT3.size == 0 or not np.isfinite(poses_BT3).all():
        return np.zeros(poses_BT3.shape[:2], dtype=bool), np.zeros(poses_BT3.shape[:2], dtype=bool)
    x_BT, y_BT, yaw_BT = np.moveaxis(poses_BT3, -1, 0)
    half_length_B1, half_width_B1 = 0.5 * size_B2.T[:, :, None]
    first_m, width_m = x_BT.min(), max(np.ptp(x_BT) / _BANDS, _SLACK_M)
    band_BT = np.minimum((x_BT - first_m) / width_m, _BANDS - 1).astype(np.intp) + _BANDS * area_B[:, None]
    bands = _BANDS * len(areas)
    boxes_K = np.bincount(band_BT.ravel(), minlength=bands)
    y_K = np.bincount(band_BT.ravel(), y_BT.ravel(), bands) / np.maximum(boxes_K, 1)
    reach_m = np.hypot(half_length_B1, half_width_B1).max()
    floor_K, ceiling_K = _floor_and_ceiling(areas, y_K, first_m, width_m, reach_m)
    up_BT = np.abs(np.sin(yaw_BT)) * half_length_B1 + np.abs(np.cos(yaw_BT)) * half_width_B1 + _SLACK_M
    settled_BT = (y_BT - up_BT > floor_K[band_BT]) & (y_BT + up_BT < ceiling_K[band_BT])
    used_U = np.flatnonzero(boxes_K)
    middles_U2 = np.stack([first_m + width_m * (used_U % _BANDS + 0.5), y_K[used_U]], axis=1)
    inside_K = np.zeros(bands, dtype=bool)
    inside_K[used_U] = inside_any_polygon(middles_U2, used_U // _BANDS, areas)
    return settled_BT, settled_BT & inside_K[band_BT]


def _floor_and_ceiling(
    areas: Sequence[Sequence[np.ndarray]], y_K: np.ndarray, first_m: float, width_m: float, reach_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """The y [K] next below and above `y_K` that an edge has, where a box with its centre in the band can reach."""
    floor_K, ceiling_K = np.full(len(y_K), -np.inf), np.full(len(y_K), np.inf)
    edges = polygon_edges(areas)
    if edges is None:
        return floor_K, ceiling_K
    start_E2, end_E2, area_E, _ = edges
    low_E2, high_E2 = np.minimum(start_E2, end_E2), np.maximum(start_E2, end_E2)
    from_E = np.floor((low_E2[:, 0] - reach_m - _SLACK_M - first_m) / width_m).clip(0, _BANDS).astype(np.intp)
    to_E = np.floor((high_E2[:, 0] + reach_m + _SLACK_M - first_m) / width_m + 1).clip(0, _BANDS).astype(np.intp)
    count_E = to_E - from_E
    edge_M = np.repeat(np.arange(len(count_E)), count_E)
    band_M = np.arange(len(edge_M)) + np.repeat(_BANDS * area_E + to_E - np.cumsum(count_E), count_E)
    low_M, high_M = low_E2[edge_M, 1], high_E2[edge_M, 1]
    # An edge at the height of y_K is floor and ceiling at once, and no box fits in between.
    not_above_M, not_below_M = low_M <= y_K[band_M], high_M >= y_K[band_M]
    np.maximum.at(floor_K, band_M[not_above_M], high_M[not_above_M])
    np.minimum.at(ceiling_K, band_M[not_below_M], low_M[not_below_M])
    return floor_K, ceiling_K
