"""All flags of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .abstention import abstention
from .addresses_critic import addresses_critic
from .claim_shift import claim_shift
from .critic_against_rules import critic_against_rules
from .dominant_term import dominant_term
from .failures import failures
from .flag import Flag
from .history import History
from .length_drift import length_drift
from .reward_without_held_out import reward_without_held_out
from .standing_still import standing_still
from .templates import templates
from .thresholds import FlagThresholds
from .variance_collapse import variance_collapse

FLAGS: Mapping[str, Callable[[History, float], Flag]] = {
    check.__name__: check
    for check in (
        reward_without_held_out,
        dominant_term,
        variance_collapse,
        length_drift,
        templates,
        critic_against_rules,
        claim_shift,
        abstention,
        failures,
        addresses_critic,
        standing_still,
    )
}
"""Name -> the flag; the name is also that of its threshold."""


def flags_of(history: History, thresholds: FlagThresholds | None = None) -> list[Flag]:
    """Every flag, in the order of FLAGS."""
    bounds = (thresholds or FlagThresholds()).model_dump()
    return [check(history, bounds[name]) for name, check in FLAGS.items()]
