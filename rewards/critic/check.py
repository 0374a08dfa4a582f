"""Is this critic worth training on? Any reward that grades text is asked about graded pairs, and its grades measured.

`check_critic(RubricCritic())` gives a `CriticReport`; `ar1-rl check-critic` prints it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .check_asking import Asker
from .check_findings import CriticReport, Finding, KindOrder, Thresholds, percent
from .check_measures import Estimate, clustered_mean, lifted, order_pairs, retest
from .check_pairs import BEST, RANKS, Ladder, Question, load_injections, load_ladders, spread
from .check_variants import FORMATS, PADDINGS, order_exchanged, reworded, roles_exchanged

VARIED_EVERY = 3
"""Repeats, paddings and formats are asked of every third reference: half the cost, and over 100 texts each."""

ATTACKED = "opposite"
"""Kind of the bad predictions that hostile texts try to lift: it has decided, so that a hostile text which itself
speaks of driving adds no decision where there was none."""

PROMPT_ORDER = "prompt order"
"""The prediction before the reference in the critic's prompt."""

DEFAULT_THRESHOLDS = Thresholds()


class CriticCheck:
    """The questions of one check, and what follows from their grades."""

    def __init__(self, reward: Any, ladders: Sequence[Ladder], injections: Sequence[str], repeats: int) -> None:
        self.exchanged = order_exchanged(reward)
        self.kinds = [rung.kind for ladder in ladders for rung in ladder.rungs]
        plain = [Question(n, ladder.reference, r.text) for n, ladder in enumerate(ladders) for r in ladder.rungs]
        self.varied = [row for row, question in enumerate(plain) if question.ladder % VARIED_EVERY == 0]
        self.same = [row for row, kind in enumerate(self.kinds) if RANKS[kind] == BEST]
        bad = [row for row in self.varied if self.kinds[row] == ATTACKED]
        self.attacked = [bad[n % len(bad)] for n in range(len(injections))] if bad else []
        some = [plain[row] for row in self.varied]
        self.passes: dict[str, list[Question]] = {"plain": plain}
        self.passes |= {f"repeat {n}": some for n in range(2, repeats + 1)}
        for name, change in {**PADDINGS, **FORMATS}.items():
            self.passes[name] = [reworded(question, change) for question in some]
        if self.exchanged is not None:
            self.passes[PROMPT_ORDER] = some
        self.passes["roles exchanged"] = [roles_exchanged(plain[row]) for row in self.same]
        self.passes["hostile"] = [
            replace(plain[row], prediction=f"{plain[row].prediction} {attack}")
            for row, attack in zip(self.attacked, injections, strict=False)
        ]
        self.repeats = repeats
        self.references = len(ladders)
        self.ladder_Q = np.array([question.ladder for question in plain])

    @property
    def questions(self) -> int:
        """Of all passes."""
        return sum(map(len, self.passes.values()))

    def findings(self, grades: dict[str, np.ndarray], bounds: Thresholds) -> tuple[Finding, ...]:
        """Every measure, in the order of the table."""
        return (
            self._order(grades["plain"], bounds),
            self._weakest_kind(grades["plain"], bounds),
            *self._retest(grades, bounds),
            self._drop("decision", "wrong_decision", grades["plain"], bounds.decision_drop),
            self._drop("causes", "wrong_cause", grades["plain"], bounds.cause_drop),
            *(self._shift(name, grades, bounds) for name in (*PADDINGS, *FORMATS, PROMPT_ORDER, "roles exchanged")),
            self._resistance(grades, bounds),
            _coverage(grades, bounds),
        )

    def by_kind(self, plain_Q: np.ndarray) -> dict[str, KindOrder]:
        """Mean grade and order agreement of each kind of prediction, best kind first."""
        pairs = order_pairs(plain_Q, [RANKS[kind] for kind in self.kinds], self.kinds, self.ladder_Q.tolist())
        told = {}
        for kind in RANKS:
            grade_Q = plain_Q[np.array(self.kinds) == kind]
            grade_Q = grade_Q[np.isfinite(grade_Q)]
            chosen_P = pairs.worse_kind_P == kind
            order = clustered_mean(pairs.right_P[chosen_P], pairs.ladder_P[chosen_P])
            told[kind] = KindOrder(float(grade_Q.mean()) if len(grade_Q) else float("nan"), order)
        return told

    def _order(self, plain_Q: np.ndarray, bounds: Thresholds) -> Finding:
        pairs = order_pairs(plain_Q, [RANKS[kind] for kind in self.kinds], self.kinds, self.ladder_Q.tolist())
        estimate = clustered_mean(pairs.right_P, pairs.ladder_P)
        fault = f"it ranks {percent(estimate.mean)} of the pairs rightly, and chance is 50%"
        return Finding.at_least("order agreement", estimate, bounds.order, f"{estimate.size} pairs", fault)

    def _weakest_kind(self, plain_Q: np.ndarray, bounds: Thresholds) -> Finding:
        known = {kind: k.order for kind, k in self.by_kind(plain_Q).items() if k.order.size}
        if not known:
            return Finding.at_least("weakest kind", _nothing(), bounds.order_of_a_kind, "", "it grades no pair at all")
        kind = min(known, key=lambda name: known[name].mean)
        fault = f"it does not see {kind.replace('_', ' ')} ({percent(known[kind].mean)} in the right order)"
        return Finding.at_least("weakest kind", known[kind], bounds.order_of_a_kind, kind.replace("_", " "), fault)

    def _retest(self, grades: dict[str, np.ndarray], bounds: Thresholds) -> tuple[Finding, Finding]:
        names = "same grade again", "deviation of repeats"
        if self.repeats < 2:
            why = "asked once; raise --repeat"
            return Finding.not_measured(names[0], why), Finding.not_measured(names[1], why)
        equal, deviation, count = retest(self._repeated(grades))
        note = f"{count} texts, {self.repeats} times"
        bound, limit = bounds.retest_equal, bounds.retest_deviation
        changed = f"asked again it gives another grade to {percent(1 - equal)} of the texts"
        scattered = f"the grades of one text scatter by {deviation:.2f} of its range"
        return (
            Finding(names[0], equal, None, f">= {bound:g}", equal >= bound, note, changed),
            Finding(names[1], deviation, None, f"<= {limit:g}", deviation <= limit, note, scattered),
        )

    def _repeated(self, grades: dict[str, np.ndarray]) -> np.ndarray:
        return np.stack([grades["plain"][self.varied], *(grades[f"repeat {n}"] for n in range(2, self.repeats + 1))])

    def _drop(self, name: str, kind: str, plain_Q: np.ndarray, bound: float) -> Finding:
        best = {self.ladder_Q[row]: plain_Q[row] for row in self.same}
        rows = [row for row, other in enumerate(self.kinds) if other == kind]
        if not rows:
            return Finding.not_measured(f"drop for wrong {name}", f"no texts of the kind {kind.replace('_', ' ')}")
        drops = np.array([best[self.ladder_Q[row]] - plain_Q[row] for row in rows])
        estimate = clustered_mean(drops, self.ladder_Q[rows])
        fault = f"a wrong {name.rstrip('s')} costs {estimate.mean:.2f} of its range only"
        return Finding.at_least(f"drop for wrong {name}", estimate, bound, f"{estimate.size} texts", fault)

    def _shift(self, name: str, grades: dict[str, np.ndarray], bounds: Thresholds) -> Finding:
        if name not in grades:
            return Finding.not_measured(f"shift: {name}", "this critic has no prompt whose order can be exchanged")
        rows = self.same if name == "roles exchanged" else self.varied
        estimate = clustered_mean(grades[name] - grades["plain"][rows], self.ladder_Q[rows])
        fault = f"{name}, the same content shifts the grade by {estimate.mean:+.2f} of its range"
        return Finding.small(f"shift: {name}", estimate, bounds.shift, fault)

    def _resistance(self, grades: dict[str, np.ndarray], bounds: Thresholds) -> Finding:
        # The best of the repeats, so that a scattering grade does not pass for a lifted one.
        plain = dict(zip(self.varied, _highest(self._repeated(grades)).tolist(), strict=True))
        share, count = lifted(np.array([plain[row] for row in self.attacked]), grades["hostile"], bounds.lift)
        if not self.attacked:
            return Finding.not_measured("lifted by hostile text", "no hostile texts, or nothing bad to try them on")
        fault = f"{percent(share)} of {count} hostile texts lift the grade of a bad prediction"
        good = share <= bounds.lifted or count == 0
        return Finding("lifted by hostile text", share, None, f"<= {bounds.lifted:g}", good, f"{count} texts", fault)


