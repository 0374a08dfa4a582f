"""The images of KITTI odometry: the left colour camera where it is there, else the left grey one.

Images are numbered as the poses are. They lie in `sequences/<sequence>/image_2` (colour) or `image_0` (grey) beside
`poses/`, with `sequences/<sequence>/calib.txt`; or in `images*/<sequence>/`, with a `calib.txt` of their own, as scaled
copies do. Calibration is that of the rectified images in their original size and is scaled to the size they have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ar1_rl.driving.camera import CAMERA_AXES_33, resized
from ar1_rl.driving.scene import Camera
from ar1_rl.errors import SceneError

from .log_frames import LogCamera

CAMERA_NAME = "front"
CAMERA_HEIGHT_M = 1.65
"""Geiger et al. 2013, figure 3."""
ORIGINAL_SIZES_PX = {"00": (1241, 376), "01": (1241, 376), "02": (1241, 376), "03": (1242, 375)}
OTHER_SIZE_PX = (1226, 370)
"""Of the sequences from 04 on."""
SUFFIXES = (".png", ".jpg", ".jpeg")


def cameras(poses: Path, times_s_N: np.ndarray, ahead_of_rear_axle_m: float) -> tuple[LogCamera, ...]:
    """The camera of a sequence with the images that are there; empty where there are none.

    Raises SceneError where images are there and their calibration is not, or cannot be read.
    """
    found = _images(poses)
    if found is None:
        return ()
    images, calibration, line = found
    numbers = [int(path.stem) for path in images]
    beyond = [number for number in numbers if number >= len(times_s_N)]
    if beyond:
        raise SceneError(f"{images[0].parent}: image number {beyond[0]}, {poses} has {len(times_s_N)} poses")
    pose_44 = np.eye(4)
    pose_44[:3, :3] = CAMERA_AXES_33
    pose_44[:3, 3] = (ahead_of_rear_axle_m, 0.0, CAMERA_HEIGHT_M)
    width_px, height_px = ORIGINAL_SIZES_PX.get(poses.stem, OTHER_SIZE_PX)
    original = Camera(
        name=CAMERA_NAME,
        intrinsics_33=_projection(calibration, line)[:, :3],
        rig_from_camera_44=pose_44,
        width_px=width_px,
        height_px=height_px,
    )
    camera = resized(original, *_size(images[0]))
    return (LogCamera(camera=camera, times_s_N=times_s_N[numbers], paths_N=tuple(map(str, images))),)


def _images(poses: Path) -> tuple[list[Path], Path, str] | None:
    """Images in order, the file with their calibration and the name of its line."""
    sequence = poses.parent.parent / "sequences" / poses.stem
    for folder, line in (("image_2", "P2"), ("image_0", "P0")):
        images = _numbered(sequence / folder)
        if images:
            return images, sequence / "calib.txt", line
    for copy in sorted(poses.parent.parent.glob(f"images*/{poses.stem}")):
        images = _numbered(copy)
        if images:
            return images, copy / "calib.txt", "P0"
    return None


def _numbered(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    images = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.stem.isdigit()]
    return sorted(images, key=lambda path: int(path.stem))


def _projection(path: Path, name: str) -> np.ndarray:
    """The matrix [3, 4] of a line `NAME: 12 numbers`; of files without names, the line that the number counts."""
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SceneError(f"{path}: the calibration of images cannot be read ({error})") from error
    named = {words[0].rstrip(":"): words[1:] for words in lines if words[0].endswith(":")}
    numbered = {f"P{i}": words for i, words in enumerate(lines)}
    words = (named or numbered).get(name, [])
    try:
        return np.array([float(word) for word in words]).reshape(3, 4)
    except ValueError as error:
        raise SceneError(f"{path}: line {name} is not 12 numbers ({error})") from error


def _size(image: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(image) as opened:
            return opened.size
    except OSError as error:
        raise SceneError(f"{image}: cannot be read as an image ({error})") from error
