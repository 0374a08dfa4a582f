"""A full disk ends a run with a message. What was half written is never taken for whole, so nothing is undone here."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ar1_rl.errors import RunError

from .checkpoints import is_sealed

NUMBERS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
WORDS = (
    "No space left on device",
    "Disk quota exceeded",
    "File too large",
    "PytorchStreamWriter failed writing",
    "unexpected pos",
)
"""Of errors that carry no number: those of safetensors, and of torch, which says no more than that it could not, or, of
the error with which it closes the file, that less is written than it thought."""


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, says that a file system takes no more."""
    while error is not None:
        if getattr(error, "errno", None) in NUMBERS or any(words in str(error) for words in WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def told_when_full(run: Path) -> Iterator[None]:
    """RunError in the place of an error that a full disk caused in the run whose folder this is."""
    try:
        yield
    except Exception as error:
        if not is_full(error):
            raise
        raise RunError(_told(run, error)) from error


def _told(run: Path, error: Exception) -> str:
    free_mib = shutil.disk_usage(run).free / 2**20 if run.exists() else 0.0
    whole = [path for path in run.glob("checkpoints/*/checkpoint-*") if is_sealed(path)]
    last = max(whole, key=lambda path: path.stat().st_mtime, default=None)
    kept = "there is no checkpoint yet" if last is None else f"the last whole checkpoint is {last.name}"
    return (
        f"could not write, a disk or quota is full ({type(error).__name__}: {error}). {run} has {free_mib:,.0f} MiB "
        f"free; {kept}. Make room and go on with --resume"
    )
