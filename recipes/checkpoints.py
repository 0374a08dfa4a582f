"""Checkpoints of a training: sealed once all of it is on the disk, so that none is loaded which was half written.

A trainer writes `checkpoint-STEP` file by file, under its final name. The seal is written last: it names every file of
all ranks with its size and hash. Only when a checkpoint is sealed do the older ones go.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ar1_rl.errors import RunError

from .ranks import Ranks
from .whole_files import flush, write_whole

if TYPE_CHECKING:
    from transformers import TrainerCallback

SEAL = "sealed.json"
SEAL_SCHEMA_VERSION = 1
PREFIX = "checkpoint-"
"""Hugging Face's name of a checkpoint, followed by the step."""


class Part(Protocol):
    """What a checkpoint keeps beside what the trainer keeps by itself."""

    def save(self, checkpoint: Path, rank: int) -> None:
        """Write it into the checkpoint, before that is sealed."""
        ...

    def load(self, checkpoint: Path, rank: int) -> None:
        """Go on from what was written; called when training begins."""
        ...


def step_of(checkpoint: Path | None) -> int | None:
    """After how many steps it was written."""
    return None if checkpoint is None else int(checkpoint.name.removeprefix(PREFIX))


def seal(checkpoint: Path, ranks: Ranks) -> None:
    """Call a checkpoint whole. All ranks call this together, each once its own files are written."""
    ranks.wait()
    names = sorted(str(path.relative_to(checkpoint)) for path in checkpoint.rglob("*") if path.is_file())
    names = [name for name in names if name != SEAL]
    files = ranks.gather([_described(checkpoint, name) for name in names[ranks.index :: ranks.count]])
    if ranks.first:
        for folder in [path for path in checkpoint.rglob("*") if path.is_dir()]:
            flush(folder)
        content = {"schema_version": SEAL_SCHEMA_VERSION, "ranks": ranks.count, "files": dict(sorted(files))}
        write_whole(checkpoint / SEAL, json.dumps(content, indent=2))
    ranks.wait()


def is_sealed(checkpoint: Path) -> bool:
    """Whether it was finished; `flaws` looks at its files as well."""
    return (checkpoint / SEAL).exists()


def flaws(checkpoint: Path, index: int = 0, count: int = 1) -> list[str]:
    """Why a checkpoint cannot be used; of several ranks each looks at its part of the files."""
    try:
        sealed = json.loads((checkpoint / SEAL).read_text())
    except FileNotFoundError:
        return ["it was not finished"]
    except ValueError:
        return [f"{SEAL} cannot be read"]
    files = sorted(sealed["files"].items())
    return [fault for name, told in files[index::count] if (fault := _fault(checkpoint / name, told)) is not None]


def newest_whole(folder: Path, ranks: Ranks, say: Callable[[str], None]) -> Path | None:
    """The last checkpoint in `folder` that can be loaded; the others are removed, and of later ones is said why.

    All ranks call this together.
    """
    found = in_order(folder) if ranks.first else []
    for checkpoint in reversed(ranks.gather(found)):
        faults = ranks.gather(flaws(checkpoint, ranks.index, ranks.count))
        if not faults:
            if ranks.first:
                _remove_others(checkpoint)
            return checkpoint
        if ranks.first:
            say(f"{checkpoint.name} is not used and removed: {faults[0]}")
            shutil.rmtree(checkpoint)
    return None


def in_order(folder: Path) -> list[Path]:
    """All checkpoints in a folder, sealed or not, the first one first."""
    found = [path for path in folder.glob(f"{PREFIX}*") if path.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda path: int(path.name.removeprefix(PREFIX)))


def checkpoint_callback(stage: str, parts: Sequence[Part], ranks: Ranks, resume_from: Path | None) -> TrainerCallback:
    """Loads the parts when training begins; with every save writes them, seals, and removes older checkpoints."""
    from transformers import TrainerCallback

    class Checkpoints(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if resume_from is None:
                return
            if state.global_step != step_of(resume_from):
                raise RunError(f"{resume_from} was to be resumed, and the trainer is at step {state.global_step}")
            for part in parts:
                part.load(resume_from, ranks.index)

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # The last word before a save: validation, if there is one at this step, is over.
            if control.should_save:
                ranks.mark(f"{stage} step {state.global_step}, checkpoint")

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            checkpoint = Path(args.output_dir) / f"{PREFIX}{state.global_step}"
            for part in parts:
                part.save(checkpoint, ranks.index)
            seal(checkpoint, ranks)
            if ranks.first:
                _remove_others(checkpoint)

    return Checkpoints()


def _remove_others(checkpoint: Path) -> None:
    for other in in_order(checkpoint.parent):
        if other != checkpoint:
            # Without its seal first, or one that is half removed would look whole for a moment.
            (other / SEAL).unlink(missing_ok=True)
            shutil.rmtree(other)


def _described(checkpoint: Path, name: str) -> tuple[str, dict[str, Any]]:
    path = checkpoint / name
    flush(path)
    return name, {"bytes": path.stat().st_size, "blake2b": _hash(path)}


def _fault(path: Path, told: dict[str, Any]) -> str | None:
    if not path.is_file():
        return f"{path.name} is missing"
    if path.stat().st_size != told["bytes"]:
        return f"{path.name} has {path.stat().st_size} bytes, sealed were {told['bytes']}"
    return None if _hash(path) == told["blake2b"] else f"{path.name} is not what was sealed"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
