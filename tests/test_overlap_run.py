"""Runs whose critic is asked while the policy still writes, against the same runs without: real vLLM, TRL and HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from judge_server import JudgeServer, rubric_grade
from judged_run import judged_config

from recipes.cli import main
from recipes.grpo import RolloutLoop
from rollouts.store import read_rollouts

pytestmark = pytest.mark.engine

MEASURED = ("step_time", "wall_s", "request_s", "rollouts", "rewards", "update")
"""Figures of time, which no two runs share."""


@dataclass
class Run:
    """A finished run, when the judge was asked, and from when to when each batch was drawn."""

    folder: Path
    asked_s: list[float]
    drawn_s: list[tuple[float, float]]

    def rows(self) -> list[dict[str, Any]]:
        folders = (
            self.folder / "rollouts",
            *(self.folder / "evaluations" / n / "rollouts" for n in ("before", "after")),
        )
        rows = [row for folder in folders for row in read_rollouts(folder)]
        for row in rows:
            if row.get("critic.record"):
                row["critic.record"] = json.loads(row["critic.record"]) | {"seconds": None}
        return rows

    def metrics(self) -> list[dict[str, float]]:
        lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k.split("/")[-1] not in MEASURED} for line in lines]

    def weights(self) -> bytes:
        (file,) = (self.folder / "checkpoints" / "grpo-trainer").glob("*/model.safetensors")
        return file.read_bytes()


@pytest.fixture(scope="module")
def runs(taught_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Run]]:
    """Two steps with overlap on and off, before one judge that grades by what it reads."""
    found, folder = {}, tmp_path_factory.mktemp("overlap")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch, JudgeServer(grade=rubric_grade, latency_s=0.02) as judge:
        for overlap in (True, False):
            drawn_s: list[tuple[float, float]] = []
            draw = RolloutLoop.draw

            def noting(self: RolloutLoop, *given: Any, draw: Any = draw, drawn_s: Any = drawn_s, **more: Any) -> Any:
                began_s = time.monotonic()
                rollouts = draw(self, *given, **more)
                drawn_s.append((began_s, time.monotonic()))
                return rollouts

            patch.setattr(RolloutLoop, "draw", noting)
            patch.setattr("recipes.post_train._limit_threads", lambda config, ranks: torch.set_num_threads(1))
            raw = judged_config(
                taught_policy, judge.url,
                critic={"timeout_s": 30.0}, rollouts__engine="vllm", rollouts__overlap=overlap,
                grpo__steps=2, grpo__evaluate_every=2,
            )  # fmt: skip
            config, before = folder / f"{overlap}.yaml", len(judge.requests)
            config.write_text(yaml.safe_dump(raw))
            assert main(["grpo", str(config), "--out", str(folder / str(overlap))]) == 0
            asked_s = [request["received_s"] for request in judge.requests[before:]]
            found[overlap] = Run(folder / str(overlap), asked_s, drawn_s)
            patch.setattr(RolloutLoop, "draw", draw)
    torch.set_num_threads(threads)
    yield found


def test_rollouts_and_rewards_are_the_same_bit_for_bit(runs: dict[bool, Run]) -> None:
    on, off = runs[True].rows(), runs[False].rows()
    assert len(on) == 2 * 16 + 2 * 4 * 2 + 2 * 2 * 2, "training, validation, evaluation"
    assert on == off
    assert len({row["reward"] for row in on}) > 8 and any(row["trajectory_T3"] is not None for row in on)


def test_metrics_and_weights_are_the_same_bit_for_bit(runs: dict[bool, Run]) -> None:
    assert runs[True].metrics() == runs[False].metrics()
    assert runs[True].weights() == runs[False].weights()


def test_the_critic_is_asked_before_the_batch_has_been_drawn_only_with_overlap(runs: dict[bool, Run]) -> None:
    for overlap, run in runs.items():
        assert len(run.asked_s) >= 10 and len(run.drawn_s) == 2 + 2, "training and validation"
        early = sum(began_s < asked_s < ended_s for asked_s in run.asked_s for began_s, ended_s in run.drawn_s)
        assert early > 0.9 * len(run.asked_s) if overlap else early == 0, (overlap, early)
