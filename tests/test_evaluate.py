"""Metrics of an evaluation by hand, and the summary's format."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import tiny
from rich.console import Console

from ar1_rl.driving import Completion, Trajectory
from ar1_rl.errors import DecodeError
from recipes.evaluate import METRICS, Evaluation, evaluate, paired_differences
from recipes.graders import Graders
from recipes.run_config import EvalConfig
from recipes.stopping import StopFlag, Stopped
from rewards.score import Score
from rollouts.record import Rollout

SCENES = tiny.scenes(2)
K = 3


@dataclass
class ScriptedPolicy:
    """Answers from a script: per scene, K metres of sideways offset from the expert; None is undecodable."""

    offsets: list[list[float | None]]
    likelihoods: list[float]
    version: str = "scripted"
    engine: object = field(init=False)

    def __post_init__(self) -> None:
        self.engine = self

    def logprobs(self, prompts: object, completions: object, progress: object) -> list[tuple[float, ...]]:
        return [(value, 0.0) for value in self.likelihoods]

    def rollouts(self, scenes: list, samples: list, *, run_seed: int, step: int, progress: object) -> list[Rollout]:
        flat = [offset for row in self.offsets for offset in row]
        return [
            Rollout(
                scene_id=scene.id, episode=scene.episode, t0_us=0, sample=number, seed=0, step=step, policy_version="x",
                prompt_text="", prompt_token_ids=(1,), logprobs=(0.0,), completion=completion(scene, offset),
            )
            for scene, number, offset in zip(scenes, samples, flat, strict=True)
        ]  # fmt: skip


def completion(scene: object, offset: float | None) -> Completion:
    if offset is None:
        return Completion(text="", token_ids=(1,), reasoning=None, trajectory=None, error=DecodeError("no end"))
    poses = scene.future_T3 + np.array([0.0, offset, 0.0])  # type: ignore[attr-defined]
    return Completion(text="", token_ids=(1,), reasoning="x", trajectory=Trajectory(poses, "tokens"), error=None)


def graded(completions: list[Completion], scenes: list) -> list[Score]:
    return [Score(None if c.trajectory is None else 3.0) for c in completions]


def consistent(completions: list[Completion], scenes: list) -> list[Score]:
    return [Score(0.0 if c.trajectory is None else 1.0) for c in completions]


def run(policy: ScriptedPolicy, stop: StopFlag | None = None) -> Evaluation:
    return evaluate(
        policy,  # type: ignore[arg-type]
        SCENES,
        Graders(consistency=consistent, reasoning=graded),
        EvalConfig(samples_per_scene=K),
        run_seed=0,
        step=0,
        label="before",
        store=None,
        console=Console(quiet=True),
        stop=stop or StopFlag(),
    )


def test_the_most_likely_rollout_is_the_one_with_the_largest_sum_of_logprobs() -> None:
    policy = ScriptedPolicy([[1.0, 2.0, 4.0], [3.0, None, 1.5]], [-9.0, -1.0, -5.0, -2.0, -7.0, -3.0])
    means = run(policy)
    assert means.per_scene["ade_m"] == pytest.approx([2.0, 3.0])
    assert means.per_scene["ade_m_mean"] == pytest.approx([7.0 / 3.0, 2.25])
    assert means.per_scene["minade6_m"] == pytest.approx([1.0, 1.5])
    assert [r.sample for r in means.most_likely] == [1, 0]


def test_an_undecodable_rollout_is_inconsistent_ungraded_and_without_geometry() -> None:
    policy = ScriptedPolicy([[None, 0.0, 0.0], [0.0, 0.0, 0.0]], [0.0, -1.0, -1.0, 0.0, -1.0, -1.0])
    result = run(policy).per_scene
    assert result["consistency"].tolist() == [0.0, 1.0]
    assert result["consistency_mean"] == pytest.approx([2 / 3, 1.0])
    assert np.isnan(result["ade_m"][0]) and result["ade_m"][1] == 0.0
    assert np.isnan(result["reasoning_score"][0]) and result["reasoning_score_mean"].tolist() == [3.0, 3.0]
    assert result["parse_rate"] == pytest.approx([2 / 3, 1.0])
    assert result["critic_coverage"] == pytest.approx([2 / 3, 1.0])


def test_differences_are_paired_and_leave_out_pairs_that_one_side_lacks() -> None:
    before = run(ScriptedPolicy([[2.0] * K, [None] * K], [0.0] * 6))
    after = run(ScriptedPolicy([[0.5] * K, [1.0] * K], [0.0] * 6))
    differences = paired_differences(before, after, resamples=200)
    assert set(differences) == set(METRICS)
    assert differences["ade_m"] == {
        "mean": -1.5,
        "ci95": [-1.5, -1.5],
        "p": pytest.approx(1.0, abs=1.0),
        "pairs": 1,
        "left_out": 1,
    }
    assert differences["consistency"]["mean"] == 0.5


def test_a_figure_that_no_pair_supports_is_null_and_not_a_number() -> None:
    nothing = run(ScriptedPolicy([[None] * K, [None] * K], [0.0] * 6))
    assert nothing.means()["ade_m"] is None
    assert paired_differences(nothing, nothing, resamples=200)["ade_m"]["ci95"] == [None, None]


def test_a_signal_stops_an_evaluation_between_rollouts() -> None:
    flag = StopFlag()
    flag.signal_name = "SIGTERM"
    policy = ScriptedPolicy([[0.0] * K, [0.0] * K], [0.0] * 6)
    original = policy.rollouts

    def reporting(*args: object, progress, **kwargs: object) -> list[Rollout]:  # type: ignore[no-untyped-def]
        progress(1)
        return original(*args, progress=progress, **kwargs)  # type: ignore[arg-type]

    policy.rollouts = reporting  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="SIGTERM"):
        run(policy, flag)
