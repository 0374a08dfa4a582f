"""`critic`: the grade of a reasoning trace against the reference, embedded or by language models.

embedded    the deterministic rubric critic: no model, no cost
endpoint    the reward that asks a language model; ensemble: the one that asks several, or one several times
factory     the critic of a backend, as configs name it

questions   what is asked (prompt, rubric, image) -> asking: each question once, from cache or model
connection  an endpoint and its settings -> client: retries, limits, rotation of servers; answer: what came back
grading     what the reply says (verdict, expected) as a score
cost        tokens, seconds and money, counted and estimated
"""

from .cost import Estimate, PriceTable, Usage
from .embedded import RubricCritic
from .endpoint import EndpointCritic
from .ensemble import EnsembleCritic
from .factory import critic

__all__ = ["EndpointCritic", "EnsembleCritic", "Estimate", "PriceTable", "RubricCritic", "Usage", "critic"]
