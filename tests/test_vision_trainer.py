"""GRPO on frames, TRL's trainer and vLLM in one process: the two stay one policy while it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing

from rollouts.config import SamplingConfig
from rollouts.engine import Request

pytestmark = pytest.mark.engine

K, STEPS = 4, 4
PLAIN = SamplingConfig(temperature=1.0, top_p=1.0, max_completion_tokens=12)


def test_sampler_and_trainer_agree_on_repeated_images_while_every_part_learns(tmp_path: Path) -> None:
    """Two scenes, four updates: mean |difference of log-probability| under 1e-5, prompts of equal length.

    With the paper's loss, which is ours; TRL's own hand on the images by themselves.
    """
    import torch
    from datasets import Dataset
    from transformers import AutoModelForImageTextToText

    from ar1_rl.grpo.config import GrpoConfig
    from ar1_rl.grpo.trainer import PolicyTrainer
    from recipes.grpo import engine_settings, grpo_arguments
    from recipes.run_config import RolloutsConfig, RunConfig
    from rewards.loading import MixConfig, TermConfig
    from rollouts.vectorised import VectorisedEngine

    policy = seeing.make(tmp_path / "policy")
    config = RunConfig(
        recipe="test",
        rewards=MixConfig(terms=(TermConfig(reward="format"),)),
        grpo=GrpoConfig(steps=STEPS, scenes_per_step=2, samples_per_scene=K, learning_rate=3e-3, loss="ar1"),
        rollouts=RolloutsConfig(
            engine="vllm", max_model_tokens=256, max_sequences=8, temperature=1.0, top_p=1.0, max_completion_tokens=12
        ),
    )
    asked = policy.dialogue.ask([scene.observation for scene in policy.scenes[:2]])
    messages = policy.dialogue.prompts([scene.observation for scene in policy.scenes[:2]])
    bare = [
        [{**m, "content": [{"type": p["type"], "text": p.get("text", "")} for p in m["content"]]} for m in conversation]
        for conversation in messages
    ]
    gaps: list[float] = []
    lengths: list[tuple[int, int]] = []

    def roll(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        engine = VectorisedEngine(trainer.vllm_generation.llm)
        rows = [asked[row["number"]] for row in trainer.rows]
        step = trainer.state.global_step
        requests = [Request(p.token_ids, 100 * step + i, p.images) for i, p in enumerate(rows)]
        drawn = engine.sample(requests, PLAIN, policy.dialogue.layout.future_end)
        return {
            "prompt_ids": [list(p.token_ids) for p in rows],
            "completion_ids": [list(d.token_ids) for d in drawn],
            "logprobs": [list(d.logprobs) for d in drawn],
        }

    class Watched(PolicyTrainer):
        def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            batch = super()._generate_and_score_completions(inputs)
            kept = batch["completion_mask"].bool()
            gap = (batch["old_per_token_logps"] - batch["sampling_per_token_logps"])[kept].abs().mean()
            gaps.append(float(gap))
            lengths.append((int(batch["prompt_mask"][0].sum()), len(asked[inputs[0]["number"]].token_ids)))
            return batch

    def reward(completion_ids: list[Any], **columns: Any) -> list[float]:
        return [float(np.mean(np.array(ids) % 2)) for ids in completion_ids]

    rows = [
        {"prompt": conversation, "images": list(prompt.images), "number": number}
        for number, (conversation, prompt) in enumerate(zip(bare, asked, strict=True))
    ]
    model = AutoModelForImageTextToText.from_pretrained(policy.path)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with engine_settings(config):
        trainer = Watched(
            model=model,
            reward_funcs=[reward],
            args=grpo_arguments(config, tmp_path / "trainer"),
            train_dataset=Dataset.from_list(rows),
            processing_class=policy.dialogue.processor,
            rollout_func=roll,
            policy_config=config.grpo,
        )
    trainer.train()
    print("mean |difference of log-probability| by step:", [f"{gap:.1e}" for gap in gaps])
    assert len(gaps) == STEPS and max(gaps) < 1e-5
    assert all(ours == theirs for ours, theirs in lengths)
    for part in ("vision_tower", "projector", "language_model"):
        moved = [(p.detach() - before[n]).abs().max() for n, p in model.named_parameters() if part in n]
        assert torch.stack(moved).max() > 1e-4, part
