"""`ar1-rl export`: a trained policy as an ordinary Hugging Face folder, its adapters merged into the weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ar1_rl.errors import ConfigError, MissingDependencyError

from .sft import SFT_FOLDER
from .validation import BEST_FOLDER
from .whole_files import PARTIAL, replace_folder

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MODEL, ADAPTER = "config.json", "adapter_config.json"


def export(source: Path, target: Path) -> Path:
    """Write the policy in `source`, a run or a checkpoint, to `target`; returns the folder it was read from.

    The weights have the type that the run trained in. ConfigError where there is no policy, or `target` is taken.
    """
    folder = policy_folder(source)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} is not empty; name another folder")
    from ar1_rl.policy.loading import load_policy, load_reader

    run = _run_of(folder)
    dtype = "auto" if run is None else _config(run)["policy"]["dtype"]
    adapter = (folder / ADAPTER).exists()
    model = _merged(folder, run, dtype) if adapter else load_policy(str(folder), dtype).model
    partial = target.with_name(target.name + PARTIAL)
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer, processor = load_reader(str(folder), model.config)
    (processor or tokenizer).save_pretrained(partial)
    replace_folder(partial, target)
    return folder


def policy_folder(source: Path) -> Path:
    """Where the policy of a run or a checkpoint lies: of a run, its best."""
    candidates = (source, source / "checkpoints" / BEST_FOLDER, source / "checkpoints" / SFT_FOLDER)
    for folder in candidates:
        if (folder / MODEL).exists() or (folder / ADAPTER).exists():
            return folder
    raise ConfigError(
        f"{source} holds no policy: allowed are a run folder (its checkpoints/{BEST_FOLDER} is taken) and a "
        f"checkpoint with {MODEL} or {ADAPTER}"
    )


def _merged(folder: Path, run: Path | None, dtype: str) -> PreTrainedModel:
    from peft import PeftModel

    from ar1_rl.policy.loading import load_policy

    base = Path(json.loads((folder / ADAPTER).read_text())["base_model_name_or_path"])
    moved = None if run is None else run / "checkpoints" / SFT_FOLDER
    if not base.exists() and moved is not None and moved.exists():
        base = moved
    try:
        model = load_policy(str(base), dtype).model
    except MissingDependencyError as error:
        raise ConfigError(f"{folder} is an adapter of {base}, which cannot be loaded: {error}") from error
    return PeftModel.from_pretrained(model, str(folder)).merge_and_unload()


def _run_of(folder: Path) -> Path | None:
    """The run that a checkpoint lies in."""
    return next((parent for parent in folder.resolve().parents if (parent / "config.yaml").exists()), None)


def _config(run: Path) -> dict[str, Any]:
    return yaml.safe_load((run / "config.yaml").read_text())
