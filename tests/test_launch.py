"""Runs in several processes, as far as no model is needed: the config, the launcher, and how ranks end together."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.config import check_config
from ar1_rl.errors import ConfigError, RunError
from recipes import cli, sharding
from recipes.launch import LaunchConfig, check_ranks, launch
from recipes.ranks import Ranks
from recipes.run_config import RunConfig
from recipes.run_folder import RunFolder, check_folder
from recipes.stopping import StopFlag, stop_on_signal
from recipes.watch import Watch


def config(**more: Any) -> RunConfig:
    raw = {
        "recipe": "test",
        "rewards": {"terms": [{"reward": "format"}]},
        "grpo": {"scenes_per_step": 6, "samples_per_scene": 4},
    }
    return check_config(RunConfig, {**raw, **more}, source="test")


def test_a_group_that_would_be_split_between_ranks_is_refused() -> None:
    assert config(launch={"processes": 3}).launch.ranks == 3
    with pytest.raises(ConfigError, match=r"scenes_per_step 6 is not a multiple of the 4 ranks.*stay on one rank"):
        config(launch={"processes": 4})
    with pytest.raises(ConfigError, match="rollouts_per_pass 8 does not divide the 12 rollouts that each of 2 ranks"):
        config(launch={"processes": 2}, grpo={"scenes_per_step": 6, "samples_per_scene": 4, "rollouts_per_pass": 8})
    with pytest.raises(ConfigError, match=r"sft.batch_size 9 is not a multiple of the 2 ranks"):
        config(launch={"processes": 2}, sft={"batch_size": 9})


def test_several_machines_need_a_name_and_a_rank_each() -> None:
    assert config(launch={"processes": 3, "machines": 2, "rank": 1, "address": "node-a"}).launch.ranks == 6
    with pytest.raises(ConfigError, match="rank 2: with 2 machines, allowed are 0 to 1"):
        config(launch={"machines": 2, "rank": 2, "address": "node-a"})
    with pytest.raises(ConfigError, match=r"address '127.0.0.1': with 2 machines it is the name of machine 0"):
        config(launch={"machines": 2})


def test_shipped_deepspeed_settings_are_of_the_stage_in_their_name() -> None:
    assert sharding.names() == ["zero2", "zero2_offload", "zero3", "zero3_offload"]
    assert [config(deepspeed=name).zero_stage for name in sharding.names()] == [2, 2, 3, 3]
    assert config().zero_stage == 0
    with pytest.raises(ConfigError, match="'zero4' is not among zero2, zero2_offload, zero3, zero3_offload"):
        config(deepspeed="zero4")


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({}, "no zero_optimization.stage of 1, 2 or 3"),
        ({"zero_optimization": {"stage": 3}}, "stage3_gather_16bit_weights_on_model_save is not true"),
        ({"zero_optimization": {"stage": 2}, "optimizer": {"type": "Adam"}}, "are set by grpo"),
    ],
)
def test_settings_of_ones_own_that_would_break_a_run_are_refused(tmp_path: Path, settings: Any, fault: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match=fault):
        config(deepspeed=str(file))


def test_an_engine_that_cannot_sample_from_divided_parameters_is_refused() -> None:
    assert config(deepspeed="zero2", rollouts={"engine": "transformers"}).zero_stage == 2
    with pytest.raises(ConfigError, match="transformers cannot sample from parameters that DeepSpeed's stage 3"):
        config(deepspeed="zero3", rollouts={"engine": "transformers"})


def test_a_vllm_server_is_refused_without_cuda(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert cli.main(["grpo", "quickstart", "rollouts.server=http://127.0.0.1:8000", "--dry-run"]) == 2
    assert "over NCCL, which needs CUDA on both sides" in " ".join(capsys.readouterr().out.split())


def test_flags_are_config_keys() -> None:
    options = cli._parse(["grpo", "quickstart", "seed=1", "--processes", "2", "--deepspeed", "zero3"])
    assert options.overrides == ["seed=1", "launch.processes=2", "deepspeed=zero3"]


def test_ranks_of_another_launcher_must_be_those_of_the_config() -> None:
    check_ranks(LaunchConfig(processes=2), {"WORLD_SIZE": "2"})
    with pytest.raises(ConfigError, match="is 2 ranks, but 4 were started"):
        check_ranks(LaunchConfig(processes=2), {"WORLD_SIZE": "4"})


@given(st.lists(st.integers()), st.integers(1, 9))
def test_the_shares_of_all_ranks_are_everything_in_order_and_of_equal_size(items: list[int], count: int) -> None:
    shares = [Ranks(index, count).share(items) for index in range(count)]
    assert [item for share in shares for item in share] == items
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_only_the_first_rank_writes_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ranks, "wait", lambda self: None)
    first = RunFolder(tmp_path / "run", config(), resume=False, ranks=Ranks(0, 2))
    second = RunFolder(tmp_path / "run", config(), resume=False, ranks=Ranks(1, 2))
    for folder in (first, second):
        folder.append_metrics({"stage": "grpo", "step": 1})
    second.write_json("summary.json", {})
    second.cut("grpo", 0)
    assert second.read_metrics() == [{"schema_version": 1, "stage": "grpo", "step": 1}]
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_run_may_go_on_from_other_addresses_but_not_with_other_ranks(tmp_path: Path) -> None:
    def on(**launch: Any) -> RunConfig:
        return config(launch={"processes": 3, "machines": 2, **launch})

    RunFolder(tmp_path / "run", on(address="node-a"), resume=False)
    check_folder(tmp_path / "run", on(address="node-b", rank=1, port=1234, timeout_s=9.0), resume=True)
    with pytest.raises(ConfigError, match="different: launch"):
        check_folder(tmp_path / "run", config(launch={"processes": 6}), resume=True)


ENDS = {
    "well": ("", 0, ""),
    "stopped": ("sys.exit(75)", 75, ""),
    "wrong": ("sys.exit(2)", 2, ""),
    "oddly": ("sys.exit(9)", 1, "rank 1 ended with exit code 9"),
    "killed": ("os.kill(os.getpid(), 9)", 1, "rank 1 was killed by SIGKILL"),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_launcher_ends_as_the_first_rank_that_did_not_end_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    doing, code, told = ENDS[end]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "")
    script = f"""
