"""What a critic costs: tokens, seconds and money, counted as it is asked and estimated before a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ar1_rl.errors import ConfigError

TOKENS_PER_PRICE = 1_000_000
"""Prices are given per so many tokens, as providers publish them."""
CHARACTERS_PER_TOKEN = 4.0
"""Of English text, in the tokenizers of current models; only for estimates and for reserving tokens per minute."""


@dataclass(frozen=True)
class Price:
    """Money for a million tokens; what runs on one's own machine costs 0."""

    prompt: float
    completion: float

    def money(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost."""
        return (self.prompt * prompt_tokens + self.completion * completion_tokens) / TOKENS_PER_PRICE


@dataclass(frozen=True)
class PriceTable:
    """Example: `PriceTable("USD", {"judge-8b": Price(prompt=0.2, completion=0.8)})`."""

    currency: str
    models: Mapping[str, Price]

    @classmethod
    def read(cls, raw: Any) -> PriceTable:
        """From a config, `{currency: USD, models: {judge-8b: {prompt: 0.2, completion: 0.8}}}`.

        ConfigError lists all faults.
        """
        if isinstance(raw, PriceTable):
            return raw
        shape = "prices: allowed is {currency: NAME, models: {MODEL: {prompt: MONEY, completion: MONEY}}}"
        if not isinstance(raw, Mapping) or set(raw) != {"currency", "models"} or not isinstance(raw["models"], Mapping):
            raise ConfigError(f"{shape}, got {raw!r}")
        faults = []
        if not (isinstance(raw["currency"], str) and raw["currency"]):
            faults.append(f"prices.currency: got {raw['currency']!r}, allowed is a name such as USD")
        for model, price in raw["models"].items():
            named = price if isinstance(price, Mapping) else {}
            if set(named) != {"prompt", "completion"} or not all(map(_is_price, named.values())):
                faults.append(f"prices.models.{model}: got {price!r}, allowed {{prompt, completion}}, each 0 or more")
        if faults:
            raise ConfigError("; ".join(faults))
        return cls(raw["currency"], {model: Price(**price) for model, price in raw["models"].items()})


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


@dataclass(frozen=True)
class Usage:
    """Counted over a batch or a run. Sums with `+`; `-` gives what came in between."""

    rollouts: int = 0
    """Put before the critic with something to grade."""
    calls: int = 0
    """Distinct requests; the other rollouts were answered from the cache, or had the same text as a sibling."""
    cached: int = 0
    """Rollouts answered from the cache."""
    failed: int = 0
    """Calls that brought no grade."""
    attempts: int = 0
    """Requests sent, those tried again included."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    untold: int = 0
    """Calls answered without a count of tokens: their tokens and their money are not in these sums."""
    request_s: float = 0.0
    """Seconds that requests were in flight, added up."""
    wall_s: float = 0.0
    """Seconds that batches took."""
    money: Mapping[str, float] = field(default_factory=dict)
    """By currency; empty without prices."""

    def __add__(self, other: Usage) -> Usage:
        return self._with(other, 1)

    def __sub__(self, other: Usage) -> Usage:
        return self._with(other, -1)

    def _with(self, other: Usage, sign: int) -> Usage:
        counted = {name: getattr(self, name) + sign * getattr(other, name) for name in _COUNTED}
        return Usage(**counted, money=_summed(self.money, other.money, sign))

    def as_row(self) -> dict[str, float]:
        """Flat, for a line of metrics: money as `money/<currency>`."""
        money = {f"money/{currency}": amount for currency, amount in self.money.items()}
        return {name: getattr(self, name) for name in _COUNTED} | money


_COUNTED = tuple(f.name for f in fields(Usage) if f.name != "money")


@dataclass(frozen=True)
class Estimate:
    """What a run would ask of a critic: an upper bound, since nothing is taken to be cached or asked twice."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: Mapping[str, float] = field(default_factory=dict)
    """By currency; empty without prices."""

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            _summed(self.money, other.money),
        )


def estimate_tokens(characters: float) -> int:
    """Tokens of a text of so many characters."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def _summed(one: Mapping[str, float], other: Mapping[str, float], sign: int = 1) -> dict[str, float]:
    return {c: one.get(c, 0.0) + sign * other.get(c, 0.0) for c in dict.fromkeys([*one, *other])}
