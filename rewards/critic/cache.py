"""Replies of critics on disk: the same question is asked once, by any process of the machine.

An SQLite file in WAL mode. What has been put survives the death of the process; a look-up renews an entry, and the
least recently used ones go when the file reaches its limit. It must lie on a local disk: SQLite's locks and its shared
memory do not work across machines.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ar1_rl.errors import ConfigError

from .cache_file import connect, default_path, set_aside, used_bytes

MAX_BYTES = 2 * 2**30
MIN_BYTES = 2**20
KEYS_A_QUERY = 500
"""Older builds of SQLite allow 999 parameters."""
ROWS_A_WRITE = 500
EVICTED_SHARE = 0.1
"""Of the limit, this much is made free at once."""
TOUCH_AFTER_S = 60.0
"""An entry used more recently than this counts as just used; so a look-up seldom has to write."""
TOUCHES_A_WRITE = 5000

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNUSABLE = frozenset(
    (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_CANTOPEN,
    )
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedReply:
    """A critic's reply as it came, with what it cost then."""

    reply: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    logprobs: Sequence[Any] | None = None
    """`choices[0].logprobs.content` as plain JSON, where they were asked for."""


def cache_key(
    model: str,
    prompt_hash: str,
    sampling: Mapping[str, object],
    scene_id: str,
    reference: str,
    prediction: str,
    image_hash: str | None = None,
) -> str:
    """The SHA-256 of all that a reply depends on.

    Several samples of one question differ in `sampling`, by a seed or an index.
    """
    asked = [model, prompt_hash, sampling, scene_id, reference, prediction, image_hash]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class ReplyCache:
    """Replies by key; safe with several threads and processes.

    A full disk stops the writing and not the run: it is said in the log, and `unwritten` counts the replies it cost.
    A damaged file is set aside under another name, which is said too, and a new one begun.
    """

    def __init__(
        self, path: str | Path | None = None, max_bytes: int = MAX_BYTES, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Open or create the file, by default in the user's cache folder.

        Raises ConfigError where the path cannot be used: a network file system, a file that is something else.
        """
        if max_bytes < MIN_BYTES:
            raise ConfigError(f"critic cache: max_bytes: got {max_bytes}, allowed {MIN_BYTES} or more")
        self.path = default_path() if path is None else Path(path).expanduser().absolute()
        self.max_bytes = max_bytes
        self.unwritten = 0
        self._clock = clock
        self._touched: dict[str, int] = {}
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = self._inode = 0
        self._inherited: list[sqlite3.Connection] = []
        self._told: set[int] = set()
        with self._lock, self._mending(0):
            self._open()

    def get_many(self, keys: Iterable[str]) -> dict[str, CachedReply]:
        """The replies that are there, by key."""
        found: dict[str, CachedReply] = {}
        with self._lock, self._mending(0):
            now = int(self._clock())
            for some in _chunks(list(dict.fromkeys(keys)), KEYS_A_QUERY):
                marks = ",".join("?" * len(some))
                for key, used, reply, asked, answered, logprobs in self._open().execute(f"{_SELECT} ({marks})", some):
                    listed = None if logprobs is None else json.loads(logprobs)
                    found[key] = CachedReply(reply.decode("utf-8", "surrogatepass"), asked, answered, listed)
                    if now - used >= TOUCH_AFTER_S:
                        self._touched[key] = now
            if len(self._touched) >= TOUCHES_A_WRITE:
                self._touch()
        return found

    def put_many(self, replies: Mapping[str, CachedReply]) -> None:
        """Keep replies; when this returns they outlive the process, and other processes see them."""
        rows = [_row(key, int(self._clock()), reply) for key, reply in replies.items()]
        with self._lock:
            for some in _chunks(rows, ROWS_A_WRITE):
                with self._mending(len(some)):
                    with _transaction(self._open()) as connection:
                        connection.executemany(_INSERT, some)
                    self._touch()
                    self._evict()

    def close(self) -> None:
        """Write what is outstanding and close the file; the next call opens it again."""
        with self._lock:
            if self._connection is None or self._process != os.getpid():
                return
            with self._mending(0):
                self._touch()
            self._drop()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():
            if self._connection is not None:
                # A forked process must not close what its parent has open, so it is kept.
                self._inherited.append(self._connection)
            self._connection = None
            self._inode = self.path.stat().st_ino if self.path.exists() else 0
            self._connection = connect(self.path)
            self._process, self._inode = os.getpid(), self.path.stat().st_ino
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _touch(self) -> None:
        """Renew what was looked up, all in one write."""
        if self._touched:
            with _transaction(self._open()) as connection:
                times = [(used, key) for key, used in self._touched.items()]
                connection.executemany("UPDATE replies SET used = ? WHERE key = ?", times)
            self._touched.clear()

    def _evict(self) -> None:
        """Where the file is too large, delete the least recently used entries until a share of it is free."""
        if used_bytes(self._open()) <= self.max_bytes:
            return
        goal = int(self.max_bytes * (1.0 - EVICTED_SHARE))
        with _transaction(self._open()) as connection:
            while (used := used_bytes(connection)) > goal:
                rows = connection.execute("SELECT count(*) FROM replies").fetchone()[0]
                if rows == 0:
                    break
                some = max(1, int(rows * (used - goal) / used / 2))
                connection.execute(
                    "DELETE FROM replies WHERE rowid IN (SELECT rowid FROM replies ORDER BY used, rowid LIMIT ?)",
                    (some,),
                )
        if used_bytes(self._open(), with_free=True) > self.max_bytes:
            # `execute` takes one step, and this pragma frees one page a step.
            self._open().executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(PASSIVE);")

    @contextmanager
    def _mending(self, rows: int) -> Iterator[None]:
        """Keep the run going where only the cache is in trouble; that is said, and `rows` are counted as unwritten."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", -1) & 0xFF
            if code in _DAMAGED:
                self._drop()
                aside = set_aside(self.path, self._inode)
                _log.warning(
                    "critic cache %s: damaged (%s); set aside as %s, a new one is begun", self.path, error, aside
                )
            elif code in _UNUSABLE:
                if code not in self._told:
                    _log.warning("critic cache %s: %s; the run goes on, replies are not kept", self.path, error)
                self._told.add(code)
            else:
                raise
            self.unwritten += rows


_SELECT = "SELECT key, used, reply, prompt_tokens, completion_tokens, logprobs FROM replies WHERE key IN"
_INSERT = "INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?, ?, ?)"


def _row(key: str, used: int, reply: CachedReply) -> tuple[object, ...]:
    logprobs = None if reply.logprobs is None else json.dumps(reply.logprobs)
    # A server may send half of a surrogate pair, which is no text to SQLite.
    return (
        key,
        used,
        reply.reply.encode("utf-8", "surrogatepass"),
        reply.prompt_tokens,
        reply.completion_tokens,
        logprobs,
    )


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of the writes or none; other processes wait at the beginning, not in the middle."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
