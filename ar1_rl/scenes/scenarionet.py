"""ScenarioNet scenarios: driving logs of many data sets in one form, as pickles (Li et al. 2023; code Apache-2.0).

A log is a file `sd_*.pkl`, or any pickle in a folder called `scenarionet`; nothing but plain data is unpickled
(`plain_pickle.py`). The licence of the data is that of the set it was made from: nuScenes CC BY-NC-SA 4.0, Waymo Open
Motion its own, which forbids handing them on.

nuScenes: boxes are drawn at 2 Hz and interpolated to 10 Hz, so t0 lies at keyframes; the ego's pose is that of its rear
axle at 10 Hz, on a clock of its own, which is mended (`scenarionet_clock.py`). Length and width of the ego come
interchanged and are not read. There are neither crosswalks nor traffic lights in it. Other sets: everything is taken
to be on one clock, and the ego's pose to be the centre of its box.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.errors import SceneError

from .logs import Log, LogSource, Track, TrafficLight
from .plain_pickle import load
from .rigs import behind
from .scenarionet_clock import TICK_S, drawn_at, mended
from .scenarionet_map import read_features

NAMED = "sd_*.pkl"
FOLDER = "scenarionet"
SUMMARIES = ("dataset_summary.pkl", "dataset_mapping.pkl")
"""Lists of the scenarios beside them."""

NUSCENES = "nuscenes"
NUSCENES_TICKS_PER_KEYFRAME = 5
NUSCENES_EGO_SIZE_M = (4.084, 1.73)
NUSCENES_EGO_CENTER_AHEAD_M = 1.385
"""Renault Zoe: half the length less the rear overhang of 0.657 m."""
CENTER_AHEAD_PER_LENGTH = 0.28
"""Of other cars: from the rear axle to the box centre as a share of the length, as in Argoverse and KITTI."""

KINDS = {
    "vehicle.truck": "truck",
    "vehicle.construction": "truck",
    "vehicle.trailer": "truck",
    "vehicle.emergency.ambulance": "truck",
    "vehicle.bus.rigid": "bus",
    "vehicle.bus.bendy": "bus",
    "vehicle.motorcycle": "motorcycle",
    "vehicle.bicycle": "bicycle",
}
"""nuScenes' category -> agent kind; of all others, and of other data sets, `TYPES` tells."""
TYPES = {"VEHICLE": "car", "PEDESTRIAN": "pedestrian", "CYCLIST": "bicycle"}
"""ScenarioNet's type -> agent kind; all others (cones, barriers, ...) are "other"."""
LIGHTS = {"STOP": "red", "RED": "red", "CAUTION": "yellow", "YELLOW": "yellow", "GO": "green", "GREEN": "green"}
"""Last word of a light's state -> our name for it; all others are "unknown"."""


def find(root: Path) -> list[Path]:
    """Scenario files anywhere beneath `root`."""
    paths = {*root.rglob(NAMED), *root.rglob(f"{FOLDER}/*.pkl")}
    if root.name == FOLDER:
        paths |= set(root.glob("*.pkl"))
    return sorted(path for path in paths if path.name not in SUMMARIES)


def read(path: Path) -> Log:
    """The log in a scenario file; raises SceneError naming file and reason."""
    content = load(path)
    try:
        return _log(path, content)
    except SceneError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SceneError(f"{path}: is no ScenarioNet scenario: {type(error).__name__} {error}") from error


