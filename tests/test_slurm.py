"""The SLURM script, with the three commands that it calls replaced by ones that write down how they were called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from recipes import cli

SCRIPT = Path(cli.__file__).parent / "slurm" / "grpo.sbatch"

SRUN = """#!/bin/bash
shift  # --kill-on-bad-exit=0
for node in 0 1; do SLURM_NODEID=$node "$@" || code=$?; done
exit ${code:-0}
"""
SCONTROL = """#!/bin/bash
echo "scontrol $*" >> "$LOG"
if [ "$1 $2" = "show hostnames" ]; then printf 'node-a\\nnode-b\\n'; fi
"""
AR1_RL = """#!/bin/bash
echo "ar1-rl $*" >> "$LOG"
exit $CODE
"""


def submit(folder: Path, code: int) -> tuple[int, list[str]]:
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("ar1-rl", AR1_RL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "log").unlink(missing_ok=True)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(folder / "log"), "CODE": str(code),
        "SLURM_JOB_NODELIST": "node-[a-b]", "SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "4", "SLURM_JOB_ID": "7",
    }  # fmt: skip
    command = ["bash", str(SCRIPT), "my.yaml", str(folder / "run"), "deepspeed=zero3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.returncode, (folder / "log").read_text().splitlines()


def test_every_machine_gets_the_same_call_but_for_its_rank(tmp_path: Path) -> None:
    code, log = submit(tmp_path, code=0)
    assert code == 0
    call = (
        f"ar1-rl grpo my.yaml --out {tmp_path}/run --processes 4 --machines 2 --address node-a deepspeed=zero3 --rank"
    )
    assert log == ["scontrol show hostnames node-[a-b]", f"{call} 0", f"{call} 1"]


def test_a_run_that_was_stopped_is_queued_again_and_goes_on(tmp_path: Path) -> None:
    code, log = submit(tmp_path, code=75)
    assert code == 75 and log[-1] == "scontrol requeue 7" and "--resume" not in log[1]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    _, log = submit(tmp_path, code=75)
    assert all("--resume" in line for line in log if line.startswith("ar1-rl"))


@pytest.mark.parametrize("code", [1, 2])
def test_a_run_that_failed_is_not(tmp_path: Path, code: int) -> None:
    returned, log = submit(tmp_path, code)
    assert returned == code and not any("requeue" in line for line in log)


def test_the_calls_are_ones_that_the_command_takes(tmp_path: Path) -> None:
    _, log = submit(tmp_path, code=0)
    options = cli._parse(log[2].split()[1:])
    assert options.overrides[-4:] == [
        "launch.processes=4", "launch.machines=2", "launch.rank=1", "launch.address=node-a"
    ]  # fmt: skip
