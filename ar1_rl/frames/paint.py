"""From shapes in space to the pixels of one image: far things first, at twice the size, then averaged.

Legend: V corners of all polygons, N corners of one, Q quadrilaterals, D discs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..driving.camera import resized
from ..driving.scene import Camera
from .ground import Flat
from .shapes import Body, Colour

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

OVERSAMPLING = 2
NEAR_M = 0.3
"""Nothing nearer to the camera is painted."""
DECIMALS = 4
"""Of a pixel, to which corners are rounded, so that the order of additions does not decide where an edge is."""
EDGE_ON_PX2 = -1e-3
"""Likewise, a face that is seen edge-on, such as a roof at the height of the camera, is not seen."""

SKY_HIGH: Colour = (112, 160, 222)
SKY_LOW: Colour = (196, 214, 232)
SKY_SPAN = 0.5
"""Slope above the horizon at which the sky has its high colour."""
GRASS: Colour = (92, 112, 74)


class FlatWorld:
    """All that is flat, in one array: it is the same in every frame of a scene."""

    def __init__(self, flats: Sequence[Flat]) -> None:
        sizes = [len(polygon) for polygon, _ in flats]
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        self.points_V2 = np.concatenate([polygon for polygon, _ in flats]) if flats else np.zeros((0, 2))
        self.colours = [colour for _, colour in flats]


class Standing:
    """A body where it stands at one moment, in the rig frame at t0."""

    def __init__(self, body: Body, pose_3: np.ndarray) -> None:
        self.body, self.pose_3 = body, pose_3
        cos, sin = float(np.cos(pose_3[2])), float(np.sin(pose_3[2]))
        turn_33 = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        at_3 = np.array([pose_3[0], pose_3[1], 0.0])
        self.quads_Q43 = np.array(body.quads, dtype=float).reshape(-1, 4, 3) @ turn_33 + at_3
        self.centres_D3 = np.array([disc.centre_3 for disc in body.discs], dtype=float).reshape(-1, 3) @ turn_33 + at_3
        self.facing_D2 = [
            None if d.facing is None else (cos * d.facing[0] - sin * d.facing[1], sin * d.facing[0] + cos * d.facing[1])
            for d in body.discs
        ]


class Painter:
    """Paints what one camera sees from wherever the ego is."""

    def __init__(self, camera: Camera) -> None:
        self.camera = resized(camera, OVERSAMPLING * camera.width_px, OVERSAMPLING * camera.height_px)
        self.background = _background(self.camera)

    def paint(self, flat: FlatWorld, bodies: Sequence[Standing], ego_3: np.ndarray) -> np.ndarray:
        """The image [H, W, 3] uint8 seen from the ego's pose `ego_3`; all poses are in the rig frame at t0."""
        from PIL import ImageDraw

        image = self.background.copy()
        draw = ImageDraw.Draw(image)
        eye_3, matrix_33 = self._view(ego_3)
        self._paint_flat(draw, flat, eye_3, matrix_33)
        near_first = sorted(bodies, key=lambda b: (b.pose_3[0] - eye_3[0]) ** 2 + (b.pose_3[1] - eye_3[1]) ** 2)
        for standing in reversed(near_first):
            self._paint_body(draw, standing, eye_3, matrix_33)
        return np.asarray(image.reduce(OVERSAMPLING))

    def _view(self, ego_3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where the camera is [3], and the matrix from points relative to it to (across, down, 1) times depth."""
        x, y, yaw = ego_3
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn_33 = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        pose_44 = self.camera.rig_from_camera_44
        eye_3 = np.array([x, y, 0.0]) + turn_33 @ pose_44[:3, 3]
        return eye_3, turn_33 @ pose_44[:3, :3] @ self.camera.intrinsics_33.T

    def _paint_flat(self, draw: ImageDraw, flat: FlatWorld, eye_3: np.ndarray, matrix_33: np.ndarray) -> None:
        if not len(flat.points_V2):
            return
        seen_V3 = (flat.points_V2 - eye_3[:2]) @ matrix_33[:2] - eye_3[2] * matrix_33[2]
        first = flat.starts[:-1]
        nearest = np.minimum.reduceat(seen_V3[:, 2], first)
        farthest = np.maximum.reduceat(seen_V3[:, 2], first)
        pixels_V2 = seen_V3[:, :2] / np.maximum(seen_V3[:, 2:], NEAR_M)
        low_2, high_2 = np.minimum.reduceat(pixels_V2, first), np.maximum.reduceat(pixels_V2, first)
        size_2 = (self.camera.width_px, self.camera.height_px)
        outside = ((high_2 < 0) | (low_2 > size_2)).any(axis=1) & (nearest >= NEAR_M)
        for i in np.flatnonzero((farthest >= NEAR_M) & ~outside).tolist():
            rows = slice(flat.starts[i], flat.starts[i + 1])
            piece_N2 = pixels_V2[rows] if nearest[i] >= NEAR_M else _in_front(seen_V3[rows])
            _fill(draw, piece_N2, flat.colours[i])

    def _paint_body(self, draw: ImageDraw, standing: Standing, eye_3: np.ndarray, matrix_33: np.ndarray) -> None:
        body = standing.body
        seen_Q43 = (standing.quads_Q43 - eye_3) @ matrix_33
        depth_Q4 = seen_Q43[..., 2]
        if (depth_Q4 < NEAR_M).all():
            return
        nearest_Q = depth_Q4.min(axis=1)
        pixels_Q42 = seen_Q43[..., :2] / np.maximum(depth_Q4, NEAR_M)[..., None]
        turns_Q = _turn(pixels_Q42)
        for i, nearest in enumerate(nearest_Q.tolist()):
            if nearest >= NEAR_M:
                if turns_Q[i] < EDGE_ON_PX2:
                    _fill(draw, pixels_Q42[i], body.colours[i])
            elif (depth_Q4[i] >= NEAR_M).any():
                piece_N2 = _in_front(seen_Q43[i])
                if _turn(piece_N2) < EDGE_ON_PX2:
                    _fill(draw, piece_N2, body.colours[i])
        self._paint_discs(draw, standing, eye_3, matrix_33)

    def _paint_discs(self, draw: ImageDraw, standing: Standing, eye_3: np.ndarray, matrix_33: np.ndarray) -> None:
        away_D3 = standing.centres_D3 - eye_3
        seen_D3 = (away_D3 @ matrix_33).tolist()
        focal_x, focal_y = self.camera.intrinsics_33[0, 0], self.camera.intrinsics_33[1, 1]
        for disc, facing, away, seen in zip(standing.body.discs, standing.facing_D2, away_D3, seen_D3, strict=True):
            depth = seen[2]
            if depth < NEAR_M or (facing is not None and facing[0] * away[0] + facing[1] * away[1] >= 0.0):
                continue
            least = disc.least_px * OVERSAMPLING
            across, down = (max(disc.radius_m * focal / depth, least) for focal in (focal_x, focal_y))
            u, v = seen[0] / depth - 0.5, seen[1] / depth - 0.5
            edges = (u - across, v - down, u + across, v + down)
            draw.ellipse(tuple(round(edge, DECIMALS) for edge in edges), fill=disc.colour)


def _fill(draw: ImageDraw, pixels_N2: np.ndarray, colour: Colour) -> None:
    """Fill a polygon; the painter's whole coordinates are at the middle of pixels."""
    if len(pixels_N2) > 2:
        draw.polygon((pixels_N2 - 0.5).round(DECIMALS).ravel().tolist(), fill=colour)


def _turn(pixels: np.ndarray) -> np.ndarray:
    """Twice the area [...] of polygons [..., N, 2]; negative where they run counter-clockwise as one sees them."""
    x, y = pixels[..., 0], pixels[..., 1]
    turn: np.ndarray = (x * np.roll(y, -1, axis=-1) - np.roll(x, -1, axis=-1) * y).sum(axis=-1)
    return turn


def _in_front(seen_N3: np.ndarray) -> np.ndarray:
    """Pixels [n, 2] of the part of a polygon that lies beyond `NEAR_M`, from (across, down, 1) times depth."""
    following_N3 = np.roll(seen_N3, -1, axis=0)
    above_N, above_next_N = seen_N3[:, 2] - NEAR_M, following_N3[:, 2] - NEAR_M
    crosses_N = (above_N >= 0.0) != (above_next_N >= 0.0)
    share_N = np.where(crosses_N, above_N / np.where(crosses_N, above_N - above_next_N, 1.0), 0.0)
    cut_N3 = seen_N3 + share_N[:, None] * (following_N3 - seen_N3)
    both_N23 = np.stack([seen_N3, cut_N3], axis=1)
    kept_n3 = both_N23[np.stack([above_N >= 0.0, crosses_N], axis=1)]
    return kept_n3[:, :2] / np.maximum(kept_n3[:, 2:], NEAR_M)


def _background(camera: Camera) -> Image:
    """Sky above the horizon of a level ground, grass below it."""
    from PIL import Image

    # How steeply the ray of each pixel goes up: linear in its place.
    across, down, constant = np.linalg.inv(camera.intrinsics_33).T @ camera.rig_from_camera_44[2, :3]
    rows_H1, columns_W = np.arange(camera.height_px)[:, None] + 0.5, np.arange(camera.width_px) + 0.5
    upward_HW = columns_W * across + rows_H1 * down + constant
    sky_HW = np.clip(upward_HW / SKY_SPAN, 0.0, 1.0).astype(np.float32)
    pixels_HW3 = np.empty((camera.height_px, camera.width_px, 3), dtype=np.uint8)
    for i in range(3):
        pixels_HW3[..., i] = SKY_LOW[i] + sky_HW * (SKY_HIGH[i] - SKY_LOW[i])
    pixels_HW3[upward_HW <= 0.0] = GRASS
    return Image.fromarray(pixels_HW3)
