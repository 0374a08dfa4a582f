"""score: rollouts come back from disk as they were, are graded again, and a replay gives the same rewards."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
import yaml
from driving_cases import a_scene, driven, straight, undecodable
from hypothesis import given
from hypothesis import strategies as st
from judge_server import JudgeServer, rubric_grade
from scipy import stats

from ar1_rl.driving import Completion, Scene, Trajectory
from ar1_rl.errors import ConfigError, DecodeError, RunError, SceneError
from ar1_rl.metrics.agreement import agreement, best_kept, distribution, kendall, pearson, ranks
from ar1_rl.scenes.synthetic import generate_scenes
from recipes.cli import main
from recipes.evaluate import score_columns
from recipes.rescoring import compare, rescore_batch
from recipes.run_config import ScenesConfig
from recipes.scenes_by_id import scenes_by_id, scenes_of_run, seen_differently
from recipes.score import run, run_folder_of
from rewards import Mix, RubricCritic, Term
from rewards.critic import critic
from rewards.loading import build_mix
from rewards.replay import fits, replaying
from rollouts.describe import describe
from rollouts.record import Rollout
from rollouts.recorded import RecordedBatch, completion_of_row, read_batches, rollout_files, scores_of_row
from rollouts.store import RolloutStore, rollout_row

ROOT = Path(__file__).resolve().parent.parent
K = 4
RUBRIC_MIX: dict[str, Any] = {
    "terms": [
        {"reward": "consistency", "weight": 1.0},
        {"reward": "critic", "scale": 5.0},
        {"reward": "imitation", "weight": 2.0, "scale": 5.0, "arguments": {"clip_m": 5.0}},
        {"reward": "safety", "weight": 0.5},
        {"reward": "comfort", "weight": 0.0},
        {"reward": "format", "weight": 0.2},
    ]
}


def rollouts_of(scenes: Sequence[Scene], step: int) -> tuple[list[Rollout], list[Scene]]:
    """K rollouts a scene: the expert's, two that stray from it in text or path, and an undecodable one now and then."""
    rng = np.random.default_rng(step)
    texts = [scene.reference.text for scene in scenes if scene.reference is not None]
    made, repeated = [], []
    for scene in scenes:
        assert scene.reference is not None and scene.future_T3 is not None
        for sample in range(K):
            poses = scene.future_T3 + np.cumsum(rng.normal(0, 0.002 * sample, (64, 3)), axis=0)
            text = scene.reference.text if sample < 2 else str(rng.choice(texts))
            completion = Completion(text, (1, sample), text, Trajectory(poses, "tokens"), None)
            if sample == 3 and rng.random() < 0.3:
                completion = Completion(
                    text, (1, sample), text, None, DecodeError("31 trajectory tokens, 32 are right")
                )
            rollout = Rollout(
                scene_id=scene.id, episode=scene.episode, t0_us=scene.t0_us, sample=sample, seed=step * K + sample,
                step=step, policy_version=f"step-{step}", prompt_text=f"<|user|>{describe(scene.observation)}<|end|>",
                prompt_token_ids=(1,), completion=completion, logprobs=(-0.1, -0.2),
            )  # fmt: skip
            made.append(rollout)
            repeated.append(scene)
    return made, repeated


