"""Logs to scenes: resampled to 10 Hz, cut into windows of 16 history and 64 future poses, seen from the ego at t0.

Nothing in an observation depends on what came after t0: t0 is a time at which the log was sampled, so the history is
interpolated between samples up to t0, and what is near is chosen by where the ego was up to t0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ar1_rl.driving.scene import SCENE_STEPS, Agent, Control, Lane, Scene, observe
from ar1_rl.driving.trajectory import DT_S, FUTURE_STEPS, HISTORY_STEPS, points_to_frame, to_frame
from ar1_rl.errors import ConfigError

from .log_frames import frames_up_to
from .logs import Log, Track
from .roads import crosswalk_controls, light_controls

_TIME_TOLERANCE_S = 1e-6
T0_TICK = HISTORY_STEPS - 1


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """How logs are cut. The lengths follow from the scene clock: 1.5 s before t0 and 6.4 s after it."""

    stride_s: float = 0.5
    """Time between the t0 of two windows, to within half a planning period, since t0 must be a keyframe."""
    max_gap_s: float = 0.35
    """Samples further apart are not interpolated: at 25 m/s and 3 m/s^2 a straight line is then off by 5 cm."""
    max_speed_mps: float = 70.0
    """Ego poses that ask for more are a jump of the localisation."""
    max_acceleration_mps2: float = 12.0
    """Speed steps that ask for more are measurement noise: tyres give about 1 g."""
    range_m: float = 80.0
    """Lanes, agents and crosswalks up to this distance belong to the scene."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0.0:
                raise ConfigError(f"{name}: got {value!r}, allowed is any number above 0")


def resample(times_s_N: np.ndarray, poses_N3: np.ndarray, ticks_s_T: np.ndarray, max_gap_s: float) -> np.ndarray:
    """Poses [T, 3] at `ticks_s_T`, linear in x, y and the unwrapped yaw; NaN outside the samples and inside gaps."""
    if len(times_s_N) == 1:
        hit_T = np.abs(ticks_s_T - times_s_N[0]) <= _TIME_TOLERANCE_S
        return np.where(hit_T[:, None], poses_N3[0], np.nan)
    poses_N3 = np.column_stack([poses_N3[:, :2], np.unwrap(poses_N3[:, 2])])
    before_T = np.clip(np.searchsorted(times_s_N, ticks_s_T, side="right") - 1, 0, len(times_s_N) - 2)
    gap_T = times_s_N[before_T + 1] - times_s_N[before_T]
    since_T = ticks_s_T - times_s_N[before_T]
    inside_T = (since_T >= -_TIME_TOLERANCE_S) & (since_T <= gap_T + _TIME_TOLERANCE_S)
    on_sample_T = (np.abs(since_T) <= _TIME_TOLERANCE_S) | (np.abs(since_T - gap_T) <= _TIME_TOLERANCE_S)
    weight_T1 = np.clip(since_T / gap_T, 0.0, 1.0)[:, None]
    poses_T3 = poses_N3[before_T] * (1.0 - weight_T1) + poses_N3[before_T + 1] * weight_T1
    return np.where((inside_T & ((gap_T <= max_gap_s) | on_sample_T))[:, None], poses_T3, np.nan)


DEFAULT_WINDOWS = WindowConfig()


def cut_windows(log: Log, config: WindowConfig = DEFAULT_WINDOWS) -> tuple[list[Scene], Counter[str]]:
    """Scenes of a log, and the number of skipped windows (or 1 for a whole log) by reason, the log named in it."""
    skipped: Counter[str] = Counter()
    needed_s = (SCENE_STEPS - 1) * DT_S
    if log.duration_s < needed_s - _TIME_TOLERANCE_S:
        skipped[f"{log.path}: {log.duration_s:.1f} s long, a window takes {needed_s:.1f} s"] = 1
        return [], skipped
    scenes = []
    for t0_s in _starts(log, config.stride_s):
        if t0_s is None:
            skipped[f"{log.path}: windows without a keyframe at t0"] += 1
            continue
        ticks_s_T = t0_s + DT_S * (np.arange(SCENE_STEPS) - T0_TICK)
        world_T3 = resample(log.times_s_N, log.poses_N3, ticks_s_T, config.max_gap_s)
        fault = _fault(world_T3, config)
        if fault is None:
            scenes.append(_scene(log, t0_s, ticks_s_T, world_T3, config))
        else:
            skipped[f"{log.path}: windows over {fault}"] += 1
    if not scenes and not skipped:
        skipped[
            f"{log.path}: no keyframe has {T0_TICK * DT_S:.1f} s before and {FUTURE_STEPS * DT_S:.1f} s after it"
        ] = 1
    return scenes, skipped


def _fault(world_T3: np.ndarray, config: WindowConfig) -> str | None:
    """Why the ego poses of a window cannot be used, or None."""
    if not np.isfinite(world_T3).all():
        return f"a gap of more than {config.max_gap_s} s"
    speed_T = np.linalg.norm(np.diff(world_T3[:, :2], axis=0), axis=1) / DT_S
    if speed_T.max() > config.max_speed_mps:
        return f"a jump of more than {config.max_speed_mps} m/s"
    if np.abs(np.diff(speed_T)).max() > config.max_acceleration_mps2 * DT_S:
        return f"a jitter of more than {config.max_acceleration_mps2} m/s^2"
    return None


