"""An ensemble: several critics, or several samples of one, made into one grade. Where they disagree, no grade."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError

from ..base import BatchReward, Needs
from ..calling import CALLER_FAULTS
from ..score import Score
from .cost import Estimate, Usage
from .settings import AT_LEAST_ONE, NAME, NOT_NEGATIVE, faults_of, optional

Combine = Literal["mean", "median", "min"]

RULES = {
    "name": NAME,
    "samples": AT_LEAST_ONE,
    "combine": (lambda value: value in get_args(Combine), " or ".join(get_args(Combine))),
    "max_disagreement": optional(NOT_NEGATIVE),
    "min_answers": optional(AT_LEAST_ONE),
}


@dataclass(frozen=True)
class Agreement:
    """How several grades are made into one."""

    combine: Combine = "mean"
    max_disagreement: float | None = None
    """The largest difference between the best and the worst grade at which there is one; None: any."""
    min_answers: int = 1

    def score(self, opinions: Sequence[Score], names: Sequence[str]) -> Score:
        """One score of the members' scores of one completion."""
        record = {
            "combine": self.combine,
            "members": [
                {"name": n, "value": o.value, "failure": o.failure, "why": o.why, **o.record}
                for n, o in zip(names, opinions, strict=True)
            ],
        }
        grades = [opinion.value for opinion in opinions if opinion.value is not None]
        parts = {"answers": float(len(grades))}
        if len(grades) < self.min_answers:
            causes = Counter(opinion.failure for opinion in opinions if opinion.failure is not None)
            told = ", ".join(f"{n} x {cause}" for cause, n in causes.items()) or opinions[0].why
            why = f"{len(grades)} of {len(opinions)} answered, {self.min_answers} must: {told}"
            return Score(None, parts, why, record, failure="TooFewAnswers" if causes else None)
        spread = max(grades) - min(grades)
        parts |= {"disagreement": spread, "disagreement_std": statistics.pstdev(grades), **_mean_parts(opinions)}
        told = ", ".join(f"{grade:g}" for grade in grades)
        if self.max_disagreement is not None and spread > self.max_disagreement:
            why = f"grades {told}: {spread:g} apart, allowed {self.max_disagreement:g}"
            return Score(None, parts, why, record, failure="Disagreement")
        return Score(combined(grades, self.combine), parts, f"{self.combine} of {told}", record)


def combined(grades: Sequence[float], how: Combine) -> float:
    """Mean, median or lowest of the grades, never outside them by rounding."""
    if how == "min":
        return min(grades)
    value = statistics.median(grades) if how == "median" else math.fsum(grades) / len(grades)
    return min(max(float(value), min(grades)), max(grades))


def _mean_parts(opinions: Sequence[Score]) -> dict[str, float]:
    """Mean over the members that answered, of the parts that all of them have."""
    answered = [opinion.parts for opinion in opinions if opinion.value is not None]
    shared = [name for name in answered[0] if all(name in parts for parts in answered)]
    return {name: math.fsum(parts[name] for parts in answered) / len(answered) for name in shared}


