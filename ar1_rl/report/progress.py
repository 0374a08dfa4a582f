"""Progress of anything that takes more than two seconds: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

PLAIN_INTERVAL_S = 15.0
"""Between two plain lines of one task."""


class Progress:
    """A running task; `advance` may carry figures to show beside it. A total of None is a length nobody knows."""

    def __init__(self, console: Console, label: str, total: int | None, before: int = 0) -> None:
        self._console = console
        self._label = label
        self._total = total
        self._before = self._done = before
        self._started = self._shown = time.monotonic()
        self._bar: RichProgress | None = None
        if console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TaskProgressColumn(show_speed=True),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=console,
            )
            self._task = self._bar.add_task(label, total=total, completed=before, note="")
            self._bar.start()

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """`count` more units are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(self._task, advance=count)
            if note is not None:
                self._bar.update(self._task, note=note)
        elif time.monotonic() - self._shown >= PLAIN_INTERVAL_S:
            self._shown = time.monotonic()
            self._line(note)

    def close(self) -> None:
        """Leave the finished line standing."""
        if self._bar is not None:
            self._bar.stop()
        else:
            self._line(None)

    def _line(self, note: str | None) -> None:
        elapsed = max(time.monotonic() - self._started, 1e-9)
        rate = (self._done - self._before) / elapsed
        known = self._total is not None and self._before < self._done < self._total
        left = f"{((self._total or 0) - self._done) / rate:.0f} s left" if known else f"{elapsed:.0f} s"
        total = "" if self._total is None else f"/{self._total}"
        note = f", {note}" if note else ""
        self._console.print(
            f"{self._label} {self._done}{total}, {rate:.1f}/s, {left}{note}", highlight=False, soft_wrap=True
        )


@contextmanager
def progress(console: Console, label: str, total: int | None, before: int = 0) -> Iterator[Progress]:
    """A `Progress` that is closed whatever happens. `before` units were done by an interrupted call."""
    bar = Progress(console, label, total, before)
    try:
        yield bar
    finally:
        bar.close()
