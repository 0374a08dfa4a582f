"""The record of an ablation as tables: for the terminal, and as Markdown for a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ar1_rl.metrics.catalogue import CATALOGUE
from ar1_rl.report.tables import ARROWS, chance


@dataclass(frozen=True)
class Grid:
    """A table as text."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """As Markdown, under its title."""
        lines = [" | ".join(row) for row in (self.headings, ("---",) * len(self.headings), *self.rows)]
        return "\n".join([self.title, "", *(f"| {line} |" for line in lines)])

    def table(self) -> Table:
        """For a terminal."""
        table = Table(title=escape(self.title), title_justify="left", box=box.SIMPLE_HEAD)
        for place, heading in enumerate(self.headings):
            table.add_column(escape(heading), justify="right" if place else "left")
        for row in self.rows:
            table.add_row(*(escape(cell) for cell in row))
        return table


def grids(result: Mapping[str, Any]) -> list[Grid]:
    """What is worth showing of a record: all cells, those that the paper has, and the directions."""
    found = [_cells(result), _paper(result), _directions(result)]
    return [grid for grid in found if grid.rows]


def _cells(result: Mapping[str, Any]) -> Grid:
    metrics = result["metrics"]
    rows = [
        (cell["title"], str(cell["seeds"]), *(_figure(cell["metrics"][metric]) for metric in metrics))
        for cell in result["cells"].values()
    ]
    baseline = result["cells"].get(result["baseline"], {}).get("title", result["baseline"])
    return Grid(
        f"Means over seeds; in brackets the difference from {baseline} ± the half of its 95 % interval over seeds",
        ("", "seeds", *(_heading(metric) for metric in metrics)),
        tuple(rows),
    )


def _paper(result: Mapping[str, Any]) -> Grid:
    cells = [cell for cell in result["cells"].values() if any(f["paper"] is not None for f in cell["metrics"].values())]
    metrics = list(dict.fromkeys(m for cell in cells for m, f in cell["metrics"].items() if f["paper"] is not None))
    rows = [
        (cell["title"], *(_number(cell["metrics"][m][key]) for m in metrics for key in ("paper", "mean")))
        for cell in cells
    ]
    headings = [text for m in metrics for text in (f"{_heading(m)}: paper", "here")]
    return Grid("Beside the paper's figures", ("", *headings), tuple(rows))


def _directions(result: Mapping[str, Any]) -> Grid:
    rows = []
    for found in result["directions"]:
        measured = found["measured"]
        seeds = " ".join(_signed(value) for value in measured["by_seed"])
        chances = [chance(p) for p in (measured["p"], found["p_holm"])]
        rows.append((found["says"], _signed(found["paper"]), _plus_minus(measured), seeds, *chances, found["verdict"]))
    headings = ("direction", "paper", "here", "each seed", "p", "p (Holm)", "verdict")
    return Grid(
        "Directions; p over seeds, corrected over this table by Holm: below 0.05 it is shown", headings, tuple(rows)
    )


def _figure(figure: Mapping[str, Any]) -> str:
    mean = _number(figure["mean"])
    return mean if figure["difference"] is None else f"{mean} ({_plus_minus(figure['difference'])})"


def _plus_minus(difference: Mapping[str, Any]) -> str:
    """Student's interval lies evenly around the mean; of one seed it is not told, for it would be over scenes."""
    low, high = difference["ci95"]
    if difference["over"] != "seeds" or low is None:
        return _signed(difference["mean"])
    return f"{_signed(difference['mean'])} ± {(high - low) / 2:.3f}"


def _heading(metric: str) -> str:
    known = CATALOGUE[metric]
    unit = "" if known.unit == "share" else f" [{known.unit}]"
    return f"{known.label}{unit}{ARROWS[known.better]}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def markdown(shown: Sequence[Grid]) -> str:
    """All of them, one under the other."""
    return "\n\n".join(grid.markdown() for grid in shown) + "\n"
