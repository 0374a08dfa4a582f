"""The contracts that compare a reward with itself: answers, finiteness, range, repetition, order, batch, whitespace."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ar1_rl.driving import Completion

from ..score import Score
from .bank import Bank, Case
from .result import ContractResult
from .subjects import MixSubject, Subject, TermSubject, same, tolerance

SHUFFLE_STEP = 37
"""Rows are reordered by steps of this: a prime, so that neighbours part."""
ALONE = 12
"""Completions asked one at a time."""
SLOW_S = 0.5
"""Per completion, of a reward that blocks: 192 rollouts a step would wait a minute and a half for it."""
PADDING = 16
SHOWN_CHARACTERS = 90


@dataclass(frozen=True)
class Asked:
    """What one subject said about every decodable case of the bank."""

    subject: Subject
    cases: Sequence[Case]
    scores: Sequence[Score]

    def passed(self, contract: str, detail: str = "") -> ContractResult:
        """The contract holds."""
        return ContractResult(contract, self.subject.name, "pass", detail)

    def skipped(self, contract: str, why: str) -> ContractResult:
        """The contract does not apply, or cannot be judged."""
        return ContractResult(contract, self.subject.name, "not applicable", why)

    def failed(self, contract: str, detail: str, example: str) -> ContractResult:
        """The contract is broken; `example` says by which completions and values."""
        return ContractResult(contract, self.subject.name, "fail", detail, example)

    def again(self, cases: Sequence[Case]) -> list[Score]:
        """Ask about cases, in this order."""
        return self.subject.ask([case.completion for case in cases], [case.scene for case in cases])

    def compare(
        self, contract: str, cases: Sequence[Case], before: Sequence[Score], after: Sequence[Score], what: str
    ) -> ContractResult:
        """Pass if two rounds of answers agree; else the first case that differs."""
        within = tolerance(self.subject)
        rows = [
            i for i, (one, two) in enumerate(zip(before, after, strict=True)) if not same(one.value, two.value, within)
        ]
        if not rows:
            return self.passed(contract, f"{len(cases)} completions")
        first = rows[0]
        return self.failed(
            contract,
            f"{len(rows)} of {len(cases)} completions",
            f"{told(cases[first])} got {number(before[first])}, and {number(after[first])} {what}",
        )


def answers(asked: Asked) -> ContractResult:
    """No call failed. A wrong type or length has raised before this."""
    failed = [i for i, score in enumerate(asked.scores) if score.failure not in (None, "NotFinite")]
    if not failed:
        none = sum(score.value is None and score.failure is None for score in asked.scores)
        return asked.passed("answers", f"{len(asked.scores)} completions, {none} of them None")
    first = failed[0]
    detail = f"{len(failed)} of {len(asked.scores)} calls failed"
    return asked.failed("answers", detail, f"{told(asked.cases[first])} {asked.scores[first].why}")


def finite(asked: Asked) -> ContractResult:
    """Values and parts are numbers."""
    for case, score in zip(asked.cases, asked.scores, strict=True):
        if score.failure == "NotFinite":
            return asked.failed("finite", "a value is no number", f"{told(case)}: {score.why}")
        bad = [name for name, part in score.parts.items() if not math.isfinite(part)]
        if bad:
            return asked.failed("finite", f"part {bad[0]!r}", f"{told(case)}: part {bad[0]!r} is {score.parts[bad[0]]}")
    return asked.passed("finite")


def in_range(asked: Asked) -> ContractResult:
    """Values lie in the declared range."""
    low, high = asked.subject.value_range
    known = [
        (score.value, case) for score, case in zip(asked.scores, asked.cases, strict=True) if score.value is not None
    ]
    if not known:
        return asked.skipped("range", "no completion got a value")
    lowest, highest = min(v for v, _ in known), max(v for v, _ in known)
    span = f"{lowest + 0.0:.4g} to {highest + 0.0:.4g} seen, {low:.4g} to {high:.4g} declared"
    within = tolerance(asked.subject)
    for value, case in known:
        if not low - within <= value <= high + within:
            return asked.failed("range", span, f"{told(case)} got {value:.6g}, outside {low:.4g} to {high:.4g}")
    return asked.passed("range", span)


def deterministic(asked: Asked) -> ContractResult:
    """The same batch once more."""
    return asked.compare("deterministic", asked.cases, asked.scores, asked.again(asked.cases), "when asked again")


def together(subject: TermSubject, bank: Bank) -> ContractResult:
    """Async calls at once against one after another; a subject that fails is asked one by one from then on."""
    cases = bank.cases[:: max(1, len(bank.cases) // ALONE)]
    asked = Asked(subject, cases, subject.ask([c.completion for c in cases], [c.scene for c in cases]))
    subject.one_by_one = True
    result = asked.compare("together", cases, asked.scores, asked.again(cases), "when asked one after another")
    subject.one_by_one = result.broken
    return result


def order(asked: Asked) -> ContractResult:
    """The batch reordered: by rows, or by whole groups where siblings belong together."""
    groups = _groups(asked)
    count = len(groups)
    step = next(s for s in (SHUFFLE_STEP, SHUFFLE_STEP + 4, SHUFFLE_STEP + 6, 1) if math.gcd(s, count) == 1)
    rows = [row for i in range(count) for row in groups[(count - 1 - i) * step % count]]
    cases = [asked.cases[row] for row in rows]
    return asked.compare("order", cases, [asked.scores[row] for row in rows], asked.again(cases), "in another order")


def batch(asked: Asked) -> ContractResult:
    """Some completions (or groups) alone; and, where there is a batched form, each by the reward's plain call."""
    groups = _groups(asked)
    rows, alone = [], []
    for group in groups[:: max(1, len(groups) // ALONE)]:
        rows += group
        alone += asked.again([asked.cases[row] for row in group])
    cases, before = [asked.cases[row] for row in rows], [asked.scores[row] for row in rows]
    result = asked.compare("batch", cases, before, alone, "alone")
    subject = asked.subject
    if result.broken or isinstance(subject, MixSubject) or subject.keeps_groups:
        return result
    reward = subject.term.inner
    if not hasattr(reward, "score_batch"):
        return result
    subject.reset()
    plain = [as_plain(reward(case.completion, case.scene)) for case in cases]
    return asked.compare("batch", cases, before, plain, "by its plain call")


def siblings(asked: Asked) -> ContractResult:
    """Siblings in reverse, group by group."""
    if isinstance(asked.subject, MixSubject) or not asked.subject.keeps_groups:
        return asked.skipped("siblings", "it judges one completion at a time")
    rows = [row for group in _groups(asked) for row in reversed(group)]
    cases = [asked.cases[row] for row in rows]
    result = asked.compare(
        "siblings", cases, [asked.scores[row] for row in rows], asked.again(cases), "with its siblings in reverse"
    )
    if result.broken:
        return result
    halves = [row for group in _groups(asked) for row in group[: (len(group) + 1) // 2]]
    fewer = asked.again([asked.cases[row] for row in halves])
    within = tolerance(asked.subject)
    moved = sum(
        not same(asked.scores[row].value, score.value, within) for row, score in zip(halves, fewer, strict=True)
    )
    return replace(result, detail=f"{moved} of {len(halves)} values depend on who the siblings are")


def whitespace(asked: Asked) -> ContractResult:
    """The same words with other spaces, line ends and padding."""
    groups = [group for group in _groups(asked) if asked.cases[group[0]].completion.reasoning]
    rows = [row for group in groups for row in group]
    original = [asked.cases[row] for row in rows]
    before = [asked.scores[row] for row in rows]
    for edit, words in ((_spaced, "with more spaces and line ends"), (_padded, f"with {PADDING} tokens of padding")):
        changed = [replace(case, completion=edit(case.completion)) for case in original]
        result = asked.compare("whitespace", original, before, asked.again(changed), words)
        if result.broken:
            return result
    return result


def latency(asked: Asked, slow_s: float = SLOW_S) -> ContractResult:
    """Median time alone, and time a completion in a whole batch."""
    alone = []
    for case in list(asked.cases)[:5]:
        started = time.perf_counter()
        asked.again([case])
        alone.append(time.perf_counter() - started)
    started = time.perf_counter()
    asked.again(asked.cases)
    share = (time.perf_counter() - started) / len(asked.cases)
    detail = (
        f"{1e3 * statistics.median(alone):.3g} ms alone, {1e3 * share:.3g} ms each in a batch of {len(asked.cases)}"
    )
    blocks = isinstance(asked.subject, TermSubject) and not (asked.subject.term.is_async or asked.subject.term.waits)
    if blocks and share > slow_s:
        example = (
            f"{share:.2g} s a completion and nothing else runs meanwhile; make it async, or set `waits = True` on it "
            "if it waits for someone else"
        )
        return asked.failed("latency", detail, example)
    return asked.passed("latency", detail)


def as_plain(value: object) -> Score:
    """What a reward's plain call returned, without any check."""
    return value if isinstance(value, Score) else Score(None if value is None else float(value))  # type: ignore[arg-type]


def told(case: Case) -> str:
    """A case in words."""
    return f"'{case.label}' in scene '{case.scene.id}'"[: 2 * SHOWN_CHARACTERS]


def number(score: Score) -> str:
    """A value as it is shown."""
    return "None" if score.value is None else f"{score.value + 0.0:.4g}"


def _groups(asked: Asked) -> list[list[int]]:
    """Rows that stay together: siblings of a scene, or every row for itself."""
    if not asked.subject.keeps_groups:
        return [[row] for row in range(len(asked.cases))]
    groups: dict[str, list[int]] = {}
    for row, case in enumerate(asked.cases):
        groups.setdefault(case.scene.id, []).append(row)
    return list(groups.values())


def _spaced(completion: Completion) -> Completion:
    def spaced(text: str) -> str:
        return "  \n" + re.sub(r"(\S) (\S)", r"\1   \2", text) + " \t\n"

    reasoning = completion.reasoning
    return replace(completion, text=spaced(completion.text), reasoning=spaced(reasoning) if reasoning else reasoning)


def _padded(completion: Completion) -> Completion:
    return replace(completion, token_ids=(*completion.token_ids, *(0,) * PADDING))
