"""Grading recorded rollouts again without asking anybody: a critic's recorded reply is read once more.

A record fits a critic that has the model and the prompt hash it was made with. What failed then fails again, with its
recorded cause, so that a run scored again with its own mix gets its own rewards, bit for bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ar1_rl.driving import Completion, Scene

from .mix import Mix
from .score import Score
from .terms import Term

FITTING = ("model", "prompt_hash")
"""What a critic and a record must have in common."""


class ReplayedCritic:
    """A critic that reads replies again; it asks only where no recorded reply fits.

    `recorded` holds what is known of the batch to come; `counts` has "replayed" and "asked" over the object's life.
    """

    def __init__(self, critic: Any) -> None:
        self.critic = critic
        self.name, self.needs, self.value_range = critic.name, critic.needs, critic.value_range
        self.waits = bool(getattr(critic, "waits", False))
        self.recorded: Mapping[Completion, Score] = {}
        self.counts: Counter[str] = Counter()

    def __call__(self, completion: Completion, scene: Scene) -> Score:
        """Score one completion."""
        return self.score_batch([completion], [scene])[0]

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Score completions, each in the scene of the same position."""
        old = [self.recorded.get(completion) for completion in completions]
        read = {
            i: self.critic.replay(s.record) for i, s in enumerate(old) if s is not None and fits(self.critic, s.record)
        }
        rest = [i for i in range(len(completions)) if i not in read]
        asked = self.critic.score_batch([completions[i] for i in rest], [scenes[i] for i in rest]) if rest else []
        self.counts["replayed"] += len(read)
        # A critic answers for itself where there is nothing to ask, and leaves no record of it then.
        self.counts["asked"] += sum(bool(score.record) for score in asked)
        read |= dict(zip(rest, asked, strict=True))
        return [read[i] for i in range(len(completions))]


def fits(critic: Any, record: Mapping[str, Any]) -> bool:
    """Whether a record was made by this critic: by its model with its prompt, or of an ensemble, by its members'."""
    if hasattr(critic, "members"):
        kept = record.get("members", ())
        asked = [member for member in critic.members for _ in range(critic.samples)]
        return len(kept) == len(asked) and all(
            fits(member, one) for member, one in zip(asked, kept, strict=True) if "model" in one
        )
    return all(name in record and record[name] == getattr(critic, name, None) for name in FITTING)


def replaying(mix: Mix) -> tuple[Mix, dict[str, ReplayedCritic]]:
    """The mix with every critic that leaves replies in its records replaced by its replay, and those by term name."""
    replays: dict[str, ReplayedCritic] = {}
    terms: list[Term] = []
    for term in mix.terms:
        if hasattr(term.inner, "replay") and hasattr(term.inner, "score_batch"):
            replays[term.name] = ReplayedCritic(term.inner)
            term = replace(term, reward=replays[term.name])
        terms.append(term)
    again = Mix(
        terms,
        gate_value=mix.gate_value,
        undecodable_value=mix.undecodable_value,
        failure_limits=mix.failure_limits,
        stall_s=mix.stall_s,
        control=mix.control,
    )
    return again, replays
