"""The bank that rewards are checked on: ladders of completions from good to bad, made from seeded synthetic scenes.

A ladder changes one thing step by step, so that every rung is worse than the one above it in some respect and better
in none. Nobody who rewards good driving or good reasoning can prefer a lower rung.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ar1_rl.driving import FUTURE_STEPS, Agent, Completion, Scene
from ar1_rl.driving.scene import SCENE_STEPS
from ar1_rl.errors import ConfigError, SceneError
from ar1_rl.scenes.synthetic import SyntheticConfig, generate_scenes
from ar1_rl.scenes.synthetic.sentences import CAUSES, LATERAL, LONGITUDINAL

from .edits import circling, completion, drifting, jolting, paced, straight, swerving

BANK_SEED = 20511
STRAIGHT_RAD = 0.02
"""Largest heading of a drive that counts as straight."""
SCENES_TRIED = 400


@dataclass(frozen=True, eq=False)
class Case:
    """One completion in one scene, with words for it."""

    label: str
    completion: Completion
    scene: Scene


@dataclass(frozen=True, eq=False)
class Ladder:
    """Completions in one scene, the best first; `about` is what gets worse."""

    name: str
    about: Literal["driving", "reasoning"]
    rungs: tuple[Case, ...]


@dataclass(frozen=True, eq=False)
class Bank:
    """What `check_reward` asks a reward about. Make your own from scenes of yours, or use `shipped_bank()`."""

    ladders: tuple[Ladder, ...]
    unusual: tuple[Case, ...] = ()
    """Decodable, and outside of what anyone would drive or write."""
    undecodable: tuple[Case, ...] = ()
    """Without a trajectory; a case of the same scene and reasoning in a ladder is what they are compared with."""

    @property
    def cases(self) -> list[Case]:
        """Everything decodable."""
        return [rung for ladder in self.ladders for rung in ladder.rungs] + list(self.unusual)

    def only(self, words: Sequence[str]) -> Bank:
        """The bank with the ladders in whose names any of `words` occurs; ConfigError where there is none."""
        kept = tuple(ladder for ladder in self.ladders if any(word in ladder.name for word in words))
        if not kept:
            names = sorted({ladder.name for ladder in self.ladders})
            raise ConfigError(f"ladders: got {', '.join(words)}, there are: {', '.join(names)}")
        return replace(self, ladders=kept)


def shipped_bank() -> Bank:
    """The library's own bank; the same every time."""
    roads = [_alone(scene) for scene in _take("clear_road", 2, _is_straight)]
    ladders = [ladder for scene in roads for ladder in _driving(scene)]
    ladders.append(_parked_car(roads[0]))
    for kind in ("red_light", "crossing_pedestrian", "lead_slower", "turn", "slow_truck"):
        (scene,) = _take(kind, 1, _names_its_cause_last)
        ladders += _reasoning(scene)
    ladders = [_in_own_scene(ladder) for ladder in ladders]
    return Bank(
        ladders=tuple(ladders),
        unusual=tuple(_unusual(roads[0])),
        undecodable=tuple(_undecodable([ladders[0], ladders[-1]])),
    )


def _take(kind: str, count: int, good: Callable[[Scene], bool]) -> list[Scene]:
    """The first scenes of a kind that are fit for a ladder."""
    found = []
    for scene in generate_scenes(BANK_SEED, "test", SCENES_TRIED, SyntheticConfig(weights={kind: 1.0})):
        if good(scene):
            found.append(scene)
            if len(found) == count:
                return found
    raise SceneError(f"the synthetic source made fewer than {count} fit scenes of kind {kind!r}")


def _is_straight(scene: Scene) -> bool:
    """A straight drive at a constant speed: whatever is changed about it makes it worse."""
    assert scene.future_T3 is not None
    speed = np.diff(scene.future_T3[:, 0])
    return bool(np.abs(scene.future_T3[:, 2]).max() < STRAIGHT_RAD and np.ptp(speed) < 1e-3 and speed.min() > 0.5)


def _names_its_cause_last(scene: Scene) -> bool:
    text = "" if scene.reference is None else scene.reference.text
    return " because " in text or " since " in text


def _alone(scene: Scene) -> Scene:
    """The scene without other road users, so that no edit drives into one or away from one."""
    return replace(scene, agents=(), observation=replace(scene.observation, agents=()))


def _in_own_scene(ladder: Ladder) -> Ladder:
    """A scene id for each ladder: its rungs are siblings of one another and of nothing else."""
    scene = replace(ladder.rungs[0].scene, id=f"{ladder.name} ({ladder.rungs[0].scene.id})")
    return replace(ladder, rungs=tuple(replace(rung, scene=scene) for rung in ladder.rungs))


def _driving(scene: Scene) -> Iterator[Ladder]:
    expert, text = _expert(scene)

    def ladder(name: str, words: str, edit: Callable[[np.ndarray, float], np.ndarray], *sizes: float) -> Ladder:
        rungs = [Case("the expert's drive", completion(text, expert), scene)]
        rungs += [Case(words.format(size), completion(text, edit(expert, size)), scene) for size in sizes]
        return Ladder(name, "driving", tuple(rungs))

    yield ladder("drifts off its path", "{:g} m to the right after 6.4 s", _right, 0.5, 1.5, 3.0, 6.0, 12.0)
    yield ladder("falls behind", "{:.0%} of the speed lost after 6.4 s", _slower, 0.1, 0.25, 0.5, 0.9)
    yield ladder("speeds", "{:.0%} faster after 6.4 s", paced, 0.1, 0.25, 0.5, 1.0)
    yield ladder("jolts", "speeding up and down, {:g} m to and fro", jolting, 0.05, 0.15, 0.4, 1.0)
    yield ladder("swerves", "swinging {:g} m to both sides", swerving, 0.1, 0.3, 0.8, 2.0)


