"""A thread beside every rank: it ends the run where a rank has stalled, and where the run has ended on another rank.

Collectives wait for all ranks, and a rank that failed, was stopped or hangs comes to none. So ranks also talk beside
the collectives, through the store by which they met: each says every few seconds that it lives and what it does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from .launch import EXIT_FAILED

BEATS = 10
"""Signs of life in the time after which a rank counts as lost."""
LONGEST_BEAT_S = 5.0
PATIENCE = 3
"""Beats in which every rank that lives has heard what was told."""
GRACE_S = 10.0
"""For a rank to come to an end of its own once the run has ended on another one."""
TELLING_S = (PATIENCE + 3) * LONGEST_BEAT_S + GRACE_S
"""In which the end of a run is noticed, told and heard, at most."""
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
    """Of one rank. Without a store it watches a run in one process.

    One thread talks and one judges: on a network that has failed without a word, talking may never return.
    """

    def __init__(
        self,
        rank: int,
        ranks: int,
        timeout_s: float,
        *,
        store: Any = None,
        launcher: int | None = None,
        say: Callable[[str], None] = print,
        leave: Callable[[int], Any] = os._exit,
    ) -> None:
        self.rank, self.ranks, self.timeout_s = rank, ranks, timeout_s
        self._store, self._say, self._exit = store, say, leave
        self._doing, self._since, self._beat = "", time.monotonic(), 0
        self._signs: dict[int, Sign] = {}
        """Of the other ranks."""
        self._end: End | None = None
        """How the run has ended on another rank."""
        self._launcher = launcher
        """Process id; a rank does not outlive it."""
        self._closed = threading.Event()

    def start(self) -> None:
        """Give a first sign of life, and begin to watch."""
        self._talk()
        for name, work in (("talk", self._talk), ("judge", self._judge)):
            threading.Thread(target=self._repeat, args=(work,), name=f"watch: {name}", daemon=True).start()

    def mark(self, doing: str) -> None:
        """What this rank does from now on, for which it has `timeout_s`; "" for what may take any time."""
        self._doing, self._since = doing, time.monotonic()

    def tell(self, code: int, message: str) -> End:
        """End the run on all ranks; returns how it ended, which another rank may have told before."""
        self._closed.set()
        mine = End(self.rank, code, message)
        if self._store is None:
            return mine
        told: list[End] = []
        thread = threading.Thread(target=self._tell, args=(mine, told), daemon=True)
        thread.start()
        thread.join(PATIENCE * self._interval_s())
        return told[0] if told else mine

    def close(self) -> None:
        """This rank has done its part, and is not waited for."""
        if not self._closed.is_set() and self._store is not None:
            with contextlib.suppress(RuntimeError):
                self._store.set(self._key(self.rank), "")
        self._closed.set()

    def situation(self) -> list[str]:
        """What every rank was last heard to do."""
        return [self._told(rank, sign) for rank, sign in sorted({**self._signs, self.rank: self._sign()}.items())]

    def _interval_s(self) -> float:
        return min(LONGEST_BEAT_S, self.timeout_s / BEATS)

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self._closed.wait(self._interval_s()):
            try:
                work()
            except RuntimeError as error:  # of the store
                if not self._closed.wait(PATIENCE * self._interval_s()):
                    self._leave(EXIT_FAILED, f"rank {self.rank}: the launcher of machine 0 is gone ({error})")

    def _talk(self) -> None:
        """Say what this rank does, and hear the others."""
        if self._store is None:
            return
        self._beat += 1
        self._store.set(self._key(self.rank), json.dumps(asdict(self._sign())))
        for rank in range(self.ranks):
            if rank == self.rank or not self._store.check([self._key(rank)]):
                continue
            said = self._store.get(self._key(rank))
            if not said:
                self._signs.pop(rank, None)
                continue
            sign = Sign(**{**json.loads(said), "heard_at": time.monotonic()})
            if rank not in self._signs or self._signs[rank].beat != sign.beat:
                self._signs[rank] = sign
        if self._end is None and self._store.check([END]):
            self._end = End(**json.loads(self._store.get(END)))
            self._store.add(SEEN, 1)

    def _judge(self) -> None:
        """End this process where the run has ended, or can only end."""
        if self._launcher is not None and os.getppid() != self._launcher:
            self._leave(EXIT_FAILED, f"rank {self.rank}: its launcher is gone")
        if self._end is not None:
            if not self._closed.wait(GRACE_S):
                self._leave(self._end.code, "")
            return
        now = time.monotonic()
        signs = {**self._signs, self.rank: self._sign()}
        silent = {rank: now - sign.heard_at for rank, sign in signs.items()}
        busy = {rank: silent[rank] + sign.doing_s for rank, sign in signs.items() if sign.doing}
        if max(silent.values()) > PATIENCE * self._interval_s():
            busy = {}  # whoever takes long may be waiting for the rank that is not heard
        for seconds, fault in ((silent, "It gave no sign of life"), (busy, "It has stalled: this took")):
            worst = max(seconds, key=seconds.__getitem__, default=self.rank)
            if seconds.get(worst, 0.0) > self.timeout_s:
                limit = f"for more than {self.timeout_s:g} s (launch.timeout_s)"
                message = f"{self._told(worst, signs[worst])}. {fault} {limit}"
                if worst == self.rank and sys.__stderr__ is not None:
                    # The lines on which the threads of this process stand.
                    faulthandler.dump_traceback(sys.__stderr__)
                end = self.tell(EXIT_FAILED, message)
                self._leave(end.code, message if end.rank == self.rank else "")

    def _tell(self, mine: End, told: list[End]) -> None:
        with contextlib.suppress(RuntimeError):  # the launcher of machine 0 has gone with the store
            first = End(**json.loads(self._store.compare_set(END, "", json.dumps(asdict(mine)))))
            told.append(first)
            if first != mine:
                self._store.add(SEEN, 1)
            else:
                while self._store.add(SEEN, 0) < self.ranks - 1:
                    time.sleep(0.05)

    def _sign(self) -> Sign:
        now = time.monotonic()
        return Sign(socket.gethostname(), self._beat, self._doing, now - self._since, now)

    def _told(self, rank: int, sign: Sign) -> str:
        doing_s = time.monotonic() - sign.heard_at + sign.doing_s
        doing = f"{sign.doing}, for {doing_s:.0f} s" if sign.doing else "between two steps"
        return f"rank {rank} on {sign.host}: {doing}"

    def _leave(self, code: int, message: str) -> None:
        """The main thread may be anywhere, for instance in a collective that nobody else comes to."""
        self._closed.set()
        if message:
            self._say(message)
        self._exit(code)

    @staticmethod
    def _key(rank: int) -> str:
        return f"watch/{rank}"
