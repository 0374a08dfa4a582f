"""Reasoning-action consistency: does the trajectory carry out what the text announces?

Strict is Alpamayo-R1's reward (arXiv 2511.00088, section 5.3.2): 1 iff both axes match, else 0. Graded gives credit per
axis. The table of what carries out what is `ar1_rl.driving.carrying_out`; docs/consistency.md prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from ar1_rl.driving.carrying_out import THRESHOLDS, Agreement, CarryingOutThresholds, compare
from ar1_rl.driving.claims import Claims, first_actions
from ar1_rl.driving.completion import Completion
from ar1_rl.driving.decision_text import parse_decisions, parse_decisions_by_rules
from ar1_rl.driving.kinematics import from_t0
from ar1_rl.driving.lane_frame import lane_paths
from ar1_rl.driving.meta_actions import THRESHOLDS as ACTION_THRESHOLDS
from ar1_rl.driving.meta_actions import MetaActionThresholds
from ar1_rl.driving.motion import MOTION_THRESHOLDS, Motion, MotionThresholds, read_motions
from ar1_rl.driving.scene import Scene
from ar1_rl.errors import ConfigError, CriticError

from .base import BatchReward, Credit, Needs
from .claims_llm import Ask, extract_claims, prompt_hash
from .score import Score

Mode = Literal["strict", "graded"]
Extractor = Literal["tagger", "rules", "llm"]

EXTRACTORS: Mapping[str, Callable[[str], Claims]] = {"tagger": parse_decisions, "rules": parse_decisions_by_rules}
"""Readers that are asked at once; "llm" is asked through an endpoint."""


@dataclass(frozen=True)
class Consistency(BatchReward):
    """The reward. Parts: `longitudinal` and `lateral`, the credit (0, 0.5 or 1) on each axis."""

    mode: Mode = "strict"
    extractor: Extractor = "tagger"
    """Who reads the claims off the text: the trained tagger, rules, or a language model."""
    endpoint: Mapping[str, Any] | None = None
    """For the extractor "llm": where the model is asked, the settings of `rewards.critic.connection.Endpoint`."""
    ask: Ask | None = None
    """Instead of an endpoint: chat messages to the reply's text; may be called from several threads at once."""
    in_flight: int = 8
    """Questions to the language model at once."""
    action_thresholds: MetaActionThresholds = ACTION_THRESHOLDS
    motion_thresholds: MotionThresholds = MOTION_THRESHOLDS
    thresholds: CarryingOutThresholds = THRESHOLDS
    name: str = "consistency"
    needs: ClassVar[Needs] = "trajectory"
    credit: ClassVar[Credit] = "both"
    value_range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.mode not in ("strict", "graded"):
            raise ConfigError(f"consistency mode: got {self.mode!r}, allowed 'strict' and 'graded'")
        if self.extractor not in (*EXTRACTORS, "llm"):
            raise ConfigError(f"consistency extractor: got {self.extractor!r}, allowed 'tagger', 'rules' and 'llm'")
        given = [name for name in ("endpoint", "ask") if getattr(self, name) is not None]
        if len(given) != int(self.extractor == "llm"):
            raise ConfigError(
                f"consistency extractor {self.extractor!r} with {' and '.join(given) or 'no endpoint'}: 'llm' needs an "
                "`endpoint` (base_url, model, ...) or `ask`, the others take neither"
            )
        if self.endpoint is not None:
            object.__setattr__(self, "ask", _endpoint(self.endpoint).ask)
        if self.in_flight < 1:
            raise ConfigError(f"consistency in_flight: got {self.in_flight}, allowed 1 or more")

    @property
    def waits(self) -> bool:
        """Whether it spends its time waiting for a language model, and so runs beside other rewards."""
        return self.ask is not None

    def score_batch(self, completions: Sequence[Completion], scenes: Sequence[Scene]) -> list[Score]:
        """Scores of completions, each with its scene; the trajectories are read together."""
        if len(completions) != len(scenes):
            raise ConfigError(f"{len(completions)} completions with {len(scenes)} scenes: one scene each is needed")
        if self.ask is not None:
            batch = self.open_batch()
            batch.ask(range(len(completions)), completions, scenes)
            return list(batch.finish().values())
        texts = {c.reasoning or "" for c in completions if c.trajectory is not None}
        return self.scores(completions, scenes, {text: EXTRACTORS[self.extractor](text) for text in texts})

    def open_batch(self) -> ClaimsBatch:
        """A batch whose texts the language model reads as the completions come."""
        return ClaimsBatch(self)

    def scores(
        self, completions: Sequence[Completion], scenes: Sequence[Scene], readings: Mapping[str, Claims | CriticError]
    ) -> list[Score]:
        """Scores, given what the extractor makes of every text."""
        motions = _motions(completions, scenes, self.motion_thresholds, self.action_thresholds)
        return [
            self._score(readings.get(completion.reasoning or ""), motion)
            for completion, motion in zip(completions, motions, strict=True)
        ]

    def read(self, text: str) -> Claims | CriticError:
        """What the language model makes of a text; its failure is told, not raised."""
        assert self.ask is not None, "only asked with the extractor llm"
        try:
            return first_actions(extract_claims(text, self.ask))
        except CriticError as error:
            return error

    def _score(self, reading: Claims | CriticError | None, motion: Motion | None) -> Score:
        if motion is None or reading is None:
            return Score(value=0.0, parts={"longitudinal": 0.0, "lateral": 0.0}, why="no trajectory")
        if isinstance(reading, CriticError):
            return Score(None, why=str(reading), record={"prompt_hash": prompt_hash()}, failure="UnreadableClaims")
        return score_of(compare(reading, motion, self.thresholds), self.mode)