def a_run(folder: Path, rewards: dict[str, Any], *, batches: int = 2, label: str = "train") -> Path:
    """A run folder with rollouts that were scored as training scores them."""
    mix = build_mix(rewards)
    for step in range(batches):
        made, scenes = rollouts_of(list(generate_scenes(7, "train", 6, start=6 * step)), step)
        mixed = mix.score([rollout.completion for rollout in made], scenes)
        rows = [rollout_row(r, m.value, score_columns(m)) for r, m in zip(made, mixed, strict=True)]
        RolloutStore(folder / "rollouts").write(f"{label}-{step:06d}", rows)
    config = {"schema_version": 1, "seed": 7, "scenes": {"source": "synthetic", "train": 100}, "rewards": rewards}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def scored(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["score", str(folder), "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def rubric_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("runs") / "rubric", RUBRIC_MIX)


# What was recorded


def test_a_completion_comes_back_bit_for_bit_and_an_undecodable_one_with_its_error() -> None:
    made, _ = rollouts_of(list(generate_scenes(7, "train", 6)), 0)
    assert {r.completion.trajectory is None for r in made} == {True, False}
    for rollout in made:
        before, after = rollout.completion, completion_of_row(rollout_row(rollout, 1.0, {}))
        assert (after.text, after.token_ids, after.reasoning) == (before.text, before.token_ids, before.reasoning)
        assert str(after.error) == str(before.error)
        if before.trajectory is not None and after.trajectory is not None:
            assert after.trajectory.poses_T3.tobytes() == before.trajectory.poses_T3.tobytes()
        assert (after.trajectory is None) == (before.trajectory is None)


def test_files_are_chosen_by_label_and_what_there_is_is_told(rubric_run: Path) -> None:
    names = [path.name for path in rollout_files(rubric_run, "train")]
    assert names == ["train-000000-rank000.parquet", "train-000001-rank000.parquet"]
    assert rollout_files(rubric_run, "all") == rollout_files(rubric_run / "rollouts", "train")
    with pytest.raises(RunError, match="no rollouts of label 'after'; there are train, or all"):
        rollout_files(rubric_run, "after")


def test_a_file_that_holds_no_rollouts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(RunError, match="cannot be read as Parquet"):
        list(read_batches([tmp_path / "broken.parquet"]))
    RolloutStore(tmp_path).write("other", [{"schema_version": 99, "reward": 1.0}])
    with pytest.raises(RunError, match="no rollouts of schema_version 1"):
        list(read_batches([tmp_path / "other-rank000.parquet"]))


def test_scenes_are_made_again_from_their_ids(rubric_run: Path) -> None:
    scenes = list(generate_scenes(3, "validation", 2, start=40))
    again = scenes_by_id([s.id for s in scenes], ScenesConfig(), _silent())
    assert [again[s.id].to_row() for s in scenes] == [s.to_row() for s in scenes]
    assert scenes_of_run(rubric_run).train == 100
    with pytest.raises(SceneError, match="cannot be made again"):
        scenes_by_id(["synthetic/nonsense/1/2"], ScenesConfig(), _silent())


def test_real_scenes_are_cut_again_as_the_run_cut_them(data_root: Path) -> None:
    from ar1_rl.scenes import load_scenes

    config = ScenesConfig(source="kitti_odometry", root=str(data_root), test=3, stride_s=2.0)
    cut, _ = load_scenes("kitti_odometry", str(data_root), split="test", stride_s=2.0, on_bad_log="skip", count=3)
    again = scenes_by_id([s.id for s in cut], config, _silent(), label="before")
    assert [again[s.id].to_row() for s in cut] == [s.to_row() for s in cut]
    with pytest.raises(SceneError, match="1 scenes of these rollouts are not in source 'kitti_odometry'"):
        scenes_by_id(["kitti_odometry/99@1"], config, _silent())


def test_scenes_of_ones_own_source_are_asked_for_again(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\n"
        "from ar1_rl.scenes.synthetic import generate_scenes\n"
        "def scenes(split, seed=0):\n"
        "    for n, scene in enumerate(generate_scenes(seed, split, 50)):\n"
        "        yield replace(scene, id=f'mine/{split}/{n}')\n"
    )
    config = ScenesConfig(source=f"{tmp_path}/mine.py:scenes", arguments={"seed": 5}, train=4, validation=2, test=2)
    again = scenes_by_id(["mine/train/3", "mine/test/1"], config, _silent(), label="before")
    (expected,) = generate_scenes(5, "test", 1, start=1)
    assert np.array_equal(again["mine/test/1"].observation.history_T3, expected.observation.history_T3)
    assert again["mine/train/3"].id == "mine/train/3"


def test_a_scene_that_is_made_differently_now_is_told_by_its_prompt() -> None:
    scenes = {scene.id: scene for scene in generate_scenes(7, "train", 3)}
    first, second, third = scenes.values()
    rows = [{"scene_id": s.id, "prompt_text": f"<|user|>{describe(s.observation)}"} for s in scenes.values()]
    assert seen_differently(rows, scenes) == []
    assert seen_differently(rows, scenes | {second.id: third}) == [second.id]
    own_prompts = [{**row, "prompt_text": "Drive on."} for row in rows]
    assert seen_differently(own_prompts, scenes | {second.id: third}) == []
    assert first.id in scenes


# Replay


def test_a_run_scored_again_with_its_own_mix_gets_its_own_rewards_bit_for_bit(
    rubric_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = scored(rubric_run, capsys)
    assert record["rollouts"] == 2 * 6 * K and record["batches"] == 2
    assert set(record["equal"].values()) == {record["rollouts"]}
    assert record["changed_most"] == [] and record["newly_judged"] == record["no_longer_judged"] == 0
    assert record["agreement"]["reward"]["pearson"] == pytest.approx(1.0)
    assert record["agreement"]["reward"]["kendall"] == record["agreement"]["reward"]["same_best"] == 1.0


def test_the_scores_are_written_beside_the_rollouts_in_their_order(rubric_run: Path) -> None:
    written = rubric_run / "scores" / "train-rubric.parquet"
    assert run(rubric_run, rewards=None, as_json=True) == 0
    rows = parquet.read_table(written).to_pylist()
    recorded = [row for batch in read_batches(rollout_files(rubric_run, "train")) for row in batch.rows]
    assert {row["schema_version"] for row in rows} == {1}
    for name in ("scene_id", "step", "sample", "seed"):
        assert [row[name] for row in rows] == [row[name] for row in recorded]
    assert [row["reward"] for row in rows] == [row["old_reward"] for row in rows] == [r["reward"] for r in recorded]
    assert {"undecodable", "scored"} == {row["outcome"] for row in rows}
    assert json.loads(rows[0]["critic.parts"]).keys() == {"behaviour", "causes_f1"}
    assert len(list(read_batches(rollout_files(rubric_run, "all")))) == 2  # the scores are not read as rollouts


@pytest.mark.parametrize("policy", [{}, {"on_failure": "drop_group"}, {"on_failure": "value", "failure_value": 1.0}])
def test_recorded_replies_of_an_endpoint_are_read_again_with_their_failures_and_nobody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: dict[str, Any]
) -> None:
    faults = {"status_500": 0.1, "no_verdict": 0.1, "wrong_grade": 0.05, "cut_off": 0.1}
    with JudgeServer(grade=rubric_grade, faults=faults, seed=2) as judge:
        settings = {"backend": "endpoint", "base_url": judge.url, "model": "judge-1", "max_retries": 0}
        term = {"reward": "critic", "scale": 5.0, "arguments": settings, **policy}
        folder = a_run(tmp_path / "endpoint", {"terms": [term, {"reward": "imitation", "scale": 10.0}]}, batches=3)
        failed = judge.stats()["faults"]
        assert len(failed) >= 3
    record = scored(folder, capsys)
    assert set(record["equal"].values()) == {record["rollouts"]}
    assert record["replies"] == {"critic": {"replayed": record["rollouts"], "asked": 0}}
    judged = record["distributions"]["critic"]["new"]
    assert policy.get("on_failure") == "value" or judged["unknown"] >= sum(failed.values())
    rows = parquet.read_table(folder / "scores" / "train-endpoint.parquet").to_pylist()
    assert ("dropped" in {row["outcome"] for row in rows}) == (policy.get("on_failure") == "drop_group")


def test_with_ask_and_with_another_model_the_judge_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def rewards(url: str, model: str) -> dict[str, Any]:
        settings = {"backend": "endpoint", "base_url": url, "model": model}
        return {"terms": [{"reward": "critic", "scale": 5.0, "arguments": settings}]}

    with JudgeServer(grade=rubric_grade) as judge:
        folder = a_run(tmp_path / "run", rewards(judge.url, "judge-1"), batches=1)
        asked_then = len(judge.requests)
    with JudgeServer(grade=2) as judge:
        for name, model in (("same", "judge-1"), ("other", "judge-2")):
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(rewards(judge.url, model)))
        replayed = scored(folder, capsys, "--rewards", str(tmp_path / "same.yaml"))
        assert judge.requests == [] and replayed["equal"]["critic"] == replayed["rollouts"]
        other = scored(folder, capsys, "--rewards", str(tmp_path / "other.yaml"))
        assert len(judge.requests) == asked_then and other["replies"]["critic"]["replayed"] == 0
        assert other["distributions"]["critic"]["new"]["mean"] == 2.0
        asked = scored(folder, capsys, "--rewards", str(tmp_path / "same.yaml"), "--ask")
        assert len(judge.requests) == 2 * asked_then and asked["replies"] == {}


def test_an_ensemble_is_replayed_through_its_members(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with JudgeServer(grade=rubric_grade, faults={"no_verdict": 0.1}) as judge:
        member = {"base_url": judge.url, "max_retries": 0}
        members = [{**member, "model": "a"}, {**member, "model": "b"}, {"backend": "rubric"}]
        settings = {"backend": "ensemble", "members": members, "max_disagreement": 2.0, "min_answers": 2}
        term = {"reward": "critic", "scale": 5.0, "arguments": settings}
        folder = a_run(tmp_path / "ensemble", {"terms": [term]}, batches=1)
    record = scored(folder, capsys)
    assert record["equal"]["critic"] == record["equal"]["reward"] == record["rollouts"]
    assert record["replies"]["critic"]["asked"] == 0


def test_a_record_fits_the_model_and_the_prompt_it_was_made_with() -> None:
    judge = critic("endpoint", base_url="http://x/v1", model="m")
    record = {"model": "m", "prompt_hash": judge.prompt_hash, "reply": "grade: 3"}
    assert fits(judge, record) and judge.replay(record).value == 3.0
    assert not fits(judge, {**record, "model": "n"})
    assert not fits(judge, {**record, "prompt_hash": "0"})
    assert not fits(judge, {})
    both = critic("ensemble", members=[judge, RubricCritic()])
    assert fits(both, {"members": [record, {"value": 4.0, "why": "", "failure": None}]})
    assert not fits(both, {"members": [record]})


def test_critics_without_replies_are_left_as_they_are() -> None:
    mix = Mix([Term(reward=RubricCritic(), scale=5.0)])
    again, replays = replaying(mix)
    assert replays == {} and again.terms == mix.terms
    assert (again.gate_value, again.undecodable_value) == (mix.gate_value, mix.undecodable_value)


def test_siblings_are_dropped_and_terms_left_out_by_the_recorded_batches_and_not_by_others() -> None:
    """The same scene in two files is two groups: a sibling without a score does not touch the other file's rows."""
    scene = a_scene("s")

    def moody(completion: Completion, _: Scene) -> float | None:
        return None if completion.reasoning == "silent" else 1.0

    mix = Mix([Term(reward=moody, weight=1.0, required=False), Term(reward=lambda c, s: 0.5, name="base")])

    def batch(name: str, texts: Iterable[str]) -> RecordedBatch:
        rows = [rollout_row(_rollout(driven(straight(), text), i), None, {}) for i, text in enumerate(texts)]
        return RecordedBatch(Path(name), rows)

    whole = rescore_batch(batch("a", ["one", "two"]), mix, {}, {"s": scene})
    broken = rescore_batch(batch("b", ["one", "silent"]), mix, {}, {"s": scene})
    assert [item.new.value for item in whole] == [1.5, 1.5]
    assert [item.new.value for item in broken] == [0.5, 0.5]
    assert compare([*whole, *broken], mix, 3).batches == 2


# Comparison


def test_a_mix_of_ones_own_is_compared_with_what_moved_and_why(
    rubric_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "def brief(completion, scene):\n    return 1.0 if len(completion.reasoning.split()) <= 9 else 0.0\n"
    )
    mix = tmp_path / "mine.yaml"
    mix.write_text(f"terms: [{{reward: '{tmp_path}/mine.py:brief'}}, {{reward: critic, weight: 0.1, scale: 5.0}}]")
    out = tmp_path / "new.parquet"
    record = scored(rubric_run, capsys, "--rewards", str(mix), "--out", str(out))
    assert out.exists() and record["scores"] == str(out)
    assert record["distributions"]["brief"]["old"]["known"] == 0
    assert record["equal"]["critic"] == record["rollouts"] and record["equal"]["reward"] == 0
    shifts = [abs(change["shift"]) for change in record["changed_most"]]
    assert len(shifts) == 10 and shifts == sorted(shifts, reverse=True)
    whys = [change["why"] for change in record["changed_most"]]
    assert any("brief" in why for why in whys), whys


def test_presets_recipes_and_single_files_can_be_scored(rubric_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = scored(rubric_run, capsys, "--rewards", "nvidia_gated")
    assert {"imitation", "comfort", "critic"} <= set(record["distributions"])
    one = rubric_run / "rollouts" / "train-000001-rank000.parquet"
    record = scored(one, capsys, "--rewards", "quickstart")
    assert record["rollouts"] == 6 * K
    assert record["scores"] == str(rubric_run / "scores" / "train-000001-rank000-quickstart.parquet")


def test_the_table_shows_distributions_agreement_and_changes(
    rubric_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(rubric_run), "--rewards", "ar1_trajectory"]) == 0
    told = capsys.readouterr().out
    assert all(
        word in told for word in ("Kendall tau", "Spearman", "same best", "95%", "changed most", "synthetic/train")
    )


def test_wrong_calls_say_what_to_do(rubric_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(tmp_path / "none")]) == 2
    assert "no such run folder or file" in capsys.readouterr().out
    assert main(["score", str(rubric_run), "--rewards", "nvidia_gate"]) == 2
    (tmp_path / "lone").mkdir()
    lone = tmp_path / "lone" / "x.parquet"
    lone.write_bytes(rollout_files(rubric_run)[0].read_bytes())
    with pytest.raises(ConfigError, match="name the mix by --rewards"):
        run(lone, rewards=None)
    assert main(["score", str(lone), "--rewards", "quickstart"]) == 0


def test_scoring_loads_neither_torch_nor_an_engine(rubric_run: Path) -> None:
    script = (
        "import sys; from recipes.cli import main\n"
        f"code = main(['score', {str(rubric_run)!r}, '--json'])\n"
        "print(sorted({'torch', 'vllm', 'trl', 'transformers', 'datasets'} & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().splitlines()[-1] == "[]"


# Agreement, by hand and against scipy


def test_the_distribution_counts_what_is_not_judged() -> None:
    found = distribution(np.array([1.0, 3.0, np.nan]))
    assert (found.known, found.unknown, found.mean, found.sd, found.quantiles[2]) == (2, 1, 2.0, 1.0, 2.0)
    assert distribution(np.array([np.nan])).known == 0 and math.isnan(distribution(np.array([])).mean)


def test_equal_values_share_a_rank() -> None:
    assert ranks(np.array([0.1, 5.0, 0.1, 2.0])).tolist() == [1.5, 4.0, 1.5, 3.0]


def test_a_tied_best_counts_in_part() -> None:
    assert best_kept(np.array([1.0, 1.0, 0.0]), np.array([2.0, 1.0, 0.0])) == 0.5
    assert best_kept(np.array([0.0, 1.0]), np.array([1.0, 0.0])) == 0.0


def test_order_is_compared_within_groups_and_only_where_both_sides_order_something() -> None:
    old = np.array([1.0, 2.0, 10.0, 20.0, 5.0, 5.0, np.nan])
    new = np.array([1.0, 2.0, 4.0, 3.0, 1.0, 2.0, 1.0])
    found = agreement(old, new, [[0, 1], [2, 3], [4, 5], [6]])
    assert (found.both, found.groups, found.kendall) == (6, 2, 0.0)
    assert found.same_best == pytest.approx((1.0 + 0.0 + 0.5) / 3)


VALUES = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=12)


@given(VALUES)
def test_correlations_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        assert math.isnan(pearson(a, b)) and math.isnan(kendall(a, b))
        return
    assert pearson(a, b) == pytest.approx(stats.pearsonr(a, b).statistic)
    assert pearson(ranks(a), ranks(b)) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b).statistic)


