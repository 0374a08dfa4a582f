"""What a critic costs: tokens, seconds and money, counted as it is asked and estimated before a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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


@dataclass(frozen=True)
class PriceTable:
    """Example: `PriceTable("USD", {"judge-8b": Price(prompt=0.2, completion=0.8)})`."""

    currency: str
    models: Mapping[str, Price]

    @classmethod
    def read(cls, raw: Any) -> PriceTable:
        """From a config: `{currency: USD, models: {judge-8b: {prompt: 0.2, completion: 0.8}}}`; ConfigError lists all faults."""
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

    def money(self, model: str, prompt_tokens: float, completion_tokens: float) -> float:
        """What a call costs; the model must be in the table."""
        price = self.models[model]
        return (price.prompt * prompt_tokens + price.completion * completion_tokens) / TOKENS_PER_PRICE


def _is_price(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


@dataclass(frozen=True)
class Usage:
    """Counted over a batch or a run. Sums with `+`, and `-` gives what came in between."""

    graded: int = 0
    """Rollouts that were put before the critic, and had something to grade."""
    calls: int = 0
    """Distinct requests made; the other rollouts were answered from the cache or had the same text as another."""
    cached: int = 0
    """Rollouts answered from the cache."""
    failed: int = 0
    """Calls without a grade."""
    attempts: int = 0
    """Requests sent, those tried again included."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    untold: int = 0
    """Calls that were answered without a count of tokens; their tokens and money are not in these sums."""
    request_s: float = 0.0
    """Seconds that requests were in flight, added up."""
    wall_s: float = 0.0
    """Seconds that batches took."""
    money: Mapping[str, float] = field(default_factory=dict)
    """By currency; empty without a price table."""

    def __add__(self, other: Usage) -> Usage:
        return self._with(other, 1)

    def __sub__(self, other: Usage) -> Usage:
        return self._with(other, -1)

    def _with(self, other: Usage, sign: int) -> Usage:
        counted = {f.name: getattr(self, f.name) + sign * getattr(other, f.name) for f in fields(self)[:-1]}
        currencies = [*self.money, *(c for c in other.money if c not in self.money)]
        money = {c: self.money.get(c, 0.0) + sign * other.money.get(c, 0.0) for c in currencies}
        return Usage(**counted, money=money)

    def as_row(self, prefix: str = "") -> dict[str, float]:
        """Flat, for a line of metrics: money as `money/<currency>`."""
        row = {f"{prefix}{name}": value for name, value in asdict(self).items() if name != "money"}
        return row | {f"{prefix}money/{currency}": amount for currency, amount in self.money.items()}


@dataclass(frozen=True)
class Estimate:
    """What a run would ask of a critic. Upper bounds as to calls: nothing is cached, and no two rollouts are equal."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float | None
    """At the requests in flight and per minute that are allowed, if a request's latency was given."""
    money: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: Estimate) -> Estimate:
        currencies = [*self.money, *(c for c in other.money if c not in self.money)]
        seconds = [s for s in (self.seconds, other.seconds) if s is not None]
        return Estimate(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            # Members of an ensemble are asked at the same time.
            max(seconds, default=None),
            {c: self.money.get(c, 0.0) + other.money.get(c, 0.0) for c in currencies},
        )


def estimate_tokens(characters: float) -> int:
    """Tokens of a text of so many characters."""
    return math.ceil(characters / CHARACTERS_PER_TOKEN)
