"""Files and folders that are there whole or not at all, whenever the process or the machine dies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

PARTIAL = ".partial"
"""Ending of what is not finished; found after a crash, it is rubbish."""


def write_whole(path: Path, text: str) -> None:
    """Write a text file under another name, wait until it is on the disk, and give it its name."""
    partial = path.with_name(path.name + PARTIAL)
    partial.write_text(text, encoding="utf-8")
    flush(partial)
    os.replace(partial, path)
    flush(path.parent)


def write_table(table: Any, path: Path) -> None:
    """The same for a Parquet file of a pyarrow table."""
    import pyarrow.parquet as parquet

    partial = path.with_name(path.name + PARTIAL)
    parquet.write_table(table, partial, compression="zstd")
    flush(partial)
    os.replace(partial, path)
    flush(path.parent)


def replace_folder(partial: Path, target: Path) -> None:
    """Give a finished folder its name. Between the old one and the new one there is a moment with neither."""
    for path in sorted(partial.rglob("*")):
        flush(path)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    flush(target.parent)


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_partial(folder: Path) -> None:
    """Take away what a crash has left half written in a folder."""
    for path in folder.glob(f"*{PARTIAL}"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
