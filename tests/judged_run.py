"""A small GRPO run whose critic is a judge behind HTTP: its config, what it leaves behind, and what the judge did."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from judge_server import text_hash

from ar1_rl.config import check_config
from ar1_rl.driving import Scene
from ar1_rl.scenes.synthetic import generate_scenes
from recipes.run_config import RunConfig
from rewards.failures import FailureCounts

CAUSES = {
    "hang": "Timeout",
    "drip": "Timeout",
    "reset": "Transport",
    "status_500": "Server500",
    "rate_limited": "RateLimited",
    "malformed_json": "NotJson",
    "wrong_schema": "WrongSchema",
    "nan_grade": "WrongGrade",
}
"""Every kind of fault, and the cause that a call is counted under which ended in it."""
PRICES = {"currency": "USD", "models": {"judge": {"prompt": 0.5, "completion": 2.0}}}


def judged_config(policy: Path, url: str, *, critic: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Six quick steps; `critic` are more settings of the endpoint, `changes` override `section__key` by name."""
    endpoint = {
        "backend": "endpoint", "base_url": url, "model": "judge", "timeout_s": 1.0, "max_retries": 1,
        "backoff_s": 0.05, "max_wait_s": 0.2, "rest_s": 0.2, "prices": PRICES, **(critic or {}),
    }  # fmt: skip
    raw: dict[str, Any] = {
        "recipe": "judged",
        "scenes": {"train": 16, "validation": 4, "test": 2},
        "policy": {"path": str(policy)},
        "rollouts": {"engine": "transformers", "temperature": 0.9, "max_completion_tokens": 64},
        "rewards": {
            "terms": [
                {"reward": "critic", "scale": 5.0, "arguments": endpoint},
                {"reward": "imitation", "scale": 5.0, "arguments": {"clip_m": 5.0}},
                {"reward": "format", "weight": 0.2},
            ]
        },
        "grpo": {"steps": 6, "scenes_per_step": 4, "samples_per_scene": 4, "evaluate_every": 3},
        "eval": {"samples_per_scene": 2, "resamples": 100},
    }
    for name, value in changes.items():
        section, key = name.split("__")
        raw[section][key] = value
    return raw


@dataclass(frozen=True)
class Judged:
    """A row that a judge was asked about, with the hash of the text that it was shown."""

    step: int
    label: str
    row: dict[str, Any]
    record: dict[str, Any]
    text: str

    @property
    def failure(self) -> str | None:
        return self.record.get("failure")

    @property
    def asked(self) -> bool:
        """Whether this row was the one of its batch that the judge was asked for."""
        return not self.record.get("shared", False)


class LeftBehind:
    """The folder of a judged run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        raw = yaml.safe_load((folder / "config.yaml").read_text())
        self.config = check_config(RunConfig, {k: v for k, v in raw.items() if k != "schema_version"}, source="run")
        self.critic = self.config.rewards.build().terms[0].reward

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        lines = (self.folder / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line, parse_constant=lambda name: 1 / 0) for line in lines]

    @property
    def steps(self) -> list[int]:
        """Of the training steps in metrics.jsonl."""
        return [line["step"] for line in self.metrics if "grad_norm" in line]

    @cached_property
    def rows(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Label, step and row of training and validation, in the order in which they were graded."""
        found = []
        for path in (self.folder / "rollouts").glob("*.parquet"):
            label, step = path.name.split("-")[:2]
            if label in ("train", "validation"):
                # Validation is done before the step of its number is drawn.
                found.append(((int(step), label != "validation"), label, path))
        return [(label, order[0], row) for order, label, path in sorted(found) for row in _rows_of(path)]

    @cached_property
    def judged(self) -> list[Judged]:
        """The rows that had something to judge."""
        found = []
        for label, step, row in self.rows:
            record = json.loads(row["critic.record"]) if row.get("critic.record") else {}
            if record:
                text = self.critic.loaded_prompt.text(self.scene(row["scene_id"]).reference.text, row["reasoning"])
                found.append(Judged(step, label, row, record, text_hash(text)))
        return found

    def scene(self, identity: str) -> Scene:
        return self._scenes[identity]

    def state(self) -> dict[str, Any]:
        """What the rewards kept at the last checkpoint."""
        (file,) = (self.folder / "checkpoints" / "grpo-trainer").glob("*/rewards-rank000.json")
        return json.loads(file.read_text())

    def failures_in_state(self) -> Counter[str]:
        return Counter(FailureCounts.from_record(self.state()["run"]).of("critic"))

    def failures_in_metrics(self) -> Counter[str]:
        return Counter({name.split("/")[2]: n for name, n in self.summed("failures/critic/").items() if n})

    def failures_in_rows(self) -> Counter[str]:
        return Counter(one.failure for one in self.judged if one.failure is not None)

    def summed(self, prefix: str) -> dict[str, float]:
        """Figures whose name begins so, summed over all lines of metrics."""
        names = {name for line in self.metrics for name in line if name.startswith(prefix)}
        return {name: sum(line.get(name, 0.0) for line in self.metrics) for name in names}

    @cached_property
    def _scenes(self) -> dict[str, Scene]:
        counts = {"train": self.config.scenes.train, "validation": self.config.scenes.validation}
        return {s.id: s for split, n in counts.items() for s in generate_scenes(self.config.seed, split, n)}


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as parquet

    yield from parquet.read_table(path).to_pylist()


