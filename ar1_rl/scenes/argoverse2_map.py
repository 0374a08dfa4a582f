"""The vector map that comes with an Argoverse 2 log: lanes, drivable area and crosswalks, in city coordinates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.driving.scene import Lane
from ar1_rl.errors import SceneError

from .logs import Crosswalk
from .roads import TURN_RAD, bend_rad, centerline

MAP_FILES = "map/log_map_archive_*.json"
LANE_TYPES = ("VEHICLE", "BUS")
"""Bike lanes are left out: they are no neighbours that a car may change into."""
_DASHED = ("DASHED_WHITE", "DASHED_YELLOW", "DOUBLE_DASH_WHITE", "DOUBLE_DASH_YELLOW")
CROSSABLE_MARKS = {
    "left": ("NONE", "UNKNOWN", *_DASHED, "DASH_SOLID_WHITE", "DASH_SOLID_YELLOW"),
    "right": ("NONE", "UNKNOWN", *_DASHED, "SOLID_DASH_WHITE", "SOLID_DASH_YELLOW"),
}
"""Paint that a change to that side may cross; of two lines the one nearer to the lane counts."""

MapParts = tuple[tuple[Lane, ...] | None, tuple[np.ndarray, ...] | None, tuple[Crosswalk, ...] | None]


def read_map(folder: Path) -> MapParts:
    """Lanes, drivable area and crosswalks of a log; three times None where it has no map."""
    paths = sorted(folder.glob(MAP_FILES))
    if not paths:
        return None, None, None
    if len(paths) > 1:
        raise SceneError(f"{folder}: {len(paths)} files match {MAP_FILES}, one is right")
    try:
        archive = json.loads(paths[0].read_text())
        segments = [s for s in archive["lane_segments"].values() if s["lane_type"] in LANE_TYPES]
        lines = {
            str(s["id"]): centerline(*(_points(s[f"{side}_lane_boundary"]) for side in ("left", "right")))
            for s in segments
        }
        lanes = tuple(_lane(s, lines) for s in segments)
        area = tuple(_points(a["area_boundary"]) for a in archive["drivable_areas"].values())
        crosswalks = tuple(_crosswalk(c) for c in archive["pedestrian_crossings"].values())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SceneError(
            f"{paths[0]}: cannot be read as JSON ({error}); it may be truncated, fetch it again"
        ) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise SceneError(f"{paths[0]}: is no Argoverse 2 map: {type(error).__name__} {error}") from error
    return lanes, area, crosswalks


def _lane(segment: dict[str, Any], lines: dict[str, tuple[np.ndarray, float]]) -> Lane:
    lane_id = str(segment["id"])
    line_N2, width_m = lines[lane_id]
    bend = bend_rad(line_N2) if segment["is_intersection"] else 0.0
    return Lane(
        lane_id=lane_id,
        centerline_N2=line_N2,
        width_m=width_m,
        left_id=_neighbour(segment, "left", lines),
        right_id=_neighbour(segment, "right", lines),
        successor_ids=tuple(str(s) for s in segment["successors"]),
        turn=None if abs(bend) < TURN_RAD else "left" if bend > 0.0 else "right",
    )


def _neighbour(segment: dict[str, Any], side: str, lines: dict[str, tuple[np.ndarray, float]]) -> str | None:
    """The lane on a side if it runs the same way and the paint may be crossed."""
    neighbour = str(segment[f"{side}_neighbor_id"])
    if neighbour not in lines or segment[f"{side}_lane_mark_type"] not in CROSSABLE_MARKS[side]:
        return None
    own, other = (line[-1] - line[0] for line in (lines[str(segment["id"])][0], lines[neighbour][0]))
    return neighbour if own @ other > 0.0 else None


def _crosswalk(crossing: dict[str, Any]) -> Crosswalk:
    polygon = np.concatenate([_points(crossing["edge1"]), _points(crossing["edge2"])[::-1]])
    return Crosswalk(crosswalk_id=str(crossing["id"]), polygon_N2=polygon)


def _points(points: list[dict[str, float]]) -> np.ndarray:
    array = np.array([[p["x"], p["y"]] for p in points], dtype=float)
    if len(array) < 2 or not np.isfinite(array).all():
        raise ValueError(f"a line has {len(array)} points or one that is not finite")
    return array
