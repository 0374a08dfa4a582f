"""A tiny policy and its scenes, made once per test session: real tokenizer, real weights, seconds to build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ar1_rl.driving import Scene, TrajectoryCodec
from ar1_rl.policy.config import TinyPolicyConfig
from ar1_rl.policy.tiny import build_model, build_tokenizer
from ar1_rl.scenes.synthetic import generate_scenes
from rollouts.describe import VOCABULARY
from rollouts.dialogue import Dialogue

SMALL = TinyPolicyConfig(hidden_size=32, layers=1, heads=1, intermediate_size=64)


@dataclass(frozen=True)
class TinyPolicy:
    """An untrained policy saved as an ordinary folder."""

    path: Path
    dialogue: Dialogue
    scenes: list[Scene]


def scenes(count: int = 16) -> list[Scene]:
    return list(generate_scenes(0, "train", count))


def make(folder: Path) -> TinyPolicy:
    made = scenes()
    codec = TrajectoryCodec.compact()
    texts = [" ".join(VOCABULARY), *(s.reference.text for s in made if s.reference is not None)]
    tokenizer = build_tokenizer(texts, codec)
    build_model(tokenizer, SMALL, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return TinyPolicy(path=folder, dialogue=Dialogue.of(tokenizer, codec), scenes=made)


def teach(folder: Path) -> Path:
    """A tiny policy that writes reasoning and mostly trajectories for the first 16 scenes; its folder."""
    import torch
    from rich.console import Console

    from ar1_rl.config import check_config
    from recipes.corpus import load_corpus
    from recipes.run_config import RunConfig
    from recipes.run_folder import RunFolder
    from recipes.sft import fine_tune
    from recipes.stopping import StopFlag

    raw = {
        "recipe": "taught",
        "scenes": {"train": 16, "validation": 1, "test": 1},
        "policy": {"tiny": {"hidden_size": 64, "layers": 1, "heads": 1, "intermediate_size": 128}},
        "sft": {"steps": 80, "batch_size": 16, "learning_rate": 1e-2, "warmup_steps": 10},
        "rewards": {"terms": [{"reward": "format"}]},
    }
    config, quiet = check_config(RunConfig, raw, source="taught"), Console(quiet=True)
    run = RunFolder(folder, config, resume=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return fine_tune(config, load_corpus(config, quiet).examples, run, quiet, StopFlag())
    finally:
        torch.set_num_threads(threads)