def check_grades(left: LeftBehind, log: list[dict[str, Any]]) -> None:
    """No grade is made up: each is what the judge says of that very text, or there is none and the cause is told."""
    deserved = {entry["text"]: entry["grade"] for entry in log}
    for one in left.judged:
        assert one.row["critic"] == (None if one.failure else deserved[one.text])
        if one.row["trajectory_T3"] is not None:
            assert (one.row["reward"] is None) == (one.failure is not None)
        else:
            assert one.row["reward"] is not None, "undecodable is the policy's own doing"
    for _, _, row in left.rows:
        if not row["reasoning"]:
            assert row["critic"] == 0.0 and not row.get("critic.record")


def check_faults(left: LeftBehind, log: list[dict[str, Any]]) -> Counter[str]:
    """Every attempt that the judge saw belongs to a recorded call, and a call ended as the judge ended it.

    Returns the faults that survived the retries. A busy machine adds timeouts of its own, after which an answer comes
    too late, or the question never arrived; then the attempts of that text cannot be told apart.
    """
    seen: dict[str, list[str | None]] = {}
    for entry in log:
        seen.setdefault(entry["text"], []).append(entry["fault"])
    calls: dict[str, list[Judged]] = {}
    for one in left.judged:
        if one.asked:
            calls.setdefault(one.text, []).append(one)
    assert set(seen) <= set(calls), "the judge was asked what no rollout tells of"
    survived: Counter[str] = Counter()
    for text, asked in calls.items():
        faults = seen.get(text, [])
        late = any(one.record["seconds"] >= left.critic.timeout_s for one in asked)
        attempts = sum(one.record["attempts"] for one in asked)
        assert attempts == len(faults) or (attempts > len(faults) and late)
        if attempts != len(faults):
            continue
        for one in asked:
            own, faults = faults[: one.record["attempts"]], faults[one.record["attempts"] :]
            assert one.failure == CAUSES.get(own[-1]) or (one.failure == "Timeout" and late), (one.failure, own)
            assert late or None not in own[:-1], "what was answered was asked again"
            survived.update(own[-1:] if own[-1] else [])
    return survived


def check_costs(left: LeftBehind, log: list[dict[str, Any]]) -> None:
    """The lines of metrics add up to the summary, and to what the judge saw."""
    cost = {name.removeprefix("cost/critic/"): value for name, value in left.summed("cost/critic/").items()}
    assert cost["attempts"] == sum(one.record["attempts"] for one in left.judged if one.asked) >= len(log)
    assert cost["calls"] == sum(one.asked for one in left.judged)
    assert cost["rollouts"] == len(left.judged)
    assert cost["failed"] == sum(one.failure is not None for one in left.judged if one.asked)
    summary = json.loads((left.folder / "summary.json").read_text())["costs"]["critic"]
    for name in set(cost) - {"cached_share"}:
        assert math.isclose(summary[name], cost[name], rel_tol=1e-5), name
    tokens = [cost["prompt_tokens"], cost["completion_tokens"]]
    money = sum(n * PRICES["models"]["judge"][kind] for n, kind in zip(tokens, ("prompt", "completion"), strict=True))
    assert tokens[0] > 100 * cost["calls"] * 0.5 and math.isclose(cost["money/USD"], money / 1e6, rel_tol=1e-5)
