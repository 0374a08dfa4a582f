"""From a config to a mix: built-in rewards by name, a user's own by `path/to/file.py:name` or `package.module:name`."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import Field, field_validator

from ar1_rl.config import ConfigModel, check_config
from ar1_rl.errors import Ar1RlError, ConfigError

from .base import Needs
from .comfort import Comfort, Jerk
from .consistency import Consistency
from .critic.factory import critic
from .format import Format
from .imitation import Imitation
from .mix import Mix
from .safety import Collision, Safety
from .terms import Gate, OnFailure, Term

BUILT_IN: dict[str, Callable[..., Any]] = {
    "format": Format,
    "imitation": Imitation,
    "comfort": Comfort,
    "jerk": Jerk,
    "safety": Safety,
    "collision": Collision,
    "consistency": Consistency,
    "critic": critic,
}


class GateConfig(ConfigModel):
    """Closes the mix to completions whose value of the term is at or below `closes_at`."""

    closes_at: float
    name: str = ""


class TermConfig(ConfigModel):
    """One term: it adds weight * (value - offset) / scale."""

    reward: str
    """A built-in name, `path/to/file.py:name` or `package.module:name`."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the reward."""
    name: str = ""
    """Of the term, in logs and records; unset: the reward's own."""
    weight: float = Field(1.0, ge=0.0)
    """0: recorded only."""
    offset: float = 0.0
    scale: float = Field(1.0, gt=0.0)
    required: bool | None = None
    """Whether a completion without this value is not judged at all; unset: yes, if the term counts for anything."""
    on_failure: OnFailure = "abstain"
    failure_value: float | None = None
    gate: GateConfig | None = None
    needs: Needs | None = None
    """When a reward of one's own can be asked; unset: its attribute `needs`, else "trajectory"."""
    range: tuple[float, float] | None = Field(None, strict=False)
    """Lowest and highest value of a reward of one's own; unset: its attribute `value_range`, else 0 to 1."""


class MixConfig(ConfigModel):
    """The mix of rewards of a run."""

    terms: tuple[TermConfig, ...] = Field(strict=False)
    gate_value: float | None = None
    """Of a completion that a gate has closed; unset: the lowest sum."""
    undecodable_value: float | None = None
    """Of a completion without a trajectory; unset: a tenth of the range below everything else."""

    @field_validator("terms")
    @classmethod
    def _some(cls, terms: tuple[TermConfig, ...]) -> tuple[TermConfig, ...]:
        if not terms:
            raise ValueError("a mix needs at least one term")
        return terms

    def build(self) -> Mix:
        """The mix; ConfigError has all faults."""
        return build_mix(self)


def build_mix(config: MixConfig | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Mix:
    """A mix from its config, or from plain mappings: the whole, or only its terms. ConfigError has all faults."""
    if not isinstance(config, MixConfig):
        raw = config if isinstance(config, Mapping) else {"terms": list(config)}
        config = check_config(MixConfig, raw, source="rewards")
    terms, faults = [], []
    for position, term in enumerate(config.terms):
        try:
            terms.append(_term(term))
        except ConfigError as error:
            faults.append(f"terms.{position}: {error}")
    if faults:
        raise ConfigError("rewards: " + "; ".join(faults))
    return Mix(terms, gate_value=config.gate_value, undecodable_value=config.undecodable_value)


def load_reward(spec: str, **arguments: Any) -> Callable[..., Any]:
    """The reward that `spec` names, with keyword arguments bound.

    A class is constructed with the arguments; a function keeps them for each call. Raises ConfigError where the file
    or the name is missing, the file does not run, or an argument does not fit.
    """
    place, colon, name = spec.rpartition(":")
    if not colon:
        if spec not in BUILT_IN:
            raise ConfigError(
                f"reward {spec!r} is not built in{_nearest(spec, BUILT_IN)}; "
                "name your own by 'path/to/file.py:name' or 'package.module:name'"
            )
        return _bound(spec, BUILT_IN[spec], arguments)
    module = _module_of_file(spec, Path(place)) if place.endswith(".py") else _module(spec, place)
    target = getattr(module, name, None)
    if target is None:
        public = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        raise ConfigError(f"reward {spec!r}: {place} has no {name!r}{_nearest(name, public)}")
    if not callable(target):
        raise ConfigError(f"reward {spec!r}: {name} is a {type(target).__name__}, allowed is a function or a class")
    return _bound(spec, target, arguments)


def _term(config: TermConfig) -> Term:
    return Term(
        reward=load_reward(config.reward, **config.arguments),
        name=config.name,
        weight=config.weight,
        offset=config.offset,
        scale=config.scale,
        required=config.required,
        on_failure=config.on_failure,
        failure_value=config.failure_value,
        gate=None if config.gate is None else Gate(config.gate.closes_at, config.gate.name),
        needs=config.needs,
        value_range=config.range,
    )


def _bound(spec: str, target: Callable[..., Any], arguments: dict[str, Any]) -> Callable[..., Any]:
    makes_reward = inspect.isclass(target) or target is critic
    try:
        inspect.signature(target).bind(*(() if makes_reward else (None, None)), **arguments)
        reward = target(**arguments) if makes_reward else functools.partial(target, **arguments)
    except TypeError as error:
        accepts = list(inspect.signature(target).parameters)
        raise ConfigError(f"reward {spec!r}: {error}; its parameters are {', '.join(accepts) or 'none'}") from error
    return reward if makes_reward or arguments else target


def _module_of_file(spec: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise ConfigError(f"reward {spec!r}: there is no file {path.absolute()}")
    name = f"ar1_rl_reward_{path.stem}_{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:8]}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    assert module_spec is not None and module_spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(module_spec)
    # Dataclasses and pickle look a class's module up by name.
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except Ar1RlError:
        raise
    except Exception as error:
        del sys.modules[name]
        raise ConfigError(f"reward {spec!r}: {path} does not run: {type(error).__name__}: {error}") from error
    return module


def _module(spec: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(f"reward {spec!r}: there is no module {name!r}; for a file, end it in .py") from error
        raise ConfigError(f"reward {spec!r}: module {name} needs {error.name!r}, which is not installed") from error
    except Ar1RlError:
        raise
    except Exception as error:
        raise ConfigError(f"reward {spec!r}: module {name} does not import: {error}") from error


def _nearest(name: str, names: Mapping[str, Any] | Sequence[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=3)
    if near:
        return f"; nearest: {', '.join(near)}"
    return f"; there are: {', '.join(names)}" if names else "; it defines none"
