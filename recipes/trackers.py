"""Trackers that a run's figures also go to, through TRL: TensorBoard, Weights & Biases, trackio."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ar1_rl.errors import MissingDependencyError
from ar1_rl.report.config import ReportConfig

from .run_config import RunConfig

TENSORBOARD_FOLDER = "tensorboard"
"""In the run folder."""
NOT_PRINTED = 0
"""TRL prints completions into the terminal unless told to print none; they are in the tables."""


def check_trackers(report: ReportConfig) -> None:
    """MissingDependencyError naming every tracker that is asked for and not installed."""
    missing = [tracker for tracker in report.trackers if find_spec(tracker) is None]
    if missing:
        names = ", ".join(missing)
        raise MissingDependencyError(
            f"report.trackers: {names} is not installed here; pip install {' '.join(missing)}, or leave it out"
        )


def tracker_arguments(config: RunConfig, out: Path) -> dict[str, Any]:
    """TRL's arguments; where TensorBoard writes is a matter of the environment, and set where nobody has."""
    import os

    check_trackers(config.report)
    if "tensorboard" in config.report.trackers:
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(out / TENSORBOARD_FOLDER))
    return {
        "report_to": list(config.report.trackers) or "none",
        "run_name": f"{config.recipe}-{out.name}",
        "log_completions": config.report.completions,
        "num_completions_to_print": NOT_PRINTED,
    }
