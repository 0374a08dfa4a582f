"""Whether the sampling engine and the trainer are still one policy: warned of where they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ar1_rl.grpo.ratios import DIFFERENCE

from .run_config import RunConfig

if TYPE_CHECKING:
    from transformers import TrainerCallback

LARGEST = {"float32": 1e-3, "bfloat16": 0.1}
"""By the type of the weights [nats]. Measured in float32 on CPU: 2e-7 where all is well, 0.06 where the engine takes
repeated images as older weights saw them."""


def largest_difference(config: RunConfig) -> float:
    """Mean |difference of log-probability| that is not warned of [nats]."""
    return config.grpo.logprob_difference or LARGEST[config.policy.dtype]


def disagreement(difference: float, config: RunConfig) -> str | None:
    """What to say of a step with that mean difference, or None where all is well."""
    largest = largest_difference(config)
    if difference <= largest:
        return None
    return (
        f"sampling engine and trainer differ by {difference:.2g} nats a token in the mean, and up to {largest:.2g} is "
        f"rounding ({DIFFERENCE} in metrics.jsonl): they are not one policy. Weights or cached images of the engine "
        "may be old, a prompt may be another one there, or rollouts.top_p or a processor of logits may change what is "
        "drawn; grpo.logprob_difference sets the threshold"
    )


def agreement_callback(config: RunConfig, warn: Callable[[str], None]) -> TrainerCallback:
    """Warns of the first step that differs too much; every step's figure is in metrics.jsonl."""
    from transformers import TrainerCallback

    class Agreement(TrainerCallback):
        warned = False

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any
        ) -> None:
            difference = (logs or {}).get(DIFFERENCE)
            told = None if difference is None else disagreement(float(difference), config)
            if told is not None and not self.warned and state.is_world_process_zero:
                self.warned = True
                warn(f"step {state.global_step}: {told}")

    return Agreement()
