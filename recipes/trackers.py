"""Trackers that a run's figures also go to, through TRL: TensorBoard, Weights & Biases, trackio."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ar1_rl.errors import MissingDependencyError
from ar1_rl.report.config import ReportConfig

from .run_config import RunConfig

TENSORBOARD_FOLDER = "tensorboard"
"""In the run folder."""
TENSORBOARD_VARIABLE = "TENSORBOARD_LOGGING_DIR"
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
    """TRL's arguments."""
    check_trackers(config.report)
    return {
        "report_to": list(config.report.trackers) or "none",
        "run_name": f"{config.recipe}-{out.name}",
        "log_completions": config.report.completions,
        "num_completions_to_print": NOT_PRINTED,
    }


@contextmanager
def tensorboard_folder(out: Path) -> Iterator[None]:
    """While a trainer is built, TensorBoard is told to write into the run folder, unless the user says otherwise."""
    if TENSORBOARD_VARIABLE in os.environ:
        yield
        return
    os.environ[TENSORBOARD_VARIABLE] = str(out / TENSORBOARD_FOLDER)
    try:
        yield
    finally:
        del os.environ[TENSORBOARD_VARIABLE]