def test_scores_of_a_row_are_told_apart_from_those_it_does_not_have() -> None:
    scores = {
        "critic": score_columns(Mix([Term(reward=RubricCritic())]).score([undecodable()], [a_scene()])[0])["critic"]
    }
    row = {**rollout_row(_rollout(undecodable(), 0), None, scores), "other": None, "other.why": None}
    assert scores_of_row(row) == scores


def _rollout(completion: Completion, sample: int) -> Rollout:
    return Rollout(
        scene_id="s", episode="e", t0_us=0, sample=sample, seed=0, step=0, policy_version="p", prompt_text="",
        prompt_token_ids=(), completion=completion, logprobs=(),
    )  # fmt: skip


def _silent() -> Any:
    from rich.console import Console

    return Console(quiet=True)


def test_rollouts_of_an_evaluation_belong_to_the_label_and_the_run_it_lies_in(tmp_path: Path) -> None:
    training = tmp_path / "rollouts" / "train-000000-rank000.parquet"
    before = tmp_path / "evaluations" / "before" / "rollouts" / "chunk-000000-rank000.parquet"
    for path in (training, before):
        path.parent.mkdir(parents=True)
        path.touch()
    assert rollout_files(tmp_path, "before") == [before]
    assert rollout_files(tmp_path, "train") == [training]
    assert rollout_files(tmp_path) == [training, before]
    assert rollout_files(before.parents[1], "before") == [before]
    for source in (tmp_path, training, before, before.parents[1]):
        assert run_folder_of(source) == tmp_path
    with pytest.raises(RunError, match="there are before, train, or all"):
        rollout_files(tmp_path, "after")
