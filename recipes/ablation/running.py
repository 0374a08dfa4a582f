"""Cells run side by side, each in processes of its own; what is finished is written down and never run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ar1_rl.errors import ConfigError, RunError
from ar1_rl.report.progress import progress

from ..launch import EXIT_STOPPED
from ..run_folder import environment
from ..stopping import StopFlag
from ..whole_files import write_whole
from .cells import SFT, Command, Plan

SCHEMA_VERSION = 1
DONE, LOG = "done.json", "log"
TOLD_LINES = 5
"""Last lines of a failed command's output that are shown."""
POLL_S = 0.2


@dataclass(frozen=True)
class Job:
    """A cell of a seed, or the seed's SFT, and its commands."""

    name: str
    beside: Path
    """What its own files are named after; they lie beside the run folder, of which there is one with that name."""
    commands: tuple[Command, ...]

    @property
    def done_file(self) -> Path:
        """What is written down when it is finished."""
        return self.beside.with_name(f"{self.beside.name}.{DONE}")

    @property
    def log_file(self) -> Path:
        """What its commands have printed."""
        return self.beside.with_name(f"{self.beside.name}.{LOG}")

    def told(self, out: Path) -> list[list[str]]:
        """The commands, wherever the folder of the ablation is moved to."""
        return [[word.replace(str(out), "OUT") for word in command.words] for command in self.commands]

    def done(self, out: Path) -> dict[str, Any] | None:
        """What was written down when it was finished, or None; ConfigError where that were other commands."""
        if not self.done_file.is_file():
            return None
        content: dict[str, Any] = json.loads(self.done_file.read_text())
        before, now = content["commands"], self.told(out)
        if before != now:
            words = [{word for command in commands for word in command} for commands in (before, now)]
            raise ConfigError(
                f"{self.beside} was finished with other settings ({_words(words[0] - words[1])} then, "
                f"{_words(words[1] - words[0])} now); name another --out, or remove {self.done_file} and the folder"
            )
        return content


def sft_job(plan: Plan, seed: int) -> Job:
    """The SFT of a seed."""
    return Job(f"seed {seed}, SFT", plan.sft(seed).with_name(f"{SFT}.run"), tuple(plan.sft_commands(seed)))


def cell_job(plan: Plan, seed: int, cell: str) -> Job:
    """One cell of a seed."""
    return Job(f"seed {seed}, {cell}", plan.folder(seed, cell), tuple(plan.commands(seed, cell)))


def run_missing(plan: Plan, seeds: Sequence[int], cells: Sequence[str], console: Console, stop: StopFlag) -> list[str]:
    """Run the SFTs, then the cells, that are not finished; returns what failed, in words.

    Raises Stopped after a signal: the commands have then saved what they had.
    """
    failed: list[str] = []
    for jobs in (
        [sft_job(plan, seed) for seed in seeds],
        [cell_job(plan, seed, cell) for cell in cells for seed in seeds],
    ):
        missing = [job for job in jobs if job.done(plan.out) is None]
        if missing and not failed:
            failed += _run_side_by_side(plan, missing, console, stop)
    return failed


def _run_side_by_side(plan: Plan, jobs: Sequence[Job], console: Console, stop: StopFlag) -> list[str]:
    failed, made_with = [], environment()
    with ThreadPoolExecutor(plan.config.jobs) as pool, progress(console, "cells", len(jobs)) as bar:
        running = {pool.submit(_run, plan, job, made_with, stop): job for job in jobs}
        for finished in as_completed(running):
            job, fault = running[finished], finished.exception()
            if isinstance(fault, RunError):
                failed.append(f"{job.name}: {fault}")
            elif fault is not None:
                raise fault
            bar.advance(note=job.name)
    stop.check()
    return failed


def _run(plan: Plan, job: Job, made_with: Mapping[str, Any], stop: StopFlag) -> None:
    """All commands of a job, one after another; nothing more once a signal has come."""
    began = time.monotonic()
    job.beside.parent.mkdir(parents=True, exist_ok=True)
    with job.log_file.open("a") as log:
        for command in job.commands:
            if stop:
                return
            code = _outcome(command.to_run(), plan.config.jobs, log.fileno(), stop)
            if code == EXIT_STOPPED and stop:
                return
            if code:
                raise RunError(f"exit code {code}; {job.log_file} ends in\n{_end_of(job.log_file)}")
    content = {"commands": job.told(plan.out), "wall_s": round(time.monotonic() - began, 1)}
    text = {"schema_version": SCHEMA_VERSION, **content, "environment": made_with}
    write_whole(job.done_file, json.dumps(text, indent=2))


def _outcome(words: Sequence[str], jobs: int, output: int, stop: StopFlag) -> int:
    """Exit code of one command; a signal to us is passed on once, and the command then saves and ends."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = {"OMP_NUM_THREADS": str(max(1, cores // jobs))} if jobs > 1 else {}
    process = subprocess.Popen(
        [sys.executable, "-m", "recipes.cli", *words],
        stdout=output,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**threads, **os.environ},
        # Ctrl-C goes to us alone, and is passed on.
        start_new_session=True,
    )
    told = False
    while process.poll() is None:
        if stop and not told:
            process.terminate()
            told = True
        time.sleep(POLL_S)
    return process.returncode


def _end_of(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-TOLD_LINES:])


def _words(words: set[str]) -> str:
    return " ".join(sorted(words)) or "nothing more"