def _starts(log: Log, stride_s: float) -> Iterator[float | None]:
    """The keyframe nearest to each multiple of the stride with room for a window, None where there is none near."""
    keyframes_s_K = log.t0_s_K
    first = log.times_s_N[0] + T0_TICK * DT_S - _TIME_TOLERANCE_S
    last = log.times_s_N[-1] - FUTURE_STEPS * DT_S + _TIME_TOLERANCE_S
    keyframes_s_K = keyframes_s_K[(keyframes_s_K >= first) & (keyframes_s_K <= last)]
    if not len(keyframes_s_K):
        return
    count = int((keyframes_s_K[-1] - keyframes_s_K[0] + DT_S / 2.0) / stride_s) + 1
    for target_s in keyframes_s_K[0] + stride_s * np.arange(count):
        nearest_s = keyframes_s_K[np.abs(keyframes_s_K - target_s).argmin()]
        yield float(nearest_s) if abs(nearest_s - target_s) <= DT_S else None


def _scene(log: Log, t0_s: float, ticks_s_T: np.ndarray, world_T3: np.ndarray, config: WindowConfig) -> Scene:
    origin_3 = world_T3[T0_TICK]
    ego_T3 = to_frame(world_T3, origin_3)
    lanes_all = None if log.lanes is None else _lanes_in_frame(log.lanes, origin_3)
    lanes_ahead = None if lanes_all is None else _lanes_near(lanes_all, ego_T3, config.range_m)
    lanes_seen = None if lanes_all is None else _lanes_near(lanes_all, ego_T3[T0_TICK : T0_TICK + 1], config.range_m)
    agents, agents_seen = None, None
    if log.tracks is not None:
        everyone = [_agent(track, ticks_s_T, origin_3, config.max_gap_s) for track in log.tracks]
        agents = tuple(a for a in everyone if _comes_near(a, ego_T3, slice(None), config.range_m))
        agents_seen = tuple(a for a in everyone if _comes_near(a, ego_T3, slice(HISTORY_STEPS), config.range_m))
    controls = None if lanes_seen is None else _controls(log, lanes_seen, origin_3, ticks_s_T, config)
    polygons = None
    if log.drivable_area is not None:
        polygons = tuple(points_to_frame(polygon, origin_3) for polygon in log.drivable_area)
        polygons = tuple(p for p in polygons if _box_distance_m(p, ego_T3[:, :2]) <= config.range_m)
    t0_us = log.start_us + round(t0_s * 1e6)
    return Scene(
        id=f"{log.episode}@{t0_us}",
        source=log.source,
        episode=log.episode,
        t0_us=t0_us,
        observation=observe(
            history_T3=ego_T3[:HISTORY_STEPS],
            route="unknown",
            lanes=lanes_seen,
            agents=agents_seen,
            controls=controls,
            frames=frames_up_to(log.cameras, t0_s),
        ),
        future_T3=ego_T3[HISTORY_STEPS:],
        agents=agents,
        lanes=lanes_ahead,
        drivable_area=polygons,
        controls=controls,
        ego_size_m=log.ego_size_m,
        ego_center_ahead_m=log.ego_center_ahead_m,
    )


def _controls(
    log: Log, lanes: tuple[Lane, ...], origin_3: np.ndarray, ticks_s_T: np.ndarray, config: WindowConfig
) -> tuple[Control, ...] | None:
    """Crosswalks and traffic lights on the lanes ahead of the ego; None where the log knows neither."""
    if log.crosswalks is None and log.lights is None:
        return None
    walks = crosswalk_controls(lanes, log.crosswalks or (), origin_3, config.range_m)
    return walks + light_controls(lanes, log.lights or (), origin_3, ticks_s_T, config.range_m, config.max_gap_s)


def _agent(track: Track, ticks_s_T: np.ndarray, origin_3: np.ndarray, max_gap_s: float) -> Agent:
    poses_T3 = to_frame(resample(track.times_s_N, track.poses_N3, ticks_s_T, max_gap_s), origin_3)
    return Agent(
        track_id=track.track_id,
        kind=track.kind,
        length_m=track.length_m,
        width_m=track.width_m,
        poses_T3=poses_T3,
    )


def _comes_near(agent: Agent, ego_T3: np.ndarray, ticks: slice, range_m: float) -> bool:
    distance_T = np.linalg.norm(agent.poses_T3[ticks, :2] - ego_T3[ticks, :2], axis=1)
    return bool((distance_T <= range_m).any())


def _lanes_in_frame(lanes: tuple[Lane, ...], origin_3: np.ndarray) -> tuple[Lane, ...]:
    return tuple(replace(lane, centerline_N2=points_to_frame(lane.centerline_N2, origin_3)) for lane in lanes)


def _lanes_near(lanes: tuple[Lane, ...], ego_T3: np.ndarray, range_m: float) -> tuple[Lane, ...]:
    near = [
        lane
        for lane in lanes
        if (np.linalg.norm(lane.centerline_N2[:, None] - ego_T3[None, :, :2], axis=2) <= range_m).any()
    ]
    return tuple(near)


def _box_distance_m(polygon_N2: np.ndarray, points_T2: np.ndarray) -> float:
    """Least distance [m] from the points to the polygon's bounding box: 0 inside it."""
    low, high = polygon_N2.min(axis=0), polygon_N2.max(axis=0)
    outside_T2 = np.maximum(np.maximum(low - points_T2, points_T2 - high), 0.0)
    return float(np.linalg.norm(outside_T2, axis=1).min())
