"""What a policy is built as, without its weights: from the `config.json` in its folder, or from what is recorded.

A record has the lines of a model's own config.json that its size follows from: `policy.architecture`, and
`policy.vision.architecture` of an encoder that is joined to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ar1_rl.errors import ConfigError
from ar1_rl.policy.config import PolicyConfig

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Record = dict[str, Any]


def policy_settings(policy: PolicyConfig) -> PretrainedConfig | None:
    """Those of a policy with a path, an encoder in front of it or not; None where nothing tells them.

    ConfigError where a record is wrong, or is not that of the folder.
    """
    assert policy.path is not None, "a tiny policy has its size in the config"
    decoder = _settings(policy.path, policy.architecture, "policy.architecture")
    if policy.vision is None or decoder is None:
        return decoder
    assert policy.vision.encoder is not None, "a pretrained decoder goes with a pretrained encoder"
    encoder = _settings(policy.vision.encoder, policy.vision.architecture, "policy.vision.architecture")
    if encoder is None:
        return None
    from ar1_rl.policy.vision.architecture import Ar1VisionLanguageConfig

    return Ar1VisionLanguageConfig(
        vision_config=getattr(encoder, "vision_config", encoder),
        text_config=decoder,
        merge_size=policy.vision.merge_size,
    )


def _settings(path: str, recorded: Record | None, key: str) -> PretrainedConfig | None:
    """Those of the folder, which must be what is recorded, or those that are recorded."""
    from transformers import AutoConfig

    from ar1_rl.policy.vision.registration import register

    register()
    if (Path(path) / "config.json").is_file():
        found = AutoConfig.from_pretrained(path, local_files_only=True)
        if wrong := list(_differences(found, recorded or {})):
            raise ConfigError(f"{key} is not that of {path}: got {'; '.join(wrong)}")
        return found
    return None if recorded is None else _from_record(recorded, key)


def _differences(found: Any, recorded: Record, place: str = "") -> Iterator[str]:
    for name, value in recorded.items():
        there = getattr(found, name, None)
        if isinstance(value, dict) and hasattr(there, "to_dict"):
            yield from _differences(there, value, f"{place}{name}.")
        elif there != value:
            yield f"{place}{name} {value!r}, there it is {there!r}"


def _from_record(recorded: Record, key: str) -> PretrainedConfig:
    from transformers import AutoConfig
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    kind = recorded.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise ConfigError(f"{key}.model_type: got {kind!r}, allowed is one that transformers knows")
    _check_names(recorded, CONFIG_MAPPING[kind], key)
    try:
        return AutoConfig.for_model(**recorded)
    except Exception as error:
        raise ConfigError(f"{key}: {error}") from error


def _check_names(recorded: Record, kind: Any, key: str) -> None:
    """ConfigError for a line that the architecture, or a part of it, does not know."""
    known = {field.name for field in fields(kind)} | {"model_type"}
    if unknown := sorted(set(recorded) - known):
        allowed = ", ".join(sorted(known))
        raise ConfigError(f"{key}: {kind.model_type} has no {', '.join(unknown)}; allowed: {allowed}")
    for name, part in kind.sub_configs.items():
        if isinstance(recorded.get(name), dict) and part.model_type:
            _check_names(recorded[name], part, f"{key}.{name}")