@dataclass(frozen=True)
class EnsembleCritic(BatchReward):
    """Asks its members side by side. Members are critics that grade on the same range."""

    members: Sequence[Any]
    samples: int = 1
    """Opinions asked of each member; more than one needs a critic that draws them, at a temperature above 0."""
    combine: Combine = "mean"
    max_disagreement: float | None = None
    """In grades, best minus worst; beyond it there is no grade, and the failure's cause is Disagreement."""
    min_answers: int | None = None
    """Opinions that must have come. Unset: all of them, or siblings would be compared by different judges."""
    name: str = "critic"
    needs: ClassVar[Needs] = "text"
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        faults = [*faults_of(self, RULES), *self._member_faults()]
        if not faults and self.min_answers is not None and self.min_answers > self.opinions:
            faults.append(f"min_answers: got {self.min_answers}, allowed up to {self.opinions}, the opinions asked for")
        if faults:
            raise ConfigError("critic ensemble: " + "; ".join(faults))

    @property
    def opinions(self) -> int:
        """How many are asked for."""
        return len(self.members) * self.samples

    @property
    def value_range(self) -> tuple[float, float]:
        """The members' worst and best grade."""
        low, high = self.members[0].value_range
        return low, high

    @property
    def agreement(self) -> Agreement:
        """The rule by which opinions become a grade."""
        least = self.opinions if self.min_answers is None else self.min_answers
        return Agreement(self.combine, self.max_disagreement, least)

    @property
    def opinion_names(self) -> list[str]:
        """One a member and sample."""
        numbered = [f"{i}:{_name(member)}" for i, member in enumerate(self.members)]
        return [f"{name}#{draw}" if self.samples > 1 else name for name in numbered for draw in range(self.samples)]

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score completions; members wait side by side, and the samples of one share its limits."""
        batch = self.open_batch()
        rows = range(len(completions))
        batch.ask(rows, completions, scenes)
        scores = batch.finish()
        return [scores[row] for row in rows]

    def open_batch(self) -> EnsembleBatch:
        """A batch that is judged as it comes, by those members that can."""
        return EnsembleBatch(self)

    def replay(self, record: Mapping[str, Any]) -> Score:
        """The score of recorded replies, each read anew by its member."""
        members = [member for member in self.members for _ in range(self.samples)]
        return self.agreement.score(
            [_again(member, kept) for member, kept in zip(members, record["members"], strict=True)], self.opinion_names
        )

    @property
    def requests_open(self) -> int:
        """Requests of all members that are under way."""
        return sum(getattr(member, "requests_open", 0) for member in self.members)

    @property
    def usage(self) -> Usage:
        """Of all members; rollouts and seconds count for each."""
        return sum((member.usage for member in self.members if hasattr(member, "usage")), Usage())

    def estimate(self, *, steps: int, rollouts: int, **how: Any) -> Estimate:
        """Of all members and samples together; see `EndpointCritic.estimate`."""
        asked = [member for member in self.members if hasattr(member, "estimate")]
        per_member = (m.estimate(steps=steps, rollouts=rollouts * self.samples, **how) for m in asked)
        return sum(per_member, Estimate())

    def state_dict(self) -> dict[str, Any]:
        """What belongs into a checkpoint: the members' states."""
        return {"members": [m.state_dict() if hasattr(m, "state_dict") else None for m in self.members]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Hand the members their states back."""
        for member, own in zip(self.members, state["members"], strict=True):
            if own is not None:
                member.load_state_dict(own)

    def _member_faults(self) -> list[str]:
        if not self.members:
            return ["members: got none, allowed one or more critics"]
        faults = []
        if len({tuple(getattr(member, "value_range", ())) for member in self.members}) > 1:
            ranges = ", ".join(f"{_name(m)} {tuple(getattr(m, 'value_range', ()))}" for m in self.members)
            faults.append(f"members: they grade on different ranges ({ranges}), give them the same rubric")
        for i, member in enumerate(self.members):
            if not callable(getattr(member, "score_batch", None)):
                faults.append(f"members.{i}: got {type(member).__name__}, allowed is a critic with score_batch")
            elif self.samples != 1 and not hasattr(member, "score_draws"):
                faults.append(f"samples: got {self.samples}, and members.{i} always says the same; allowed is 1")
            elif self.samples != 1 and getattr(member, "temperature", None) == 0:
                faults.append(f"samples: got {self.samples}, and members.{i} has temperature 0, which must be above 0")
        return faults


class EnsembleBatch:
    """One batch before all members (`asking.OpenBatch`)."""

    def __init__(self, critic: EnsembleCritic) -> None:
        self._critic = critic
        self._members = [_MemberBatch(member, critic.samples) for member in critic.members]
        self._rows: list[Any] = []

    def ask(self, rows: Sequence[Any], completions: Sequence[Completion], scenes: Sequence[Scene]) -> None:
        """Ask every member about some rows, which can be put in order; does not wait."""
        self._rows += rows
        for member in self._members:
            member.ask(rows, completions, scenes)

    def finish(self) -> dict[Any, Score]:
        """The scores by row, once all opinions are there."""
        rows = sorted(self._rows)
        with ThreadPoolExecutor(len(self._members)) as pool:
            by_opinion = [opinion for found in pool.map(lambda m: m.finish(rows), self._members) for opinion in found]
        names = self._critic.opinion_names
        opinions = zip(*by_opinion, strict=True)
        return {row: self._critic.agreement.score(one, names) for row, one in zip(rows, opinions, strict=True)}

    def cancel(self) -> None:
        """Give up what has not been answered."""
        for member in self._members:
            member.cancel()


class _MemberBatch:
    """One batch before one member. What it raises is its failure, unless the caller has to mend it."""

    def __init__(self, member: Any, samples: int) -> None:
        self._member, self._samples = member, samples
        self._batch: Any = None
        self._asked: dict[Any, tuple[Completion, Scene]] = {}
        self._failed: Exception | None = None

    def ask(self, rows: Sequence[Any], completions: Sequence[Completion], scenes: Sequence[Scene]) -> None:
        self._asked |= dict(zip(rows, zip(completions, scenes, strict=True), strict=True))
        if hasattr(self._member, "open_batch"):
            self._guarded(lambda: self._hand_over(rows, completions, scenes))

    def finish(self, rows: Sequence[Any]) -> list[list[Score]]:
        """By sample, then row."""
        opinions = self._guarded(lambda: self._opinions(rows))
        if self._failed is None:
            return opinions
        kind = type(self._failed).__name__
        return [[Score(None, why=f"failed: {kind}", failure=kind)] * len(rows)] * self._samples

    def cancel(self) -> None:
        if self._batch is not None:
            self._batch.cancel()

    def _hand_over(self, rows: Sequence[Any], completions: Sequence[Completion], scenes: Sequence[Scene]) -> None:
        if self._batch is None:
            self._batch = self._member.open_batch()
        if self._samples == 1:
            self._batch.ask([(0, row) for row in rows], completions, scenes)
            return
        for draw in range(self._samples):
            self._batch.ask([(draw, row) for row in rows], completions, scenes, [draw] * len(rows))

    def _opinions(self, rows: Sequence[Any]) -> list[list[Score]]:
        draws = range(self._samples)
        if self._batch is not None:
            scores = self._batch.finish()
            return [[scores[draw, row] for row in rows] for draw in draws]
        completions, scenes = ([self._asked[row][i] for row in rows] for i in (0, 1))
        if self._samples == 1:
            return [list(self._member.score_batch(completions, scenes))]
        flat = self._member.score_draws(
            completions * self._samples, scenes * self._samples, [draw for draw in draws for _ in rows]
        )
        return [flat[draw * len(rows) : (draw + 1) * len(rows)] for draw in draws]

    def _guarded(self, work: Callable[[], Any]) -> Any:
        if self._failed is not None:
            return None
        try:
            return work()
        except CALLER_FAULTS:
            raise
        except Exception as error:
            self._failed = error
            return None


def _name(member: Any) -> str:
    return str(getattr(member, "model", None) or type(member).__name__)


def _again(member: Any, kept: Mapping[str, Any]) -> Score:
    if "reply" in kept:
        return member.replay(kept)
    return Score(kept["value"], why=kept["why"], failure=kept["failure"])
