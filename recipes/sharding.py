"""DeepSpeed: how the state of training is divided over the ranks, by name or by a file of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ar1_rl.errors import ConfigError

FOLDER = Path(__file__).parent / "deepspeed"


def names() -> list[str]:
    """The settings that ship with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def settings(spec: str) -> dict[str, Any]:
    """DeepSpeed's settings by the name of shipped ones, or from a JSON file; ConfigError where they cannot be used."""
    path = Path(spec) if spec.endswith(".json") else FOLDER / f"{spec}.json"
    if not spec.endswith(".json") and spec not in names():
        raise ConfigError(f"{spec!r} is not among {', '.join(names())}, and no file of your own: those end in .json")
    try:
        found = json.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; shipped are {', '.join(names())}") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is not JSON: {error}") from error
    fault = _fault(found)
    if fault is not None:
        raise ConfigError(f"{path}: {fault}")
    return found


def stage(found: dict[str, Any]) -> int:
    """1: optimizer state is divided, 2: gradients too, 3: parameters too."""
    return int(found["zero_optimization"]["stage"])


def _fault(found: Any) -> str | None:
    zero = found.get("zero_optimization") if isinstance(found, dict) else None
    if not isinstance(zero, dict) or zero.get("stage") not in (1, 2, 3):
        return "no zero_optimization.stage of 1, 2 or 3"
    if zero["stage"] == 3 and zero.get("stage3_gather_16bit_weights_on_model_save") is not True:
        return (
            "zero_optimization.stage3_gather_16bit_weights_on_model_save is not true; without it no checkpoint "
            "is an ordinary Hugging Face folder"
        )
    if "optimizer" in found or "scheduler" in found:
        return "optimizer and scheduler are set by grpo.* and sft.*; take them out"
    return None
