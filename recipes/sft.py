"""Supervised fine-tuning on reasoning-plus-trajectory traces, through TRL's SFTTrainer."""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ar1_rl.driving import Scene, TrajectoryCodec
from ar1_rl.frames import camera_names
from ar1_rl.policy.config import codec_by_name
from ar1_rl.report.progress import progress
from ar1_rl.scenes.faults import LabelledTrace
from rollouts.config import PromptConfig
from rollouts.dialogue import Dialogue, text_of
from rollouts.prompts import prompt_builder

from .checkpoints import checkpoint_callback, newest_whole, step_of
from .epoch_order import EpochOrder
from .ranks import Ranks
from .run_config import RunConfig
from .run_folder import RunFolder
from .sft_images import LENGTH, PLACE, ImageArrays, ImageCollator, as_arrays
from .spool import Spool
from .stopping import StopFlag
from .training import device_arguments, save_whole, silence, step_callback

if TYPE_CHECKING:
    from datasets import Dataset

    from ar1_rl.policy.loading import LoadedPolicy

SFT_FOLDER = "sft"
TRAINER_FOLDER = "sft-trainer"
LOGGED_EVERY = 25
"""Steps between two lines of metrics."""
TOKENS_AT_ONCE = 200
"""Examples turned into tokens between two steps of the progress bar."""
NOT_TAUGHT = -100
"""As a label: no token to learn; the figure of torch and transformers."""


@dataclass(frozen=True)
class Example:
    """One scene and the trace that the policy is taught for it."""

    scene: Scene
    trace: LabelledTrace


def fine_tune(
    config: RunConfig, examples: Sequence[Example], folder: RunFolder, console: Console, stop: StopFlag
) -> Path:
    """Train on `examples` and return the policy folder; a finished one is taken as it is.

    An unfinished training goes on from its last checkpoint.
    """
    target, checkpoints = folder.checkpoints / SFT_FOLDER, folder.checkpoints / TRAINER_FOLDER
    if target.exists():
        console.print(f"SFT: already done, using {target}")
        _remove(checkpoints, folder.ranks)
        return target
    resume_from = newest_whole(checkpoints, folder.ranks, console.print)
    folder.cut("sft", step_of(resume_from))
    assert config.sft is not None, "checked by the caller"
    from trl import SFTConfig as SftArguments
    from trl import SFTTrainer

    codec = codec_by_name(config.policy.codec)
    ranks = folder.ranks
    device = device_arguments(config)
    ranks.mark("SFT, loading the policy")
    started = _starting_point(config, examples, codec)
    model, reader = started.model, started.processor or started.tokenizer
    dialogue = Dialogue.configured(started.tokenizer, codec, config.rollouts, started.processor)
    rows, images = taught_rows(dialogue, examples, folder.path, console, ranks.mark)
    # Stage 3 of DeepSpeed leaves none of a parameter in its place, and remembers its size.
    parameters = sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters())
    console.print(f"SFT: {len(rows)} traces, {parameters / 1e6:.2f} M parameters, {config.sft.steps} steps")
    arguments = SftArguments(
        output_dir=str(checkpoints),
        max_steps=config.sft.steps,
        per_device_train_batch_size=config.sft.batch_size // ranks.count,
        learning_rate=config.sft.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=config.sft.warmup_steps,
        weight_decay=config.sft.weight_decay,
        max_length=None,
        packing=False,
        # They are ready: labels are there.
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        train_sampling_strategy="group_by_length",
        gradient_checkpointing=config.policy.gradient_checkpointing,
        logging_steps=min(LOGGED_EVERY, config.sft.steps),
        save_strategy="steps",
        save_steps=config.sft.save_every,
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
        dataloader_pin_memory=False,
        **device,
    )
    with progress(console, "SFT steps", config.sft.steps, step_of(resume_from) or 0) as bar:
        order = EpochOrder()
        trainer = SFTTrainer(
            model=model,
            args=arguments,
            train_dataset=rows,
            processing_class=reader,
            data_collator=None if started.processor is None else ImageCollator(started.processor, images),
            callbacks=[
                step_callback("sft", folder, bar, stop, note="loss"),
                checkpoint_callback("sft", [order], ranks, resume_from),
                order.callback(),
            ],
        )
        silence(trainer)
        trainer.train(resume_from_checkpoint=None if resume_from is None else str(resume_from))
    if trainer.state.global_step < config.sft.steps:
        stop.check()
    save_whole(trainer, target, ranks)
    _remove(checkpoints, ranks)
    stop.check()
    return target


