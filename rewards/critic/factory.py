"""`critic`: the grade of a reasoning trace against the reference, by one of four backends."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args

from ar1_rl.errors import ConfigError

from .cause_first import CauseFirstCritic
from .embedded import RubricCritic
from .endpoint import EndpointCritic
from .ensemble import EnsembleCritic

Backend = Literal["rubric", "cause_first", "endpoint", "ensemble"]
Critic = RubricCritic | CauseFirstCritic | EndpointCritic | EnsembleCritic

BACKENDS: dict[str, type[Critic]] = {
    "rubric": RubricCritic,
    "cause_first": CauseFirstCritic,
    "endpoint": EndpointCritic,
    "ensemble": EnsembleCritic,
}
"""`rubric` is the embedded default: deterministic, free, no model. `cause_first` is another such, by which
evaluation grades beside it. `endpoint` asks a model, `ensemble` several."""

STAND_INS = {"base_url": "http://missing", "model": "missing"}
"""In place of settings that are missing, so that the others can be checked at once."""


def critic(backend: Backend = "rubric", **settings: Any) -> Critic:
    """The critic of a backend with its own settings; ConfigError has all that is wrong with them.

    The members of an ensemble are critics, or mappings with their settings and `backend` (unset: endpoint).
    """
    if backend not in BACKENDS:
        raise ConfigError(f"critic backend: got {backend!r}, allowed {', '.join(BACKENDS)}")
    made, faults = _made(backend, settings)
    if faults or made is None:
        raise ConfigError(f"critic backend {backend!r}: " + "; ".join(faults))
    return made


def _made(backend: Backend, settings: Mapping[str, Any]) -> tuple[Critic | None, list[str]]:
    """The critic, or all faults."""
    makes = BACKENDS[backend]
    known = {f.name: f for f in fields(makes) if f.init}
    faults = [f"unknown setting {name!r}{_nearest(name, list(known))}" for name in settings if name not in known]
    missing = [n for n, f in known.items() if n not in settings and f.default is f.default_factory is MISSING]
    faults += [f"setting {name!r} is missing" for name in missing]
    given = {name: value for name, value in settings.items() if name in known}
    if backend == "ensemble" and "members" in given:
        given["members"], wrong = _members(given["members"])
        faults += wrong
    if missing:
        # Prices are of a model, and which one that is may be what is missing.
        given = {name: STAND_INS[name] for name in missing if name in STAND_INS} | given
        given.pop("prices", None)
    if missing and not set(missing) <= set(STAND_INS):
        return None, faults
    try:
        return makes(**given), faults
    except ConfigError as error:
        return None, [*faults, str(error)]


def _members(raw: Any) -> tuple[list[Any], list[str]]:
    """Critics made of their settings, and what is wrong with those that could not be made."""
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        return [], [f"members: got {raw!r}, allowed is a list of critics"]
    members, faults = [], []
    for i, settings in enumerate(raw):
        if not isinstance(settings, Mapping):
            members.append(settings)
            continue
        own = dict(settings)
        backend = own.pop("backend", "endpoint")
        allowed = [name for name in get_args(Backend) if name != "ensemble"]
        if backend not in allowed:
            faults.append(f"members.{i}.backend: got {backend!r}, allowed {', '.join(allowed)}")
            continue
        made, wrong = _made(backend, own)
        faults += [f"members.{i}: {fault}" for fault in wrong]
        members += [made] if made is not None else []
    return members, faults


def _nearest(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=2)
    return f"; nearest: {', '.join(near)}" if near else f"; there are: {', '.join(names)}"
