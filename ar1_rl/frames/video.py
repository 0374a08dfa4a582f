"""Pictures of a video that lies in a zip archive."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import MissingDependencyError, SceneError


def read_video(archive: Path, member: str, numbers: Sequence[int], told: str) -> Iterator[tuple[int, np.ndarray]]:
    """Number and picture [H, W, 3] (red, green, blue) of those asked for, which are in order.

    The video is gone through from its begin: pictures are coded by their difference to others, and jumping to a number
    is not exact in all of them. Raises MissingDependencyError without a decoder, SceneError where it cannot be read.
    """
    try:
        import cv2
    except ImportError as error:
        raise MissingDependencyError(
            f"{told}: {archive} holds videos, which need a decoder: pip install 'ar1-rl[video]'"
        ) from error
    try:
        with zipfile.ZipFile(archive) as packed:
            data = packed.read(member)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SceneError(f"{told}: {archive}: {member} cannot be read ({error})") from error
    with tempfile.NamedTemporaryFile(suffix=Path(member).suffix) as file:
        file.write(data)
        file.flush()
        video = cv2.VideoCapture(file.name)
        try:
            place = 0
            for number in numbers:
                while place < number and video.grab():
                    place += 1
                found, picture = video.read() if place == number else (False, None)
                if not found:
                    raise SceneError(f"{told}: {archive}: {member} ends before picture {number}")
                place += 1
                yield number, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        finally:
            video.release()
