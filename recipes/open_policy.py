"""A policy from its folder, in a sampling engine of its own, outside of training."""

from __future__ import annotations

from pathlib import Path

from ar1_rl.policy.config import PolicyConfig, codec_by_name
from ar1_rl.policy.loading import load_reader
from rollouts.config import SamplingConfig
from rollouts.dialogue import Dialogue
from rollouts.engine import Engine
from rollouts.policy import Policy

from .run_config import RolloutsConfig


def open_policy(
    folder: Path, policy: PolicyConfig, rollouts: RolloutsConfig, sampling: SamplingConfig, version: str
) -> Policy:
    """The policy whose weights and tokenizer lie in `folder`; `version` names it in every rollout record."""
    path = str(folder)
    engine: Engine
    if rollouts.engine == "vllm":
        from rollouts import vectorised

        engine = vectorised.open_engine(path, rollouts, policy.dtype)
    else:
        from rollouts import sequential

        engine = sequential.open_engine(path, rollouts, policy.dtype)
    tokenizer, processor = load_reader(path)
    dialogue = Dialogue.configured(tokenizer, codec_by_name(policy.codec), rollouts, processor)
    return Policy(engine=engine, dialogue=dialogue, sampling=sampling, version=version)
