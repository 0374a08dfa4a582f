"""Every metric of an evaluation by name: its unit, which way is better, and over which rollouts of a scene it is.

docs/evaluation.md has definitions and sources; a test holds that it names them all.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .comfort import COMFORT_NAMES
from .displacement import HORIZONS_S
from .encounters import ENCOUNTER_THRESHOLDS_M
from .time_to_collision import TTC_THRESHOLDS_S

Better = Literal["up", "down", "neither"]


class Metric(NamedTuple):
    """What a column of scenes.parquet is."""

    name: str
    unit: str
    """"0-5", "share", "m", "words", "nats"."""
    better: Better
    label: str


def horizon_name(horizon_s: float) -> str:
    """1.0 is `1s`."""
    return f"{horizon_s:g}s".replace(".", "_")


def threshold_name(value: float, unit: str) -> str:
    """0.5 m is `0_5m`, 1.0 m is `1_0m`."""
    return f"{float(value)!r}".replace(".", "_") + unit


def comfort_name(bound: str) -> str:
    """The metric of one comfort bound: `longitudinal_acceleration_mps2` is `comfort_longitudinal_acceleration`."""
    return f"comfort_{bound.rpartition('_')[0]}"


OF_THE_ANSWER = (
    Metric("reasoning_score", "0-5", "up", "reasoning score"),
    Metric("reasoning_score_held_out", "0-5", "up", "reasoning score, held out"),
    Metric("consistency", "share", "up", "reasoning-action consistency"),
    Metric("consistency_graded", "share", "up", "consistency, graded"),
    Metric("consistency_held_out", "share", "up", "consistency, held out"),
    Metric("ade_m", "m", "down", "ADE"),
    *(Metric(f"ade_{horizon_name(h)}_m", "m", "down", f"ADE up to {h:g} s") for h in HORIZONS_S),
    Metric("fde_m", "m", "down", "final displacement"),
    Metric("corner_distance_m", "m", "down", "corner distance"),
    Metric("close_encounter_rate", "share", "down", "close encounters"),
    *(
        Metric(f"encounter_rate_{threshold_name(t, 'm')}", "share", "down", f"nearer than {t} m" if t else "collisions")
        for t in ENCOUNTER_THRESHOLDS_M
    ),
    *(
        Metric(f"ttc_rate_{threshold_name(t, 's')}", "share", "down", f"time to collision below {t} s")
        for t in TTC_THRESHOLDS_S
    ),
    Metric("off_road_rate", "share", "down", "off the road"),
    Metric("comfort", "share", "up", "comfort bounds kept"),
    *(
        Metric(comfort_name(bound), "share", "up", f"comfort: {bound.rpartition('_')[0].replace('_', ' ')}")
        for bound in COMFORT_NAMES
    ),
    Metric("feasible", "share", "up", "kinematically feasible"),
    Metric("trace_words", "words", "neither", "words of the trace"),
)
"""One value per rollout; the scene's is that of the rollout that answers, by default the most likely."""

WITH_MEAN = (
    "reasoning_score",
    "consistency",
    "ade_m",
    "close_encounter_rate",
    "off_road_rate",
    "comfort",
    "reasoning_score_held_out",
    "consistency_graded",
    "consistency_held_out",
    "feasible",
    "trace_words",
)
"""Those of which there is a `_mean` over all rollouts of the scene, too."""

OF_ALL_ROLLOUTS = (
    *(Metric(f"{m.name}_mean", m.unit, m.better, f"{m.label}, all") for m in OF_THE_ANSWER if m.name in WITH_MEAN),
    Metric("minade6_m", "m", "down", "minADE"),
    *(Metric(f"minade6_{horizon_name(h)}_m", "m", "down", f"minADE up to {h:g} s") for h in HORIZONS_S),
    *(
        Metric(
            f"minade6_per_horizon_{horizon_name(h)}_m", "m", "down", f"minADE up to {h:g} s, of the best up to there"
        )
        for h in HORIZONS_S
    ),
    Metric("miss_rate", "share", "down", "missed by all"),
    Metric("parse_rate", "share", "up", "decodable"),
    Metric("critic_coverage", "share", "up", "graded by the critic"),
    Metric("stability", "share", "up", "claims agree among the samples"),
    Metric("trace_diversity", "share", "neither", "diversity of the traces"),
    Metric("trajectory_diversity", "m", "neither", "diversity of the trajectories"),
)


def _against_another(name: str, told: str, better: Better) -> tuple[Metric, ...]:
    """Between two answers of one policy: whether trace and plan differ, and by how much what they are worth."""
    return (
        Metric(f"{name}_trace", "share", better, f"{told}: another trace"),
        Metric(f"{name}_plan", "share", better, f"{told}: another plan"),
        Metric(f"{name}_change_reasoning_score", "0-5", "neither", f"{told}: reasoning score, change"),
        Metric(f"{name}_change_consistency", "share", "neither", f"{told}: consistency, change"),
        Metric(f"{name}_change_ade_m", "m", "neither", f"{told}: ADE, change"),
    )


WITHOUT_SOMETHING = (
    *_against_another("faithful", "without the cited cause", "up"),
    *_against_another("faithful_control", "without something uncited", "down"),
)
"""Of the greedy answer, in scenes with something taken out; null in all others."""

WITH_OTHER_FRAMES = (
    Metric("picks_expert", "share", "up", "of a pair: its own expert"),
    Metric("blind_picks_expert", "share", "neither", "black frames: its own expert"),
    *_against_another("blind", "black frames", "neither"),
    Metric("blind_change_reference_nats", "nats", "neither", "black frames: reference likelihood, change"),
    Metric("shuffled_picks_expert", "share", "neither", "others' frames: its own expert"),
    *_against_another("shuffled", "others' frames", "neither"),
)
"""Of the greedy answer of a policy that sees, in the first scenes; null in all others."""

CATALOGUE = {
    metric.name: metric for metric in (*OF_THE_ANSWER, *OF_ALL_ROLLOUTS, *WITHOUT_SOMETHING, *WITH_OTHER_FRAMES)
}
