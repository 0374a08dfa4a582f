"""What a run keeps on disk: sealed checkpoints, files that are whole or not there, and what a crash leaves behind."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from ar1_rl.config import check_config
from ar1_rl.errors import ConfigError, RunError
from recipes.checkpoints import SEAL, flaws, in_order, is_sealed, newest_whole, seal, step_of
from recipes.full_disk import is_full, told_when_full
from recipes.ranks import ALONE
from recipes.run_config import RunConfig
from recipes.run_folder import RunFolder
from recipes.validation import BestSoFar
from recipes.whole_files import replace_folder, write_whole


def a_checkpoint(folder: Path, step: int, *, sealed: bool = True) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    (checkpoint / "shards").mkdir(parents=True)
    (checkpoint / "weights").write_bytes(bytes(range(200)))
    (checkpoint / "shards" / "rank0").write_text("optimizer")
    if sealed:
        seal(checkpoint, ALONE)
    return checkpoint


def a_config(**grpo: object) -> RunConfig:
    raw = {"recipe": "test", "rewards": {"terms": [{"reward": "format"}]}, "grpo": grpo}
    return check_config(RunConfig, raw, source="test")


def test_a_seal_names_every_file_with_its_size(tmp_path: Path) -> None:
    checkpoint = a_checkpoint(tmp_path, 4)
    sealed = json.loads((checkpoint / SEAL).read_text())
    assert {name: told["bytes"] for name, told in sealed["files"].items()} == {"shards/rank0": 9, "weights": 200}
    assert sealed["schema_version"] == 1 and sealed["ranks"] == 1
    assert is_sealed(checkpoint) and flaws(checkpoint) == []
    seal(checkpoint, ALONE)
    assert flaws(checkpoint) == [], "the seal is no part of what it seals"


def test_half_a_checkpoint_shows_wherever_it_broke_off(tmp_path: Path) -> None:
    assert flaws(a_checkpoint(tmp_path, 1, sealed=False)) == ["it was not finished"]
    missing, short, changed, torn = (a_checkpoint(tmp_path, step) for step in (2, 3, 4, 5))
    (missing / "shards" / "rank0").unlink()
    assert flaws(missing) == ["rank0 is missing"]
    (short / "weights").write_bytes(bytes(range(100)))
    assert flaws(short) == ["weights has 100 bytes, sealed were 200"]
    (changed / "weights").write_bytes(bytes(200))
    assert flaws(changed) == ["weights is not what was sealed"]
    (torn / SEAL).write_text((torn / SEAL).read_text()[:30])
    assert flaws(torn) == [f"{SEAL} cannot be read"]


def test_of_several_ranks_each_looks_at_its_share_and_all_shares_are_everything(tmp_path: Path) -> None:
    checkpoint = a_checkpoint(tmp_path, 4)
    for path in (checkpoint / "weights", checkpoint / "shards" / "rank0"):
        path.unlink()
    assert [flaws(checkpoint, index, 2) for index in (0, 1)] == [["rank0 is missing"], ["weights is missing"]]


def test_the_last_whole_checkpoint_is_taken_and_the_others_go(tmp_path: Path) -> None:
    said: list[str] = []
    assert newest_whole(tmp_path / "none yet", ALONE, said.append) is None
    for step, sealed in ((8, True), (9, True), (10, True), (100, False)):
        a_checkpoint(tmp_path, step, sealed=sealed)
    (tmp_path / "checkpoint-10" / "weights").unlink()
    found = newest_whole(tmp_path, ALONE, said.append)
    assert found == tmp_path / "checkpoint-9" and step_of(found) == 9
    assert [path.name for path in in_order(tmp_path)] == ["checkpoint-9"]
    assert said == [
        "checkpoint-100 is not used and removed: it was not finished",
        "checkpoint-10 is not used and removed: weights is missing",
    ]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file.json"
    write_whole(target, "first")

    def dies(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("recipes.whole_files.os.replace", dies)
    with pytest.raises(KeyboardInterrupt):
        write_whole(target, "second")
    assert target.read_text() == "first"


def test_a_folder_takes_the_place_of_another(tmp_path: Path) -> None:
    for name in ("new.partial", "target"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    replace_folder(tmp_path / "new.partial", tmp_path / "target")
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()] == [
        Path("target/new.partial")
    ]


def test_the_best_policy_is_the_first_of_the_highest_reward(tmp_path: Path) -> None:
    best = BestSoFar()
    offers = [(0, None), (2, None), (4, 0.5), (6, 0.5), (8, None), (10, 0.4), (12, 0.6)]
    assert [best.offer(step, reward) for step, reward in offers] == [True, True, True, False, False, False, True]
    best.save(tmp_path, rank=0)
    other = BestSoFar()
    other.load(tmp_path, rank=1)
    assert other == best == BestSoFar(12, 0.6)
    assert best.is_in(tmp_path) and not BestSoFar(10, 0.4).is_in(tmp_path) and not best.is_in(tmp_path / "none")


def test_a_resumed_run_takes_away_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", a_config(), resume=False)
    folder.rollouts.mkdir()
    for stage, steps in (("sft", (5, 10)), ("grpo", (0, 1, 2, 3))):
        for step in steps:
            folder.append_metrics({"stage": stage, "step": step})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "grpo", "st')
    names = [f"{label}-{step:06d}-rank000.parquet" for label in ("train", "validation") for step in (0, 1, 2, 3)]
    for name in [*names, "before-rank000.parquet", "train-000003-rank000.partial"]:
        (folder.rollouts / name).touch()
    folder = RunFolder(folder.path, a_config(), resume=True)
    folder.cut("grpo", 2)
    assert [(row["stage"], row["step"]) for row in folder.read_metrics()] == [
        ("sft", 5), ("sft", 10), ("grpo", 0), ("grpo", 1), ("grpo", 2),
    ]  # fmt: skip
    assert (folder.path / "metrics.jsonl").read_text().endswith("}\n"), "the half line is gone"
    kept = [f"train-{step:06d}" for step in (0, 1)] + [f"validation-{step:06d}" for step in (0, 1, 2)]
    assert sorted(path.name for path in folder.rollouts.iterdir()) == [
        "before-rank000.parquet", *(f"{name}-rank000.parquet" for name in kept),
    ]  # fmt: skip
    folder.cut("sft", None)
    assert {row["stage"] for row in folder.read_metrics()} == {"grpo"}


def test_a_run_that_died_before_its_config_was_there_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "config.yaml.partial").write_text("recipe: te")
    RunFolder(tmp_path, a_config(), resume=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "config.yaml", "environment.json"]
    with pytest.raises(ConfigError, match="is not empty"):
        RunFolder(tmp_path, a_config(), resume=False)


def test_a_checkpoint_in_the_midst_of_a_batch_s_updates_is_refused_with_the_reason() -> None:
    assert a_config(updates_per_batch=4, evaluate_every=8, steps=10).grpo.batches == 3
    with pytest.raises(ConfigError, match=r"evaluate_every 6 is not a multiple of updates_per_batch 4.* sample that"):
        a_config(updates_per_batch=4, evaluate_every=6)
    with pytest.raises(ConfigError, match=r"updates_per_batch 2 with loss 'ar1'.*older weights"):
        a_config(updates_per_batch=2, loss="ar1")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told_with_what_is_left(tmp_path: Path, number: int) -> None:
    a_checkpoint(tmp_path / "checkpoints" / "grpo-trainer", 4)
    a_checkpoint(tmp_path / "checkpoints" / "grpo-trainer", 8, sealed=False)
    told = (
        r"disk or quota is full \(OSError: .*MiB free; the last whole checkpoint is checkpoint-4. Make room and go on"
    )
    with pytest.raises(RunError, match=told), told_when_full(tmp_path):
        raise OSError(number, "no more")
    with pytest.raises(RunError, match="there is no checkpoint yet"), told_when_full(tmp_path / "none"):
        raise OSError(number, "no more")


def test_a_full_disk_is_found_behind_errors_that_say_something_else() -> None:
    try:
        try:
            raise OSError(errno.ENOSPC, "no more")
        except OSError as error:
            raise ValueError("could not save") from error
    except ValueError as error:
        assert is_full(error)
    torch_says = (
        "[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file data/1: file write failed"
    )
    assert is_full(RuntimeError(torch_says))
    assert not is_full(OSError(errno.EACCES, "not allowed")) and not is_full(RuntimeError("out of memory"))
    with pytest.raises(PermissionError), told_when_full(Path("anywhere")):
        raise PermissionError(errno.EACCES, "not allowed")
