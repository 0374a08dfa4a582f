"""What evaluations say of looking, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from ar1_rl.report.tables import chance

from .looking_summary import label_of


def claims_table(label: str, looking: Mapping[str, Any]) -> Table:
    """The claims of one policy: each a difference with its interval and p, corrected over the table."""
    table = Table(title=f"Does {escape(label)} look?", box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("metric", "answered with"):
        table.add_column(heading, no_wrap=True)
    for heading in ("value", "against", "difference, 95 % interval", "p", "p (Holm)", "scenes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for claim in looking["claims"]:
        low, high = claim["ci95"]
        interval = "" if low is None else f" ({low:+.3f} … {high:+.3f})"
        table.add_row(
            escape(label_of(claim)),
            claim["told"],
            *("" if claim[name] is None else f"{claim[name]:.3f}" for name in ("value", "against")),
            f"{claim['difference']:+.3f}{interval}",
            *(chance(claim[name]) for name in ("p", "p_holm")),
            str(claim["scenes"]),
        )
    return table
