"""The ego's own clock in nuScenes scenarios of ScenarioNet, mended: when each of its poses was really driven.

ScenarioNet takes the ego's poses from nuScenes' CAN bus, every fifth of the messages that come at 50 Hz, and calls them
0.1 s apart from the first keyframe on. Three things are wrong with that, and each can be read off the poses:

- A message that was lost makes one step a fifth longer than its neighbours: from there on all poses are 0.02 s late.
- Where the bus has fewer messages than the scene has ticks, the last poses are those of the keyframes, on the clock of
  the boxes; at the seam the ego seems to jump, by the time that its own clock is off (0.15 to 0.3 s).
- So the first message lies off the first keyframe by what the lost ones do not explain.

Legend: N poses, K keyframes.
"""

from __future__ import annotations

import numpy as np

TICK_S = 0.1
LOST_S = 0.02
"""One message of the CAN bus at 50 Hz."""
LEAST_STEP_M = 0.2
"""Steps shorter than this (2 m/s) are not looked at: a lost message then moves the ego by less than 4 cm."""
NEIGHBOURS = 3
"""On each side; the step that is right is their median."""
SHORTER = 0.1
MOST_LOST = 3
SEAM_TICKS = 20
"""In the last two seconds, a step that is shorter by more than this share, or longer by more than so many messages, is
the seam. One that is only a little longer reads as lost messages, and the poses behind it stay up to 0.06 s off."""


def mended(poses_N3: np.ndarray) -> tuple[np.ndarray, int]:
    """Times [M] of the first M poses on the clock of the boxes, and M: poses behind the seam are left out.

    Args:
        poses_N3: the ego at every tick, on ScenarioNet's clock.
    """
    if len(poses_N3) < 2:
        return TICK_S * np.arange(len(poses_N3)), len(poses_N3)
    step_N = _forward_steps(poses_N3)
    usual_N = _usual(step_N)
    longer_N = np.where(usual_N >= LEAST_STEP_M, step_N / np.maximum(usual_N, LEAST_STEP_M) - 1.0, 0.0)
    lost_N = np.maximum(np.round(longer_N * TICK_S / LOST_S), 0.0)
    odd_N = np.flatnonzero((longer_N < -SHORTER) | (lost_N > MOST_LOST))
    odd_N = odd_N[odd_N >= len(step_N) - SEAM_TICKS]
    seam = int(odd_N[0]) if len(odd_N) else None
    count = len(poses_N3) if seam is None else seam + 1
    times_s_M = TICK_S * np.arange(count)
    times_s_M[1:] += LOST_S * np.cumsum(lost_N[: count - 1])
    if seam is not None:
        # The pose behind the seam is right; the one before it is as old as the way between them says.
        reached_s = TICK_S * (seam + 1) - step_N[seam] / usual_N[seam] * TICK_S
        times_s_M += reached_s - times_s_M[-1]
    return times_s_M, count


def _forward_steps(poses_N3: np.ndarray) -> np.ndarray:
    """[N - 1] way along the heading from each pose to the next [m]."""
    yaw_N = np.unwrap(poses_N3[:, 2])
    middle_N = 0.5 * (yaw_N[1:] + yaw_N[:-1])
    moved_N2 = np.diff(poses_N3[:, :2], axis=0)
    return np.cos(middle_N) * moved_N2[:, 0] + np.sin(middle_N) * moved_N2[:, 1]


def _usual(step_N: np.ndarray) -> np.ndarray:
    padded = np.pad(step_N, NEIGHBOURS, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1)


def drawn_at(
    times_s_N: np.ndarray, poses_N3: np.ndarray, drawn_s_K: np.ndarray, moments_s_K: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A track with a pose at each moment too, from what was drawn up to then.

    Boxes are drawn at keyframes and interpolated between them. At a moment just after a keyframe the next one is not
    known yet, so the box goes on as it came to the keyframe; what the track had in between is left out.

    Args:
        times_s_N: of the track, interpolated.
        poses_N3: likewise.
        drawn_s_K: the keyframes.
        moments_s_K: a moment for each, at it or a little later.
    """
    keep_N = np.ones(len(times_s_N), dtype=bool)
    more_s, more_poses = [], []
    for drawn_s, moment_s in zip(drawn_s_K, moments_s_K, strict=True):
        at = int(np.searchsorted(times_s_N, drawn_s - TICK_S / 2.0))
        late = moment_s - drawn_s
        if late < 1e-6 or at == len(times_s_N) or abs(times_s_N[at] - drawn_s) > TICK_S / 2.0:
            continue
        pose = poses_N3[at].copy()
        if at > 0 and times_s_N[at] - times_s_N[at - 1] < 1.5 * TICK_S:
            moved = poses_N3[at] - poses_N3[at - 1]
            moved[2] = (moved[2] + np.pi) % (2.0 * np.pi) - np.pi
            pose += moved * late / (times_s_N[at] - times_s_N[at - 1])
        keep_N &= (times_s_N <= drawn_s + 1e-6) | (times_s_N > moment_s + 1e-6)
        more_s.append(moment_s)
        more_poses.append(pose)
    if not more_s:
        return times_s_N, poses_N3
    all_s = np.concatenate([times_s_N[keep_N], more_s])
    order = np.argsort(all_s, kind="stable")
    return all_s[order], np.concatenate([poses_N3[keep_N], more_poses])[order]
