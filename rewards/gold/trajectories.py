"""From a recipe of the trajectory gold to poses, and from labelled segments to ticks.

Nothing of the library's dynamics is used: the measured code must not build the poses that it is measured on. Speed and
curvature are closed functions of time; plain kinematics (dyaw/dt = curvature * speed) on a fine grid does the rest.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

DT_S = 0.1
STEPS = 64
BORDER_S = 0.3
"""Ticks this close to the border between two segments are not counted."""

FINE_PER_TICK = 100
"""Integration steps per tick: the midpoint rule is then off by micrometres."""

DRIFT_M = 0.03
DRIFT_RAD = 0.002
DRIFT_PERIODS_S = (4.0, 9.0)
"""Slow wander of "gps" noise: amplitude per axis, and the range its period is drawn from."""

JITTER = {"gps": (0.003, 0.0005), "white": (0.005, 0.0005)}
"""Noise kind -> standard deviation of independent noise per pose, in x and y [m] and in yaw [rad]."""


def gold_trajectory(recipe: Mapping[str, Any]) -> np.ndarray:
    """Poses [64, 3] (x, y [m], yaw [rad]) at t = 0.1 ... 6.4 s; the start is the origin, heading along x.

    Args:
        recipe: `speed_mps` (nodes [t, value, "linear" or "eased"], the word saying how the node is reached),
            `curvature_per_m` (nodes [t, value]; two at one time are a jump), `curvature_sines` (one full period each,
            [from, to, amplitude], added) and `noise` (None, or `kind` and `seed`).
    """
    fine = FINE_PER_TICK * STEPS
    step_s = DT_S / FINE_PER_TICK
    middle_s = step_s * (np.arange(fine) + 0.5)
    speed = gold_speed(recipe, middle_s)
    yaw_rate = speed * gold_curvature(recipe, middle_s)
    yaw_end = step_s * np.cumsum(yaw_rate)
    yaw_middle = yaw_end - 0.5 * step_s * yaw_rate
    x = step_s * np.cumsum(speed * np.cos(yaw_middle))
    y = step_s * np.cumsum(speed * np.sin(yaw_middle))
    poses_T3 = np.column_stack([x, y, yaw_end])[FINE_PER_TICK - 1 :: FINE_PER_TICK]
    return poses_T3 if recipe["noise"] is None else poses_T3 + _noise(**recipe["noise"])


def gold_speed(recipe: Mapping[str, Any], times_s: np.ndarray) -> np.ndarray:
    """Signed speed [m/s] at `times_s`."""
    speed = np.full(times_s.shape, float(recipe["speed_mps"][0][1]))
    for (from_s, before, _), (to_s, after, manner) in pairwise(recipe["speed_mps"]):
        share = np.clip((times_s - from_s) / (to_s - from_s), 0.0, 1.0)
        if manner == "eased":
            share = 0.5 - 0.5 * np.cos(np.pi * share)
        speed = np.where(times_s >= from_s, before + (after - before) * share, speed)
    return speed


def gold_curvature(recipe: Mapping[str, Any], times_s: np.ndarray) -> np.ndarray:
    """Curvature [1/m] at `times_s`, positive to the left for forward motion."""
    curvature = np.zeros(times_s.shape)
    for (from_s, before), (to_s, after) in pairwise(recipe["curvature_per_m"]):
        if to_s > from_s:
            share = (times_s - from_s) / (to_s - from_s)
            inside = (times_s >= from_s) & (times_s <= to_s)
            curvature = np.where(inside, before + (after - before) * share, curvature)
    for from_s, to_s, amplitude in recipe["curvature_sines"]:
        inside = (times_s >= from_s) & (times_s <= to_s)
        phase = 2.0 * np.pi * (times_s - from_s) / (to_s - from_s)
        curvature = curvature + np.where(inside, amplitude * np.sin(phase), 0.0)
    return curvature


def gold_ticks(
    segments: Sequence[Mapping[str, Any]], open_s: Sequence[Sequence[float]]
) -> tuple[list[str], np.ndarray]:
    """The label of each of the 64 ticks, and which of them count [64].

    Args:
        segments: `action`, `from_s`, `to_s` each, in order and without gaps from 0 to 6.4 s.
        open_s: spans [from, to] on which the thresholds leave more than one reading.
    """
    times_s = DT_S * np.arange(1, STEPS + 1)
    starts_s = np.array([segment["from_s"] for segment in segments])
    labels = [segments[i]["action"] for i in np.searchsorted(starts_s, times_s) - 1]
    counted_T = np.ones(STEPS, dtype=bool)
    for border_s in starts_s[1:]:
        counted_T &= np.abs(times_s - border_s) > BORDER_S
    for from_s, to_s in open_s:
        counted_T &= (times_s < from_s) | (times_s > to_s)
    return labels, counted_T


def _noise(kind: str, seed: int) -> np.ndarray:
    """[64, 3], the same on every machine: the generator is the standard library's, whose stream is fixed."""
    draw = random.Random(seed)
    jitter_m, jitter_rad = JITTER[kind]
    times_s = DT_S * np.arange(1, STEPS + 1)
    columns = []
    for drift, jitter in ((DRIFT_M, jitter_m), (DRIFT_M, jitter_m), (DRIFT_RAD, jitter_rad)):
        column = np.array([draw.gauss(0.0, jitter) for _ in range(STEPS)])
        if kind == "gps":
            period_s, phase = draw.uniform(*DRIFT_PERIODS_S), draw.uniform(0.0, 2.0 * np.pi)
            column = column + drift * np.sin(2.0 * np.pi * times_s / period_s + phase)
        columns.append(column)
    return np.column_stack(columns)
