"""Ctrl-C and SIGTERM end a run at the next safe point; a second signal ends it at once."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SAME_REQUEST_S = 2.0
"""A queue sends one signal to every process of a job, and a launcher among them passes its own on."""


class Stopped(Exception):
    """The run was asked to stop and has come to a safe point."""


class StopFlag:
    """Whether a signal has asked the run to stop."""

    def __init__(self) -> None:
        self.signal_name: str | None = None

    def __bool__(self) -> bool:
        return self.signal_name is not None

    def agree(self, any_rank: Callable[[bool], bool]) -> bool:
        """Whether a signal has come to any rank; all of them ask together, and all of them then stop."""
        if any_rank(bool(self)) and not self:
            self.signal_name = "a signal to another rank"
        return bool(self)

    def check(self) -> None:
        """Raise Stopped if a signal came. Called where nothing is half done."""
        if self:
            raise Stopped(f"stopped by {self.signal_name}")


@contextmanager
def stop_on_signal() -> Iterator[StopFlag]:
    """While open, SIGINT and SIGTERM set the flag; afterwards the old handlers are back."""
    flag = StopFlag()
    asked_at = 0.0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked_at
        if not flag:
            flag.signal_name, asked_at = signal.Signals(number).name, time.monotonic()
        elif time.monotonic() - asked_at > SAME_REQUEST_S:
            raise KeyboardInterrupt

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