import os, pathlib, sys, time
pathlib.Path({str(tmp_path)!r}, os.environ["RANK"]).touch()
if os.environ["RANK"] == "1":
    {doing or "pass"}
elif {bool(doing)}:
    time.sleep(60)
"""
    said: list[str] = []
    assert launch(LaunchConfig(processes=2), ["-c", script], said.append) == code
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}
    assert told in "".join(said) and len(said) == bool(told)


def test_signals_reach_every_rank_and_nothing_cuts_their_time_short(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "")
    script = f"""
import os, pathlib, signal, sys, time
mine = pathlib.Path({str(tmp_path)!r}, os.environ["RANK"])
def save(number, frame):
    time.sleep(1.0)
    mine.write_text("saved")
    sys.exit(75)
signal.signal(signal.SIGTERM, save)
mine.touch()
time.sleep(60)
"""

    def ask() -> None:
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask, daemon=True).start()
    before = signal.getsignal(signal.SIGTERM)
    assert launch(LaunchConfig(processes=2), ["-c", script]) == 75
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["saved", "saved"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_machine_that_waits_in_vain_for_the_others_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "")
    alone = LaunchConfig(machines=2, address="127.0.0.2", port=29417, timeout_s=1.0)
    with pytest.raises(RunError, match=r"machine 0 of 2 has not met the others at 127.0.0.2:29417 within 1 s"):
        launch(alone, ["-c", "pass"])


def test_a_signal_that_comes_twice_at_once_is_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue sends it to all processes of a job, and the launcher passes it on."""
    with stop_on_signal() as flag:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag.signal_name == "SIGTERM"
        later = time.monotonic() + 3.0
        monkeypatch.setattr(time, "monotonic", lambda: later)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_ranks_stop_together_wherever_the_signal_came() -> None:
    mine, others = StopFlag(), StopFlag()
    others.signal_name = "SIGTERM"
    assert not mine.agree(lambda flag: flag)
    assert mine.agree(lambda flag: flag or bool(others)) and mine.signal_name == "a signal to another rank"


class Left(Exception):
    """In the place of the end of the process."""


def watches(count: int, timeout_s: float) -> tuple[list[Watch], list[str], list[int]]:
    """Watches of several ranks over one real store, with what they said and the exit codes they left with."""
    from torch.distributed import TCPStore

    said: list[str] = []
    left: list[int] = []
    host = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    stores = [TCPStore("127.0.0.1", host.port, is_master=False, wait_for_workers=False) for _ in range(count)]
    made = [
        Watch(rank, count, timeout_s, store=store, say=said.append, leave=left.append)
        for rank, store in enumerate(stores)
    ]
    made[0].host = host  # type: ignore[attr-defined] # lives as long as the watches
    return made, said, left


def until(done: Any, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_rank_that_gives_no_sign_of_life_is_named_by_another() -> None:
    (first, second), said, left = watches(2, timeout_s=1.0)
    second.mark("grpo step 7, rollouts")
    second._talk()  # once, and never again
    first.start()
    until(lambda: left)
    assert left[0] == 1 and said[0].startswith("rank 1 on ") and "grpo step 7, rollouts" in said[0]
    assert "gave no sign of life for more than 1 s (launch.timeout_s)" in said[0]


def test_of_ranks_that_wait_for_each_other_the_one_that_began_first_has_stalled() -> None:
    (first, second), said, left = watches(2, timeout_s=2.0)
    second.mark("grpo step 3, rewards")
    time.sleep(0.5)
    first.mark("grpo step 3, update")  # where it waits for the other
    for watch in (first, second):
        watch.start()
    until(lambda: said and len(left) == 2)
    assert len(said) == 1 and said[0].startswith("rank 1 on ") and "has stalled" in said[0]


def test_marks_and_ranks_that_are_done_keep_a_run_alive() -> None:
    (first, second), said, left = watches(2, timeout_s=1.0)
    for watch in (first, second):
        watch.start()
    second.close()
    for step in range(8):
        first.mark(f"grpo step {step}")
        time.sleep(0.25)
    first.mark("")
    time.sleep(1.5)
    first.close()
    assert not said and not left


def test_all_ranks_end_as_the_first_one_that_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import recipes.watch

    monkeypatch.setattr(recipes.watch, "GRACE_S", 0.1)
    (first, second, third), said, left = watches(3, timeout_s=5.0)
    for watch in (first, second, third):
        watch.start()
    assert second.tell(75, "stopped by SIGTERM").rank == 1
    end = first.tell(1, "connection reset by peer")
    assert (end.rank, end.code, end.message) == (1, 75, "stopped by SIGTERM")
    until(lambda: left)
    assert left == [75] and not said, "rank 2, which was not told by its own main thread"


def test_a_rank_does_not_outlive_its_launcher() -> None:
    left: list[int] = []
    said: list[str] = []
    watch = Watch(0, 1, 5.0, launcher=os.getppid() + 1, say=said.append, leave=left.append)
    watch.start()
    until(lambda: left)
    watch.close()
    assert left[0] == 1 and said[0] == "rank 0: its launcher is gone"
