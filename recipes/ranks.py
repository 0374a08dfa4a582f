"""The processes of one run, and what they tell each other. A run in one process is a run with one rank."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from .launch import check_ranks, is_rank
from .run_config import RunConfig
from .watch import TELLING_S, Watch

T = TypeVar("T")


def _unwatched(doing: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Ranks:
    """Which of how many processes this is. `gather`, `any` and `wait` are called by all of them together."""

    index: int = 0
    count: int = 1
    on_this_machine: int = 1
    mark: Callable[[str], None] = _unwatched
    """Says what this rank does from now on (see `watch.Watch.mark`)."""

    @property
    def first(self) -> bool:
        """Whether this is the one that writes config, metrics and summary, and talks."""
        return self.index == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This rank's part; the parts of all ranks, one after another, are all items in order."""
        cuts = [len(items) * rank // self.count for rank in (self.index, self.index + 1)]
        return items[cuts[0] : cuts[1]]

    def gather(self, items: list[T]) -> list[T]:
        """The items of all ranks, one rank after another, on every rank."""
        from accelerate.utils import gather_object

        return gather_object(items) if self.count > 1 else items

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on at least one rank."""
        return any(self.gather([flag]))

    def wait(self) -> None:
        """Until all ranks are here."""
        self.gather([None])


ALONE = Ranks()


@contextmanager
def watched(ranks: Ranks, timeout_s: float, say: Callable[[str], None]) -> Iterator[tuple[Ranks, Watch]]:
    """While open, a watch runs beside this rank, and hears its marks."""
    store = None
    if ranks.count > 1:
        from torch.distributed import TCPStore

        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = TCPStore(address, port, is_master=False, timeout=timedelta(seconds=timeout_s))
    launcher = os.getppid() if is_rank(os.environ) else None
    watch = Watch(ranks.index, ranks.count, timeout_s, store=store, launcher=launcher, say=say)
    watch.start()
    try:
        yield replace(ranks, mark=watch.mark), watch
    finally:
        watch.close()


def join(config: RunConfig) -> Ranks:
    """Meet the other ranks that a launcher has started; alone without one.

    On CPU DeepSpeed and Accelerate need to be told so, before either is imported: Accelerate takes a process group
    that exists, and with `use_cpu` in a trainer's arguments it would ignore DeepSpeed without a word.
    """
    if not is_rank(os.environ):
        return ALONE
    check_ranks(config.launch, os.environ)
    import torch

    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        os.environ.update(DS_ACCELERATOR="cpu", ACCELERATE_TORCH_DEVICE="cpu")
    if config.deepspeed is not None:
        os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"
        _skip_a_build()
    from accelerate import PartialState

    state = PartialState(
        cpu=not on_gpu and config.deepspeed is None,
        backend="nccl" if on_gpu else "gloo",
        # The watch, which knows who is missing, comes before the collective, which does not.
        timeout=timedelta(seconds=config.launch.timeout_s + TELLING_S),
    )
    return Ranks(state.process_index, state.num_processes, int(os.environ["LOCAL_WORLD_SIZE"]))


def _skip_a_build() -> None:
    """DeepSpeed on CPU would compile, for a minute or more, an operator that only its own inference uses."""
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
