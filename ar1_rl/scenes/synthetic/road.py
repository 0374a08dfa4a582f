"""A road by the curvature of its reference line, and the way from road coordinates to the plane.

Road coordinates: s [m] along the reference line, d [m] to its left. The reference line is the centre of the ego lane;
s = 0 lies where the ego vehicle is at t0. Legend: N points of the line, A agents, T time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...driving.trajectory import to_frame

ROAD_START_M = -60.0
ROAD_END_M = 240.0
GRID_M = 1.0
GRID_N = np.arange(ROAD_START_M, ROAD_END_M + GRID_M / 2, GRID_M)


@dataclass(frozen=True)
class Road:
    """Curvature [1/m], linear between knots and constant outside them.

    Example: `Road(((0.0, 0.0), (5.0, 0.1), (17.0, 0.1), (22.0, 0.0)))` turns left by 1.7 rad.
    """

    knots: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    """Pairs of s [m] and curvature [1/m], in order of s."""

    def curvature_N(self) -> np.ndarray:
        """Curvature on the grid [1/m]."""
        if len(self.knots) == 1:
            return np.full(len(GRID_N), self.knots[0][1])
        s, curvature = zip(*self.knots, strict=True)
        return np.interp(GRID_N, s, curvature)


@dataclass(frozen=True, eq=False)
class RoadLine:
    """The reference line laid out in a plane: pose of every grid point."""

    poses_N3: np.ndarray

    @classmethod
    def lay_out(cls, curvature_N: np.ndarray) -> RoadLine:
        """Integrate the curvature; the line starts at the origin, heading along x."""
        turn_N = (curvature_N[1:] + curvature_N[:-1]) * (GRID_M / 2)
        yaw_N = np.concatenate([[0.0], np.cumsum(turn_N)])
        middle_N = (yaw_N[1:] + yaw_N[:-1]) / 2
        x_N = np.concatenate([[0.0], np.cumsum(np.cos(middle_N) * GRID_M)])
        y_N = np.concatenate([[0.0], np.cumsum(np.sin(middle_N) * GRID_M)])
        return cls(np.stack([x_N, y_N, yaw_N], axis=-1))

    def seen_from(self, origin_3: np.ndarray) -> RoadLine:
        """The same line in another frame; its yaw stays continuous along the line."""
        poses_N3 = to_frame(self.poses_N3, origin_3)
        poses_N3[:, 2] = self.poses_N3[:, 2] - origin_3[2]
        return RoadLine(poses_N3)

    def place(self, s: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Poses [..., 3] of points at road coordinates (s, d), heading along the road."""
        line = self.poses_N3
        x, y, yaw = (np.interp(s, GRID_N, line[:, i]) for i in range(3))
        return np.stack([x - d * np.sin(yaw), y + d * np.cos(yaw), yaw], axis=-1)

    def parallel(self, offset_m: float, rows: slice) -> np.ndarray:
        """[n, 2] points of the line shifted to the left, for the grid points in `rows`."""
        line = self.poses_N3[rows]
        yaw_N = line[:, 2]
        return line[:, :2] + offset_m * np.stack([-np.sin(yaw_N), np.cos(yaw_N)], axis=-1)


def grid_index(s_m: float) -> int:
    """The grid point nearest to s."""
    return int(min(max(round((s_m - ROAD_START_M) / GRID_M), 0), len(GRID_N) - 1))
