"""The map of a ScenarioNet scenario: lanes, drivable area and crosswalks, in the scenario's own coordinates.

nuScenes' lanes come as centre lines, those outside junctions with their outline; which lane follows on which and which
may be changed into is not said, so it is read off the lines: a lane follows where another ends, and the neighbour may
be changed into where a broken line runs between. The drivable area comes as the rim of all of it, islands included.
Where no lane has an outline (Waymo) no junction is known either, so no lane is a turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ar1_rl.driving.scene import Lane

from .logs import Crosswalk
from .roads import POINT_SPACING_M, TURN_RAD, bend_rad, clip_ring, joined_rings, line_length_m, resample_line

LANES = ("LANE_SURFACE_STREET", "LANE_FREEWAY", "LANE_UNKNOWN", "LANE_BUS_LANE")
"""Bike lanes are left out: they are no neighbours that a car may change into."""
BROKEN = "ROAD_LINE_BROKEN"
CROSSWALK = "CROSSWALK"
RIM = "boundary_"
"""Ids of the rings that bound nuScenes' drivable area begin with this."""

DEFAULT_WIDTH_M = 3.5
WIDTHS_M = (2.0, 8.0)
"""An outline that says otherwise is that of a lane which widens or splits."""
JOINT_M = 0.5
SAME_WAY_RAD = np.pi / 4
LINE_OFF_M = 0.75
"""A line between two lanes runs this near to the middle between them."""
ABREAST_M = 1.0
DENSE_M = 0.5
AROUND_M = 150.0
"""Lanes and drivable area are kept so far around the ego's way."""

MapParts = tuple[tuple[Lane, ...] | None, tuple[np.ndarray, ...] | None, tuple[Crosswalk, ...] | None]


def read_features(features: Mapping[str, Mapping[str, Any]], ego_N2: np.ndarray) -> MapParts:
    """Lanes, drivable area and crosswalks around the ego's way; None for each of which the scenario has none at all.

    Raises KeyError, TypeError or ValueError for features that are none.
    """
    low_2, high_2 = ego_N2.min(axis=0) - AROUND_M, ego_N2.max(axis=0) + AROUND_M
    lanes, broken, rims, crosswalks = {}, [], [], []
    for key, feature in features.items():
        if str(key).startswith(RIM):
            rims.append(_points(feature["polyline"]))
        elif feature["type"] in LANES:
            lanes[str(key)] = {**feature, "polyline": _points(feature["polyline"])}
        elif str(feature["type"]).startswith(BROKEN):
            broken.append(_points(feature["polyline"]))
        elif feature["type"] == CROSSWALK:
            crosswalks.append(Crosswalk(crosswalk_id=str(key), polygon_N2=_points(feature["polygon"])))
    near = {
        key: lane
        for key, lane in lanes.items()
        if ((lane["polyline"] >= low_2) & (lane["polyline"] <= high_2)).all(axis=1).any()
    }
    return _lanes(near, broken) if lanes else None, _area(rims, low_2, high_2), tuple(crosswalks) or None


def _lanes(features: Mapping[str, Mapping[str, Any]], broken: Sequence[np.ndarray]) -> tuple[Lane, ...]:
    lines = {key: _spaced(feature["polyline"], POINT_SPACING_M) for key, feature in features.items()}
    widths = {key: _width_m(feature, lines[key]) for key, feature in features.items()}
    if all(width is None for width in widths.values()):
        widths = dict.fromkeys(widths, DEFAULT_WIDTH_M)
    followers = _followers(features, lines)
    dense = {key: _spaced(line, DENSE_M) for key, line in lines.items() if widths[key] is not None}
    paint_N2 = np.concatenate([_spaced(line, DENSE_M) for line in broken]) if broken else np.zeros((0, 2))
    lanes = []
    for key, line_N2 in lines.items():
        in_junction = widths[key] is None
        bend = bend_rad(line_N2) if in_junction else 0.0
        beside = {} if in_junction else _beside(key, dense, widths, paint_N2)
        lanes.append(
            Lane(
                lane_id=key,
                centerline_N2=line_N2,
                width_m=widths[key] or _joined_width_m(key, followers, widths),
                left_id=beside.get("left"),
                right_id=beside.get("right"),
                successor_ids=followers[key],
                turn=None if abs(bend) < TURN_RAD else "left" if bend > 0.0 else "right",
            )
        )
    return tuple(lanes)


