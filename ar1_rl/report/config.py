"""What a run shows of itself: the page that it leaves behind, and trackers that follow it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ..config import ConfigModel

Tracker = Literal["tensorboard", "wandb", "trackio"]


class ReportConfig(ConfigModel):
    """The report of a run."""

    scenes: int = Field(160, ge=1)
    """Scenes drawn in report.html, at most; with six rollouts before and six after, 160 are 1,920 rollouts."""
    trackers: tuple[Tracker, ...] = Field((), strict=False)
    """Where GRPO's figures also go; TRL calls it `report_to`. Each is a package of its own that must be installed."""
    completions: bool = False
    """Tables of completions with their rewards, every step: to the trackers that have tables, and as Parquet files in
    checkpoints/grpo-trainer/completions. TRL calls it `log_completions`."""
