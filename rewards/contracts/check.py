"""`check_reward`: every contract for a reward or a mix, in an order in which one fault is named once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ar1_rl.errors import RewardError

from ..composite import CompositeReward
from ..mix import Mix
from ..terms import Term
from . import checks, judging
from .bank import Bank, shipped_bank
from .checks import SLOW_S, Asked
from .result import CONTRACTS, ContractResult
from .subjects import MixSubject, Subject, TermSubject

REST = tuple(name for name in CONTRACTS if name not in ("answers", "together"))
COMPARED = tuple(name for name in REST if name not in ("finite", "range", "deterministic", "state", "latency"))

NEEDED_BY_A_MIX = ("answers", "range", "deterministic", "order", "batch", "state")


def check_reward(
    reward: Callable[..., Any] | Term | Mix | CompositeReward, bank: Bank | None = None, *, slow_s: float = SLOW_S
) -> list[ContractResult]:
    """Check a reward, a term or a whole mix (each of its terms, then the mix) against every contract.

    In a test of your own: `assert not [r for r in check_reward(my_reward) if r.broken]`. `bank` is what it is asked
    about, by default the library's own. `slow_s` is the time per completion that a blocking reward may take.
    A contract that cannot be judged because another one is broken is not applicable, and its detail says which.
    """
    bank = bank or shipped_bank()
    if isinstance(reward, CompositeReward):
        reward = reward.mix
    if not isinstance(reward, Mix):
        return _check_term(reward if isinstance(reward, Term) else Term(reward=reward), bank, slow_s)
    results = [result for term in reward.terms for result in _check_term(term, bank, slow_s)]
    broken = sorted({r.subject for r in results if r.broken and r.contract in NEEDED_BY_A_MIX})
    return results + _check_mix(reward, bank, broken, slow_s)


def _check_term(term: Term, bank: Bank, slow_s: float) -> list[ContractResult]:
    subject = TermSubject(term)
    if not term.is_async:
        return [
            ContractResult("together", subject.name, "not applicable", "it is not async"),
            *_check(subject, bank, slow_s),
        ]
    try:
        first = checks.together(subject, bank)
    except RewardError:
        # What is wrong with its answers is told below.
        return _check(subject, bank, slow_s)
    return [first, *_check(subject, bank, slow_s)]


def _check_mix(mix: Mix, bank: Bank, broken: list[str], slow_s: float) -> list[ContractResult]:
    if broken:
        why = f"{', '.join(broken)} broke a contract without which there is no mix"
        return [ContractResult(name, "mix", "not applicable", why) for name in CONTRACTS]
    return _check(MixSubject(mix), bank, slow_s)


def _check(subject: Subject, bank: Bank, slow_s: float) -> list[ContractResult]:
    cases = bank.cases
    asked = Asked(subject, cases, ())
    try:
        asked = Asked(subject, cases, asked.again(cases))
    except RewardError as error:
        first = asked.failed("answers", "its answers cannot be used", str(error))
        return [first, *_skipped(asked, REST, "see answers")]
    results = [checks.answers(asked)]
    if results[0].broken:
        return results + _skipped(asked, REST, "see answers")
    results += [checks.finite(asked), checks.in_range(asked), checks.deterministic(asked)]
    results += _compared(asked, bank, trusted=not results[-1].broken)
    return [*results, _state(asked), checks.latency(asked, slow_s)]


def _compared(asked: Asked, bank: Bank, *, trusted: bool) -> list[ContractResult]:
    """The contracts that compare answers, as far as these can be compared."""
    if not trusted:
        return _skipped(asked, COMPARED, "see deterministic: answers cannot be compared")
    results = []
    for name, contract in (("order", checks.order), ("batch", checks.batch)):
        results.append(contract(asked))
        if results[-1].broken:
            left = COMPARED[COMPARED.index(name) + 1 :]
            return results + _skipped(asked, left, f"see {name}: answers depend on the rest of the batch")
    undecodable = judging.undecodable(asked, bank)
    return [
        *results,
        checks.siblings(asked),
        checks.whitespace(asked),
        judging.monotone(asked, bank),
        undecodable,
        judging.text_alone(asked, undecodable),
        judging.bare_scenes(asked, bank),
    ]


def _skipped(asked: Asked, contracts: tuple[str, ...], why: str) -> list[ContractResult]:
    return [asked.skipped(name, why) for name in contracts]


def _state(asked: Asked) -> ContractResult:
    """The state is plain values, and what is loaded is what was saved."""
    subject = asked.subject
    if isinstance(subject, MixSubject) or not subject.term.has_state:
        return asked.skipped("state", "it has none")
    state = subject.term.inner.state_dict()
    try:
        written = json.loads(json.dumps(state))
    except (TypeError, ValueError) as error:
        return asked.failed("state", "it cannot be saved", f"state_dict() holds more than plain values: {error}")
    subject.term.inner.load_state_dict(written)
    restored = subject.term.inner.state_dict()
    if restored != written:
        return asked.failed(
            "state", "it does not come back", f"saved {written!r:.80}, and after loading {restored!r:.80}"
        )
    return asked.passed("state", f"{len(json.dumps(written))} characters")
