"""Metrics on batches of futures, and the statistics that compare two policies."""

from .comfort import COMFORT_NAMES, NUPLAN_BOUNDS, ComfortBounds, comfort_kept, comfort_peaks, comfort_use
from .corners import corner_distance_m
from .displacement import (
    HORIZONS_S,
    ade_m,
    displacement_m,
    fde_m,
    minade_m,
    minade_per_horizon_m,
    minade_until_m,
    missed,
    until,
)
from .diversity import trace_diversity, trajectory_diversity_m
from .encounters import (
    CLOSE_ENCOUNTER_M,
    DISTANCE_CAP_M,
    ENCOUNTER_THRESHOLDS_M,
    distinct_scenes,
    encounter_rates,
    nearest_agent_m,
    off_road_share,
)
from .faithfulness import PLAN_CHANGE_M, plan_changed, trace_changed
from .feasibility import LIMITS, FeasibilityLimits, feasible
from .headline import HEADLINE, PRIMARY, in_order
from .holm import holm, primary_weights
from .permutation import sign_flip_p
from .seeds import OverSeeds, over_seeds
from .stability import pairwise_agreement
from .statistics import PairedDifference, mean_interval, paired_bootstrap, paired_differences
from .time_to_collision import TTC_THRESHOLDS_S, contact_s, time_to_collision_s

__all__ = [
    "CLOSE_ENCOUNTER_M",
    "COMFORT_NAMES",
    "DISTANCE_CAP_M",
    "ENCOUNTER_THRESHOLDS_M",
    "HEADLINE",
    "HORIZONS_S",
    "LIMITS",
    "NUPLAN_BOUNDS",
    "PLAN_CHANGE_M",
    "PRIMARY",
    "TTC_THRESHOLDS_S",
    "ComfortBounds",
    "FeasibilityLimits",
    "OverSeeds",
    "PairedDifference",
    "ade_m",
    "comfort_kept",
    "comfort_peaks",
    "comfort_use",
    "contact_s",
    "corner_distance_m",
    "displacement_m",
    "distinct_scenes",
    "encounter_rates",
    "fde_m",
    "feasible",
    "holm",
    "in_order",
    "mean_interval",
    "minade_m",
    "minade_per_horizon_m",
    "minade_until_m",
    "missed",
    "nearest_agent_m",
    "off_road_share",
    "over_seeds",
    "paired_bootstrap",
    "paired_differences",
    "pairwise_agreement",
    "plan_changed",
    "primary_weights",
    "sign_flip_p",
    "time_to_collision_s",
    "trace_changed",
    "trace_diversity",
    "trajectory_diversity_m",
    "until",
]