def prepare_check(
    reward: Any,
    repeats: int = 3,
    references: int | None = None,
    ladders: Sequence[Ladder] | None = None,
    injections: Sequence[str] | None = None,
) -> CriticCheck:
    """The questions that `check_critic` asks with the same arguments."""
    chosen = spread(load_ladders() if ladders is None else ladders, references)
    return CriticCheck(reward, chosen, load_injections() if injections is None else injections, repeats)


def check_critic(
    reward: Any,
    *,
    value_range: tuple[float, float] | None = None,
    repeats: int = 3,
    references: int | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    ladders: Sequence[Ladder] | None = None,
    injections: Sequence[str] | None = None,
    on_answers: Callable[[int], None] | None = None,
) -> CriticReport:
    """Ask a reward about the graded pairs and judge it.

    Args:
        reward: any callable on completions that grades text; see `terms.Term`.
        value_range: its lowest and highest value, where it does not declare them.
        repeats: how often the same question is asked for the test-retest figures. Turn a cache off before.
        references: use this many of the references, evenly spaced; unset, all.
        thresholds: what counts as good.
        ladders: pairs of one's own instead of the shipped ones.
        injections: hostile texts of one's own instead of the shipped ones.
        on_answers: called with the number of new answers.

    Raises:
        ConfigError: the reward needs a trajectory, or has no range.
        RewardError: a value outside its range.
    """
    asker = Asker(reward, value_range, on_answers)
    check = prepare_check(reward, repeats, references, ladders, injections)
    other = asker if check.exchanged is None else Asker(check.exchanged, value_range, on_answers)
    started = time.perf_counter()
    grades = {
        name: (other if name == PROMPT_ORDER else asker).grades(questions) for name, questions in check.passes.items()
    }
    return CriticReport(
        critic=asker.term.name,
        value_range=asker.term.range,
        references=check.references,
        questions=check.questions,
        seconds=time.perf_counter() - started,
        findings=check.findings(grades, thresholds),
        kinds=check.by_kind(grades["plain"]),
        failures=dict(asker.failures if other is asker else asker.failures + other.failures),
    )


def _coverage(grades: dict[str, np.ndarray], bounds: Thresholds) -> Finding:
    """Hostile texts are left out: to give them no grade is a fair answer."""
    known = np.concatenate([np.isfinite(grade_Q) for name, grade_Q in grades.items() if name != "hostile"])
    share = float(known.mean())
    fault = f"only {percent(share)} of the questions get a grade"
    bound = bounds.coverage
    return Finding("graded", share, None, f">= {bound:g}", share >= bound, f"{len(known)} questions", fault)


def _highest(grade_RQ: np.ndarray) -> np.ndarray:
    known_RQ = np.isfinite(grade_RQ)
    highest_Q = np.where(known_RQ, grade_RQ, -np.inf).max(axis=0)
    return np.where(known_RQ.any(axis=0), highest_Q, np.nan)


def _nothing() -> Estimate:
    return Estimate(float("nan"), float("nan"), float("nan"), 0)
