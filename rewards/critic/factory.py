"""`critic`: the grade 0 to 5 of a reasoning trace against the reference, by one of two backends."""

from __future__ import annotations

from typing import Any, Literal

from ar1_rl.errors import ConfigError

from .embedded import RubricCritic
from .endpoint import EndpointCritic

BACKENDS = {"rubric": RubricCritic, "endpoint": EndpointCritic}
"""`rubric` is the embedded default: deterministic, free, no model. `endpoint` asks a language model."""


def critic(backend: Literal["rubric", "endpoint"] = "rubric", **settings: Any) -> RubricCritic | EndpointCritic:
    """The critic of a backend with its own settings; ConfigError names what is wrong with them."""
    if backend not in BACKENDS:
        raise ConfigError(f"critic backend: got {backend!r}, allowed {', '.join(BACKENDS)}")
    try:
        return BACKENDS[backend](**settings)
    except TypeError as error:
        raise ConfigError(f"critic backend {backend!r}: {error}") from error
