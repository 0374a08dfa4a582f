"""The file of the cache: where it lies, how it is opened, and what is done with a damaged one."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ar1_rl.errors import ConfigError

SCHEMA_VERSION = 1
FILE_NAME = f"critic-replies-{SCHEMA_VERSION}.sqlite"
APPLICATION_ID = 0x61723172
"""Marks the file as ours: "ar1r"."""
BUSY_TIMEOUT_S = 30.0
"""How long to wait for another process that writes."""
WAL_BYTES = 16 * 2**20
"""The write-ahead log is cut to this size once its pages are in the file."""
NETWORK_FILE_SYSTEMS = frozenset(
    (
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.juicefs",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "panfs",
        "pvfs2",
        "smb3",
        "smbfs",
        "wekafs",
    )
)

_SCHEMA = f"""
CREATE TABLE replies (
    key TEXT PRIMARY KEY, used INTEGER NOT NULL, reply BLOB NOT NULL,
    prompt_tokens INTEGER, completion_tokens INTEGER, logprobs TEXT
);
CREATE INDEX replies_used ON replies (used);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

_log = logging.getLogger(__name__)


def default_path() -> Path:
    """The file in the user's cache folder; where that lies on a network, in the machine's temporary folder."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    folder = (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "ar1-rl"
    system = file_system(folder)
    if system in NETWORK_FILE_SYSTEMS:
        own = Path(tempfile.gettempdir()) / f"ar1-rl-{os.getuid()}"
        _log.warning("critic cache: %s lies on %s, which cannot hold it; %s is used instead", folder, system, own)
        _make_private(own)
        folder = own
    return folder / FILE_NAME


def file_system(path: Path, mounts: str | None = None) -> str | None:
    """The type of file system that a path lies on, or will; None where the system does not tell.

    `mounts` is in the format of /proc/self/mountinfo.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return None
        path = path.resolve()
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode().decode("unicode_escape") if len(left.split()) > 4 else ""
        # Of mounts on one point, the last one covers the others.
        if point and path.is_relative_to(point) and (found is None or len(point) >= found[0]):
            found = len(point), right.split()[0]
    return found[1] if found else None


def connect(path: Path) -> sqlite3.Connection:
    """Open or create the file; ConfigError where the path cannot be used, sqlite3.DatabaseError where it is damaged."""
    system = file_system(path.parent)
    if system in NETWORK_FILE_SYSTEMS:
        raise ConfigError(
            f"critic cache {path}: lies on {system}, where SQLite's locks do not hold between machines; name a path on "
            "a local disk"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigError(f"critic cache {path}: {error.strerror}; name a path that can be written") from error
    with locked(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    advice = "delete it or name another path"
    try:
        mark, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise ConfigError(f"critic cache {path}: the file is no cache; {advice}") from error
        raise
    is_new = mark == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if is_new:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    elif mark != APPLICATION_ID:
        raise ConfigError(f"critic cache {path}: the file is another program's database; name another path")
    elif version != SCHEMA_VERSION:
        raise ConfigError(f"critic cache {path}: schema {version}, this version reads {SCHEMA_VERSION}; {advice}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    if is_new:
        connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time opens, creates or replaces the file."""
    with open(path.with_name(path.name + ".lock"), "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_aside(path: Path, inode: int) -> Path | None:
    """Rename a damaged file, unless another process has done it; its new name, or None."""
    with locked(path):
        if not path.exists() or path.stat().st_ino != inode:
            return None
        stamp = time.strftime("%Y%m%d-%H%M%S")
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{os.getpid()}")
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            log = path.with_name(path.name + suffix)
            if log.exists():
                log.rename(aside.with_name(aside.name + suffix))
        return aside


def used_bytes(connection: sqlite3.Connection, with_free: bool = False) -> int:
    """Bytes of the file that hold something, or with what is free in it all of them."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages if with_free else pages - free) * size)


def _make_private(folder: Path) -> None:
    """A folder in a place that others can write to: ours alone, or not used."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigError(f"critic cache: {folder} belongs to somebody else; set XDG_CACHE_HOME to a local folder")
