"""Long sequences of which only what is asked for is in memory: the items lie in a file, or are a choice of others."""

from __future__ import annotations

import os
import pickle
import tempfile
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

Item = TypeVar("Item")
"""Anything that can be pickled: the file belongs to this process, and nobody else reads it."""


class Spool(Sequence[Item]):
    """Items in a file without a name, which is gone when the process is. In memory: 8 bytes an item."""

    def __init__(self, folder: Path | None = None) -> None:
        """The file lies on the file system of `folder`; unset: of the system's temporary files."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (open as long as this object lives)
        self._ends = array("q", [0])
        self._written = True

    def append(self, item: Item) -> None:
        """Put an item at the end."""
        self._ends.append(self._ends[-1] + self._file.write(pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)))
        self._written = False

    def extend(self, items: Iterable[Item]) -> None:
        """Put several at the end, one after another."""
        for item in items:
            self.append(item)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        start, end = self._ends[range(len(self))[place]], self._ends[range(1, len(self) + 1)[place]]
        if not self._written:
            self._file.flush()
            self._written = True
        item: Item = pickle.loads(os.pread(self._file.fileno(), end - start, start))
        return item


@dataclass(frozen=True)
class Picked(Sequence[Item]):
    """Some items of a sequence, by their places, in an order of their own."""

    items: Sequence[Item]
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Picked[Item]: ...
    def __getitem__(self, place: Any) -> Item | Picked[Item]:
        if isinstance(place, slice):
            return Picked(self.items, self.places[place])
        return self.items[int(self.places[place])]
