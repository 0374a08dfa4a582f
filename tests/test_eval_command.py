"""`ar1-rl eval` with real policies: what it leaves, that it goes on where it was stopped, and its decodings."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ar1_rl.errors import ConfigError
from ar1_rl.metrics.catalogue import CATALOGUE, WITH_OTHER_FRAMES
from recipes import cli, evaluate_policies
from recipes.evaluate_policies import scene_spec, subjects_of
from recipes.evaluation_folder import read_evaluation, rollouts_of
from recipes.evaluation_table import decision_table, evaluation_table
from recipes.stopping import StopFlag, Stopped

ROOT = Path(__file__).resolve().parents[1]
FEW = ["rollouts.engine=transformers", "rollouts.max_completion_tokens=64", "eval.samples_per_scene=3",
       "eval.scenes_per_chunk=3", "eval.resamples=100"]  # fmt: skip

KNOWN = f"{ROOT / 'tests' / 'taught_scenes.py'}:taught@8"
"""Scenes that the taught policy has learnt by heart; of others it hardly decodes any."""


def evaluate(*policies: Path, out: Path, scenes: str = KNOWN, stop: StopFlag | None = None) -> None:
    evaluate_policies.run(
        [str(policy) for policy in policies],
        scenes=scenes,
        out=out,
        seed=1,
        config=None,
        overrides=FEW,
        console=Console(quiet=True),
        stop=StopFlag() if stop is None else stop,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, taught_policy: Path) -> Path:
    out = tmp_path_factory.mktemp("eval")
    evaluate(taught_policy, out=out)
    return out / "run-sft"


engine = pytest.mark.engine


@engine
def test_an_evaluation_says_what_it_is_of(whole: Path, taught_policy: Path) -> None:
    done = read_evaluation(whole)
    header = done.header
    assert (header.label, header.policy, header.seed, header.training_seed) == ("run-sft", str(taught_policy), 1, 0)
    assert (header.samples_per_scene, header.temperature, header.top_p) == (3, 0.6, 0.98)
    assert header.decoding == "best of 3 by likelihood" and header.trained_on == ()
    assert done.scene_ids == tuple(f"synthetic/train/0/{number}" for number in range(8))
    assert set(done.per_scene) == set(CATALOGUE)
    means = done.means()
    assert means["parse_rate"] > 0.3 and means["consistency_held_out"] > 0.1 and means["faithful_trace"] is not None


@engine
def test_a_metric_of_the_rows_is_that_of_the_recorded_answers(whole: Path) -> None:
    done = read_evaluation(whole)
    rows = list(rollouts_of(whole))
    assert len(rows) == 8 * 3
    for name in ("ade_m", "consistency"):
        recorded = [row[name] for row in rows if row["answers"]]
        np.testing.assert_array_equal(np.array(recorded, dtype=float), done.per_scene[name])
    for identity in done.scene_ids:
        siblings = [row for row in rows if row["scene_id"] == identity]
        assert [row["answers"] for row in siblings].count(True) == 1
        assert max(siblings, key=lambda row: row["likelihood"])["answers"]


@engine
def test_killed_in_the_second_chunk_it_goes_on_with_exactly_the_same_rollouts(
    whole: Path, taught_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = StopFlag()
    add = evaluate_policies.EvaluationFolder.add

    def then_a_signal(self: object, number: int, rollouts: list, scenes: list) -> None:
        add(self, number, rollouts, scenes)  # type: ignore[arg-type]
        flag.signal_name = "SIGTERM"

    with monkeypatch.context() as patch:
        patch.setattr(evaluate_policies.EvaluationFolder, "add", then_a_signal)
        with pytest.raises(Stopped):
            evaluate(taught_policy, out=tmp_path, stop=flag)
    assert len(list((tmp_path / "run-sft" / "rollouts").iterdir())) == 1
    evaluate(taught_policy, out=tmp_path)
    assert list(rollouts_of(tmp_path / "run-sft")) == list(rollouts_of(whole))
    for name in ("scenes.parquet", "evaluation.json"):
        assert (tmp_path / "run-sft" / name).read_bytes() == (whole / name).read_bytes()


@engine
def test_a_finished_evaluation_is_shown_again_without_an_engine(
    whole: Path, taught_policy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate_policies, "open_subject", lambda *_: pytest.fail("nothing is left to draw"))
    shown = ["eval", str(taught_policy), "--scenes", KNOWN, "--out", str(whole.parent), "--seed", "1", *FEW]
    assert cli.main([*shown, "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["evaluation"] == str(whole) and told["scenes"] == 8
    assert set(told["ci95"]) == {name for name, mean in told["means"].items() if mean is not None}
    assert all(told["ci95"][name][0] <= told["means"][name] <= told["ci95"][name][1] for name in told["ci95"])
    assert told["looking"] is None, "of a policy that reads"
    assert cli.main([*shown[:-1], "eval.resamples=100", "eval.top_p=0.9"]) == 2
    assert "another evaluation (different: eval)" in re.sub(r"\s+", " ", capsys.readouterr().out)


@engine
def test_one_policy_greedily_best_of_3_and_as_it_is_lies_in_one_folder(
    whole: Path, taught_policy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["eval", str(taught_policy), "--scenes", KNOWN, "--out", str(whole.parent), "--seed", "1", *FEW]
    assert cli.main([*common, "--decoding", "greedy"]) == 0
    assert cli.main([*common, "--best-of", "3", "--by", "quickstart"]) == 0
    assert "run-sft-best-of-3: 8 scenes x 3" in capsys.readouterr().out
    greedy, best = (read_evaluation(whole.parent / f"run-sft-{name}") for name in ("greedy", "best-of-3"))
    assert (greedy.header.samples_per_scene, greedy.header.temperature, greedy.header.decoding) == (1, 0.0, "greedy")
    assert np.isnan(greedy.per_scene["stability"]).all()
    drawn, likely = list(rollouts_of(whole.parent / "run-sft-best-of-3")), list(rollouts_of(whole))
    assert [row["completion_token_ids"] for row in drawn] == [row["completion_token_ids"] for row in likely]
    assert best.header.decoding == "best of 3 by a mix of rewards"
    assert "consistency" in best.header.trained_on and "consistency" in greedy.header.held_out
    for identity in best.scene_ids:
        rewards = {row["answers"]: row["reward"] for row in drawn if row["scene_id"] == identity}
        assert rewards[True] == max(row["reward"] for row in drawn if row["scene_id"] == identity)
    assert np.nanmean(best.per_scene["ade_m"]) <= np.nanmean(read_evaluation(whole).per_scene["ade_m"]) + 1e-9


@engine
def test_the_tables_tell_every_metric_and_which_were_trained_on(whole: Path) -> None:
    done = read_evaluation(whole)
    console = Console(width=140, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(evaluation_table(done, 100))
        console.print(decision_table(done))
    text = capture.get()
    assert all((metric.label in text) == (metric not in WITH_OTHER_FRAMES) for metric in CATALOGUE.values())
    assert "held out" in text and "│ trained on" not in text
    assert all(decision in text for decision in {d for d in (*done.longitudinal, *done.lateral) if d})


def test_scenes_are_the_benchmark_by_seed_and_count_a_source_or_those_of_a_config(tmp_path: Path) -> None:
    spec = scene_spec("synthetic:7:20")
    assert (spec.seed, spec.count, spec.config.source) == (7, 20, "synthetic")
    assert [s.id for s in spec.stream(18)] == ["synthetic/test/7/18", "synthetic/test/7/19"]
    assert (scene_spec("synthetic").count, scene_spec("synthetic:3").seed) == (1000, 3)
    train = scene_spec("synthetic:7:20:train")
    assert (train.seed, train.count) == (7, 20) and next(iter(train.stream(3))).id == "synthetic/train/7/3"
    logs = scene_spec("real_logs@50")
    assert (logs.config.source, logs.config.test, logs.count) == ("real_logs", 50, None)
    own = scene_spec("my/scenes.py:cut@9")
    assert (own.config.source, own.config.test) == ("my/scenes.py:cut", 9)
    quickstart = scene_spec("quickstart")
    assert (quickstart.seed, quickstart.count) == (0, 1000)
    (tmp_path / "config.yaml").write_text("{seed: 4, scenes: {test: 6}}")
    assert (scene_spec(str(tmp_path)).seed, scene_spec(str(tmp_path)).count) == (4, 6)
    for wrong in ("synthetic:x", "synthetic:1:2:trian", "nuscenes", "real_logs@many", "synthetic@5"):
        with pytest.raises(ConfigError, match=r"--scenes: got .*; allowed are synthetic:SEED:COUNT"):
            scene_spec(wrong)


def policy_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_policy_is_a_run_a_checkpoint_or_a_plain_folder(tmp_path: Path) -> None:
    for cell in ("a/cell", "b/cell"):
        for name in ("best", "sft", "grpo-trainer/checkpoint-20"):
            policy_in(tmp_path / cell / "checkpoints" / name)
        text = "{seed: 4, rewards: {terms: [{reward: consistency}]}}"
        (tmp_path / cell / "config.yaml").write_text(text)
    cell = tmp_path / "a" / "cell"
    specs = [cell, cell / "checkpoints" / "sft", cell / "checkpoints" / "grpo-trainer" / "checkpoint-20",
             tmp_path / "b" / "cell", policy_in(tmp_path / "plain")]  # fmt: skip
    found = subjects_of([str(spec) for spec in specs])
    assert [s.label for s in found] == ["cell", "cell-sft", "cell-checkpoint-20", "cell-2", "plain"]
    assert [s.rewards is not None for s in found] == [True, False, True, True, False]
    assert [s.training_seed for s in found] == [4, 4, 4, 4, None]
    with pytest.raises(ConfigError, match="holds no policy"):
        subjects_of([str(tmp_path)])


def test_choosing_needs_a_number_and_a_mix_and_overrides_only_what_evaluation_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = str(policy_in(tmp_path / "plain"))
    common = ["eval", policy, "--scenes", "synthetic:0:2", "--out", str(tmp_path / "out")]
    assert cli.main([*common, "--best-of", "6"]) == 2
    assert "--best-of K and --by MIX go together" in capsys.readouterr().out
    assert cli.main([*common, "grpo.steps=3"]) == 2
    assert "an evaluation takes keys of eval, rollouts, policy" in re.sub(r"\s+", " ", capsys.readouterr().out)
    assert cli.main([*common, "eval.samples_per_scen=3"]) == 2
    assert "nearest name: samples_per_scene" in capsys.readouterr().out


def test_the_docs_name_every_metric_with_its_unit() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for metric in CATALOGUE.values():
        name = metric.name.removesuffix("_mean")
        starred = f"`{name}`*" if metric.name.endswith("_mean") else f"`{name}`"
        short = f"`_{name.removeprefix('encounter_rate_')}`"
        row = [line for line in rows if starred in line or (name.startswith("encounter_rate_") and short in line)]
        assert row, metric.name
        assert any(f"| {metric.unit.replace('-', '–')} |" in line for line in row), metric.name
