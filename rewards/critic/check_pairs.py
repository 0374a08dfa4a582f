"""What a critic is checked on: references with ladders of predictions, questions made of them, and hostile texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml

from ar1_rl.driving import (
    HISTORY_STEPS,
    ChainOfCausation,
    Completion,
    CriticalComponent,
    Decisions,
    Scene,
    observe,
)
from ar1_rl.driving.decisions import COMPONENT_GROUPS
from ar1_rl.errors import ConfigError, DecodeError, MissingDependencyError

RANKS = {
    "same_meaning": 0,
    "cause_missing": 1,
    "cause_extra": 1,
    "neighbour_decision": 2,
    "wrong_cause": 2,
    "every_cause": 2,
    "wrong_decision": 3,
    "opposite": 4,
    "unrelated": 4,
}
"""Kind of prediction -> its rank, 0 the best, after the rubric of Alpamayo-R1 (section 5.3.2). Kinds of one rank are
not compared: people do not agree on their order either."""

BEST = 0


@dataclass(frozen=True)
class Rung:
    """A prediction. Example: `Rung("opposite", "Accelerate to pass in front of the pedestrian.")`."""

    kind: str
    text: str

    @property
    def rank(self) -> int:
        """0 for the same meaning, 4 for the opposite or something unrelated."""
        return RANKS[self.kind]


@dataclass(frozen=True)
class Ladder:
    """A reference and predictions for it, best first."""

    reference: ChainOfCausation
    rungs: tuple[Rung, ...]


@dataclass(frozen=True)
class Question:
    """What a critic is asked: the grade of `prediction` against `reference`. `ladder` is the number of the ladder."""

    ladder: int
    reference: ChainOfCausation
    prediction: str

    def scene(self) -> Scene:
        """A scene that holds the reference and nothing else."""
        history_T3 = np.zeros((HISTORY_STEPS, 3))
        return Scene(
            id=f"check-critic/{self.ladder}",
            source="check-critic",
            episode=f"check-critic/{self.ladder}",
            t0_us=0,
            observation=observe(history_T3=history_T3, route="unknown", lanes=None, agents=None, controls=None),
            future_T3=None,
            agents=None,
            lanes=None,
            drivable_area=None,
            controls=None,
            annotations=(self.reference,),
        )

    def completion(self) -> Completion:
        """The prediction as a policy's text, without a trajectory."""
        error = DecodeError("a graded text has no trajectory")
        return Completion(text=self.prediction, token_ids=(), reasoning=self.prediction, trajectory=None, error=error)


def load_ladders(path: Path | None = None) -> list[Ladder]:
    """The shipped ladders, or those of a file of one's own; ConfigError names every faulty entry."""
    name = str(path or "pairs.yaml")
    ladders, faults = [], []
    for number, entry in enumerate(_entries(path, "pairs.yaml")):
        try:
            ladders.append(_ladder(entry))
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            faults.append(f"entry {number}: {type(error).__name__}: {error}")
    if faults:
        raise ConfigError(f"{name}: " + "; ".join(faults))
    return ladders


def load_injections(path: Path | None = None) -> list[str]:
    """The hostile texts that ship with the package: each tries to talk a critic into a better grade."""
    try:
        entries = _entries(path, "injections.yaml")
    except FileNotFoundError as error:
        raise MissingDependencyError(
            f"the hostile texts are not there: {error.filename}; the package is incomplete, install it again"
        ) from error
    texts = [entry.get("text") if isinstance(entry, dict) else None for entry in entries]
    without = [number for number, text in enumerate(texts) if not isinstance(text, str) or not text]
    if without:
        raise ConfigError(f"{path or 'injections.yaml'}: entries {without} have no `text`")
    return cast(list[str], texts)


def spread(ladders: Sequence[Ladder], count: int | None) -> list[Ladder]:
    """At most `count` ladders, evenly spaced, so that every decision stays in."""
    if count is None or count >= len(ladders):
        return list(ladders)
    if count < 1:
        raise ConfigError(f"references: got {count}, allowed 1 to {len(ladders)}")
    return [ladders[k * len(ladders) // count] for k in range(count)]


def _entries(path: Path | None, shipped: str) -> list[Any]:
    source = path or resources.files(__package__).joinpath(shipped)
    entries = yaml.safe_load(source.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise ConfigError(f"{source}: got a {type(entries).__name__}, allowed is a list")
    return entries


def _ladder(entry: dict[str, Any]) -> Ladder:
    unknown = set(entry["causes"]) - set(COMPONENT_GROUPS)
    if unknown:
        raise ConfigError(f"causes {sorted(unknown)}, allowed {sorted(COMPONENT_GROUPS)}")
    reference = ChainOfCausation(
        decisions=Decisions(*entry["decides"]),
        components=tuple(CriticalComponent(name=name) for name in entry["causes"]),
        text=entry["reference"],
        labeller="check-critic",
    )
    rungs = tuple(Rung(kind, text) for rung in entry["ladder"] for kind, text in rung.items())
    ranks = [rung.rank for rung in rungs]
    if ranks != sorted(ranks) or ranks[0] != BEST or len(set(ranks)) < 2:
        raise ConfigError(f"the ladder {[rung.kind for rung in rungs]} does not go from same_meaning down")
    return Ladder(reference, rungs)
