"""Adapters on policies that see, Qwen3-VL and backbones of our own joining, trained by TRL on frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import qwen_tiny
import seeing
import tiny

from ar1_rl.driving import TrajectoryCodec
from ar1_rl.policy import loading
from rollouts.config import FramesLayout
from rollouts.dialogue import Dialogue
from rollouts.vision.prompt import frames_prompt, words_of

pytestmark = pytest.mark.engine

CODEC = TrajectoryCodec.compact()
K, TOKENS = 4, 8
OF_THE_DECODER = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
"""As in the recipe qwen3_vl_8b_lora."""


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("qwen")
    words = words_of(FramesLayout(), seeing.CAMERAS, seeing.FRAMES)
    path = qwen_tiny.make(folder / "backbone", words)
    prepared = loading.prepare_policy(str(path), "float32", CODEC)
    assert prepared.processor is not None
    prepared.model.save_pretrained(folder / "policy")
    prepared.processor.save_pretrained(folder / "policy")
    return str(folder / "policy")


def trained(policy: loading.LoadedPolicy, targets: list[str], folder: Path) -> Any:
    """The model after two steps of GRPO with adapters and gradient checkpointing, two scenes' frames seen."""
    from datasets import Dataset

    from ar1_rl.config import check_config
    from ar1_rl.grpo.trainer import PolicyTrainer
    from recipes.grpo import adapters, grpo_arguments
    from recipes.run_config import RunConfig
    from rollouts.sequential import SequentialEngine

    raw = {
        "recipe": "test",
        "rewards": {"terms": [{"reward": "format"}]},
        "policy": {"lora": {"rank": 2, "targets": targets}, "gradient_checkpointing": True},
        "grpo": {"steps": 2, "scenes_per_step": 2, "samples_per_scene": K, "learning_rate": 1e-2},
        "rollouts": {"engine": "transformers", "max_model_tokens": 256, "max_completion_tokens": TOKENS},
    }
    config = check_config(RunConfig, raw, source="test")
    assert policy.processor is not None
    dialogue = Dialogue.of(policy.tokenizer, CODEC, frames_prompt(seeing.Frames()), policy.processor)
    asked = dialogue.ask([scene.observation for scene in tiny.scenes(2)])
    spoken = dialogue.prompts([scene.observation for scene in tiny.scenes(2)])
    bare = [
        [{**m, "content": [{"type": p["type"], "text": p.get("text", "")} for p in m["content"]]} for m in conversation]
        for conversation in spoken
    ]

    noise = np.random.default_rng(0)
    special = set(policy.tokenizer.all_special_ids)
    speakable = [i for i in range(len(policy.tokenizer)) if i not in special]

    def roll(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        model = trainer.accelerator.unwrap_model(trainer.model)
        engine = SequentialEngine(model, policy.tokenizer.pad_token_id, 8, policy.processor)
        rows = [asked[row["number"]] for row in trainer.rows]
        # Given, not drawn: what an untrained model's banned placeholder adds to log-probabilities is no matter here.
        ids = [noise.choice(speakable, TOKENS).tolist() for _ in rows]
        scored = engine.logprobs([p.token_ids for p in rows], ids, images=[p.images for p in rows])
        return {
            "prompt_ids": [list(p.token_ids) for p in rows],
            "completion_ids": ids,
            "logprobs": [list(logprobs) for logprobs in scored],
        }

    def reward(completion_ids: list[Any], **columns: Any) -> list[float]:
        return [float(np.mean(np.array(ids) % 2)) for ids in completion_ids]

    rows = [
        {"prompt": conversation, "images": list(prompt.images), "number": number}
        for number, (conversation, prompt) in enumerate(zip(bare, asked, strict=True))
    ]
    trainer = PolicyTrainer(
        model=policy.model,
        reward_funcs=[reward],
        args=grpo_arguments(config, folder),
        train_dataset=Dataset.from_list(rows),
        processing_class=policy.processor,
        rollout_func=roll,
        peft_config=adapters(config),
        policy_config=config.grpo,
    )
    trainer.train()
    return trainer.accelerator.unwrap_model(trainer.model)


def moved(model: Any) -> tuple[set[str], set[str]]:
    """Layers whose adapters have learnt, and those whose adapters have not: B is 0 at the beginning."""
    learnt, idle = set(), set()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            (learnt if parameter.abs().max() > 0 else idle).add(name.split(".lora_B")[0])
    return learnt, idle


def test_adapters_of_the_recipe_are_in_the_decoder_alone_and_learn_from_frames(qwen: str, tmp_path: Path) -> None:
    """Seven in each of 2 layers. Merged, the encoder is bit for bit what it was, and the decoder is not."""
    import torch

    before = {name: p.clone() for name, p in loading.load_policy(qwen, "float32").model.named_parameters()}
    model = trained(loading.load_policy(qwen, "float32"), OF_THE_DECODER, tmp_path)
    learnt, idle = moved(model)
    assert len(learnt) == 14 and not idle
    assert all(".language_model.layers." in name for name in learnt)
    merged = dict(model.merge_and_unload().named_parameters())
    assert merged.keys() == before.keys()
    changed = {name for name, p in merged.items() if not torch.equal(p, before[name])}
    assert len(changed) == 14 and not any("visual" in name for name in changed)


def test_without_targets_the_encoder_has_adapters_that_learn_through_checkpointed_layers(
    qwen: str, tmp_path: Path
) -> None:
    """Four in each of its 2 blocks, two in its merger and in its one deep stack: 12. None stays idle."""
    learnt, idle = moved(trained(loading.load_policy(qwen, "float32"), [], tmp_path))
    assert not idle
    assert len([name for name in learnt if "visual" in name]) == 12
    assert len([name for name in learnt if "language_model" in name]) == 14


@pytest.mark.parametrize("targets", [OF_THE_DECODER, []], ids=["decoder", "all"])
def test_our_own_architecture_takes_adapters_as_others_do(targets: list[str], tmp_path: Path) -> None:
    policy = seeing.make(tmp_path / "policy")
    model = trained(loading.load_policy(str(policy.path), "float32"), targets, tmp_path / "trainer")
    learnt, idle = moved(model)
    assert learnt and not idle
    assert any("projector" in name for name in learnt) == (not targets)
