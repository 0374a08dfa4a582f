"""Recorded rollouts scored again, batch by batch as they were, and how the new scores differ from the old ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.driving import Scene
from ar1_rl.metrics.agreement import Agreement, Distribution, agreement, distribution, ranks
from rewards.mix import Mix, MixedScore
from rewards.replay import ReplayedCritic
from rewards.score import Score
from rewards.terms import Term
from rollouts.record import ScoreColumns
from rollouts.recorded import RecordedBatch, completion_of_row, scores_of_row

from .evaluate import score_columns
from .whole_files import write_table

SCORES_SCHEMA_VERSION = 1
MIX = "reward"
"""What the mixed value is called among the names of the terms."""
TERMS_TOLD = 3


@dataclass(frozen=True, eq=False)
class Rescored:
    """One rollout with its old scores, as the row has them, and its new ones."""

    path: Path
    row: int
    recorded: Mapping[str, Any]
    old: Mapping[str, ScoreColumns]
    new: MixedScore

    def old_value(self, name: str) -> float | None:
        """Of a term, or of the mix."""
        if name == MIX:
            return self.recorded["reward"]
        return self.old[name].value if name in self.old else None

    def new_value(self, name: str) -> float | None:
        """Of a term, or of the mix."""
        return self.new.value if name == MIX else self.new.scores[name].value


@dataclass(frozen=True)
class Change:
    """A rollout whose place among all rollouts moved: by `shift` of their number, up where it is positive."""

    scene_id: str
    step: int
    sample: int
    old: float
    new: float
    shift: float
    why: str


@dataclass(frozen=True)
class Comparison:
    """Old scores against new ones. Names are the mix, then its terms; of new terms the old side is empty."""

    rollouts: int
    batches: int
    distributions: Mapping[str, tuple[Distribution, Distribution]]
    agreements: Mapping[str, Agreement]
    equal: Mapping[str, int]
    """Rollouts with the same value bit for bit, or none on both sides."""
    newly_judged: int
    no_longer_judged: int
    changes: tuple[Change, ...]


def rescore_batch(
    batch: RecordedBatch, mix: Mix, replays: Mapping[str, ReplayedCritic], scenes: Mapping[str, Scene]
) -> list[Rescored]:
    """Score the rows of one file together, as they were: siblings decide on what is left out and dropped."""
    completions = [completion_of_row(row) for row in batch.rows]
    old = [scores_of_row(row) for row in batch.rows]
    for name, critic in replays.items():
        known = [(c, scores[name]) for c, scores in zip(completions, old, strict=True) if name in scores]
        critic.recorded = {c: Score(s.value, s.parts, s.why, s.record) for c, s in known}
    mixed = mix.score(completions, [scenes[row["scene_id"]] for row in batch.rows])
    return [
        Rescored(batch.path, number, row, before, after)
        for number, (row, before, after) in enumerate(zip(batch.rows, old, mixed, strict=True))
    ]


def compare(rescored: Sequence[Rescored], mix: Mix, most: int) -> Comparison:
    """Every figure, and the `most` rollouts that changed most."""
    groups: dict[tuple[Path, str], list[int]] = {}
    for number, item in enumerate(rescored):
        groups.setdefault((item.path, item.recorded["scene_id"]), []).append(number)
    names = (MIX, *(term.name for term in mix.terms))
    old = {name: _array([item.old_value(name) for item in rescored]) for name in names}
    new = {name: _array([item.new_value(name) for item in rescored]) for name in names}
    known_old, known_new = np.isfinite(old[MIX]), np.isfinite(new[MIX])
    return Comparison(
        rollouts=len(rescored),
        batches=len({item.path for item in rescored}),
        distributions={name: (distribution(old[name]), distribution(new[name])) for name in names},
        agreements={name: agreement(old[name], new[name], list(groups.values())) for name in names},
        equal={name: sum(item.old_value(name) == item.new_value(name) for item in rescored) for name in names},
        newly_judged=int((known_new & ~known_old).sum()),
        no_longer_judged=int((known_old & ~known_new).sum()),
        changes=_changes(rescored, mix.terms, old[MIX], new[MIX], most),
    )


def write_scores(rescored: Sequence[Rescored], path: Path) -> Path:
    """The new scores as Parquet, one row per rollout in the order of the files; whole or not at all."""
    import pyarrow as pa

    rows = [_score_row(item) for item in rescored]
    # A column without any value would lose its type.
    numbers = {"old_reward", "reward", *(name for item in rescored[:1] for name in item.new.scores)}
    columns = {
        name: pa.array([row[name] for row in rows], type=pa.float64() if name in numbers else None) for name in rows[0]
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pa.table(columns), path)
    return path


def _score_row(item: Rescored) -> dict[str, Any]:
    kept = ("scene_id", "step", "sample", "seed", "policy_version")
    row: dict[str, Any] = {
        "schema_version": SCORES_SCHEMA_VERSION,
        "file": item.path.name,
        "row": item.row,
        **{name: item.recorded[name] for name in kept},
        "old_reward": item.recorded["reward"],
        "reward": item.new.value,
        "outcome": item.new.outcome,
        "why": item.new.why,
    }
    for name, score in score_columns(item.new).items():
        row |= {name: score.value, f"{name}.parts": json.dumps(dict(score.parts)), f"{name}.why": score.why}
        row[f"{name}.record"] = json.dumps(dict(score.record)) if score.record else None
    return row


def _changes(
    rescored: Sequence[Rescored], terms: Sequence[Term], old_N: np.ndarray, new_N: np.ndarray, most: int
) -> tuple[Change, ...]:
    """Two mixes may differ in scale and offset, so what is compared is the place among all rollouts."""
    both_N = np.isfinite(old_N) & np.isfinite(new_N)
    if not both_N.any():
        return ()
    shift_N = np.zeros(len(rescored))
    shift_N[both_N] = (ranks(new_N[both_N]) - ranks(old_N[both_N])) / both_N.sum()
    order = sorted(np.flatnonzero(both_N).tolist(), key=lambda n: -abs(shift_N[n]))[:most]
    return tuple(
        Change(
            scene_id=rescored[n].recorded["scene_id"],
            step=rescored[n].recorded["step"],
            sample=rescored[n].recorded["sample"],
            old=float(old_N[n]),
            new=float(new_N[n]),
            shift=float(shift_N[n]),
            why=_why(rescored[n], terms),
        )
        for n in order
        if shift_N[n] != 0
    )


def _why(item: Rescored, terms: Sequence[Term]) -> str:
    """What moved it: its outcome, else the term whose value changed most, else what counts most in the new mix."""
    if item.new.outcome != "scored":
        return f"{item.new.outcome}: {item.new.why}"
    moved = [(abs(after - before) / _span(term), term, before) for term, before, after in _known(item, terms)]
    moved = [entry for entry in moved if entry[0] > 0]
    if moved:
        _, term, before = max(moved, key=lambda entry: entry[0])
        after = item.new.scores[term.name]
        return f"{term.name} {before:.2f} -> {after.value:.2f}: {after.why}"
    heaviest = sorted(_counted(item, terms), key=lambda entry: -entry[0])[:TERMS_TOLD]
    return "other weights: " + ", ".join(f"{name} {added:+.2f}" for _, name, added in heaviest)


def _known(item: Rescored, terms: Sequence[Term]) -> list[tuple[Term, float, float]]:
    pairs = [(term, item.old_value(term.name), item.new_value(term.name)) for term in terms]
    return [(term, before, after) for term, before, after in pairs if before is not None and after is not None]


def _counted(item: Rescored, terms: Sequence[Term]) -> list[tuple[float, str, float]]:
    """What a term can move in the new mix, its name, and what it added here."""
    judged = [(term, item.new.scores[term.name].value) for term in terms if term.weight]
    return [
        (term.weight * _span(term) / term.scale, term.name, term.weight * (value - term.offset) / term.scale)
        for term, value in judged
        if value is not None
    ]


def _span(term: Term) -> float:
    low, high = term.range
    return (high - low) or 1.0


def _array(values: Sequence[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
