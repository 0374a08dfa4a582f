"""What judges cost, by term: a reward that asks a model counts it in its attribute `usage`, and here it is read off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .critic.cost import Estimate, Usage
from .terms import Term

Costs = Mapping[str, Usage]
"""Term -> what it used."""


class Meter:
    """Reads what came since it was last read, off the terms that count their usage."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._terms = [term for term in terms if isinstance(getattr(term.inner, "usage", None), Usage)]
        self._taken: dict[str, Usage] = {}
        self.reset()

    def take(self) -> dict[str, Usage]:
        """By term, since this or `reset` was last called."""
        before = self._taken
        self.reset()
        return {name: now - before[name] for name, now in self._taken.items()}

    def reset(self) -> None:
        """Start from here: what was used before, such as before a resume, has been read."""
        self._taken = {term.name: term.inner.usage for term in self._terms}


def total_costs(many: Iterable[Costs]) -> dict[str, Usage]:
    """The sum, for instance over ranks."""
    total: dict[str, Usage] = {}
    for costs in many:
        for name, usage in costs.items():
            total[name] = total.get(name, Usage()) + usage
    return total


def cost_metrics(costs: Costs) -> dict[str, float]:
    """`cost/<term>/<figure>` for a line of metrics; all but `cached_share` add up over lines."""
    return {
        f"cost/{term}/{name}": float(value) for term, usage in costs.items() for name, value in figures(usage).items()
    }


def figures(usage: Usage) -> dict[str, float]:
    """Flat, with the share of rollouts that were answered from the cache."""
    share = {"cached_share": usage.cached / usage.rollouts} if usage.rollouts else {}
    return usage.as_row() | share


def told(cost: Usage | Estimate) -> str:
    """Calls, tokens asked with and answered, and money, in words."""
    money = "".join(
        f", {amount:{',.2f' if amount >= 1 else '.2g'}} {currency}" for currency, amount in cost.money.items()
    )
    return f"{cost.calls:,} calls, {cost.prompt_tokens:,} + {cost.completion_tokens:,} tokens{money}"


def as_record(costs: Costs) -> dict[str, Any]:
    """Plain values for a file; `from_record` is the inverse."""
    return {name: asdict(usage) for name, usage in costs.items()}


def from_record(record: Mapping[str, Any]) -> dict[str, Usage]:
    """The costs that `as_record` wrote."""
    return {name: Usage(**usage) for name, usage in record.items()}
