"""One term of a mix: a reward, what it counts for, and what happens when it cannot be had."""

from __future__ import annotations

import functools
import inspect
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ar1_rl.errors import ConfigError

from .base import Credit, Needs

OnFailure = Literal["abstain", "drop_group", "value", "raise"]
"""What a failed judge means for its completion: not judged, siblings not judged either, a fixed value, or stop."""

UNDECLARED_RANGE = (0.0, 1.0)
"""Range of a reward that declares none; a value outside a range is an error that says how to declare another."""


STATE_METHODS = ("state_dict", "load_state_dict")


@dataclass(frozen=True)
class Gate:
    """Closes the mix to a completion whose value of this term is at or below `closes_at`."""

    closes_at: float
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Term:
    """A reward in a mix. It adds `weight * (value - offset) / scale`, where higher is always better.

    `reward` is any callable `(completion, scene) -> Score | float | None`, sync or async, or, with an attribute
    `per_group = True`, `(completions, scene) -> list` over the siblings of a scene. What is not given here is read off
    the reward's attributes `name`, `needs`, `credit`, `value_range`, `per_group`, else: its function name,
    "trajectory", what it needs, (0, 1), False.
    """

    reward: Any
    name: str = ""
    weight: float = 1.0
    offset: float = 0.0
    """The value that adds nothing."""
    scale: float = 1.0
    """The difference of values that counts as one: 5 for a grade of 0 to 5."""
    required: bool | None = None
    """Whether a completion without this value is not judged at all. Unset: yes, if the term counts for anything."""
    on_failure: OnFailure = "abstain"
    failure_value: float | None = None
    gate: Gate | None = None
    needs: Needs | None = None
    credit: Credit | None = None
    """Whose doing it judges, where the tokens of reasoning and trajectory are credited apart."""
    value_range: tuple[float, float] | None = None
    per_group: bool | None = None
    """Whether the reward is called with all siblings of a scene."""

    def __post_init__(self) -> None:
        if not callable(self.reward):
            raise ConfigError(f"reward: got {self.reward!r}, allowed is a callable (completion, scene)")
        inner = self.inner
        name = self.name or str(getattr(inner, "name", "") or getattr(inner, "__name__", type(inner).__name__))
        needs = self.needs or getattr(inner, "needs", "trajectory")
        bounds = self.value_range or getattr(inner, "value_range", UNDECLARED_RANGE)
        required = self.required
        if required is None:
            required = self.weight != 0 or self.gate is not None
        per_group = bool(getattr(inner, "per_group", False)) if self.per_group is None else self.per_group
        read_off = {
            "name": name,
            "needs": needs,
            "credit": self.credit or getattr(inner, "credit", needs),
            "value_range": bounds,
            "required": required,
            "per_group": per_group,
        }
        for field, value in read_off.items():
            object.__setattr__(self, field, value)
        faults = self._faults()
        if faults:
            raise ConfigError(f"reward term {name!r}: " + "; ".join(faults))

    def _faults(self) -> list[str]:
        low, high = self.range
        faults = []
        if not (math.isfinite(self.weight) and self.weight >= 0):
            faults.append(f"weight: got {self.weight}, allowed 0 or more; a cost is turned round in the reward itself")
        if not (math.isfinite(self.scale) and self.scale > 0):
            faults.append(f"scale: got {self.scale}, allowed above 0")
        if not math.isfinite(self.offset):
            faults.append(f"offset: got {self.offset}, allowed a finite number")
        if self.needs not in get_args(Needs):
            faults.append(f"needs: got {self.needs!r}, allowed {get_args(Needs)}")
        if self.credit not in get_args(Credit):
            faults.append(f"credit: got {self.credit!r}, allowed {get_args(Credit)}")
        if self.on_failure not in get_args(OnFailure):
            faults.append(f"on_failure: got {self.on_failure!r}, allowed {get_args(OnFailure)}")
        methods = [method for method in STATE_METHODS if callable(getattr(self.inner, method, None))]
        if len(methods) == 1:
            faults.append(f"it has {methods[0]}; state needs both of {' and '.join(STATE_METHODS)}")
        if not low <= high:
            faults.append(f"value_range: got ({low}, {high}), the lowest value comes first")
        if (self.on_failure == "value") != (self.failure_value is not None):
            faults.append("failure_value goes with on_failure 'value', and only with it")
        elif self.failure_value is not None and not low <= self.failure_value <= high:
            faults.append(f"failure_value: got {self.failure_value}, allowed {low} to {high}, the reward's range")
        return faults

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of the reward."""
        assert self.value_range is not None, "set on construction"
        return self.value_range

    @property
    def contribution_range(self) -> tuple[float, float]:
        """Lowest and highest that this term adds to a completion which no gate has closed."""
        if self.weight == 0:
            return 0.0, 0.0
        low, high = self.range
        if self.gate is not None and self.required:
            low = max(low, min(self.gate.closes_at, high))
        low, high = (self.weight * (end - self.offset) / self.scale for end in (low, high))
        return (low, high) if self.required else (min(low, 0.0), max(high, 0.0))

    @property
    def inner(self) -> Any:
        """The callable inside `functools.partial`, which carries the attributes."""
        reward = self.reward
        while isinstance(reward, functools.partial):
            reward = reward.func
        return reward

    @property
    def is_async(self) -> bool:
        """Whether calling the reward gives something to await."""
        inner = self.inner
        return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004

    @property
    def waits(self) -> bool:
        """Whether the reward spends its time waiting for someone else, and so runs beside the others."""
        return bool(getattr(self.inner, "waits", False))

    @property
    def is_batched(self) -> bool:
        """Whether the reward is called with the whole batch at once."""
        return not (self.is_async or self.per_group) and hasattr(self.reward, "score_batch")

    @property
    def is_open(self) -> bool:
        """Whether the reward takes a batch as it comes: `open_batch` gives an `asking.OpenBatch`."""
        return self.waits and callable(getattr(self.inner, "open_batch", None))

    @property
    def has_state(self) -> bool:
        """Whether the reward has state that belongs into a checkpoint."""
        return all(callable(getattr(self.inner, method, None)) for method in STATE_METHODS)
