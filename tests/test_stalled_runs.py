"""A part of a run that never comes back is named within the set time, and the run ends with exit code 1."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from dying_run import Moment, run
from tiny import TinyPolicy

pytestmark = [pytest.mark.slow, pytest.mark.engine]

LIMIT_S = 25.0
OWN = '''
import time

def hangs(completion, scene):
    """A reward that computes for ever."""
    time.sleep(600)
    return 0.0

def scenes(split):
    """A source whose file server is gone."""
    if split == "train":
        time.sleep(600)
    from ar1_rl.scenes.synthetic import generate_scenes
    return generate_scenes(0, split, 2)
'''


def write_config(policy: TinyPolicy, folder: Path, changes: dict[str, Any]) -> Path:
    (folder / "own.py").write_text(OWN)
    raw = {
        "recipe": "test",
        "scenes": {"train": 4, "validation": 1, "test": 1},
        "policy": {"path": str(policy.path)},
        "rollouts": {"engine": "transformers", "max_completion_tokens": 16},
        "rewards": {"terms": [{"reward": "format"}]},
        "grpo": {"steps": 4, "scenes_per_step": 2, "samples_per_scene": 2, "evaluate_every": 2},
        "eval": {"samples_per_scene": 2, "resamples": 100},
        "launch": {"timeout_s": LIMIT_S, "threads": 1},
    } | changes
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(raw).replace("OWN", f"{folder}/own.py"))
    return config


@pytest.mark.parametrize(
    ("changes", "moment", "doing", "where"),
    [
        ({"scenes": {"source": "OWN:scenes"}}, None, "scenes of the train split", r"own.py.* in scenes"),
        (
            {"rewards": {"terms": [{"reward": "OWN:hangs", "needs": "text"}]}},
            None, "validation at step 0, rewards", r"own.py.* in hangs",
        ),
        ({}, ("checkpoint_hangs", "checkpoint-2"), "grpo step 2, checkpoint", r"trainer.py.* in _save_checkpoint"),
        ({}, ("engine_start_hangs", "policy"), "loading the policy and starting its engine", "in _post_train"),
    ],
    ids=["a source of scenes", "a reward", "the disk under a checkpoint", "loading the policy"],
)  # fmt: skip
def test_what_hangs_is_named_in_time(
    tiny_policy: TinyPolicy,
    tmp_path: Path,
    changes: dict[str, Any],
    moment: Moment | None,
    doing: str,
    where: str,
) -> None:
    config = write_config(tiny_policy, tmp_path, changes)
    started_s = time.monotonic()
    assert run(["grpo", str(config), "--out", str(tmp_path / "run")], tmp_path / "log", moment) == 1
    log = (tmp_path / "log").read_text()
    assert re.search(rf"rank 0 on .*: {doing}, for \d+ s. It has stalled: .* 25 s \(launch.timeout_s\)", log), log
    assert re.search(where, log), f"the line on which it stands: {log}"
    assert time.monotonic() - started_s < 6 * LIMIT_S
