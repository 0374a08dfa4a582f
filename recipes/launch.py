"""A run in several processes: the command starts itself again through torchrun, once for every rank."""

from __future__ import annotations

import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from pydantic import Field, model_validator

from ar1_rl.config import ConfigModel
from ar1_rl.errors import ConfigError, RunError

EXIT_CODES = EXIT_FAILED, EXIT_WRONG_CALL, EXIT_STOPPED = 1, 2, 75


class LaunchConfig(ConfigModel):
    """How many processes train together, and where."""

    processes: int = Field(1, ge=1)
    """On each machine; on GPUs one for each GPU."""
    machines: int = Field(1, ge=1)
    """Machines of the same number of processes; the run folder is on a file system that all of them share."""
    rank: int = Field(0, ge=0)
    """Number of this machine, from 0; the command is started once on each."""
    address: str = "127.0.0.1"
    """Host name or address of machine 0, as the others reach it."""
    port: int = Field(29400, ge=1, le=65535)
    """A free port of machine 0; a run on one machine finds one by itself."""
    gpu_memory_gib: float | None = Field(None, gt=0.0)
    """Of each GPU that the run is meant for: `--dry-run` tells whether it fits. Unset: those of this machine."""
    timeout_s: float = Field(1800.0, ge=1.0)
    """A step, an evaluation, a checkpoint or the loading of a part that takes longer has stalled, and a rank that gives
    no sign of life for so long is lost: the run ends on all ranks, and says which and what."""
    threads: int | None = Field(None, ge=1)
    """CPU threads of each process; unset: its share of the cores, for the tiny policy two at most. With 1, in float32
    on a CPU, two runs of one config are the same bit for bit."""

    @property
    def ranks(self) -> int:
        """Processes of the whole run."""
        return self.processes * self.machines

    @model_validator(mode="after")
    def _machines_are_told_apart(self) -> LaunchConfig:
        if self.rank >= self.machines:
            raise ValueError(f"rank {self.rank}: with {self.machines} machines, allowed are 0 to {self.machines - 1}")
        if self.machines > 1 and self.address in ("127.0.0.1", "localhost"):
            raise ValueError(
                f"address {self.address!r}: with {self.machines} machines it is the name of machine 0, "
                "as the others reach it"
            )
        return self


def is_rank(environment: Mapping[str, str]) -> bool:
    """Whether a launcher such as torchrun started this process as one of several."""
    return "LOCAL_RANK" in environment and "WORLD_SIZE" in environment


def launch(config: LaunchConfig, command: Sequence[str], say: Callable[[str], None] = print) -> int:
    """Run `python COMMAND` as every rank of this machine; returns the exit code of the first that did not end well.

    SIGINT and SIGTERM are passed on to the ranks, which save and stop together; nothing cuts their time short.
    """
    import logging

    from torch.distributed import DistError
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    # It reports every exit code but 0 with a page of its own; ranks tell by themselves what happened.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    # torchrun's own default where it is unset, said without its warning.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    port = config.port if config.machines > 1 else _free_port()
    options = [
        f"--nnodes={config.machines}", f"--node-rank={config.rank}", f"--nproc-per-node={config.processes}",
        f"--master-addr={config.address}", f"--master-port={port}", "--rdzv-id=ar1-rl",
        f"--rdzv-conf=timeout={math.ceil(config.timeout_s)}",
        # Ctrl-C and SIGTERM are ours: torchrun would kill ranks that take more than 30 s to save.
        "--signals-to-handle=SIGQUIT", "--no-python", sys.executable, "-u", *command,
    ]  # fmt: skip
    settings, executable, arguments = torchrun.config_from_args(torchrun.parse_args(options))
    with _signals_passed_on():
        try:
            elastic_launch(settings, executable)(*arguments)
        except ChildFailedError as error:
            rank, failure = next(iter(error.failures.items()))
            if failure.exitcode in EXIT_CODES:
                return int(failure.exitcode)
            say(f"rank {rank} {_how(failure.exitcode)}, and with it the run has ended")
            return EXIT_FAILED
        except DistError as error:
            raise RunError(
                f"machine {config.rank} of {config.machines} has not met the others at {config.address}:{port} within "
                f"{config.timeout_s:g} s (launch.timeout_s): {error}"
            ) from error
    return 0


def check_ranks(config: LaunchConfig, environment: Mapping[str, str]) -> None:
    """ConfigError where another launcher started other ranks than the config asks for."""
    started = int(environment["WORLD_SIZE"])
    if started != config.ranks:
        raise ConfigError(
            f"launch.processes {config.processes} x launch.machines {config.machines} is {config.ranks} ranks, but "
            f"{started} were started; start the command itself, which starts its ranks, or set both keys to what "
            "your launcher starts"
        )


def _how(code: int) -> str:
    """In words, how a process ended that could not tell by itself."""
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL (by hand, or by the system because memory ran out)"
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


@contextmanager
def _signals_passed_on() -> Iterator[None]:
    """While open, SIGINT and SIGTERM go to the children, which have sessions of their own."""
    import psutil

    def pass_on(number: int, frame: FrameType | None) -> None:
        for child in psutil.Process().children():
            child.send_signal(number)

    previous = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
