"""A policy's own answers as what SFT is taught: with answers chosen by a mix this is rejection-sampling fine-tuning."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from ar1_rl.errors import ConfigError, RunError
from ar1_rl.scenes.faults import LabelledTrace

from .evaluation_folder import answers_in, read_evaluation


def taught_answers(evaluation: Path, console: Console) -> dict[str, LabelledTrace]:
    """Scene -> the answer in an evaluation folder, of those that can be decoded.

    ConfigError where the folder is no finished evaluation, or no answer in it can be decoded.
    """
    try:
        found = read_evaluation(evaluation)
        answers = answers_in(evaluation, found.scene_ids)
    except RunError as error:
        raise ConfigError(f"sft.answers: {error}; allowed is what ar1-rl eval has written for one policy") from error
    traces = {
        identity: LabelledTrace(text=done.reasoning, future_T3=done.trajectory.poses_T3, fault=None)
        for identity, done in zip(found.scene_ids, (answer.completion for answer in answers), strict=True)
        if done.reasoning is not None and done.trajectory is not None
    }
    console.print(
        f"SFT is taught {len(traces)} of {len(answers)} answers of {found.header.label} ({found.header.decoding}); "
        "the others cannot be decoded",
        soft_wrap=True,
    )
    if not traces:
        raise ConfigError(f"sft.answers: none of the {len(answers)} answers in {evaluation} can be decoded")
    return traces
