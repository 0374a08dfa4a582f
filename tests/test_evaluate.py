"""Metrics of an evaluation by hand, and the summary's format."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rich.console import Console

from ar1_rl.driving import Completion, Trajectory
from ar1_rl.errors import ConfigError, DecodeError, RunError
from ar1_rl.metrics.catalogue import CATALOGUE
from recipes.eval_config import EvalConfig
from recipes.evaluate import METRICS, Evaluating, answers, evaluate, header_of, paired_differences
from recipes.evaluation_folder import (
    Evaluation,
    EvaluationFolder,
    Header,
    answers_in,
    evaluations_in,
    read_evaluation,
    rollouts_of,
)
from recipes.graders import Graders
from recipes.stopping import StopFlag, Stopped
from rewards.score import Score
from rollouts.config import SamplingConfig
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
    sampling: SamplingConfig = field(default_factory=lambda: SamplingConfig(temperature=0.6))
    drawn: list[str] = field(default_factory=list)
    """Scene of every rollout that was asked for."""

    def __post_init__(self) -> None:
        self.engine = self

    def logprobs(self, prompts: object, completions: object, *_: object, **__: object) -> list[tuple[float, ...]]:
        first = len(self.drawn) - len(completions)  # type: ignore[arg-type]
        place = 0 if self.drawn[first] == SCENES[0].id else K
        return [(value, 0.0) for value in self.likelihoods[place : place + len(completions)]]  # type: ignore[arg-type]

    def rollouts(self, scenes: list, samples: list, *, run_seed: int, step: int, progress: object) -> list[Rollout]:
        at = [next(i for i, s in enumerate(SCENES) if s is scene) for scene in scenes]
        flat = [self.offsets[place][number] for place, number in zip(at, samples, strict=True)]
        self.drawn.extend(scene.id for scene in scenes)
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


def job(policy: ScriptedPolicy, **settings: object) -> Evaluating:
    return Evaluating(
        policy=policy,  # type: ignore[arg-type]
        graders=Graders({"reasoning_score": graded, "consistency": consistent}),
        config=EvalConfig(samples_per_scene=K, **settings),  # type: ignore[arg-type]
        run_seed=0,
        step=0,
        label="before",
    )


def header(job: Evaluating) -> Header:
    return header_of(job, policy="here", training_seed=None, rewards=None)


def run(policy: ScriptedPolicy, folder: Path, stop: StopFlag | None = None) -> Evaluation:
    doing, evaluation = job(policy), EvaluationFolder(folder)
    evaluation.begin({"policy": id(policy)}, anew=True)
    evaluate(doing, lambda skip: SCENES[skip:], 2, evaluation, Console(quiet=True), stop or StopFlag())
    return evaluation.finish(header(doing))


def test_the_most_likely_rollout_is_the_one_with_the_largest_sum_of_logprobs(tmp_path: Path) -> None:
    policy = ScriptedPolicy([[1.0, 2.0, 4.0], [3.0, None, 1.5]], [-9.0, -1.0, -5.0, -2.0, -7.0, -3.0])
    means = run(policy, tmp_path)
    assert means.per_scene["ade_m"] == pytest.approx([2.0, 3.0])
    assert means.per_scene["ade_m_mean"] == pytest.approx([7.0 / 3.0, 2.25])
    assert means.per_scene["minade6_m"] == pytest.approx([1.0, 1.5])
    answers = [row["sample"] for row in rollouts_of(tmp_path) if row["answers"]]
    assert answers == [1, 0]
    shown = answers_in(tmp_path, [SCENES[1].id, SCENES[0].id])
    offsets = [
        a.completion.trajectory.poses_T3[0, 1] - s.future_T3[0, 1] for a, s in zip(shown, SCENES[::-1], strict=True)
    ]
    assert offsets == pytest.approx([3.0, 2.0])


def test_an_undecodable_rollout_is_inconsistent_ungraded_and_without_geometry(tmp_path: Path) -> None:
    policy = ScriptedPolicy([[None, 0.0, 0.0], [0.0, 0.0, 0.0]], [0.0, -1.0, -1.0, 0.0, -1.0, -1.0])
    result = run(policy, tmp_path).per_scene
    assert result["consistency"].tolist() == [0.0, 1.0]
    assert result["consistency_mean"] == pytest.approx([2 / 3, 1.0])
    assert np.isnan(result["ade_m"][0]) and result["ade_m"][1] == 0.0
    assert np.isnan(result["reasoning_score"][0]) and result["reasoning_score_mean"].tolist() == [3.0, 3.0]
    assert result["parse_rate"] == pytest.approx([2 / 3, 1.0])
    assert result["critic_coverage"] == pytest.approx([2 / 3, 1.0])


def test_differences_are_paired_and_leave_out_pairs_that_one_side_lacks(tmp_path: Path) -> None:
    before = run(ScriptedPolicy([[2.0] * K, [None] * K], [0.0] * 6), tmp_path / "before")
    after = run(ScriptedPolicy([[0.5] * K, [1.0] * K], [0.0] * 6), tmp_path / "after")
    differences = paired_differences(before, after, resamples=200)
    assert set(differences) == set(METRICS)
    assert differences["ade_m"] == {
        "mean": -1.5,
        "ci95": [None, None],
        "p": pytest.approx(1.0, abs=1.0),
        "pairs": 1,
        "left_out": 1,
    }
    assert differences["consistency"]["mean"] == 0.5


def test_a_figure_that_no_pair_supports_is_null_and_not_a_number(tmp_path: Path) -> None:
    nothing = run(ScriptedPolicy([[None] * K, [None] * K], [0.0] * 6), tmp_path)
    assert nothing.means()["ade_m"] is None
    assert paired_differences(nothing, nothing, resamples=200)["ade_m"]["ci95"] == [None, None]


def test_a_signal_stops_an_evaluation_between_rollouts(tmp_path: Path) -> None:
    flag = StopFlag()
    flag.signal_name = "SIGTERM"
    policy = ScriptedPolicy([[0.0] * K, [0.0] * K], [0.0] * 6)
    original = policy.rollouts

    def reporting(*args: object, progress, **kwargs: object) -> list[Rollout]:  # type: ignore[no-untyped-def]
        progress(1)
        return original(*args, progress=progress, **kwargs)  # type: ignore[arg-type]

    policy.rollouts = reporting  # type: ignore[method-assign]
    with pytest.raises(Stopped, match="SIGTERM"):
        run(policy, tmp_path, flag)


SCRIPT = ([[1.0, 2.0, 4.0], [3.0, None, 1.5]], [-9.0, -1.0, -5.0, -2.0, -7.0, -3.0])


def test_an_evaluation_that_was_stopped_goes_on_at_the_first_missing_chunk(tmp_path: Path) -> None:
    """Two scenes in chunks of one; the signal comes with the first rollouts of the second."""
    first, flag = ScriptedPolicy(*SCRIPT), StopFlag()
    doing, folder = job(first, scenes_per_chunk=1), EvaluationFolder(tmp_path / "cut")
    original = first.rollouts

    def signalled(scenes: list, samples: list, progress, **kwargs: object) -> list[Rollout]:  # type: ignore[no-untyped-def]
        if scenes[0] is SCENES[1]:
            flag.signal_name = "SIGTERM"
            progress(1)
        return original(scenes, samples, progress=progress, **kwargs)  # type: ignore[arg-type]

    first.rollouts = signalled  # type: ignore[method-assign]
    folder.begin({"seed": 1})
    with pytest.raises(Stopped):
        evaluate(doing, lambda skip: SCENES[skip:], 2, folder, Console(quiet=True), flag)
    assert folder.chunks() == 1 and not folder.finished and evaluations_in(tmp_path) == []
    with pytest.raises(RunError, match="no finished evaluation"):
        read_evaluation(folder.path)
    # Of a chunk whose rollouts are there and whose scenes are not, nothing counts.
    (folder.path / "rollouts" / "chunk-000001-rank000.parquet").write_text("half")
    second = ScriptedPolicy(*SCRIPT)
    again = EvaluationFolder(folder.path)
    again.begin({"seed": 1})
    evaluate(job(second, scenes_per_chunk=1), lambda skip: SCENES[skip:], 2, again, Console(quiet=True), StopFlag())
    assert set(second.drawn) == {SCENES[1].id}
    resumed = again.finish(header(doing))
    whole = run(ScriptedPolicy(*SCRIPT), tmp_path / "whole")
    assert resumed.scene_ids == whole.scene_ids == tuple(scene.id for scene in SCENES)
    for name, values_S in whole.per_scene.items():
        np.testing.assert_array_equal(resumed.per_scene[name], values_S)
    assert list(rollouts_of(again.path)) == list(rollouts_of(tmp_path / "whole"))
    assert evaluations_in(tmp_path) == [tmp_path / "cut", tmp_path / "whole"]


def test_a_finished_evaluation_is_read_as_it_was_written_and_not_drawn_again(tmp_path: Path) -> None:
    done = run(ScriptedPolicy(*SCRIPT), tmp_path)
    again = read_evaluation(tmp_path)
    assert again.header == done.header and set(again.per_scene) == set(CATALOGUE)
    assert (again.kinds, again.longitudinal) == (
        tuple(s.kind for s in SCENES), tuple(s.reference.decisions.longitudinal for s in SCENES)
    )  # fmt: skip
    table = parquet.read_table(tmp_path / "scenes.parquet")
    assert table.column_names[:5] == ["scene_id", "episode", "kind", "longitudinal", "lateral"]
    assert {str(table.schema.field(name).type) for name in CATALOGUE} == {"double"}
    assert table["faithful_plan"].null_count == 2, "a script cannot be asked about another scene"
    assert not (tmp_path / "chunks").exists()
    raw = json.loads((tmp_path / "evaluation.json").read_text())
    assert (raw["schema_version"], raw["scenes"], raw["samples_per_scene"]) == (1, 2, K)
    assert raw["means"]["ade_m"] == pytest.approx(2.5) and raw["means"]["faithful_plan"] is None


def test_a_folder_of_another_evaluation_is_refused_with_what_differs(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path / "e")
    folder.begin({"seed": 1, "scenes": 5})
    folder.begin({"scenes": 5, "seed": 1})
    with pytest.raises(ConfigError, match=r"another evaluation \(different: seed\)"):
        folder.begin({"seed": 2, "scenes": 5})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(ConfigError, match="holds no evaluation"):
        EvaluationFolder(tmp_path / "mine").begin({"seed": 1})


def test_chunks_of_several_ranks_come_together_rank_by_rank(tmp_path: Path) -> None:
    """Two ranks with two chunks each: the order is that of the scenes, whoever was first."""
    folders = [EvaluationFolder(tmp_path, rank) for rank in (0, 1)]
    doing = job(ScriptedPolicy(*SCRIPT), scenes_per_chunk=1)
    folders[0].begin({})
    for rank in (1, 0):
        evaluate(doing, lambda skip: SCENES[skip:], 2, folders[rank], Console(quiet=True), StopFlag())
    assert folders[0].finish(header(doing)).scene_ids == (SCENES[0].id, SCENES[1].id) * 2


def test_means_by_decision_are_over_the_scenes_whose_reference_decides_so(tmp_path: Path) -> None:
    done = run(ScriptedPolicy(*SCRIPT), tmp_path)
    found = done.by_decision(["consistency", "ade_m"])["longitudinal"]
    expected = {s.reference.decisions.longitudinal for s in SCENES}
    assert set(found) == expected and sum(int(row["scenes"] or 0) for row in found.values()) == 2


def test_the_best_by_a_mix_answers_and_of_equal_ones_the_most_likely() -> None:
    likelihood = np.array([[-1.0, -2.0, -3.0], [-1.0, -2.0, -3.0], [-3.0, -2.0, -1.0]])
    value = np.array([[0.1, 0.9, 0.5], [np.nan, 0.4, 0.4], [np.nan, np.nan, np.nan]])
    assert answers(likelihood).tolist() == [0, 0, 2]
    assert answers(likelihood, value).tolist() == [1, 1, 2]


@given(arrays(float, (3, 4), elements=st.floats(-9, 9)), arrays(float, (3, 4), elements=st.floats(0, 1)))
def test_nobody_is_better_than_who_answers(likelihood: np.ndarray, value: np.ndarray) -> None:
    chosen = answers(likelihood, value)
    assert (value[np.arange(3), chosen] == value.max(axis=1)).all()


def test_memory_is_that_of_a_chunk_and_not_of_all_scenes(tmp_path: Path) -> None:
    """Ten times as many scenes: the scenes alive at once, and those asked of the source in advance, stay a chunk."""
    alive: weakref.WeakSet[object] = weakref.WeakSet()
    most = 0

    class Echo(ScriptedPolicy):
        def rollouts(self, scenes: list, samples: list, *, run_seed: int, step: int, progress: object) -> list[Rollout]:
            nonlocal most
            gc.collect()
            most = max(most, len(alive))
            self.drawn.extend(scene.id for scene in scenes)
            return [
                Rollout(
                    scene_id=s.id, episode=s.episode, t0_us=0, sample=n, seed=0, step=step, policy_version="x",
                    prompt_text="", prompt_token_ids=(1,), logprobs=(0.0,), completion=completion(s, 0.5),
                )
                for s, n in zip(scenes, samples, strict=True)
            ]  # fmt: skip

        def logprobs(self, prompts: object, completions: list, *_: object, **__: object) -> list[tuple[float, ...]]:
            return [(0.0,)] * len(completions)

    def source(skip: int):  # type: ignore[no-untyped-def]
        for number in range(skip, 40):
            scene = replace(SCENES[number % 2], id=f"copy/{number}")
            alive.add(scene)
            yield scene

    doing, folder = job(Echo([], []), scenes_per_chunk=4), EvaluationFolder(tmp_path)
    folder.begin({})
    evaluate(doing, source, None, folder, Console(quiet=True), StopFlag())
    assert folder.chunks() == 10 and most <= 2 * 4
    assert len(folder.finish(header(doing)).scene_ids) == 40
