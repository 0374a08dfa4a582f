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
from .stability import pairwise_agreement
from .statistics import PairedDifference, bootstrap_means, mean_interval, paired_bootstrap
from .time_to_collision import TTC_THRESHOLDS_S, contact_s, time_to_collision_s

__all__ = [
    "CLOSE_ENCOUNTER_M",
    "COMFORT_NAMES",
    "DISTANCE_CAP_M",
    "ENCOUNTER_THRESHOLDS_M",
    "HORIZONS_S",
    "LIMITS",
    "NUPLAN_BOUNDS",
    "PLAN_CHANGE_M",
    "TTC_THRESHOLDS_S",
    "ComfortBounds",
    "FeasibilityLimits",
    "PairedDifference",
    "ade_m",
    "bootstrap_means",
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
    "mean_interval",
    "minade_m",
    "minade_per_horizon_m",
    "minade_until_m",
    "missed",
    "nearest_agent_m",
    "off_road_share",
    "paired_bootstrap",
    "pairwise_agreement",
    "plan_changed",
    "time_to_collision_s",
    "trace_changed",
    "trace_diversity",
    "trajectory_diversity_m",
    "until",
]
