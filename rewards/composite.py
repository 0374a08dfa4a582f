"""The one callable that a GRPO trainer is handed. The only file that knows TRL's reward signature; TRL is not needed.

In a script of your own:

    reward = CompositeReward(mix, parse=my_parse, scenes={scene.id: scene for scene in scenes})
    trainer = GRPOTrainer(..., reward_funcs=reward)   # the dataset has a column "scene_id"

Hand over this one function only: TRL turns a single None among several reward functions into a zero.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ar1_rl.driving import Completion, Scene
from ar1_rl.errors import ConfigError, RewardError

from .costs import Meter, as_record, cost_metrics, from_record, total_costs
from .critic.cost import Usage
from .failures import FailureCounts, FailureWindow
from .mix import Mix, MixedScore
from .scoring import ScoringSession

STATE_SCHEMA_VERSION = 1

Parse = Callable[[Sequence[Sequence[int]], Sequence[Scene]], list[Completion]]
"""Token ids and scenes -> completions, in the same order."""

OnScored = Callable[[Sequence[Completion], Sequence[MixedScore]], None]

Report = tuple[FailureCounts, dict[str, Usage], str]
"""What a rank has to tell after a batch: its counts, what its judges used, and the error that stops it, or ""."""

Gather = Callable[[list[Report]], list[Report]]
"""The reports of all ranks; `accelerate.utils.gather_object` is one."""


class CompositeReward:
    """A mix as a TRL reward function: token ids in, one number or None per completion out.

    `on_scored` is called once per batch with completions and mixed scores, for a recorder. `gather` brings the reports
    of several ranks together, so that failures count over the whole run and all ranks stop together. When too many
    judgements failed (`Mix.failure_limits`), the call raises RewardError; with `on_exceeded`, that is told instead, and
    the run can save itself first. ConfigError for a mix that cannot train.
    """

    def __init__(
        self,
        mix: Mix,
        *,
        parse: Parse,
        scenes: Mapping[str, Scene],
        on_scored: OnScored | None = None,
        gather: Gather = list,
        on_exceeded: Callable[[str], None] | None = None,
        name: str = "mix",
    ) -> None:
        if mix.training_fault is not None:
            raise ConfigError(f"reward {name!r}: {mix.training_fault}")
        self.mix = mix
        self.parse = parse
        self.scenes = scenes
        self.on_scored = on_scored
        self.gather = gather
        self.on_exceeded = on_exceeded
        self.window = FailureWindow(mix.failure_limits)
        self.costs: dict[str, Usage] = {}
        """What the judges of all ranks used since the run began, by term."""
        self._meter = Meter(mix.terms)
        self._session: ScoringSession | None = None
        # TRL logs under this name, and merges two functions of the same name without a word.
        self.__name__ = name

    def __call__(
        self,
        prompts: Sequence[Any] | None = None,
        completions: Sequence[Any] | None = None,
        completion_ids: Sequence[Sequence[int]] | None = None,
        scene_id: Sequence[str] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, list[Any]], None] | None = None,
        trainer_state: Any = None,
        **columns: Any,
    ) -> list[float | None]:
        """Score one generation batch. TRL calls it by keyword; text is not used, since TRL strips special tokens."""
        if completion_ids is None or scene_id is None:
            missing = [n for n, v in (("completion_ids", completion_ids), ("scene_id", scene_id)) if v is None]
            raise RewardError(f"{self.__name__}: no {' and no '.join(missing)}; the dataset needs a column 'scene_id'")
        scenes = [self._scene(identity) for identity in scene_id]
        parsed = self.parse(completion_ids, scenes)
        if not len(parsed) == len(completion_ids) == len(scenes):
            raise RewardError(
                f"{self.__name__}: {len(completion_ids)} completions, {len(scenes)} scenes, {len(parsed)} parsed"
            )
        mixed, figures = self.grade(parsed, scenes, self.on_scored)
        if log_metric is not None:
            for metric, value in (summarise(mixed) | figures).items():
                log_metric(metric, value)
        if log_extra is not None:
            for term in self.mix.terms:
                log_extra(term.name, [None if (s := m.scores.get(term.name)) is None else s.value for m in mixed])
        return [None if m.value is None else self._finite(m.value) for m in mixed]

    def grade(
        self, completions: Sequence[Completion], scenes: Sequence[Scene], on_scored: OnScored | None = None
    ) -> tuple[list[MixedScore], dict[str, float]]:
        """Mixed scores of a batch, such as a validation, and what a log should say of its failures and its cost.

        Both count for the run. With several ranks, all of them call this together.
        """
        mixed, counts, costs = self._score(completions, scenes)
        if on_scored is not None:
            on_scored(completions, mixed)
        self.costs = total_costs([self.costs, costs])
        self.count(counts)
        return mixed, self.window.metrics(counts) | cost_metrics(costs)

    def open(self, scenes: Sequence[Scene]) -> ScoringSession | None:
        """Begin to score the next batch while it is still being written, one row a scene.

        The session is told of its rows, and the next call, which must be about this batch, waits for its scores. None
        where no reward could be asked before the whole batch is there.
        """
        self.give_up()
        session = self.mix.open(scenes)
        self._session = session if session.listens else None
        return self._session

    def give_up(self) -> None:
        """Forget the batch that was begun: its sampling failed."""
        if self._session is not None:
            self._session.cancel()
        self._session = None

    def count(self, counts: FailureCounts) -> None:
        """Add the counts of a batch, summed over ranks, to the window; stop the run if that was too much."""
        message = self.window.add(counts)
        if message is None:
            return
        if self.on_exceeded is None:
            raise RewardError(f"{self.__name__}: {message}")
        self.on_exceeded(message)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: counters, and the state of rewards that have one. Each rank has its own."""
        return {
            "schema_version": STATE_SCHEMA_VERSION,
            "mix": self.mix.state_dict(),
            "run": self.window.total.as_record(),
            "costs": as_record(self.costs),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state. The failure window starts empty: what filled it may have been mended since."""
        if state.get("schema_version") != STATE_SCHEMA_VERSION:
            raise RewardError(
                f"saved reward state has schema_version {state.get('schema_version')!r}, "
                f"this version reads {STATE_SCHEMA_VERSION}"
            )
        self.mix.load_state_dict(state["mix"])
        self.window.total = FailureCounts.from_record(state["run"])
        self.costs = from_record(state["costs"])
        self._meter.reset()

    def _score(
        self, completions: Sequence[Completion], scenes: Sequence[Scene]
    ) -> tuple[list[MixedScore], FailureCounts, dict[str, Usage]]:
        """Mixed scores, and counts and costs of the batch over all ranks; every rank raises if one of them must."""
        mixed: list[MixedScore] = []
        raised: Exception | None = None
        session, self._session = self._session, None
        try:
            mixed = self.mix.score(completions, scenes) if session is None else session.finish(completions)
        except Exception as error:
            raised = error
        told = "" if raised is None else f"{type(raised).__name__}: {raised}"
        reports = self.gather([(self.mix.take_counts(), self._meter.take(), told)])
        if raised is not None:
            raise raised
        elsewhere = next((stop for *_, stop in reports if stop), None)
        if elsewhere is not None:
            raise RewardError(f"{self.__name__}: stopped with another rank: {elsewhere}")
        counts = FailureCounts.total(counts for counts, *_ in reports)
        return mixed, counts, total_costs(costs for _, costs, _ in reports)

    def _scene(self, identity: str) -> Scene:
        try:
            return self.scenes[identity]
        except KeyError:
            raise RewardError(f"{self.__name__}: no scene {identity!r} among the {len(self.scenes)} given") from None

    def _finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise RewardError(f"{self.__name__}: the mix gave {value}; one infinity would erase its whole group")
        return float(value)


def summarise(mixed: Sequence[MixedScore]) -> dict[str, float]:
    """Means for a log: `terms/<name>` over the judged, `terms/<name>/judged` and `outcome/<name>` as shares."""
    if not mixed:
        return {}
    summary: dict[str, float] = {}
    for name in mixed[0].scores:
        judged = [score.value for m in mixed if (score := m.scores[name]).value is not None]
        summary[f"terms/{name}/judged"] = len(judged) / len(mixed)
        if judged:
            summary[f"terms/{name}"] = sum(judged) / len(judged)
    outcomes = Counter(m.outcome for m in mixed)
    for outcome in ("undecodable", "gated", "unjudged", "dropped"):
        summary[f"outcome/{outcome}"] = outcomes[outcome] / len(mixed)
    return summary
