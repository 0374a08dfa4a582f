"""The folder of an evaluation: one policy on a set of scenes, K rollouts each. Written chunk by chunk, read as a whole.

    EVALUATION/begun.json           what the evaluation depends on: whoever goes on with it must have the same
    EVALUATION/rollouts/*.parquet   every rollout, a closed file for each chunk of scenes
    EVALUATION/chunks/*.parquet     a row per scene, as long as chunks are missing
    EVALUATION/scenes.parquet       a row per scene, once all are there: who and what it is, then a column per metric
    EVALUATION/evaluation.json      what was evaluated, how, means and intervals; with it the evaluation is finished

Of several ranks each writes chunks of its own; the first one begins and finishes. Legend: S scenes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ar1_rl.driving import Completion
from ar1_rl.errors import ConfigError, RunError
from rollouts.recorded import EVALUATIONS, UNUSED, completion_of_row
from rollouts.store import RolloutStore, read_rollouts

from .whole_files import flush, remove_partial, write_whole

SCHEMA_VERSION = 1
HEADER, BEGUN, SCENES = "evaluation.json", "begun.json", "scenes.parquet"
ROLLOUTS, CHUNKS = "rollouts", "chunks"

SCENE_COLUMNS = ("scene_id", "episode", "kind", "longitudinal", "lateral")
"""Columns of scenes.parquet that are text; every other one is a metric."""
DECISION_COLUMNS = ("longitudinal", "lateral")
"""Decisions of the reference trace; null where there is none."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What was evaluated and how: evaluation.json without the means."""

    label: str
    policy: str
    """Where it lies."""
    policy_version: str
    seed: int
    """Of the sampling."""
    training_seed: int | None = None
    samples_per_scene: int
    temperature: float
    top_p: float
    decoding: str
    """Which rollout of a scene answers: "best of 6 by likelihood", "greedy", "best of 6 by a mix of rewards"."""
    trained_on: tuple[str, ...] = ()
    """Metrics whose grader the policy was trained on, or its answers are chosen by."""
    held_out: tuple[str, ...] = ()
    """Metrics by graders that it was not trained on."""
    graders: Mapping[str, str] = field(default_factory=dict)
    """Metric -> who graded it, in words."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A finished evaluation, one value a scene and metric (NaN: the scene or the rollout does not have it)."""

    header: Header
    scene_ids: tuple[str, ...]
    episodes: tuple[str, ...]
    kinds: tuple[str, ...]
    longitudinal: tuple[str | None, ...]
    lateral: tuple[str | None, ...]
    per_scene: Mapping[str, np.ndarray]
    """Metric -> values [S]."""

    def means(self) -> dict[str, float | None]:
        """Mean over scenes of every metric; None where no scene has it."""
        return {name: _mean(values_S) for name, values_S in self.per_scene.items()}

    def by_decision(self, names: Sequence[str]) -> dict[str, dict[str, dict[str, float | int | None]]]:
        """Axis -> decision of the reference -> number of scenes, and means of some metrics over those."""
        found: dict[str, dict[str, dict[str, float | int | None]]] = {}
        for axis, decisions in (("longitudinal", self.longitudinal), ("lateral", self.lateral)):
            found[axis] = {}
            for decision in sorted({d for d in decisions if d is not None}):
                chosen_S = np.array([d == decision for d in decisions])
                means = {name: _mean(self.per_scene[name][chosen_S]) for name in names if name in self.per_scene}
                found[axis][decision] = {"scenes": int(chosen_S.sum()), **means}
        return found


class EvaluationFolder:
    """EVALUATION as one rank writes it."""

    def __init__(self, path: Path, rank: int = 0) -> None:
        self.path = path
        self._rank = rank

    @property
    def finished(self) -> bool:
        """Whether all is there."""
        return (self.path / HEADER).exists()

    def begin(self, identity: Mapping[str, Any], *, anew: bool = False) -> None:
        """Make the folder, or see that it is of the same evaluation; ConfigError if it holds something else.

        With `anew` another evaluation is taken away instead.
        """
        begun = self.path / BEGUN
        plain = json.loads(json.dumps(dict(identity)))
        if anew and (not begun.exists() or json.loads(begun.read_text())["identity"] != plain):
            shutil.rmtree(self.path, ignore_errors=True)
        if begun.exists():
            before = json.loads(begun.read_text())["identity"]
            changed = sorted(key for key in {*before, *plain} if before.get(key) != plain.get(key))
            if changed:
                raise ConfigError(
                    f"{self.path} holds another evaluation (different: {', '.join(changed)}); "
                    "go on with the settings it has, or name another folder"
                )
        elif self.path.exists() and any(self.path.iterdir()):
            raise ConfigError(f"{self.path} is not empty and holds no evaluation; name another folder")
        if not begun.exists():
            # First of all: with it in place an evaluation can go on.
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(begun, json.dumps({"schema_version": SCHEMA_VERSION, "identity": plain}, indent=2))
        if self.finished:
            shutil.rmtree(self.path / CHUNKS, ignore_errors=True)
            return
        for folder in (ROLLOUTS, CHUNKS):
            (self.path / folder).mkdir(exist_ok=True)
            remove_partial(self.path / folder)

    def chunks(self) -> int:
        """How many chunks of this rank are there, from the first one on."""
        number = 0
        while self._scenes_of(number).exists():
            number += 1
        return number

    def add(self, number: int, rollouts: Sequence[Mapping[str, Any]], scenes: Sequence[Mapping[str, Any]]) -> None:
        """One more chunk: rollouts and one row a scene. Killed at any moment, it is there whole or written again."""
        flush(RolloutStore(self.path / ROLLOUTS, self._rank).write(f"chunk-{number:06d}", rollouts))
        _write_scenes(_table(scenes), self._scenes_of(number))

    def finish(
        self,
        header: Header,
        by_decision: Sequence[str] = (),
        further: Callable[[Evaluation], Mapping[str, Any]] = lambda done: {},
    ) -> Evaluation:
        """Put the chunks of all ranks together; `by_decision` names metrics that are told by decision, too.

        `further` gives what else evaluation.json says of the whole.
        """
        import pyarrow as pa
        import pyarrow.parquet as parquet

        if not self.finished:
            files = sorted((self.path / CHUNKS).glob("*.parquet"), key=_rank_then_chunk)
            if not files:
                raise RunError(f"{self.path}: no scene was evaluated")
            _write_scenes(pa.concat_tables([parquet.read_table(path) for path in files]), self.path / SCENES)
            done = _evaluation(header, self.path / SCENES)
            content = {
                "schema_version": SCHEMA_VERSION,
                **asdict(header),
                "scenes": len(done.scene_ids),
                "means": done.means(),
                "by_decision": done.by_decision(by_decision),
                **further(done),
            }
            write_whole(self.path / HEADER, json.dumps(content, indent=2))
        shutil.rmtree(self.path / CHUNKS, ignore_errors=True)
        return read_evaluation(self.path)

    def _scenes_of(self, number: int) -> Path:
        return self.path / CHUNKS / f"chunk-{number:06d}-rank{self._rank:03d}.parquet"


