"""Runs of the command in processes of their own, which end themselves at a given moment: by SIGKILL, SIGTERM, no disk.

A server that has imported the heavy packages once forks a process for each run.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE_S = 600.0
HEAVY = ("torch", "transformers", "trl", "datasets", "peft")

Moment = tuple[str, Any]
"""A function of this file, and what it is told."""


def run(arguments: list[str], output: Path, moment: Moment | None = None) -> int:
    """The exit code of `ar1-rl ARGUMENTS`, -9 if it was killed; what it printed is in `output`."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(HEAVY))
    process = context.Process(target=_main, args=(arguments, str(output), moment))
    process.start()
    process.join(PATIENCE_S)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(output.read_text())
    return process.exitcode


def _main(arguments: list[str], output: str, moment: Moment | None) -> None:
    with open(output, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from recipes.cli import main

    if moment is not None:
        name, told = moment
        globals()[name](told)
    sys.exit(main(arguments))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, happens: Callable[..., bool], end: Callable[..., Any]) -> None:
    """Call `end` in the place of a function once `happens` says so of its arguments."""
    original = getattr(owner, name)

    def instead(*args: Any, **kwargs: Any) -> Any:
        if happens(*args, **kwargs):
            end(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(owner, name, instead)


def training_step(number: int) -> None:
    """SIGKILL in the midst of the given forward-backward pass of the process, SFT's or GRPO's."""
    import torch

    passes = iter(range(1, number + 1))
    before(torch.Tensor, "backward", lambda *a, **k: next(passes) == number, lambda *a, **k: die())


def sigterm_at_step(number: int) -> None:
    """SIGTERM, as from a queue, when the line of that GRPO step is written."""
    from recipes.run_folder import RunFolder

    before(
        RunFolder,
        "append_metrics",
        lambda self, row: row["stage"] == "grpo" and row["step"] == number and "loss" in row,
        lambda self, row: os.kill(os.getpid(), signal.SIGTERM),
    )


def sigterm_at_sft_step(number: int) -> None:
    """SIGTERM in the given pass of SFT, the first stage of a run."""
    import torch

    passes = iter(range(1, 10**9))
    before(
        torch.Tensor,
        "backward",
        lambda *a, **k: next(passes) == number,
        lambda *a, **k: os.kill(os.getpid(), signal.SIGTERM),
    )


def half_a_metrics_line(step: int) -> None:
    """SIGKILL when half of the line of that GRPO step is written."""
    from recipes.run_folder import RunFolder

    def half(self: Any, row: Any) -> None:
        with (self.path / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(row)[:40])
        die()

    before(RunFolder, "append_metrics", lambda self, row: row["stage"] == "grpo" and row["step"] == step, half)


def half_a_checkpoint(name: str) -> None:
    """SIGKILL when half of its optimizer is written."""
    import torch

    def half(state: Any, path: Any, *args: Any, **kwargs: Any) -> None:
        import io

        whole = io.BytesIO()
        save(state, whole)
        Path(path).write_bytes(whole.getvalue()[: whole.tell() // 2])
        die()

    save = torch.save
    before(torch, "save", lambda state, path, *a, **k: str(path).endswith(f"grpo-trainer/{name}/optimizer.pt"), half)


def unsealed(name: str) -> None:
    """SIGKILL when all of a checkpoint is written but its seal."""
    import recipes.checkpoints

    before(
        recipes.checkpoints,
        "write_whole",
        lambda path, text: path.parent.name == name and path.name == recipes.checkpoints.SEAL,
        lambda path, text: die(),
    )


def older_half_removed(name: str) -> None:
    """SIGKILL when a newer checkpoint is sealed and an older one half removed."""
    import shutil

    def half(folder: Any, *args: Any, **kwargs: Any) -> None:
        (Path(folder) / "model.safetensors").unlink()
        die()

    before(shutil, "rmtree", lambda folder, *a, **k: Path(folder).name == name, half)


def folder_gone(name_and_number: tuple[str, int]) -> None:
    """SIGKILL in the moment in which the old policy folder of that name is gone and the new one not there yet."""
    name, number = name_and_number
    times = iter(range(1, 10**9))
    original = Path.rename

    def rename(self: Path, target: Any) -> Path:
        if Path(target).name == name and next(times) == number:
            die()
        return original(self, target)

    Path.rename = rename  # type: ignore[method-assign]


def rollouts_written(label: str) -> None:
    """SIGKILL when the rollouts of that batch are written, under a name that is not yet theirs."""
    from rollouts import store

    def it_is(source: Any, target: Any) -> bool:
        path = Path(target)
        return path.name.startswith(label) or path.parent.parent.name == label

    before(store.os, "replace", it_is, lambda *a: die())


def rollouts_there(label: str) -> None:
    """SIGKILL when the rollouts of that batch have their name."""
    from rollouts.store import RolloutStore

    original = RolloutStore.write

    def write(self: Any, name: str, rows: Any) -> Path:
        path = original(self, name, rows)
        if label in (name, self.folder.parent.name):
            die()
        return path

    RolloutStore.write = write  # type: ignore[method-assign]


def cutting_on_resume(stage: str) -> None:
    """SIGKILL when a resumed run has cut the metrics and not yet the rollouts."""
    import recipes.run_folder

    original = recipes.run_folder.write_whole

    def write(path: Path, text: str) -> None:
        original(path, text)
        if path.name == "metrics.jsonl" and '"grpo"' in text:
            die()

    recipes.run_folder.write_whole = write


def no_file_larger_than(size: int) -> None:
    """Writing more fails, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def no_file_larger_after(batch_and_size: tuple[str, int]) -> None:
    """The same once the rollouts of a batch are there."""
    from rollouts.store import RolloutStore

    label, size = batch_and_size
    original = RolloutStore.write

    def write(self: Any, name: str, rows: Any) -> Path:
        path = original(self, name, rows)
        if label in (name, self.folder.parent.name):
            no_file_larger_than(size)
        return path

    RolloutStore.write = write  # type: ignore[method-assign]


def checkpoint_hangs(name: str) -> None:
    """The disk stops answering in the midst of a checkpoint."""
    import time

    import torch

    before(
        torch,
        "save",
        lambda state, path, *a, **k: Path(path).parent.name == name,
        lambda *a, **k: time.sleep(PATIENCE_S),
    )


def engine_start_hangs(folder: str) -> None:
    """Reading the policy never ends."""
    import time

    from ar1_rl.policy import pretrained

    before(pretrained, "load", lambda path, *a, **k: path.endswith(folder), lambda *a, **k: time.sleep(PATIENCE_S))
