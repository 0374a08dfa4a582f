"""What `ar1-rl rewards new` writes: a reward that works, to be changed into one's own."""

TEMPLATE = '''"""Rewards of my own.

    ar1-rl check-rewards {file}:keeps_going
    ar1-rl grpo quickstart "rewards.terms.6={{reward: '{file}:keeps_going', weight: 0.5}}"
"""

from __future__ import annotations

import numpy as np

from ar1_rl.driving import DT_S, Completion, Scene
from rewards import Score


def keeps_going(completion: Completion, scene: Scene, tolerance_mps: float = 5.0) -> Score:
    """Speed as the expert's: 1 where it is equal, down to 0 where it is off by `tolerance_mps` on average.

    Return a Score, a plain number, or None where the scene lacks what you judge by; None is never counted as a zero.
    Higher is better. What is not declared below: the name is the function's, values lie in 0 to 1, and it is asked
    only about completions with a trajectory.
    """
    if scene.future_T3 is None:
        return Score(None, why="the scene has no expert future")
    assert completion.trajectory is not None, "needs = 'trajectory': it is not asked about others"
    off_mps = float(np.abs(_speed_mps(completion.trajectory.poses_T3) - _speed_mps(scene.future_T3)).mean())
    return Score(
        value=max(0.0, 1.0 - off_mps / tolerance_mps),
        parts={{"speed_error_mps": off_mps}},
        why=f"{{off_mps:.1f}} m/s off the expert's speed on average",
    )


# "trajectory": asked only about completions that can be decoded. "text": asked about every completion.
keeps_going.needs = "trajectory"  # type: ignore[attr-defined]
# The lowest and the highest value it can return; a value outside stops a run with an error.
keeps_going.value_range = (0.0, 1.0)  # type: ignore[attr-defined]

# Other forms. `async def`: all calls of a batch are in flight together. A class: constructed once with the arguments of
# the config, then called; with `state_dict()` and `load_state_dict(state)`, its state is saved with each checkpoint.
# `per_group = True`: called once per scene with the list of all completions, and returns a list of answers.


def _speed_mps(poses_T3: np.ndarray) -> np.ndarray:
    """Speed at each tick, from t0 on."""
    points = np.concatenate([np.zeros((1, 2)), poses_T3[:, :2]])
    return np.hypot(*np.diff(points, axis=0).T) / DT_S
'''
"""Written through `str.format` with `file`; it keeps every contract as it stands."""
