"""`ar1-rl curate` with a real policy and real rewards: scores in shards, what is kept, and a run that trains on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
import yaml
from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.driving import Scene
from ar1_rl.errors import ConfigError, RunError, SceneError
from ar1_rl.scenes import load_scenes, stream_scenes
from recipes import curate as recipe
from recipes.curate import curate
from recipes.curated import read_curated
from recipes.run_config import RunConfig
from recipes.stopping import StopFlag, Stopped

ROOT = Path(__file__).resolve().parents[1]
QUIET = Console(quiet=True)
SCENES, K = 10, 3


def plain(policy: Path | None, **curation: Any) -> dict[str, Any]:
    return {
        "recipe": "curation",
        "scenes": {"train": SCENES, "validation": 1, "test": 1},
        "rollouts": {"engine": "transformers", "max_completion_tokens": 64},
        "rewards": {"terms": [{"reward": "consistency"}, {"reward": "imitation", "scale": 5.0}]},
        "curate": {
            "policy": None if policy is None else str(policy),
            "rollouts": K,
            "scenes_per_batch": 3,
            "keep": 3,
            **curation,
        },
    }


def config(policy: Path | None, **curation: Any) -> RunConfig:
    return check_config(RunConfig, plain(policy, **curation), source="test")


def rows(folder: Path) -> list[dict[str, Any]]:
    return parquet.read_table(folder / "scenes.parquet").to_pylist()


def scores(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(folder.glob("scores/shard-*/part-*.parquet"))
    return {row["scene_id"]: row for file in files for row in parquet.read_table(file).to_pylist()}


# scenes one after another


def ids(**settings: Any) -> list[str]:
    return [scene.id for scene in stream_scenes("synthetic", count=10, **settings)]


def test_the_shards_of_a_stream_are_all_scenes_once_and_a_stream_goes_on_where_it_is_told() -> None:
    whole = [scene.id for scene in load_scenes("synthetic", count=10)[0]]
    assert ids() == whole
    parts = [ids(shard=shard, shards=3) for shard in range(3)]
    assert [len(part) for part in parts] == [4, 3, 3]
    assert sorted(identity for part in parts for identity in part) == sorted(whole)
    assert ids(shard=1, shards=3, skip=2) == parts[1][2:]
    assert ids(skip=10) == []


def test_real_logs_are_dealt_out_by_log_and_one_log_is_in_memory_at_a_time(data_root: Path) -> None:
    settings = {"split": "all", "stride_s": 4.0, "on_bad_log": "skip"}
    whole = load_scenes("real_logs", data_root, count=30, **settings)[0]
    parts = [list(stream_scenes("real_logs", data_root, count=30, shard=i, shards=2, **settings)) for i in range(2)]
    streamed = {scene.id: scene for part in parts for scene in part}
    assert sorted(streamed) == sorted(scene.id for scene in whole)
    assert all(streamed[scene.id].annotations == scene.annotations for scene in whole)
    first, second = ({scene.episode for scene in part} for part in parts)
    assert first and second and not first & second


SOURCE = '''
import gc
import weakref
from dataclasses import replace
from ar1_rl.scenes.synthetic import generate_scenes

alive, most = weakref.WeakSet(), 0

def counted(split):
    """Knows how many of its scenes are in memory."""
    global most
    for scene in generate_scenes(3, split, 1000):
        scene = replace(scene, id="own/" + scene.id)
        if len(alive) > 3:
            gc.collect()  # what hangs in reference cycles does not count as kept
        alive.add(scene)
        most = max(most, len(alive))
        yield scene
'''


def test_a_source_of_one_s_own_is_drawn_as_it_is_needed_and_no_scene_is_kept(tmp_path: Path) -> None:
    from ar1_rl.plugins import load_object

    path = tmp_path / "my_scenes.py"
    path.write_text(SOURCE)
    count = 0
    for scene in stream_scenes(f"{path}:counted", count=50, shard=0, shards=2):
        count += 1
        del scene
    counted = load_object(f"{path}:counted", what="source")
    assert count == 25
    assert counted.__globals__["most"] <= 3


# scoring and merging


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory, taught_policy: Path) -> Path:
    """A dataset of one shard."""
    out = tmp_path_factory.mktemp("curated") / "dataset"
    curate(config(taught_policy), out, QUIET, StopFlag())
    return out


engine = pytest.mark.engine


@engine
def test_every_scene_is_scored_by_the_mix_and_by_the_policy_s_log_probability_per_token(
    curated: Path, taught_policy: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from ar1_rl.driving import TrajectoryCodec
    from ar1_rl.policy.pretrained import load
    from rollouts.dialogue import Dialogue
    from rollouts.policy import Policy
    from rollouts.sequential import SequentialEngine

    found = scores(curated)
    assert len(found) == SCENES
    model, tokenizer = load(str(taught_policy), "float32")
    dialogue = Dialogue.of(tokenizer, TrajectoryCodec.compact())
    settings = config(taught_policy)
    policy = Policy(SequentialEngine(model.eval(), int(tokenizer.pad_token_id), 64), dialogue, settings.rollouts, "x")
    (scene,) = load_scenes("synthetic", count=1)[0]
    rollouts = policy.rollouts([scene] * K, range(K), run_seed=0, step=recipe.CURATION_STEP)
    mixed = settings.rewards.build().score([r.completion for r in rollouts], [scene] * K)
    assert found[scene.id]["rewards"] == pytest.approx([m.value for m in mixed])
    plain_model = AutoModelForCausalLM.from_pretrained(taught_policy)
    for rollout, mean in zip(rollouts, found[scene.id]["mean_logprobs"], strict=True):
        tokens = torch.tensor([*rollout.prompt_token_ids, *rollout.completion.token_ids])
        logprobs = torch.log_softmax(plain_model(input_ids=tokens[None]).logits[0, :-1], dim=-1)
        own = logprobs.gather(1, tokens[1:, None])[-len(rollout.completion.token_ids) :]
        assert mean == pytest.approx(float(own.detach().mean()), abs=1e-4)


@engine
def test_the_dataset_has_the_scenes_that_disagree_most_and_as_many_random_ones_with_their_scores(curated: Path) -> None:
    from ar1_rl.curation.divergence import disagreement

    kept, found = rows(curated), scores(curated)
    by_id = {
        identity: disagreement(np.array([row["rewards"]]), np.array([row["mean_logprobs"]]), 2.0, "kl")[0]
        for identity, row in found.items()
    }
    highest = sorted(by_id, key=lambda identity: -by_id[identity])[:3]
    assert [row["scene_id"] for row in kept if row["kept_as"] == "disagreement"] == highest
    drawn = [row["scene_id"] for row in kept if row["kept_as"] == "random"]
    assert len(drawn) == 3 and not set(drawn) & set(highest)
    for row in kept:
        assert row["disagreement"] == pytest.approx(by_id[row["scene_id"]])
        assert row["reward_mean"] == pytest.approx(np.mean(row["rewards"]))
        assert row["reward_std"] == pytest.approx(np.std(row["rewards"], ddof=1))
        assert row["schema_version"] == 1
    summary = json.loads((curated / "summary.json").read_text())
    assert summary["kept"] == {"disagreement": 3, "random": 3} and summary["scenes"] == SCENES


@engine
def test_shards_merge_to_what_one_shard_gives(curated: Path, taught_policy: Path, tmp_path: Path) -> None:
    """Rollouts have seeds of their own; what a batch is put together of changes rounding and nothing else."""
    out = tmp_path / "shards"
    for shard in (2, 0):
        curate(config(taught_policy, shard=shard, shards=3), out, QUIET, StopFlag())
    with pytest.raises(RunError, match=r"shards 1 of 3 are not done"):
        curate(config(None), out, QUIET, StopFlag(), merge_only=True)
    curate(config(taught_policy, shard=1, shards=3), out, QUIET, StopFlag())
    curate(config(None), out, QUIET, StopFlag(), merge_only=True)
    one, three = rows(curated), rows(out)
    assert [(row["scene_id"], row["kept_as"]) for row in one] == [(row["scene_id"], row["kept_as"]) for row in three]
    for a, b in zip(one, three, strict=True):
        assert a["rewards"] == pytest.approx(b["rewards"], abs=1e-5)
        assert a["disagreement"] == pytest.approx(b["disagreement"], abs=1e-4)


@engine
def test_a_shard_that_was_stopped_goes_on_and_no_batch_is_scored_twice(
    curated: Path, taught_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[list[str]] = []
    original = recipe.score_scenes

    def watched(policy: Any, reward: Any, scenes: list[Scene], *others: Any) -> Any:
        scored.append([scene.id for scene in scenes])
        if len(scored) == 2:
            stop.signal_name = "SIGTERM"
        return original(policy, reward, scenes, others[0], StopFlag())

    monkeypatch.setattr(recipe, "score_scenes", watched)
    out, stop = tmp_path / "stopped", StopFlag()
    with pytest.raises(Stopped):
        curate(config(taught_policy), out, QUIET, stop)
    assert len(scores(out)) == 6 and not (out / "scenes.parquet").exists()
    (out / "scores" / "shard-000-of-001" / "part-000002.partial").write_bytes(b"half a file")
    curate(config(taught_policy), out, QUIET, StopFlag())
    assert sorted(identity for batch in scored for identity in batch) == sorted(scores(curated))
    assert [row["scene_id"] for row in rows(out)] == [row["scene_id"] for row in rows(curated)]


@engine
def test_what_is_kept_may_be_chosen_anew_without_new_rollouts(curated: Path, taught_policy: Path) -> None:
    before = [row["scene_id"] for row in rows(curated)]
    for name in ("js", "tv", "kl"):
        anew = config(None, divergence=name, keep=2, random_ratio=0.5)
        curate(anew, curated, QUIET, StopFlag(), merge_only=True)
        assert [row["kept_as"] for row in rows(curated)] == ["disagreement"] * 2 + ["random"]
        assert json.loads((curated / "summary.json").read_text())["divergence"] == name
    curate(config(taught_policy), curated, QUIET, StopFlag())
    assert [row["scene_id"] for row in rows(curated)] == before


@engine
def test_the_difficulty_filter_leaves_out_scenes_by_the_spread_of_their_rewards(curated: Path) -> None:
    found = scores(curated)
    stds = sorted(float(np.std(row["rewards"], ddof=1)) for row in found.values())
    middle = (stds[4] + stds[5]) / 2
    curate(config(None, smallest_reward_std=middle, keep=100), curated, QUIET, StopFlag(), merge_only=True)
    kept = rows(curated)
    assert len(kept) == 5 and all(row["reward_std"] > middle for row in kept)
    assert json.loads((curated / "summary.json").read_text())["left_out_by_reward_std"] == 5
    with pytest.raises(RunError, match=r"none of 10 scenes can be kept: 0 have fewer than two judged rollouts"):
        curate(config(None, smallest_reward_std=1e9), curated, QUIET, StopFlag(), merge_only=True)
    curate(config(None), curated, QUIET, StopFlag(), merge_only=True)


@engine
def test_a_folder_of_other_scores_or_of_something_else_is_refused(
    curated: Path, taught_policy: Path, tiny_policy: Any, tmp_path: Path
) -> None:
    other = plain(taught_policy)
    other["rewards"]["terms"].append({"reward": "format"})
    with pytest.raises(ConfigError, match=r"scores of another config \(different: rewards\)"):
        curate(check_config(RunConfig, other, source="test"), curated, QUIET, StopFlag())
    with pytest.raises(ConfigError, match=r"different: weights"):
        curate(config(tiny_policy.path), curated, QUIET, StopFlag())
    (tmp_path / "letter.txt").write_text("x")
    with pytest.raises(ConfigError, match="holds no curation"):
        curate(config(taught_policy), tmp_path, QUIET, StopFlag())


def test_without_a_policy_or_scores_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"curate.policy is unset.*--policy"):
        curate(config(None), tmp_path / "out", QUIET, StopFlag())
    with pytest.raises(ConfigError, match="holds no scores"):
        curate(config(None), tmp_path / "out", QUIET, StopFlag(), merge_only=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no weights"):
        curate(config(tmp_path / "empty"), tmp_path / "out", QUIET, StopFlag())


@engine
def test_no_more_scenes_than_a_batch_are_in_memory(tmp_path: Path, taught_policy: Path) -> None:
    from ar1_rl.plugins import load_object

    path = tmp_path / "my_scenes.py"
    path.write_text(SOURCE)
    raw = plain(taught_policy, scenes_per_batch=2, rollouts=2)
    raw["scenes"] = {"source": f"{path}:counted", "train": 12}
    curate(check_config(RunConfig, raw, source="test"), tmp_path / "out", QUIET, StopFlag())
    assert len(scores(tmp_path / "out")) == 12
    assert load_object(f"{path}:counted", what="source").__globals__["most"] <= 2 * 2


# training on it


@engine
def test_a_run_trains_on_a_curated_dataset_with_separate_credit_and_counts_groups(
    curated: Path, taught_policy: Path, tmp_path: Path
) -> None:
    run = {
        "recipe": "on curated scenes",
        "scenes": {"train": SCENES, "validation": 1, "test": 2, "curated": str(curated)},
        "policy": {"path": str(taught_policy)},
        "rollouts": {"engine": "transformers", "max_completion_tokens": 64},
        "rewards": {"terms": [{"reward": "consistency"}, {"reward": "critic"}, {"reward": "imitation"}]},
        "grpo": {"steps": 2, "scenes_per_step": 2, "samples_per_scene": 4, "credit": "split"},
        "eval": {"samples_per_scene": 2, "resamples": 100},
    }  # fmt: skip
    run["grpo"]["smallest_reward_std"] = 0.0
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(run))
    command = [sys.executable, "-m", "recipes.cli", "grpo", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Curated scenes: 3 kept as disagreement, 3 kept as random" in done.stdout
    files = sorted((tmp_path / "out" / "rollouts").glob("train-*.parquet"))
    trained = {row["scene_id"] for file in files for row in parquet.read_table(file).to_pylist()}
    assert len(trained) == 4 and trained <= {row["scene_id"] for row in rows(curated)}
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "groups/zero_variance" in line]
    assert len(steps) == 2 and all(0 <= line["groups/skipped"] <= 2 for line in steps)


def write_dataset(folder: Path, **columns: list[Any]) -> Path:
    import pyarrow as pa

    folder.mkdir(exist_ok=True)
    parquet.write_table(pa.table(columns), folder / "scenes.parquet")
    return folder


def test_a_dataset_that_is_none_is_refused_with_what_was_found(tmp_path: Path) -> None:
    good = {"schema_version": [1, 1], "scene_id": ["a", "b"], "kept_as": ["random", "disagreement"]}
    assert read_curated(write_dataset(tmp_path / "good", **good))[0] == ["a", "b"]
    assert read_curated(tmp_path / "good" / "scenes.parquet")[0] == ["a", "b"]
    with pytest.raises(ConfigError, match="allowed is a folder that ar1-rl curate has merged"):
        read_curated(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="no column kept_as"):
        read_curated(write_dataset(tmp_path / "bare", schema_version=[1], scene_id=["a"]))
    with pytest.raises(ConfigError, match="2 scenes with 1 ids"):
        read_curated(write_dataset(tmp_path / "twice", **{**good, "scene_id": ["a", "a"]}))
    with pytest.raises(ConfigError, match=r"schema_version \{9\}"):
        read_curated(write_dataset(tmp_path / "new", **{**good, "schema_version": [9, 9]}))


def test_scenes_that_the_source_does_not_have_are_named(tmp_path: Path) -> None:
    from recipes.corpus import load_corpus

    dataset = write_dataset(tmp_path / "set", schema_version=[1], scene_id=["synthetic/train/0/3"], kept_as=["random"])
    raw = plain(None)
    raw["scenes"] |= {"curated": str(dataset)}
    raw["grpo"] = {"steps": 2, "scenes_per_step": 1}
    corpus = load_corpus(check_config(RunConfig, raw, source="test"), QUIET)
    assert [scene.id for scene in corpus.rl] == ["synthetic/train/0/3"] * 2 and not corpus.examples
    write_dataset(tmp_path / "set", schema_version=[1], scene_id=["synthetic/nowhere/0/3"], kept_as=["random"])
    with pytest.raises(SceneError, match="synthetic/nowhere/0/3"):
        load_corpus(check_config(RunConfig, raw, source="test"), QUIET)


def test_the_command_takes_policy_and_shard_as_flags_and_refuses_a_shard_it_cannot_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from recipes.cli import main

    base = ["curate", "quickstart", "--out", str(tmp_path / "out")]
    assert main([*base, "--policy", str(tmp_path), "--shard", "second"]) == 2
    assert "allowed is I/N" in capsys.readouterr().out
    assert main([*base, "--policy", str(tmp_path), "--shard", "4/4"]) == 2
    assert "allowed 0 to 3" in capsys.readouterr().out
    assert main([*base, "--policy", str(tmp_path), "--shard", "0/4"]) == 2
    assert "holds no weights" in capsys.readouterr().out
