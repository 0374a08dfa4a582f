"""A run folder as flags see it: rollouts of the beginning and of the end of its training, beside their references.

Of each end at most MOST_GROUPS groups of siblings are read, evenly spaced, so that a run of any length takes seconds
and little memory. References and experts come from the scenes, which are made or cut again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console

from ar1_rl.config import check_config
from ar1_rl.driving import Scene, parse_decisions
from ar1_rl.driving.decisions import SIDED_DECISIONS, Decisions
from ar1_rl.errors import RunError, SceneError
from ar1_rl.report.flags import History, Shown, Window
from rewards.critic.embedded import BEHAVIOURS, behaviour
from rewards.loading import MixConfig, load_preset
from rollouts.recorded import label_of, rollout_files

from .held_out import held_out_of
from .scenes_by_id import scenes_by_id, scenes_of_run

BEGIN_SHARE = 0.1
"""Of the steps: a policy may have learnt much by a quarter of them."""
END_SHARE = 0.25
"""Of the steps: what counts is what became of the policy, and a quarter is the less noisy."""
WANTED_GROUPS = 96
"""Further steps are taken into the beginning until it has so many groups, up to a third of all steps."""
MOST_GROUPS = 500
LABEL = "train"
READ = ("scene_id", "step", "sample", "reasoning", "decode_error", "trajectory_T3", "reward")
CRITIC = "critic"

GroupKey = tuple[int, str]
"""Step and scene of a group of siblings."""


@dataclass(frozen=True)
class SceneFacts:
    """What flags need to know of a scene."""

    decisions: Decisions | None
    """Of the reference trace."""
    expert_m: float
    """Way that the expert drove; NaN where there is none."""


def history_of_run(folder: Path, console: Console) -> History:
    """The history of a run folder; RunError where it has no rollouts of training.

    Scenes that cannot be had are warned of, and what rests on them is not measured.
    """
    files = rollout_files(folder, LABEL)
    groups = groups_of(files)
    begin, end = split(sorted(groups))
    rows = [_rows(keys, groups) for keys in (begin, end)]
    facts = _facts(folder, {scene for _, scene in (*begin, *end)}, console)
    weights, critics = mix_of(folder)
    failures = failure_counts(folder)
    return History(
        begin=window_of(rows[0], facts),
        end=window_of(rows[1], facts),
        weights=weights,
        critics=critics,
        held_out=tuple(held_out_of(folder)),
        asked=_count(rollout_files(folder), ("train", "validation")),
        failures=failures,
    )


def groups_of(files: Sequence[Path]) -> dict[GroupKey, list[Path]]:
    """The groups of siblings, and the files that hold their rows."""
    groups: dict[GroupKey, list[Path]] = {}
    for path in files:
        for key in dict.fromkeys(_keys(_table(path, ("step", "scene_id")))):
            groups.setdefault(key, []).append(path)
    return groups


def split(keys: Sequence[GroupKey]) -> tuple[list[GroupKey], list[GroupKey]]:
    """Groups of the beginning and of the end, from keys in order; they share no step."""
    steps = sorted({step for step, _ in keys})
    if len(steps) < 2:
        raise RunError(
            f"the run has rollouts of {len(steps)} training step(s); a beginning and an end take two or more"
        )
    per_step = Counter(step for step, _ in keys)
    first = max(1, round(BEGIN_SHARE * len(steps)))
    while first < len(steps) // 3 and sum(per_step[step] for step in steps[:first]) < WANTED_GROUPS:
        first += 1
    last = min(max(1, round(END_SHARE * len(steps))), len(steps) - first)
    chosen = [set(steps[:first]), set(steps[len(steps) - last :])]
    begin, end = ([key for key in keys if key[0] in some] for some in chosen)
    return _evenly(begin), _evenly(end)


def window_of(rows: Iterable[Mapping[str, Any]], facts: Mapping[str, SceneFacts], label: str = LABEL) -> Window:
    """The rows of some rollouts as plain values."""
    rows = list(rows)
    numbers: dict[GroupKey, int] = {}
    terms = list(dict.fromkeys(name.removesuffix(".why") for row in rows for name in row if name.endswith(".why")))
    scenes = [facts.get(row["scene_id"], UNKNOWN) for row in rows]
    claims = [None if not row["reasoning"] else _claims(row["reasoning"]) for row in rows]
    return Window(
        shown_N=tuple(Shown(label, row["step"], row["scene_id"], row["sample"]) for row in rows),
        group_N=np.array([numbers.setdefault((r["step"], r["scene_id"]), len(numbers)) for r in rows], dtype=int),
        reward_N=_numbers(row["reward"] for row in rows),
        decodable_N=np.array([row["decode_error"] is None for row in rows], dtype=bool),
        terms={name: _numbers(row.get(name) for row in rows) for name in terms},
        failure_N=tuple(_failure(row, terms) for row in rows),
        text_N=tuple(row["reasoning"] for row in rows),
        claimed_N=tuple(None if said is None else _told(said) for said in claims),
        reference_N=tuple(None if scene.decisions is None else _told(scene.decisions) for scene in scenes),
        agreement_N=_numbers(
            None if said is None or scene.decisions is None else _agreement(said, scene.decisions)
            for said, scene in zip(claims, scenes, strict=True)
        ),
        progress_m_N=_numbers(None if row["trajectory_T3"] is None else way_m(row["trajectory_T3"]) for row in rows),
        expert_m_N=_numbers(scene.expert_m for scene in scenes),
    )


def facts_of(scene: Scene) -> SceneFacts:
    """What flags need to know of a scene."""
    reference, future_T3 = scene.reference, scene.future_T3
    return SceneFacts(
        decisions=None if reference is None else reference.decisions,
        expert_m=float("nan") if future_T3 is None else way_m(future_T3),
    )


def way_m(poses_T3: Any) -> float:
    """Length [m] of the way from the origin through the poses."""
    xy_T2 = np.asarray(poses_T3, dtype=float)[:, :2]
    return float(np.hypot(*np.diff(xy_T2, axis=0, prepend=np.zeros((1, 2))).T).sum())


def mix_of(folder: Path) -> tuple[dict[str, float], tuple[str, ...]]:
    """Weight / scale of every term by its name, and the names of critics, by config.yaml; nothing where there is none.

    Rewards of a user's own are not run for this.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        return {}, ()
    mix = check_config(MixConfig, yaml.safe_load(path.read_text()).get("rewards") or {}, source=f"{path}, rewards")
    if mix.preset is not None:
        built = load_preset(mix.preset, **mix.arguments)
        return {term.name: term.weight / term.scale for term in built.terms}, (CRITIC,)
    names = [term.name or term.arguments.get("name") or term.reward.rpartition(":")[2] for term in mix.terms]
    weights = {str(name): term.weight / term.scale for name, term in zip(names, mix.terms, strict=True)}
    critics = [str(name) for name, term in zip(names, mix.terms, strict=True) if term.reward == CRITIC]
    return weights, tuple(critics)


