"""The measured accuracy of the consistency checker as tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from rewards.accuracy import ClassAccuracy, Confusion, ConsistencyAccuracy, DriveAccuracy, Rate, TextAccuracy

SHOWN_TEXTS = 5
"""Of the texts that were read differently from their label, this many are printed."""


def show_accuracy(accuracy: ConsistencyAccuracy, console: Console) -> None:
    """Print everything that was measured."""
    for text in accuracy.texts:
        _show_text(text, console)
    for drive in accuracy.drives:
        _show_drive(drive, console)
    for reason in accuracy.left_out:
        console.print(f"[yellow]left out:[/yellow] {reason}", soft_wrap=True)


def _show_text(text: TextAccuracy, console: Console) -> None:
    console.print(f"\nGold texts, part {text.part}: {text.agreement.total}")
    for name, rate in (
        ("both decisions and the side", text.agreement),
        ("longitudinal", text.longitudinal),
        ("lateral", text.lateral),
        ("side words", text.side_words),
        ("nothing read", text.abstained),
    ):
        console.print(f"  {name:28} {share_text(rate)}", highlight=False)
    console.print(_classes(text.classes, abstention=True))
    _show_worst(text.worst, console)
    for wrong in text.wrong[:SHOWN_TEXTS]:
        console.print(f"  read otherwise: {wrong}", markup=False, soft_wrap=True)


def _show_drive(drive: DriveAccuracy, console: Console) -> None:
    console.print(f"\nGold trajectories, part {drive.part}, {drive.kind}: {drive.trajectories}")
    for name, rate in (
        ("longitudinal, ticks", drive.longitudinal),
        ("lateral, ticks", drive.lateral),
        ("whole trajectories", drive.whole),
    ):
        console.print(f"  {name:28} {share_text(rate)}", highlight=False)
    console.print(_classes([one for one in drive.classes if one.recall.total], abstention=False))
    _show_worst(drive.worst, console)


def _classes(classes: Sequence[ClassAccuracy], *, abstention: bool) -> Table:
    table = Table("axis", "class", "labels", "precision", "recall", *(["nothing read"] if abstention else []))
    for one in classes:
        row = [one.axis, one.name, str(one.recall.total), _bare(one.precision), _bare(one.recall)]
        table.add_row(*row, *([_bare(one.abstained)] if abstention else []))
    return table


def _show_worst(worst: Sequence[Confusion], console: Console) -> None:
    if worst:
        told = "; ".join(f"{one.label} read as {one.read} ({one.axis}): {one.count}" for one in worst)
        console.print(f"  confused most: {told}", soft_wrap=True, highlight=False)


def share_text(rate: Rate) -> str:
    """A share in words: value, interval and counts."""
    if rate.share is None or rate.low is None or rate.high is None:
        return "-"
    return f"{rate.share:.3f} ({rate.low:.3f} to {rate.high:.3f}; {rate.hits} of {rate.total})"


def _bare(rate: Rate) -> str:
    return "-" if rate.share is None else f"{rate.share:.3f}"


class ShownAccuracy:
    """What `ar1-rl check-rewards consistency` prints below the contracts."""

    def __init__(self, accuracy: ConsistencyAccuracy) -> None:
        self.accuracy = accuracy

    def show(self, console: Console) -> None:
        """Print it."""
        show_accuracy(self.accuracy, console)

    def as_record(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return self.accuracy.as_record()
