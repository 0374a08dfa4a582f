"""Rewards: pure functions on plain values inside thin objects, and the mix that makes one number of them.

From a config: `rewards.loading.build_mix`. In a script of one's own: `CompositeReward`.
"""

from .comfort import Comfort, Jerk
from .composite import CompositeReward
from .critic.embedded import RubricCritic
from .critic.endpoint import EndpointCritic
from .critic.ensemble import EnsembleCritic
from .format import Format
from .imitation import Imitation
from .mix import Mix, MixedScore
from .safety import Collision, Safety
from .score import Score
from .terms import Gate, Term

__all__ = [
    "Collision",
    "Comfort",
    "CompositeReward",
    "EndpointCritic",
    "EnsembleCritic",
    "Format",
    "Gate",
    "Imitation",
    "Jerk",
    "Mix",
    "MixedScore",
    "RubricCritic",
    "Safety",
    "Score",
    "Term",
]
