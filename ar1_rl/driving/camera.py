"""Pinhole cameras on the ego vehicle: where a point of the rig frame is seen.

A camera's own frame is x to the right, y down, z along its optical axis [m]. Pixels are counted from the top left
corner of the image: pixel i covers [i, i + 1), so the middle of an image of 96 pixels is at 48.0.
Legend: N points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConfigError
from .scene import Camera


@dataclass(frozen=True)
class Mount:
    """Where a named camera sits, relative to the ego's pose, and what it takes in."""

    field_of_view_deg: float
    """Across the image."""
    position_m: tuple[float, float, float]
    yaw_deg: float = 0.0
    """Positive: turned to the left."""


MOUNTS = {
    "cross_left": Mount(120.0, (0.9, 0.8, 1.3), 60.0),
    "front_wide": Mount(120.0, (0.9, 0.0, 1.5)),
    "cross_right": Mount(120.0, (0.9, -0.8, 1.3), -60.0),
    "front_tele": Mount(30.0, (0.9, 0.0, 1.5)),
}
"""The four cameras of Alpamayo-R1 by their order (`camera_cross_left_120fov`, `camera_front_wide_120fov`,
`camera_cross_right_120fov`, `camera_front_tele_30fov`; indices 0, 1, 2, 6). Positions are those of an ordinary car."""

FRONT_CAMERAS = ("front_wide", "front_tele")
"""The two that the paper's experiments use."""

CAMERA_AXES_33 = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Axes x, y, z of a camera that looks straight ahead, as columns in the rig frame."""


def pinhole(
    name: str,
    *,
    field_of_view_deg: float,
    position_m: Sequence[float],
    yaw_deg: float = 0.0,
    width_px: int,
    height_px: int,
) -> Camera:
    """A level camera with square pixels and its principal point in the middle.

    Example: 90 degrees across 100 pixels give a focal length of 50 pixels.
    """
    if not 0.0 < field_of_view_deg < 180.0:
        raise ConfigError(f"camera {name}: field of view {field_of_view_deg} degrees, allowed above 0 and below 180")
    focal_px = width_px / 2 / np.tan(np.radians(field_of_view_deg) / 2)
    cos, sin = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))
    pose_44 = np.eye(4)
    pose_44[:3, :3] = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]) @ CAMERA_AXES_33
    pose_44[:3, 3] = position_m
    return Camera(
        name=name,
        intrinsics_33=np.array([[focal_px, 0.0, width_px / 2], [0.0, focal_px, height_px / 2], [0.0, 0.0, 1.0]]),
        rig_from_camera_44=pose_44,
        width_px=width_px,
        height_px=height_px,
    )


def mounted(names: Sequence[str], width_px: int, height_px: int) -> tuple[Camera, ...]:
    """The cameras of these names, of `MOUNTS`; ConfigError for another name."""
    unknown = [name for name in names if name not in MOUNTS]
    if unknown:
        raise ConfigError(f"cameras: got {unknown}, allowed {list(MOUNTS)}")
    return tuple(pinhole(name, **vars(MOUNTS[name]), width_px=width_px, height_px=height_px) for name in names)


def resized(camera: Camera, width_px: int, height_px: int) -> Camera:
    """The camera whose image is scaled to another size, each axis by its own factor."""
    scale_33 = np.diag([width_px / camera.width_px, height_px / camera.height_px, 1.0])
    return replace(camera, intrinsics_33=scale_33 @ camera.intrinsics_33, width_px=width_px, height_px=height_px)


def project(camera: Camera, points_N3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N, 2] (across, down) and depths [N] along the optical axis [m] of points in the rig frame.

    Points that are not in front of the camera (depth 0 or below) have pixels NaN; others may lie outside the image.
    """
    pose_44 = camera.rig_from_camera_44
    seen_N3 = (np.asarray(points_N3, dtype=float) - pose_44[:3, 3]) @ pose_44[:3, :3]
    depth_N = seen_N3[:, 2]
    ahead_N1 = np.where(depth_N > 0.0, depth_N, np.nan)[:, None]
    return (seen_N3 @ camera.intrinsics_33.T)[:, :2] / ahead_N1, depth_N


def inside_image(camera: Camera, pixels_N2: np.ndarray) -> np.ndarray:
    """Whether pixels [N, 2] lie in the image: bool [N]; NaN does not."""
    size_2 = np.array([camera.width_px, camera.height_px])
    inside_N: np.ndarray = np.logical_and.reduce((pixels_N2 >= 0.0) & (pixels_N2 < size_2), axis=1)
    return inside_N


def box_corners_3d(pose_3: np.ndarray, length_m: float, width_m: float, height_m: float) -> np.ndarray:
    """The corners [8, 3] of a box that stands on the ground (z = 0): the lower four, then those above them."""
    x, y, yaw = pose_3
    along = np.array([0.5, 0.5, -0.5, -0.5]) * length_m
    across = np.array([0.5, -0.5, -0.5, 0.5]) * width_m
    cos, sin = np.cos(yaw), np.sin(yaw)
    foot_42 = np.stack([x + cos * along - sin * across, y + sin * along + cos * across], axis=-1)
    corners_83 = np.zeros((8, 3))
    corners_83[:4, :2] = corners_83[4:, :2] = foot_42
    corners_83[4:, 2] = height_m
    return corners_83
