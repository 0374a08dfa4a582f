"""What SFT and GRPO have in common: where they run, and the callback that logs, shows progress and stops."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ar1_rl.report.live import LiveTraining
from ar1_rl.report.progress import Progress

from . import sharding
from .launch import is_rank
from .ranks import Ranks
from .run_config import RunConfig
from .run_folder import RunFolder
from .stopping import StopFlag
from .whole_files import PARTIAL, replace_folder

FAILURES = "failures/"
"""Prefix of the counts of failed judgements, `failures/<reward>/<cause>`."""

GROUPS = {"groups/zero_variance": "groups of equal rewards", "groups/skipped": "groups skipped"}
"""Counts of a step that are shown where they are not 0."""

if TYPE_CHECKING:
    from transformers import TrainerCallback


def device_arguments(config: RunConfig) -> dict[str, Any]:
    """Arguments of a Hugging Face trainer for this machine and these ranks: CUDA where there is one, else CPU.

    They must exist before a model is loaded that DeepSpeed's stage 3 divides while it is read.
    """
    import torch
    from accelerate.state import AcceleratorState

    on_gpu = torch.cuda.is_available()
    arguments: dict[str, Any] = {
        "bf16": on_gpu and config.policy.dtype == "bfloat16",
        # With `use_cpu` Accelerate would ignore DeepSpeed without a word; `ranks.join` has told it where it runs.
        "use_cpu": not on_gpu and config.deepspeed is None,
    }
    if is_rank(os.environ):
        # Keeps the process group, and drops what the trainer of an earlier stage has left.
        AcceleratorState._reset_state()
        arguments["accelerator_config"] = {"use_configured_state": True}
    if config.deepspeed is not None:
        arguments |= {"deepspeed": sharding.settings(config.deepspeed), "optim": "adamw_torch"}
    return arguments


def save_whole(trainer: Any, target: Path, ranks: Ranks, beside: Mapping[str, str] | None = None) -> None:
    """Write the policy as an ordinary Hugging Face folder; a folder of the final name is always complete.

    `beside`: texts of further files in it, by name. All ranks call this together: each has a part of the parameters.
    """
    partial = target.with_name(target.name + PARTIAL)
    if ranks.first:
        shutil.rmtree(partial, ignore_errors=True)
    trainer.save_model(str(partial))
    if ranks.first:
        for name, text in (beside or {}).items():
            (partial / name).write_text(text)
        replace_folder(partial, target)
    ranks.wait()


def silence(trainer: Any) -> None:
    """Take away the callback that prints every log as a dictionary; `step_callback` shows and keeps them."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)


NOT_RESUMED = ("num_tokens",)
"""Counts of TRL's SFTTrainer that begin at 0 again in a resumed run."""


def step_callback(
    stage: str,
    folder: RunFolder,
    bar: Progress | LiveTraining,
    stop: StopFlag,
    note: str | None = None,
    window: int = 1,
    more: Callable[[], Mapping[str, float]] = dict,
) -> TrainerCallback:
    """Every step: one unit of progress; every log: one line of metrics.jsonl; after a signal: stop and save.

    `note` is a figure that is shown with what was counted; a live display takes them all. `more` gives figures of our
    own for the same line.

    A signal may reach one rank before a step ends and another after it: they agree in every step, and stop at the end
    of a window of that many updates.
    """
    from transformers import TrainerCallback

    class StepCallback(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder.ranks.mark(f"{stage} step {state.global_step + 1}")

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            folder.ranks.mark("")

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            bar.advance()
            if stop.agree(folder.ranks.any) and state.global_step % window == 0:
                control.should_training_stop = control.should_save = True
            # What is averaged since the last line is in no checkpoint.
            control.should_log = control.should_log or control.should_save
            return control

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
        ) -> None:
            if logs and "train_runtime" not in logs and state.is_world_process_zero:
                # A mean over nothing, as of a step in which no rollout was judged, is none.
                known = {
                    name: value
                    for name, value in logs.items()
                    if value is not None and isfinite(float(value)) and not (stage == "sft" and name in NOT_RESUMED)
                }
                known |= more()
                folder.append_metrics({"stage": stage, "step": state.global_step, **known})
                if isinstance(bar, LiveTraining):
                    bar.take(known)
                if told := progress_note(known, note):
                    bar.advance(0, note=told)
            # The trainer keeps every line for ever, and writes all of them into every checkpoint.
            state.log_history.clear()

    return StepCallback()


def group_counts(metrics: Iterable[Mapping[str, Any]], groups_per_step: int) -> dict[str, int]:
    """Groups of a whole run, how many of them had equal rewards, and how many the difficulty filter skipped."""
    steps = [row for row in metrics if all(name in row for name in GROUPS)]
    counts = {name.removeprefix("groups/"): round(sum(float(row[name]) for row in steps)) for name in GROUPS}
    return {"all": len(steps) * groups_per_step, **counts}


def progress_note(logs: Mapping[str, Any], figure: str | None) -> str:
    """One figure where it is known, groups that said nothing, and failed judgements by reward and cause."""
    failures = [
        f"{name.removeprefix(FAILURES).replace('/', ' ')} {float(value):.0f}"
        for name, value in logs.items()
        if name.startswith(FAILURES) and float(value) > 0
    ]
    known = [f"{figure} {float(logs[figure]):.3f}"] if figure is not None and figure in logs else []
    groups = [f"{told} {float(logs[name]):.0f}" for name, told in GROUPS.items() if logs.get(name)]
    return ", ".join(known + groups + ([f"failed: {', '.join(failures)}"] if failures else []))
