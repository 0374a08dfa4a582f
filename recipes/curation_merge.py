"""From the scores of all shards to the scenes that are kept. Legend: S scenes, K rollouts a scene."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.table import Table

from ar1_rl.curation.config import CurateConfig
from ar1_rl.curation.divergence import disagreement
from ar1_rl.curation.selection import KEPT_AS, NOT_KEPT, choose, lots
from ar1_rl.errors import RunError
from ar1_rl.metrics.agreement import pearson, ranks

from .curation_store import CurationStore
from .run_config import RunConfig
from .whole_files import write_table

if TYPE_CHECKING:
    import pyarrow as pa


class Measures(NamedTuple):
    """What decides about scenes, all [S]."""

    disagreement_S: np.ndarray
    """NaN where fewer than two rollouts were judged."""
    reward_mean_S: np.ndarray
    reward_std_S: np.ndarray
    """Sample standard deviation over the judged rollouts, 0 where there are fewer than two."""
    judged_S: np.ndarray
    """Rollouts that have a reward."""
    lots_S: np.ndarray


def merge(config: RunConfig, store: CurationStore) -> dict[str, Any]:
    """Write the dataset and its summary, and return the summary; RunError if a shard is missing or nothing is kept.

    In memory are a few numbers of every scene, and one file of scores at a time.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    settings, parts = config.curate, store.all_parts()
    if not parts:
        raise RunError(f"{store.path}: no scene has been scored; the source gave none to any shard")
    by_part = [measures(parquet.read_table(path), settings, config.seed) for path in parts]
    whole = Measures(*(np.concatenate(columns) for columns in zip(*by_part, strict=True)))
    too_little_S = too_little(whole, settings)
    kept_S = choose(
        np.where(too_little_S, np.nan, whole.disagreement_S), whole.lots_S, settings.keep, settings.random_ratio
    )
    if not (kept_S != NOT_KEPT).any():
        raise RunError(
            f"{store.path}: none of {len(kept_S)} scenes can be kept: {int((whole.judged_S < 2).sum())} have fewer "
            f"than two judged rollouts, and the rewards of {int(too_little_S.sum())} have a standard deviation of at "
            f"most curate.smallest_reward_std {settings.smallest_reward_std}"
        )
    starts = np.cumsum([0, *(len(found.judged_S) for found in by_part)])
    kept = [
        _kept_rows(path, found, kept_S[start : start + len(found.judged_S)])
        for path, found, start in zip(parts, by_part, starts[:-1], strict=True)
    ]
    ordered = pa.concat_tables(kept).sort_by(
        [("kept_as", "ascending"), ("disagreement", "descending"), ("scene_id", "ascending")]
    )
    write_table(ordered, store.scenes_file)
    summary = summarise(whole, kept_S, too_little_S, settings)
    store.write_summary(summary)
    return summary


def measures(scores: pa.Table, settings: CurateConfig, seed: int) -> Measures:
    """The measures of the scenes in a file of scores."""
    shape = (len(scores), settings.rollouts)
    rewards_SK = np.array(scores["rewards"].to_pylist(), dtype=float).reshape(shape)
    logprobs_SK = np.array(scores["mean_logprobs"].to_pylist(), dtype=float).reshape(shape)
    known_SK = ~np.isnan(rewards_SK)
    judged_S = known_SK.sum(axis=1)
    filled_SK = np.where(known_SK, rewards_SK, 0.0)
    mean_S = filled_SK.sum(axis=1) / np.maximum(judged_S, 1)
    squares_S = np.where(known_SK, (filled_SK - mean_S[:, None]) ** 2, 0.0).sum(axis=1)
    # Of equal rewards the mean is off by rounding, and the deviation would not be 0.
    spread_S = np.where(known_SK, rewards_SK, -np.inf).max(axis=1) - np.where(known_SK, rewards_SK, np.inf).min(axis=1)
    return Measures(
        disagreement_S=disagreement(rewards_SK, logprobs_SK, settings.sharpness, settings.divergence),
        reward_mean_S=np.where(judged_S > 0, mean_S, np.nan),
        reward_std_S=np.where(spread_S > 0.0, np.sqrt(squares_S / np.maximum(judged_S - 1, 1)), 0.0),
        judged_S=judged_S,
        lots_S=lots(scores["scene_id"].to_pylist(), seed),
    )


def too_little(found: Measures, settings: CurateConfig) -> np.ndarray:
    """[S] scenes that the difficulty filter leaves out: judged, but all rollouts worth about the same."""
    if settings.smallest_reward_std is None:
        return np.zeros(len(found.judged_S), dtype=bool)
    left_out_S: np.ndarray = (found.judged_S >= 2) & (found.reward_std_S <= settings.smallest_reward_std)
    return left_out_S


def summarise(found: Measures, kept_S: np.ndarray, too_little_S: np.ndarray, settings: CurateConfig) -> dict[str, Any]:
    """The content of summary.json."""
    known_S = found.judged_S >= 2
    groups = {"all": known_S} | {told: kept_S == code for code, told in KEPT_AS.items()}
    related = pearson(ranks(found.disagreement_S[known_S]), ranks(found.reward_std_S[known_S]))
    return {
        **{
            key: getattr(settings, key)
            for key in ("divergence", "sharpness", "rollouts", "keep", "random_ratio", "smallest_reward_std")
        },
        "scenes": len(kept_S),
        "unjudged": int((~known_S).sum()),
        "zero_variance": int((known_S & (found.reward_std_S == 0.0)).sum()),
        "left_out_by_reward_std": int(too_little_S.sum()),
        "kept": {told: int((kept_S == code).sum()) for code, told in KEPT_AS.items()},
        "mean": {
            name: {
                "disagreement": _mean(found.disagreement_S[rows]),
                "reward": _mean(found.reward_mean_S[rows]),
                "reward_std": _mean(found.reward_std_S[rows]),
            }
            for name, rows in groups.items()
        },
        "spearman_disagreement_reward_std": None if np.isnan(related) else related,
    }


def summary_table(summary: dict[str, Any]) -> Table:
    """The summary for a terminal."""
    left_out = f"{summary['left_out_by_reward_std']} left out by their spread, {summary['unjudged']} unjudged"
    table = Table(
        title=f"{summary['scenes']} scenes x {summary['rollouts']} rollouts",
        caption=f"{summary['zero_variance']} scenes whose rollouts are all worth the same; {left_out}",
    )
    for heading in ("", "scenes", f"disagreement ({summary['divergence']})", "mean reward", "its sd in a scene"):
        table.add_column(heading, justify="right" if heading else "left")
    counts = {"all": summary["scenes"] - summary["unjudged"], **summary["kept"]}
    for name, count in counts.items():
        figures = ["-" if value is None else f"{value:.3f}" for value in summary["mean"][name].values()]
        table.add_row("all judged" if name == "all" else f"kept as {name}", str(count), *figures)
    return table


def _kept_rows(path: Path, found: Measures, kept_S: np.ndarray) -> pa.Table:
    """The kept scenes of one file of scores, with their measures."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = np.flatnonzero(kept_S != NOT_KEPT)
    return (
        parquet.read_table(path)
        .take(rows)
        .append_column("kept_as", pa.array([KEPT_AS[int(code)] for code in kept_S[rows]], pa.string()))
        .append_column("disagreement", pa.array(found.disagreement_S[rows]))
        .append_column("reward_mean", pa.array(found.reward_mean_S[rows]))
        .append_column("reward_std", pa.array(found.reward_std_S[rows]))
    )


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
