"""A thread beside every rank: it ends the run where a rank has stalled, and where the run has ended on another rank.

Collectives wait for all ranks, and a rank that failed, was stopped or hangs comes to none. So ranks also talk beside
the collectives, through the store by which they met: each says every few seconds that it lives and what it does.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .launch import EXIT_FAILED

BEATS = 10
"""Signs of life in the time after which a rank counts as lost."""
LONGEST_BEAT_S = 5.0
GRACE_S = 10.0
"""For a rank to come to an end of its own once the run has ended on another one."""
END = "watch/end"
SEEN = "watch/seen"


@dataclass(frozen=True)
class Sign:
    """What a rank last said, and when that changed for the last time."""

    host: str
    beat: int
    doing: str
    """Empty for what may take any time."""
    doing_s: float
    """Since it began with it, as it said."""
    heard_at: float = 0.0
    """By the clock of the rank that heard it."""


@dataclass(frozen=True)
class End:
    """How the run ended, as the first rank said that knew it."""

    rank: int
    code: int
    message: str


class Watch:
    """Of one rank. Without a store it watches a run in one process."""

    def __init__(
        self, rank: int, ranks: int, timeout_s: float, store: Any = None, say: Callable[[str], None] = print
    ) -> None:
        self.rank, self.ranks, self.timeout_s = rank, ranks, timeout_s
        self._store, self._say = store, say
        self._doing, self._since, self._beat = "", time.monotonic(), 0
        self._signs: dict[int, Sign] = {}
        self._parent = os.getppid()
        self._closed = threading.Event()

    def start(self) -> None:
        """Give a first sign of life, and begin to watch."""
        self._look()
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def mark(self, doing: str) -> None:
        """What this rank does from now on, for which it has `timeout_s`; "" for what may take any time."""
        self._doing, self._since = doing, time.monotonic()

    def tell(self, code: int, message: str) -> End:
        """End the run on all ranks; returns how it ended, which another rank may have told before."""
        self._closed.set()
        end = End(self.rank, code, message)
        if self._store is None:
            return end
        try:
            said = self._store.compare_set(END, "", json.dumps(asdict(end)))
            if (first := End(**json.loads(said))) != end:
                self._store.add(SEEN, 1)
                return first
            patience = time.monotonic() + 2 * self._interval_s()
            while self._store.add(SEEN, 0) < self.ranks - 1 and time.monotonic() < patience:
                time.sleep(0.05)
        except RuntimeError:
            pass  # the launcher of machine 0 has gone with the store, and the other ranks notice it as this one did
        return end

    def close(self) -> None:
        """This rank has done its part, and is not waited for."""
        self._closed.set()
        if self._store is not None:
            with contextlib.suppress(RuntimeError):
                self._store.set(self._key(self.rank), "")

    def situation(self) -> list[str]:
        """What every rank was last heard to do."""
        with contextlib.suppress(RuntimeError):
            self._look()
        return [self._told(rank, sign) for rank, sign in sorted(self._signs.items())]

    def _interval_s(self) -> float:
        return min(LONGEST_BEAT_S, self.timeout_s / BEATS)

    def _run(self) -> None:
        while not self._closed.wait(self._interval_s()):
            try:
                self._look()
                self._judge()
            except RuntimeError as error:
                if not self._closed.is_set():
                    self._leave(EXIT_FAILED, f"rank {self.rank}: the launcher of machine 0 is gone: {error}")

    def _look(self) -> None:
        """Say what this rank does, and hear the others."""
        now = time.monotonic()
        self._beat += 1
        mine = Sign(socket.gethostname(), self._beat, self._doing, now - self._since, now)
        self._signs[self.rank] = mine
        if self._store is None:
            return
        self._store.set(self._key(self.rank), json.dumps(asdict(mine)))
        for rank in range(self.ranks):
            if rank == self.rank or not self._store.check([self._key(rank)]):
                continue
            said = self._store.get(self._key(rank))
            if not said:
                self._signs.pop(rank, None)
                continue
            sign = Sign(**{**json.loads(said), "heard_at": now})
            if rank not in self._signs or self._signs[rank].beat != sign.beat:
                self._signs[rank] = sign

    def _judge(self) -> None:
        """End this process where the run has ended, or can only end."""
        if os.getppid() != self._parent:
            self._leave(EXIT_FAILED, f"rank {self.rank}: its launcher is gone")
        if self._store is not None and self._store.check([END]):
            end = End(**json.loads(self._store.get(END)))
            self._store.add(SEEN, 1)
            if not self._closed.wait(GRACE_S):
                os._exit(end.code)
            return
        now = time.monotonic()
        waited = {rank: now - sign.heard_at for rank, sign in self._signs.items()}
        busy = {rank: waited[rank] + sign.doing_s for rank, sign in self._signs.items() if sign.doing}
        for seconds, fault in ((waited, "gave no sign of life"), (busy, "has stalled")):
            if seconds and seconds[worst := max(seconds, key=seconds.__getitem__)] > self.timeout_s:
                told = self._told(worst, self._signs[worst])
                self._end(f"{told}. It {fault} for more than {self.timeout_s:g} s (launch.timeout_s)")

    def _told(self, rank: int, sign: Sign) -> str:
        since = time.monotonic() - sign.heard_at + sign.doing_s
        doing = f"{sign.doing}, for {since:.0f} s" if sign.doing else "nothing that is timed"
        return f"rank {rank} on {sign.host}: {doing}"

    def _end(self, message: str) -> None:
        end = self.tell(EXIT_FAILED, message)
        self._leave(end.code, message if end.rank == self.rank else "")

    def _leave(self, code: int, message: str) -> None:
        """The main thread may be anywhere, for instance in a collective that nobody else comes to."""
        if message:
            self._say(message)
        os._exit(code)

    @staticmethod
    def _key(rank: int) -> str:
        return f"watch/{rank}"
