"""Noticing that something has stopped moving: a guard that names it and ends the wait within a set time.

A call that never comes back cannot be ended from outside if it is stuck in compiled code. So there are two steps: first
a signal makes the main thread raise StallError as soon as it runs Python again; if it does not within the grace, the
traceback of every thread is printed and the process ends, so that a launcher can end the others.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType

from .errors import StallError

GRACE_S = 30.0
"""How long the main thread may take to come back from compiled code."""


class StallGuard:
    """While open, `limit_s` without a call of `progressed` raise StallError in the main thread.

    `what` says who has stopped and what to do. On another thread than the main one nothing can be raised from outside;
    there `check` raises, and the process ends if that is not called either.
    """

    def __init__(self, what: str, limit_s: float, grace_s: float = GRACE_S) -> None:
        self.what, self.limit_s, self.grace_s = what, limit_s, grace_s
        self._moved_s = 0.0
        self._done = threading.Event()
        self._ending = threading.Lock()
        self._on_main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> StallGuard:
        self.progressed()
        if self._on_main:
            self._previous = signal.signal(signal.SIGALRM, self._raise)
        threading.Thread(target=self._watch, name="stall-guard", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._ending:
            self._done.set()
        if self._on_main:
            signal.signal(signal.SIGALRM, self._previous)

    def progressed(self) -> None:
        """Something has moved."""
        self._moved_s = time.monotonic()

    def check(self) -> None:
        """Raise StallError if nothing has moved for too long."""
        if self._left_s() <= 0.0:
            raise self._error()

    def _left_s(self) -> float:
        return self._moved_s + self.limit_s - time.monotonic()

    def _watch(self) -> None:
        while (left_s := self._left_s()) > 0.0:
            if self._done.wait(left_s):
                return
        # The lock keeps the signal from arriving when its handler is gone, which would end the process.
        with self._ending:
            if self._on_main and not self._done.is_set():
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        if not self._done.wait(self.grace_s):
            print(f"{self._error()} It does not come back either; this process ends.", file=sys.stderr, flush=True)
            faulthandler.dump_traceback()
            os._exit(1)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if not self._done.is_set():
            raise self._error()

    def _error(self) -> StallError:
        return StallError(f"{self.what}: nothing has moved for {self.limit_s:g} s.")
