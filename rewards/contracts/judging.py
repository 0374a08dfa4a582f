"""The contracts that compare completions with each other: monotone ladders, undecodable ones, scenes that lack data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ar1_rl.driving import Scene
from ar1_rl.errors import Ar1RlError

from ..asking import sees_text_only
from ..score import Score
from .bank import Bank, Case, Ladder
from .checks import Asked, number, told
from .result import ContractResult
from .subjects import TermSubject, same, tolerance

TRIED_LADDERS = 3
"""On how many of the ladders that move a reward it is asked again with scenes that lack data."""

NAMED_LADDERS = 4

BARE: dict[str, dict[str, object]] = {
    "that does not know its agents": {"agents": None},
    "that does not know its lanes and signs": {"lanes": None, "controls": None},
    "that does not know its road": {"drivable_area": None},
    "without a reference trace": {"annotations": ()},
    "without an expert's future": {"future_T3": None},
    "that knows none of these": {
        "agents": None, "lanes": None, "controls": None, "drivable_area": None, "annotations": (), "future_T3": None,
    },
    "with nobody else in it": {"agents": ()},
}  # fmt: skip


def monotone(asked: Asked, bank: Bank) -> ContractResult:
    """No rung of a ladder scores higher than one above it."""
    within = tolerance(asked.subject)
    moved, wrong = 0, []
    for ladder, scores in _by_ladder(asked, bank):
        known = [(rung, score) for rung, score in zip(ladder.rungs, scores, strict=True) if score.value is not None]
        pairs = [(above, below) for i, above in enumerate(known) for below in known[i + 1 :]]
        moved += any(not same(a[1].value, b[1].value, within) for a, b in pairs)
        inverted = [(_rise(a[1], b[1]), a, b) for a, b in pairs if _rise(a[1], b[1]) > within]
        if inverted:
            wrong.append((ladder, *max(inverted, key=lambda item: item[0])))
    if wrong:
        names = sorted({ladder.name for ladder, *_ in wrong})
        names = names[:NAMED_LADDERS] + ([f"{len(names) - NAMED_LADDERS} more"] if len(names) > NAMED_LADDERS else [])
        ladder, _, above, below = max(wrong, key=lambda item: item[1])
        detail = f"{len(wrong)} of {len(bank.ladders)} ladders: {', '.join(names)}"
        return asked.failed("monotone", detail, _inverted(ladder, above, below))
    if not moved:
        return asked.skipped("monotone", f"none of {len(bank.ladders)} ladders moves it")
    return asked.passed("monotone", f"{len(bank.ladders)} ladders, {moved} of them move it")


def undecodable(asked: Asked, bank: Bank) -> ContractResult:
    """What has no trajectory lies below what has one: in a mix strictly; in a reward, for the same reasoning."""
    if not bank.undecodable:
        return asked.skipped("undecodable", "the bank has none")
    if isinstance(asked.subject, TermSubject) and asked.subject.term.needs == "trajectory":
        return asked.skipped("undecodable", "it is asked only about completions with a trajectory")
    for case in bank.undecodable:
        rows = [row for row, other in enumerate(asked.cases) if other.scene.id == case.scene.id]
        rivals = [asked.cases[row] for row in rows]
        try:
            *scores, lost = asked.again([*rivals, case])
        except Ar1RlError as error:
            return asked.failed("undecodable", "an error", f"{told(case)}: {error}")
        if lost.failure is not None:
            return asked.failed("undecodable", "an error", f"{told(case)} {lost.why}")
        if lost.value is None and asked.subject.is_mix:
            return asked.failed("undecodable", "not judged, an escape", f"{told(case)} got None")
        for rival, score in zip(rivals, scores, strict=True):
            if _outranks(asked, case, lost, rival, score):
                example = f"{told(case)} got {number(lost)}, '{rival.label}' with a trajectory {number(score)}"
                return asked.failed("undecodable", "ranked above a decodable one", example)
    return asked.passed("undecodable", f"{len(bank.undecodable)} completions")


def text_alone(asked: Asked, undecodable_ones: ContractResult) -> ContractResult:
    """One that is asked as soon as the text is there says of it what it would say of the whole completion."""
    if not isinstance(asked.subject, TermSubject) or not sees_text_only(asked.subject.term):
        return asked.skipped("text", "it needs the trajectory, or is asked about whole batches")
    if undecodable_ones.broken:
        return asked.skipped("text", "see undecodable: what it says depends on the trajectory")
    parts = [replace(case, completion=case.completion.text_part()) for case in asked.cases]
    return asked.compare("text", asked.cases, asked.scores, asked.again(parts), "for its text alone")


def bare_scenes(asked: Asked, bank: Bank) -> ContractResult:
    """The ladders that move the reward most, in scenes that lack something."""
    ladders = _that_move(asked, bank)[:TRIED_LADDERS]
    abstained = []
    for words, missing in BARE.items():
        for ladder, full in ladders:
            scene = _stripped(ladder.rungs[0].scene, missing)
            rungs = [replace(rung, scene=scene) for rung in ladder.rungs]
            try:
                scores = asked.again(rungs)
            except Ar1RlError as error:
                return asked.failed("bare scenes", f"an error in a scene {words}", f"{told(rungs[0])}: {error}")
            broken = next((s for s in scores if s.failure not in (None, "NotFinite")), None)
            if broken is not None:
                return asked.failed("bare scenes", f"an error in a scene {words}", f"{told(rungs[0])} {broken.why}")
            if not asked.subject.is_mix and _made_up(asked, full, scores) and missing != BARE["with nobody else in it"]:
                example = (
                    f"in a scene {words} every rung of '{ladder.name}' got {number(scores[0])}, from "
                    f"'{rungs[0].label}' to '{rungs[-1].label}'; with it {number(full[0])} to {number(full[-1])}. "
                    "Return None where the scene lacks what the judgement rests on"
                )
                return asked.failed("bare scenes", f"a made-up value in a scene {words}", example)
            if all(score.value is None for score in scores):
                abstained.append(words)
    told_of = f"None in a scene {', '.join(dict.fromkeys(abstained))}" if abstained else "judged in all of them"
    return asked.passed("bare scenes", told_of)


def _by_ladder(asked: Asked, bank: Bank) -> list[tuple[Ladder, list[Score]]]:
    """The baseline's scores by ladder; the bank's cases begin with its ladders."""
    scores = iter(asked.scores)
    return [(ladder, [next(scores) for _ in ladder.rungs]) for ladder in bank.ladders]


def _that_move(asked: Asked, bank: Bank) -> list[tuple[Ladder, list[Score]]]:
    """The ladders over which the values differ most, one of each name; some of any kind if none does."""

    def spread(item: tuple[Ladder, list[Score]]) -> float:
        values = [score.value for score in item[1] if score.value is not None]
        return max(values) - min(values) if values else 0.0

    by_name: dict[str, tuple[Ladder, list[Score]]] = {}
    for item in sorted(_by_ladder(asked, bank), key=spread, reverse=True):
        by_name.setdefault(item[0].name, item)
    return list(by_name.values())


def _stripped(scene: Scene, missing: dict[str, object]) -> Scene:
    seen = {name: value for name, value in missing.items() if name in ("agents", "lanes", "controls")}
    return replace(scene, observation=replace(scene.observation, **seen), **missing)  # type: ignore[arg-type]


def _made_up(asked: Asked, full: Sequence[Score], bare: Sequence[Score]) -> bool:
    """One and the same zero or lowest value for all, where the whole scene told them apart."""
    values = [score.value for score in bare]
    before = [score.value for score in full]
    if len(values) < 2 or None in values or None in before:
        return False
    within = tolerance(asked.subject)
    told_apart = any(not same(before[0], value, within) for value in before)
    constant = all(same(values[0], value, within) for value in values)
    suspect = any(same(values[0], value, within) for value in (0.0, asked.subject.value_range[0]))
    return told_apart and constant and suspect


def _outranks(asked: Asked, case: Case, lost: Score, rival: Case, score: Score) -> bool:
    if score.value is None or lost.value is None:
        return False
    if asked.subject.is_mix:
        return lost.value >= score.value
    same_words = rival.completion.reasoning == case.completion.reasoning
    return same_words and lost.value > score.value + tolerance(asked.subject)


def _rise(above: Score, below: Score) -> float:
    assert above.value is not None and below.value is not None, "only judged rungs are compared"
    return below.value - above.value


def _inverted(ladder: Ladder, above: tuple[Case, Score], below: tuple[Case, Score]) -> str:
    """The two rungs in words, with the parts that differ."""
    parts = [
        f"{name} {above[1].parts[name]:.4g} -> {value:.4g}"
        for name, value in below[1].parts.items()
        if name in above[1].parts and value != above[1].parts[name]
    ]
    moved = f" ({', '.join(parts[:4])})" if parts else ""
    return (
        f"on the ladder '{ladder.name}', '{above[0].label}' got {number(above[1])} and '{below[0].label}' "
        f"{number(below[1])}{moved}: worse {ladder.about}, a higher score"
    )