def _log(path: Path, content: Mapping[str, Any]) -> Log:
    facts = content["metadata"]
    times_s_N = np.asarray(facts["ts"], dtype=float)
    if times_s_N.ndim != 1 or (np.diff(times_s_N) <= 0.0).any() or not np.isfinite(times_s_N).all():
        raise ValueError(f"metadata.ts has shape {times_s_N.shape}, or is not finite, or does not increase")
    ego_id = facts["sdc_id"]
    ego_s_N, ego_N3, ego_size_m = _seen(content["tracks"][ego_id]["state"], times_s_N)
    of_nuscenes = facts.get("dataset") == NUSCENES
    others = {str(key): track for key, track in content["tracks"].items() if key != ego_id}
    tracks = [track for key, item in others.items() if (track := _track(key, item, times_s_N)) is not None]
    keyframes_s_K = None
    if of_nuscenes:
        if len(ego_s_N) != len(times_s_N) or not np.allclose(np.diff(times_s_N), TICK_S, atol=1e-3):
            raise ValueError(f"a nuScenes scenario has the ego at every tick of {TICK_S} s")
        drawn_s_K = times_s_N[::NUSCENES_TICKS_PER_KEYFRAME]
        mended_s_M, count = mended(ego_N3)
        ego_s_N, ego_N3 = times_s_N[0] + mended_s_M, ego_N3[:count]
        # t0 is the first ego pose at or after a keyframe; both stay samples of the past.
        drawn_s_K = drawn_s_K[(drawn_s_K >= ego_s_N[0] - 1e-6) & (drawn_s_K <= ego_s_N[-1] + 1e-6)]
        keyframes_s_K = ego_s_N[np.searchsorted(ego_s_N, drawn_s_K - 1e-6)]
        tracks = [_drawn(track, drawn_s_K, keyframes_s_K) for track in tracks]
        ego_size_m, ahead_m = NUSCENES_EGO_SIZE_M, NUSCENES_EGO_CENTER_AHEAD_M
    else:
        ahead_m = CENTER_AHEAD_PER_LENGTH * ego_size_m[0]
        ego_N3 = behind(ego_N3, ahead_m)
    lanes, area, crosswalks = read_features(content["map_features"], ego_N3[:, :2])
    return Log(
        source=SOURCE.name,
        name=path.stem,
        path=str(path),
        start_us=0,
        times_s_N=ego_s_N,
        poses_N3=ego_N3,
        keyframes_s_K=keyframes_s_K,
        tracks=tuple(tracks),
        lanes=lanes,
        drivable_area=area,
        crosswalks=crosswalks,
        lights=None if of_nuscenes else _lights(content["dynamic_map_states"], times_s_N),
        ego_size_m=ego_size_m,
        ego_center_ahead_m=ahead_m,
    )


def _seen(state: Mapping[str, Any], times_s_N: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """Times and poses of a track where it is valid, and its median length and width there."""
    valid_N = np.asarray(state["valid"], dtype=float) > 0.5
    position_N3, yaw_N = np.asarray(state["position"], dtype=float), np.asarray(state["heading"], dtype=float)
    sizes_N2 = np.column_stack([np.asarray(state[name], dtype=float).reshape(-1) for name in ("length", "width")])
    if not len(valid_N) == len(position_N3) == len(yaw_N) == len(sizes_N2) == len(times_s_N):
        raise ValueError(f"a track has {len(position_N3)} positions at {len(times_s_N)} times")
    poses_N3 = np.column_stack([position_N3[:, :2], yaw_N.reshape(-1)])[valid_N]
    if not np.isfinite(poses_N3).all():
        raise ValueError("a track has a pose that is not finite")
    length_m, width_m = np.median(sizes_N2[valid_N], axis=0) if valid_N.any() else (0.0, 0.0)
    return times_s_N[valid_N], poses_N3, (float(length_m), float(width_m))


def _track(track_id: str, item: Mapping[str, Any], times_s_N: np.ndarray) -> Track | None:
    """None where it is never valid."""
    seen_s_N, poses_N3, (length_m, width_m) = _seen(item["state"], times_s_N)
    if len(seen_s_N) == 0:
        return None
    category = str(item.get("metadata", {}).get("type", ""))
    return Track(
        track_id=track_id,
        kind=KINDS.get(category) or TYPES.get(str(item["type"]), "other"),
        length_m=length_m,
        width_m=width_m,
        times_s_N=seen_s_N,
        poses_N3=poses_N3,
    )


def _drawn(track: Track, drawn_s_K: np.ndarray, moments_s_K: np.ndarray) -> Track:
    times_s_N, poses_N3 = drawn_at(track.times_s_N, track.poses_N3, drawn_s_K, moments_s_K)
    return Track(**{**vars(track), "times_s_N": times_s_N, "poses_N3": poses_N3})


def _lights(items: Mapping[str, Mapping[str, Any]], times_s_N: np.ndarray) -> tuple[TrafficLight, ...]:
    lights = []
    for key, item in items.items():
        states = item["state"]["object_state"]
        if len(states) != len(times_s_N):
            raise ValueError(f"light {key} has {len(states)} states at {len(times_s_N)} times")
        lights.append(
            TrafficLight(
                light_id=str(key),
                lane_id=str(item["lane"]),
                position_2=np.asarray(item["stop_point"], dtype=float)[:2],
                times_s_N=times_s_N,
                states_N=tuple(LIGHTS.get(str(state).rsplit("_", 1)[-1], "unknown") for state in states),
            )
        )
    return tuple(lights)


SOURCE = LogSource(
    name="scenarionet",
    find=find,
    name_of=lambda path: path.stem,
    read=read,
    layout=f"{NAMED}, or {FOLDER}/*.pkl",
)
