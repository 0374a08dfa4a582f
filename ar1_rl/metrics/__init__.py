"""Metrics on batches of futures, and the statistics that compare two policies."""

from .comfort import COMFORT_NAMES, NUPLAN_BOUNDS, ComfortBounds, comfort_kept, comfort_peaks, comfort_use
from .displacement import ade_m, displacement_m, fde_m, minade_m
from .encounters import (
    CLOSE_ENCOUNTER_M,
    DISTANCE_CAP_M,
    ENCOUNTER_THRESHOLDS_M,
    distinct_scenes,
    encounter_rates,
    nearest_agent_m,
    off_road_share,
)
from .statistics import PairedDifference, bootstrap_means, mean_interval, paired_bootstrap

__all__ = [
    "CLOSE_ENCOUNTER_M",
    "COMFORT_NAMES",
    "DISTANCE_CAP_M",
    "ENCOUNTER_THRESHOLDS_M",
    "NUPLAN_BOUNDS",
    "ComfortBounds",
    "PairedDifference",
    "ade_m",
    "bootstrap_means",
    "comfort_kept",
    "comfort_peaks",
    "comfort_use",
    "displacement_m",
    "distinct_scenes",
    "encounter_rates",
    "fde_m",
    "mean_interval",
    "minade_m",
    "nearest_agent_m",
    "off_road_share",
    "paired_bootstrap",
]