def _right(poses_T3: np.ndarray, metres: float) -> np.ndarray:
    return drifting(poses_T3, -metres)


def _slower(poses_T3: np.ndarray, share: float) -> np.ndarray:
    return paced(poses_T3, -share)


def _parked_car(road: Scene) -> Ladder:
    """Ever closer past a parked car, and at last into it."""
    expert, text = _expert(road)
    beside_m, reached_s = 4.5, 4.0
    x, y, yaw = expert[int(reached_s * 10) + 5]
    pose = (x + beside_m * np.sin(yaw), y - beside_m * np.cos(yaw), yaw)
    car = Agent(track_id="parked", kind="car", length_m=4.5, width_m=1.9, poses_T3=np.tile(pose, (SCENE_STEPS, 1)))
    seen = replace(car, poses_T3=car.poses_T3[: SCENE_STEPS - FUTURE_STEPS])
    scene = replace(road, agents=(car,), observation=replace(road.observation, agents=(seen,)))
    rungs = [Case("the expert's drive", completion(text, expert), scene)]
    for metres in (1.0, 1.8, 2.4, 3.5):
        drive = drifting(expert, -metres, within_s=reached_s)
        rungs.append(Case(f"{metres:g} m nearer to the parked car", completion(text, drive), scene))
    return Ladder("closes in on a parked car", "driving", tuple(rungs))


def _reasoning(scene: Scene) -> Iterator[Ladder]:
    expert, text = _expert(scene)
    assert scene.reference is not None
    decided = scene.reference.decisions
    assert decided.longitudinal is not None and decided.lateral is not None, "the synthetic source decides on both axes"
    side = decided.side or "left"
    said = f"{LONGITUDINAL[decided.longitudinal][0]} and {LATERAL[decided.lateral][0].format(side=side)}"
    true_cause = text.split(" because ")[-1].split(" since ")[-1]
    wrong = [CAUSES[name][0] for name in ("speed_bump", "merge", "cut_in")]

    def ladder(name: str, *rungs: tuple[str, str]) -> Ladder:
        best = Case("the reference trace", completion(text, expert), scene)
        worse = [Case(label, completion(words, expert), scene) for label, words in rungs]
        return Ladder(f"{scene.kind}: {name}", "reasoning", (best, *worse))

    yield ladder(
        "names more causes than there are",
        ("the reference and a cause that is not there", f"{text} and {wrong[0]}"),
        ("the reference and three causes that are not there", f"{text} and {' and '.join(wrong)}"),
    )
    yield ladder("names another cause", ("the right decision for a wrong reason", f"{said} because {wrong[0]}"))
    yield ladder("names no cause", ("the right decision without a reason", said))
    if decided.side is None:
        contrary = f"{LONGITUDINAL['passing_acceleration'][0]} and {LATERAL['lane_change'][0].format(side='left')}"
        label = "the contrary decision"
    else:
        other = "right" if side == "left" else "left"
        contrary = f"{LONGITUDINAL[decided.longitudinal][0]} and {LATERAL[decided.lateral][0].format(side=other)}"
        label = "the right decision to the wrong side"
    yield ladder("decides otherwise", (label, f"{contrary} because {true_cause}"))
    yield ladder(
        "says nothing",
        ("a sentence about something else", "the weather has been pleasant this week"),
        ("no words at all", ""),
    )


def _unusual(scene: Scene) -> Iterator[Case]:
    expert, text = _expert(scene)
    scene = replace(scene, id=f"unusual ({scene.id})")
    for label, drive in (
        ("standing still", straight(0.0)),
        ("60 m/s straight on", straight(60.0)),
        ("backwards", straight(-5.0)),
        ("a tight circle", circling(8.0, 5.0)),
        ("a wild swerve", swerving(expert, 15.0)),
    ):
        yield Case(label, completion(text, drive), scene)
    for label, words in (
        ("a very long text", " ".join([text] * 40)),
        ("punctuation only", "... !? ()"),
        ("another language and signs", "Abstand halten 🚗 车道保持 <b>{}</b>"),
        ("two lines", text.replace(" ", "\n", 1)),
    ):
        yield Case(label, completion(words, expert), scene)


def _undecodable(ladders: list[Ladder]) -> Iterator[Case]:
    for ladder in ladders:
        best = ladder.rungs[0]
        for label, words in (
            ("the best reasoning", best.completion.reasoning),
            ("unclosed reasoning", None),
            ("no words", ""),
        ):
            yield Case(f"no trajectory, {label}", completion(words, None), best.scene)


def _expert(scene: Scene) -> tuple[np.ndarray, str]:
    assert scene.future_T3 is not None and scene.reference is not None, "synthetic scenes have both"
    return scene.future_T3, scene.reference.text