def _remove(checkpoints: Path, ranks: Ranks) -> None:
    if ranks.first:
        shutil.rmtree(checkpoints, ignore_errors=True)


def _starting_point(config: RunConfig, examples: Sequence[Example], codec: TrajectoryCodec) -> LoadedPolicy:
    from ar1_rl.policy.loading import start_policy

    traces = (example.trace.text for example in examples)
    prompts = prompt_words(config.rollouts, (example.scene for example in examples))
    own = _words_of_own_prompts(config, examples)
    return start_policy(config.policy, chain(prompts, traces, own), codec, config.seed)


def prompt_words(config: PromptConfig, scenes: Iterable[Scene]) -> Iterator[str]:
    """What the library's own prompts are written with, of the scene in words or of its frames."""
    if config.frames is None:
        from rollouts.describe import VOCABULARY

        yield " ".join(VOCABULARY)
        return
    from rollouts.vision.prompt import words_of

    shown = config.frames
    cameras = shown.cameras or dict.fromkeys(name for scene in scenes for name in camera_names(scene, shown))
    yield words_of(shown.layout, list(cameras), shown.count)


def _words_of_own_prompts(config: RunConfig, examples: Sequence[Example]) -> Iterator[str]:
    """What a prompt builder of the user's own writes: a word-level tokenizer must have met its words."""
    if config.rollouts.prompt is None:
        return
    build = prompt_builder(config.rollouts)
    for example in examples:
        for message in build(example.scene.observation, ""):
            yield text_of(message["content"])


def taught_rows(
    dialogue: Dialogue, examples: Sequence[Example], folder: Path, console: Console, mark: Callable[[str], None]
) -> tuple[Dataset, Spool[ImageArrays]]:
    """Token ids and labels, read from a file when a row is asked for. A label is the token to learn, or none.

    Beside them the images of each row, by its `place`: decoded here, once, and nowhere else.
    """
    from datasets import Dataset

    taught: Spool[tuple[np.ndarray, np.ndarray]] = Spool(folder)
    images: Spool[ImageArrays] = Spool(folder)
    lengths = array("q")
    with progress(console, "SFT traces to tokens", len(examples)) as bar:
        for start in range(0, len(examples), TOKENS_AT_ONCE):
            mark("SFT, traces to tokens")
            batch = examples[start : start + TOKENS_AT_ONCE]
            prompts = dialogue.ask_about([e.scene for e in batch])
            histories = np.stack([e.scene.observation.history_T3 for e in batch])
            futures = np.stack([e.trace.future_T3 for e in batch])
            completions = dialogue.token_ids(
                dialogue.completion_texts([e.trace.text for e in batch], histories, futures)
            )
            for prompt, completion in zip(prompts, completions, strict=True):
                taught.append((np.array(prompt.token_ids, dtype=np.int32), np.array(completion, dtype=np.int32)))
                images.append(as_arrays(prompt.images))
                lengths.append(len(prompt.token_ids) + len(completion))
            bar.advance(len(batch))

    def rows(columns: dict[str, list[int]]) -> dict[str, list[Any]]:
        pairs = [taught[place] for place in columns[PLACE]]
        return {
            **columns,
            "input_ids": [[*prompt.tolist(), *completion.tolist()] for prompt, completion in pairs],
            "labels": [[NOT_TAUGHT] * len(prompt) + completion.tolist() for prompt, completion in pairs],
        }

    return Dataset.from_dict({PLACE: range(len(taught)), LENGTH: list(lengths)}).with_transform(rows), images
