"""Two machines that share nothing but a file system and a cable: two network namespaces of this one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tiny import TinyPolicy

from rollouts.store import read_rollouts

pytestmark = [pytest.mark.slow, pytest.mark.engine]

ROOT = Path(__file__).resolve().parents[1]
HOSTS = ("ar1-rl-a", "ar1-rl-b")
CABLE = ("ar1rl0", "ar1rl1")
ADDRESSES = ("10.213.7.1", "10.213.7.2")
TIMEOUT_S = 45.0


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Names of two network namespaces that are joined by a virtual cable."""
    try:
        for host in HOSTS:
            ip("netns", "add", host)
    except (OSError, subprocess.CalledProcessError) as error:
        subprocess.run(["ip", "netns", "del", HOSTS[0]], capture_output=True)
        pytest.skip(f"this machine does not let us make network namespaces: {getattr(error, 'stderr', error)}")
    try:
        ip("link", "add", CABLE[0], "netns", HOSTS[0], "type", "veth", "peer", "name", CABLE[1], "netns", HOSTS[1])
        for host, end, address in zip(HOSTS, CABLE, ADDRESSES, strict=True):
            ip("-n", host, "addr", "add", f"{address}/24", "dev", end)
            ip("-n", host, "link", "set", end, "up")
            ip("-n", host, "link", "set", "lo", "up")
        yield HOSTS
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], capture_output=True)


def start(rank: int, config: Path, *more: str) -> subprocess.Popen[str]:
    """The command on one of the hosts."""
    launch = ["--machines", "2", "--rank", str(rank), "--address", ADDRESSES[0]]
    command = [sys.executable, "-m", "recipes.cli", "grpo", str(config), "--out", str(config.parent / "run"), *launch]
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1",
        # Both namespaces have the name of this machine, by which gloo would look for itself.
        "GLOO_SOCKET_IFNAME": CABLE[rank],
    }  # fmt: skip
    return subprocess.Popen(
        ["ip", "netns", "exec", HOSTS[rank], *command, *more],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
    )  # fmt: skip


def write_config(policy: TinyPolicy, folder: Path) -> Path:
    raw = {
        "recipe": "test",
        "scenes": {"train": 16, "validation": 2, "test": 2},
        "policy": {"path": str(policy.path)},
        "rollouts": {"engine": "vllm", "max_completion_tokens": 16, "max_model_tokens": 192},
        "rewards": {"terms": [{"reward": "format"}]},
        "grpo": {"steps": 3, "scenes_per_step": 2, "samples_per_scene": 2, "evaluate_every": 3},
        "eval": {"samples_per_scene": 2, "resamples": 100},
        "deepspeed": "zero3",
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(raw))
    return config


def test_two_hosts_train_one_policy_in_one_run_folder(
    hosts: tuple[str, str], tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    config = write_config(tiny_policy, tmp_path)
    runs = [start(rank, config) for rank in range(2)]
    outputs = [run.communicate(timeout=600)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(outputs)
    assert "Run folder" in outputs[0] and outputs[1].strip() == "", "machine 0 talks"
    assert (tmp_path / "run" / "summary.json").exists()
    recorded = [row for row in read_rollouts(tmp_path / "run" / "rollouts") if row["step"] >= 0]
    training = sorted(row["step"] for row in recorded if row["policy_version"] == "step-0")
    assert training == [step for step in range(3) for _ in range(4)]


def test_a_host_that_can_no_longer_be_reached_ends_the_run_on_both(
    hosts: tuple[str, str], tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    """Nothing is closed or reset when a cable is cut: packets only stop coming."""
    config = write_config(tiny_policy, tmp_path)
    more = ["rollouts.engine=transformers", "deepspeed=zero2", "grpo.steps=4000", f"launch.timeout_s={TIMEOUT_S}"]
    runs = [start(rank, config, *more) for rank in range(2)]
    try:
        deadline = time.monotonic() + 400
        while not list((tmp_path / "run").glob("rollouts/train-000002-*")):
            assert time.monotonic() < deadline and all(run.poll() is None for run in runs)
            time.sleep(0.1)
        ip("-n", hosts[0], "link", "set", CABLE[0], "down")
        outputs = [run.communicate(timeout=2 * TIMEOUT_S + 30)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
    assert [run.returncode for run in runs] == [1, 1], "\n".join(outputs)
    assert re.search(r"rank 1 on .* gave no sign of life", outputs[0]), outputs[0]
    assert re.search(r"rank 0 on .* gave no sign of life", outputs[1]), outputs[1]
