"""`critic`: the grade of a reasoning trace against the reference, embedded or by a language model.

embedded  the deterministic rubric critic: no model, no cost
endpoint  the reward that asks a language model; prompt and verdict are what is asked and what is made of the reply
factory   the critic of a backend, as configs name it
"""

from .embedded import RubricCritic
from .endpoint import EndpointCritic
from .factory import critic

__all__ = ["EndpointCritic", "RubricCritic", "critic"]