def failure_counts(folder: Path) -> dict[tuple[str, str], int]:
    """(term, cause) -> failures over all lines of metrics.jsonl."""
    counts: Counter[tuple[str, str]] = Counter()
    path = folder / "metrics.jsonl"
    if not path.is_file():
        return {}
    with path.open() as lines:
        for line in lines:
            # A crash may have cut the last line short.
            row = json.loads(line) if line.endswith("\n") else {}
            for name, value in row.items():
                if name.startswith("failures/") and value:
                    _, term, cause = name.split("/", 2)
                    counts[term, cause] += round(value)
    return dict(counts)


UNKNOWN = SceneFacts(None, float("nan"))


def _rows(keys: Sequence[GroupKey], groups: Mapping[GroupKey, Sequence[Path]]) -> list[dict[str, Any]]:
    wanted: set[GroupKey] = set(keys)
    rows: list[dict[str, Any]] = []
    for path in dict.fromkeys(path for key in keys for path in groups[key]):
        table = _table(path, READ, scores=True)
        rows += table.filter([key in wanted for key in _keys(table)]).to_pylist()
    return rows


def _keys(table: Any) -> list[GroupKey]:
    return list(zip(table["step"].to_pylist(), table["scene_id"].to_pylist(), strict=True))


def _table(path: Path, columns: Sequence[str], *, scores: bool = False) -> Any:
    """Some columns of a file of rollouts, and what each reward gave; RunError where it is none."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        names = parquet.read_schema(path).names
        missing = [name for name in columns if name not in names]
        if missing:
            raise RunError(f"{path}: these are no rollouts, {', '.join(missing)} is missing")
        terms = [name.removesuffix(".why") for name in names if scores and name.endswith(".why")]
        wanted = [*columns, *(f"{term}{part}" for term in terms for part in ("", ".why", ".record"))]
        return parquet.read_table(path, columns=[name for name in wanted if name in names])
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{path}: cannot be read as Parquet: {error}") from error


def _facts(folder: Path, wanted: set[str], console: Console) -> dict[str, SceneFacts]:
    try:
        scenes = scenes_by_id(sorted(wanted), scenes_of_run(folder), console, label=LABEL)
    except SceneError as error:
        console.print(f"Without scenes, what rests on references and experts is not measured: {error}", style="yellow")
        return {}
    return {identity: facts_of(scene) for identity, scene in scenes.items()}


def _count(files: Sequence[Path], labels: tuple[str, ...]) -> int:
    import pyarrow.parquet as parquet

    return sum(parquet.read_metadata(path).num_rows for path in files if label_of(path) in labels)


def _evenly(keys: Sequence[GroupKey]) -> list[GroupKey]:
    if len(keys) <= MOST_GROUPS:
        return list(keys)
    return [keys[place] for place in np.linspace(0, len(keys) - 1, MOST_GROUPS).round().astype(int)]


def _failure(row: Mapping[str, Any], terms: Sequence[str]) -> str | None:
    for term in terms:
        record = row.get(f"{term}.record")
        if record and '"failure"' in record and (cause := json.loads(record).get("failure")):
            return f"{term}: {cause}"
    return None


@lru_cache(maxsize=65_536)
def _claims(text: str) -> Decisions:
    said = parse_decisions(text)
    side = said.side if said.lateral in SIDED_DECISIONS else None
    return Decisions(said.longitudinal, said.lateral, side)


def _told(decisions: Decisions) -> str:
    """Both decisions in one word; of no decision on either axis, "nothing"."""
    named = [decisions.longitudinal, decisions.lateral]
    return ", ".join(name for name in named if name is not None) or "nothing"


def _agreement(said: Decisions, right: Decisions) -> float:
    return BEHAVIOURS.index(behaviour(said, right)) / (len(BEHAVIOURS) - 1)


def _numbers(values: Iterable[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], dtype=float)