def read_evaluation(path: Path) -> Evaluation:
    """What `EvaluationFolder.finish` wrote; RunError where there is no finished evaluation."""
    try:
        raw = json.loads((path / HEADER).read_text())
    except OSError as error:
        raise RunError(f"{path}: no finished evaluation here ({HEADER} is missing)") from error
    if raw.get("schema_version") != SCHEMA_VERSION:
        raise RunError(
            f"{path / HEADER}: schema_version {raw.get('schema_version')!r}, this version reads {SCHEMA_VERSION}; "
            "evaluate again"
        )
    known: dict[str, Any] = {name: raw[name] for name in Header.__dataclass_fields__ if name in raw}
    needed = [one.name for one in fields(Header) if one.default is MISSING and one.default_factory is MISSING]
    if missing := [name for name in needed if name not in known]:
        raise RunError(f"{path / HEADER}: {', '.join(missing)} is missing; evaluate again")
    for name in ("trained_on", "held_out"):
        known[name] = tuple(known.get(name, ()))
    return _evaluation(Header(**known), path / SCENES)


def evaluations_in(folder: Path) -> list[Path]:
    """The finished evaluations that a folder is, or holds: itself, its own, or those of the run that it is."""
    if (folder / HEADER).exists():
        return [folder]
    places = (folder, folder / EVALUATIONS)
    return sorted(path.parent for place in places for path in place.glob(f"*/{HEADER}"))


def rollouts_of(path: Path) -> Iterator[dict[str, Any]]:
    """Every rollout row of an evaluation, one file of them in memory at a time."""
    return read_rollouts(path / ROLLOUTS)


@dataclass(frozen=True)
class Answered:
    """What a policy answered in a scene."""

    completion: Completion


def answers_in(path: Path, scene_ids: Sequence[str]) -> list[Answered]:
    """The answers of an evaluation in some scenes, in their order; RunError names a scene that it does not have."""
    import pyarrow.parquet as parquet

    wanted = set(scene_ids)
    found: dict[str, Answered] = {}
    for file in sorted((path / ROLLOUTS).glob("*.parquet")):
        columns = [name for name in parquet.read_schema(file).names if name not in UNUSED]
        chosen = [("answers", "==", True), ("scene_id", "in", wanted)]
        for row in parquet.read_table(file, columns=columns, filters=chosen).to_pylist():
            found[row["scene_id"]] = Answered(completion_of_row(row))
    if missing := sorted(wanted - set(found)):
        raise RunError(f"{path}: no answer in scene {missing[0]!r}")
    return [found[identity] for identity in scene_ids]


def _evaluation(header: Header, scenes: Path) -> Evaluation:
    import pyarrow.parquet as parquet

    table = parquet.read_table(scenes)
    text = {name: tuple(table[name].to_pylist()) for name in SCENE_COLUMNS}
    metrics = [name for name in table.column_names if name not in SCENE_COLUMNS]
    # A null is NaN here: neither counts.
    values = {name: table[name].to_numpy(zero_copy_only=False).astype(float) for name in metrics}
    return Evaluation(
        header=header,
        scene_ids=text["scene_id"],
        episodes=text["episode"],
        kinds=text["kind"],
        longitudinal=text["longitudinal"],
        lateral=text["lateral"],
        per_scene=values,
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Any:
    import pyarrow as pa

    metrics = [name for name in rows[0] if name not in SCENE_COLUMNS]
    columns = {name: pa.array([row[name] for row in rows], pa.string()) for name in SCENE_COLUMNS}
    for name in metrics:
        columns[name] = pa.array(np.array([row[name] for row in rows], dtype=float), pa.float64(), from_pandas=True)
    return pa.table(columns)


def _write_scenes(table: Any, path: Path) -> None:
    import pyarrow.parquet as parquet

    partial = path.with_name(path.name + ".partial")
    parquet.write_table(table, partial, compression="zstd")
    flush(partial)
    partial.replace(path)
    flush(path.parent)


def _rank_then_chunk(path: Path) -> tuple[str, str]:
    chunk, _, rank = path.stem.rpartition("-rank")
    return rank, chunk


def _mean(values_S: np.ndarray) -> float | None:
    known = values_S[np.isfinite(values_S)]
    return float(known.mean()) if len(known) else None