def _endpoint(settings: Mapping[str, Any]) -> Any:
    from ar1_rl.plugins import construct

    from .critic.connection import Endpoint

    return construct("endpoint", Endpoint, settings, what="setting of the consistency reward")


class ClaimsBatch:
    """One batch before the language model (`asking.OpenBatch`): each distinct text is read once, as it comes."""

    def __init__(self, reward: Consistency) -> None:
        self._reward = reward
        self._readers = ThreadPoolExecutor(reward.in_flight)
        self._readings: dict[str, Future[Claims | CriticError]] = {}
        self._rows: dict[Any, tuple[Completion, Scene]] = {}

    def ask(self, rows: Sequence[Any], completions: Sequence[Completion], scenes: Sequence[Scene]) -> None:
        """Have the texts of some rows read, which can be put in order; does not wait."""
        self._rows |= dict(zip(rows, zip(completions, scenes, strict=True), strict=True))
        for text in dict.fromkeys(c.reasoning or "" for c in completions if c.trajectory is not None):
            if text not in self._readings:
                self._readings[text] = self._readers.submit(self._reward.read, text)

    def finish(self) -> dict[Any, Score]:
        """The scores by row, once all texts are read."""
        readings = {text: reading.result() for text, reading in self._readings.items()}
        self._readers.shutdown()
        rows = sorted(self._rows)
        completions, scenes = [self._rows[row][0] for row in rows], [self._rows[row][1] for row in rows]
        return dict(zip(rows, self._reward.scores(completions, scenes, readings), strict=True))

    def cancel(self) -> None:
        """Give up what has not been read."""
        self._readers.shutdown(wait=False, cancel_futures=True)


def score_of(agreement: Agreement, mode: Mode) -> Score:
    """An agreement as a score: strict is always 0 or 1, graded is None where nothing is claimed."""
    strict = mode == "strict"
    axes = (agreement.longitudinal, agreement.lateral)
    credits = [float(match.credit == 1.0) if strict else match.credit for match in axes]
    return Score(
        value=agreement.strict if strict else agreement.graded,
        parts=dict(zip(("longitudinal", "lateral"), credits, strict=True)),
        why="; ".join(dict.fromkeys(match.why for match in axes)),
    )


def _motions(
    completions: Sequence[Completion],
    scenes: Sequence[Scene],
    thresholds: MotionThresholds,
    actions_by: MetaActionThresholds,
) -> list[Motion | None]:
    """The motion of every trajectory, None where there is none; trajectories of one length are read at once."""
    motions: list[Motion | None] = [None] * len(completions)
    by_length: dict[int, dict[int, np.ndarray]] = {}
    for i, completion in enumerate(completions):
        if completion.trajectory is not None:
            poses_T3 = completion.trajectory.poses_T3
            by_length.setdefault(len(poses_T3), {})[i] = poses_T3
    for rows in by_length.values():
        poses_BT3 = from_t0(np.stack(list(rows.values())))
        paths = [lane_paths(scenes[i].lanes, scenes[i].observation.route) for i in rows]
        for i, motion in zip(
            rows, read_motions(poses_BT3, paths, thresholds=thresholds, actions_by=actions_by), strict=True
        ):
            motions[i] = motion
    return motions
