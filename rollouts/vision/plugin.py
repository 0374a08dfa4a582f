"""The plugin through which vLLM knows our architecture (entry point group `vllm.general_plugins`).

vLLM calls it in every process of its own, so servers and workers load a saved policy like any other model.
"""

from __future__ import annotations

SERVED_BY = "rollouts.vision.engine_model:Ar1VisionLanguageForConditionalGeneration"


def register() -> None:
    """Make the architecture known to transformers and to vLLM; once is enough, twice no harm."""
    from vllm import ModelRegistry

    from ar1_rl.policy.vision import registration
    from ar1_rl.policy.vision.architecture import ARCHITECTURE

    registration.register()
    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        # By name: vLLM looks at the class in a process of its own, and this one stays free to fork.
        ModelRegistry.register_model(ARCHITECTURE, SERVED_BY)