def _width_m(feature: Mapping[str, Any], line_N2: np.ndarray) -> float | None:
    """Area of the outline over the length of the centre line; None where there is no outline that fits."""
    if "polygon" not in feature:
        return None
    x_N, y_N = _points(feature["polygon"]).T
    area = 0.5 * abs(float(x_N @ np.roll(y_N, -1) - y_N @ np.roll(x_N, -1)))
    width_m = area / max(line_length_m(line_N2), 1e-6)
    return width_m if WIDTHS_M[0] <= width_m <= WIDTHS_M[1] else DEFAULT_WIDTH_M


def _joined_width_m(key: str, followers: Mapping[str, tuple[str, ...]], widths: Mapping[str, float | None]) -> float:
    """Of a lane through a junction: that of the lanes it joins."""
    joined = [*followers[key], *(other for other, next_ones in followers.items() if key in next_ones)]
    known = [width for other in joined if (width := widths[other]) is not None]
    return float(np.mean(known)) if known else DEFAULT_WIDTH_M


def _followers(
    features: Mapping[str, Mapping[str, Any]], lines: Mapping[str, np.ndarray]
) -> dict[str, tuple[str, ...]]:
    """As the scenario says, else the lanes that begin, the same way, where one ends."""
    keys = list(lines)
    starts_L2 = np.array([line[0] for line in lines.values()]).reshape(-1, 2)
    ways_L2 = np.array([_way(line[:2]) for line in lines.values()]).reshape(-1, 2)
    followers = {}
    for key, line_N2 in lines.items():
        if features[key].get("exit_lanes"):
            followers[key] = tuple(str(other) for other in features[key]["exit_lanes"])
            continue
        joined_L = np.linalg.norm(starts_L2 - line_N2[-1], axis=1) <= JOINT_M
        same_way_L = ways_L2 @ _way(line_N2[-2:]) > np.cos(SAME_WAY_RAD)
        followers[key] = tuple(keys[i] for i in np.flatnonzero(joined_L & same_way_L) if keys[i] != key)
    return followers


def _beside(
    key: str, dense: Mapping[str, np.ndarray], widths: Mapping[str, float | None], paint_N2: np.ndarray
) -> dict[str, str]:
    """The nearest lane on either side of the lane's middle that runs the same way behind a broken line."""
    own_N2, middle = dense[key], len(dense[key]) // 2
    middle_2, way_2 = own_N2[middle], _way(own_N2[max(middle - 1, 0) : middle + 2])
    left_2 = np.array([-way_2[1], way_2[0]])
    found: dict[str, tuple[float, str]] = {}
    for other, line_N2 in dense.items():
        square_N = np.square(line_N2 - middle_2).sum(axis=1)
        nearest = int(square_N.argmin())
        apart_m = 0.5 * ((widths[other] or 0.0) + (widths[key] or 0.0))
        if other == key or square_N[nearest] > (1.5 * apart_m) ** 2:
            continue
        along, across = (float((line_N2[nearest] - middle_2) @ axis) for axis in (way_2, left_2))
        same_way = way_2 @ _way(line_N2[max(nearest - 1, 0) : nearest + 2]) > np.cos(SAME_WAY_RAD)
        between_2 = 0.5 * (line_N2[nearest] + middle_2)
        painted = len(paint_N2) > 0 and np.linalg.norm(paint_N2 - between_2, axis=1).min() <= LINE_OFF_M
        if same_way and painted and abs(along) <= ABREAST_M and abs(across) > 0.5 * apart_m:
            side = "left" if across > 0.0 else "right"
            found[side] = min(found.get(side, (np.inf, "")), (abs(across), other))
    return {side: other for side, (_, other) in found.items()}


def _area(rims: Sequence[np.ndarray], low_2: np.ndarray, high_2: np.ndarray) -> tuple[np.ndarray, ...] | None:
    if not rims:
        return None
    near = [ring for rim in rims if len(ring := clip_ring(rim, low_2, high_2)) >= 3]
    return (joined_rings(near),) if near else ()


def _spaced(line_N2: np.ndarray, spacing_m: float) -> np.ndarray:
    return resample_line(line_N2, max(2, int(np.ceil(line_length_m(line_N2) / spacing_m)) + 1))


def _way(line_N2: np.ndarray) -> np.ndarray:
    way_2 = line_N2[-1] - line_N2[0]
    return np.asarray(way_2 / max(float(np.linalg.norm(way_2)), 1e-9))


def _points(points: Any) -> np.ndarray:
    """[N, 2] of points with two or three coordinates."""
    array_N2 = np.array([point[:2] for point in points], dtype=float)
    if array_N2.ndim != 2 or len(array_N2) < 2 or not np.isfinite(array_N2).all():
        raise ValueError(f"a line of shape {array_N2.shape}, or with a point that is not finite")
    return array_N2
