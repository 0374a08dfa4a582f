"""What a person sees while a policy trains: a live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import ConsoleOptions, RenderResult

SPARKS = "▁▂▃▄▅▆▇█"
SHOWN_STEPS = 40
"""A sparkline goes back this far at most."""
BESIDE_SPARKS = 46
"""Columns that the rest of the table takes."""
RECENT_STEPS = 10
"""Time left is told by the mean time of these."""
REFRESHES_PER_S = 4
SECONDS = "seconds/"
FAILURES = "failures/"
TERMS = "terms/"
JUDGED = "/judged"


def sparkline(values: Iterable[float]) -> str:
    """Values as blocks, the lowest of them the smallest; equal values are a line in the middle."""
    numbers = list(values)
    low, reach = min(numbers, default=0.0), max(numbers, default=0.0) - min(numbers, default=0.0)
    if reach <= 0.0:
        return SPARKS[len(SPARKS) // 2] * len(numbers)
    return "".join(SPARKS[min(len(SPARKS) - 1, int((value - low) / reach * len(SPARKS)))] for value in numbers)


class TrainingView:
    """Everything that is known about a training under way, and how it looks.

    `clock` tells seconds; `before` steps were done by an earlier run of which this is the rest.
    """

    def __init__(
        self,
        total: int,
        in_flight: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
        before: int = 0,
    ) -> None:
        self.total, self.done, self.doing = total, before, ""
        self.series: dict[str, deque[float]] = {}
        self.judged: dict[str, float] = {}
        self.validation: dict[str, float] = {}
        self.failures: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self._in_flight, self._clock = in_flight, clock
        self._started = clock()
        self._ends: deque[float] = deque([self._started], maxlen=RECENT_STEPS + 1)

    def advance(self, count: int) -> None:
        """A step is done, or none."""
        self.done += count
        if count:
            self._ends.append(self._clock())

    def take(self, figures: Mapping[str, float]) -> None:
        """The figures of a step, or of a validation, as metrics.jsonl has them."""
        for name, value in figures.items():
            if name.startswith(FAILURES):
                self.failures[name.removeprefix(FAILURES).replace("/", " ")] += round(value)
            elif name.startswith(SECONDS):
                self.seconds[name.removeprefix(SECONDS)] = value
            elif name.startswith(TERMS) and name.endswith(JUDGED):
                self.judged[name.removeprefix(TERMS).removesuffix(JUDGED)] = value
            elif name == "reward" or name.startswith(TERMS):
                self.series.setdefault(name.removeprefix(TERMS), deque(maxlen=SHOWN_STEPS)).append(value)
            elif name.startswith("validation/"):
                self.validation[name.removeprefix("validation/")] = value

    @property
    def left_s(self) -> float | None:
        """Seconds until the last step, by the recent ones; None before the first."""
        steps = len(self._ends) - 1
        return (self._ends[-1] - self._ends[0]) / steps * (self.total - self.done) if steps else None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The whole display; a narrow terminal sees fewer steps back."""
        elapsed = span(self._clock() - self._started)
        left = "" if self.left_s is None else f", {span(self.left_s)} left"
        head = Table.grid(padding=(0, 1), expand=True)
        head.add_column(no_wrap=True)
        head.add_column(ratio=1)
        head.add_column(no_wrap=True)
        head.add_row(f"step {self.done}/{self.total}", ProgressBar(self.total, self.done), f"{elapsed}{left}")
        rewards = self._rewards(min(SHOWN_STEPS, max(1, options.max_width - BESIDE_SPARKS)))
        yield Panel(Group(head, rewards, *map(Text, self._foot())), title="GRPO", title_align="left")

    def _rewards(self, steps: int) -> Table:
        table = Table(box=None, pad_edge=False, expand=True)
        for name, justify in (("", "left"), ("now", "right"), ("validation", "right"), ("judged", "right")):
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        table.add_column(f"last {steps} steps", ratio=1, no_wrap=True)
        for name, values in sorted(self.series.items(), key=lambda item: item[0] != "reward"):
            validated, judged = self.validation.get(name), self.judged.get(name)
            table.add_row(
                name,
                f"{values[-1]:.3f}",
                "" if validated is None else f"{validated:.3f}",
                "" if judged is None else f"{judged:.0%}",
                Text(sparkline([*values][-steps:]), style="cyan"),
            )
        return table

    def _foot(self) -> list[str]:
        times = " + ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        failed = ", ".join(f"{name} {count}" for name, count in self.failures.items() if count)
        return [
            " · ".join(part for part in (f"now: {self.doing}" if self.doing else "", times) if part),
            f"critic in flight: {self._in_flight()} · failed judgements: {failed or 'none'}",
        ]

    def line(self) -> str:
        """What a plain line says beside the count of steps."""
        known = [f"{name} {values[-1]:.3f}" for name, values in self.series.items() if name == "reward"]
        return ", ".join(known + [f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items()])


class LiveTraining:
    """A training on a console. It can do what a `Progress` can, and hears of figures and of what is being done."""

    def __init__(self, console: Console, total: int, in_flight: Callable[[], int] = lambda: 0, before: int = 0) -> None:
        self.view = TrainingView(total, in_flight, before=before)
        self._live: Live | None = None
        self._plain: Progress | None = None
        if console.is_terminal and not console.quiet:
            self._live = Live(self.view, console=console, refresh_per_second=REFRESHES_PER_S)
            self._live.start()
        else:
            self._plain = Progress(console, "GRPO steps", total, before)

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """A step is done, or none; a plain line also says `note`, which the display shows in its own way."""
        self.view.advance(count)
        if self._plain is not None:
            self._plain.advance(count, note=", ".join(part for part in (self.view.line(), note) if part))

    def take(self, figures: Mapping[str, float]) -> None:
        """Figures of a step or a validation."""
        self.view.take(figures)

    def doing(self, what: str) -> None:
        """What is being done now."""
        self.view.doing = what

    def close(self) -> None:
        """Leave the last state standing."""
        self.doing("")
        if self._live is not None:
            self._live.stop()
        if self._plain is not None:
            self._plain.close()


@contextmanager
def live_training(
    console: Console, total: int, in_flight: Callable[[], int] = lambda: 0, before: int = 0
) -> Iterator[LiveTraining]:
    """A `LiveTraining` that is closed whatever happens."""
    live = LiveTraining(console, total, in_flight, before)
    try:
        yield live
    finally:
        live.close()


def span(seconds: float) -> str:
    """Example: `span(3725) == "1:02:05"`, `span(75) == "1:15"`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
