"""The trainer around TRL, on real tiny runs: what it overrides, and what unscored rows may not do."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from tiny import TinyPolicy

pytestmark = pytest.mark.engine

K = 4


def build(policy: TinyPolicy, rewards: dict[int, float | None], folder: Path, **grpo: Any) -> Any:
    """A trainer whose rollouts are fixed references, and whose rewards are given by row number."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    from ar1_rl.grpo.config import GrpoConfig
    from ar1_rl.grpo.trainer import PolicyTrainer
    from recipes.grpo import grpo_arguments
    from recipes.run_config import RolloutsConfig, RunConfig
    from rewards.loading import MixConfig, TermConfig

    torch.manual_seed(0)
    config = RunConfig(
        recipe="test",
        rewards=MixConfig(terms=(TermConfig(reward="format"),)),
        grpo=GrpoConfig(steps=1, scenes_per_step=2, samples_per_scene=K, max_grad_norm=1e9, **grpo),
        rollouts=RolloutsConfig(engine="transformers"),
    )
    dialogue, scenes = policy.dialogue, policy.scenes[:2]
    prompts = dialogue.prompts([s.observation for s in scenes])
    texts = dialogue.token_ids([s.reference.text for s in policy.scenes if s.reference])

    def roll(batch: list[Any], trainer: Any) -> dict[str, Any]:
        ids = [list(texts[i % len(texts)]) for i in range(len(batch))]
        prompt_ids = dialogue.token_ids([dialogue.prompt_text(p) for p in batch])
        return {
            "prompt_ids": [list(p) for p in prompt_ids],
            "completion_ids": ids,
            "logprobs": [[-1.0] * len(i) for i in ids],
        }

    def reward(completion_ids: list[Any], **columns: Any) -> list[float | None]:
        return [rewards.get(i, 0.0) for i in range(len(completion_ids))]

    return PolicyTrainer(
        model=AutoModelForCausalLM.from_pretrained(policy.path),
        reward_funcs=[reward],
        args=grpo_arguments(config, folder),
        train_dataset=Dataset.from_list(
            [{"prompt": p, "scene_id": s.id} for p, s in zip(prompts, scenes, strict=True)]
        ),
        processing_class=dialogue.tokenizer,
        rollout_func=roll,
        policy_config=config.grpo,
    )


def gradient(trainer: Any) -> Any:
    """Gradient of one generation batch, flattened."""
    import torch

    trainer.current_gradient_accumulation_steps = 1
    rows = [trainer.train_dataset[i // K] for i in range(2 * K)]
    trainer.model.train()
    batch = trainer._generate_and_score_completions([dict(r) for r in rows])
    trainer.model.zero_grad()
    trainer._compute_loss(trainer.model, batch).backward()
    return torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]).clone()


def test_the_installed_trl_has_the_methods_that_we_override_with_these_arguments() -> None:
    from trl import GRPOTrainer

    signatures = {
        "_calculate_rewards": ["self", "inputs", "prompts", "completions", "completion_ids_list"],
        "_generate_and_score_completions": ["self", "inputs"],
        "_compute_loss": ["self", "model", "inputs"],
    }
    for name, arguments in signatures.items():
        assert list(inspect.signature(getattr(GRPOTrainer, name)).parameters) == arguments


def test_the_engine_of_trl_is_built_under_a_name_that_we_can_wrap() -> None:
    import trl.generation.vllm_generation as generation
    import vllm.model_executor.layers.utils as layers

    from rollouts.config import EngineConfig
    from rollouts.vectorised import engine_defaults

    before = generation.LLM, layers.dispatch_cpu_unquantized_gemm
    with engine_defaults(EngineConfig(), "float32"):
        assert generation.LLM is not before[0]
        assert layers.dispatch_cpu_unquantized_gemm is not before[1]
    assert (generation.LLM, layers.dispatch_cpu_unquantized_gemm) == before
    assert list(inspect.signature(layers.dispatch_cpu_unquantized_gemm).parameters) == ["layer", "remove_weight"]


@pytest.mark.parametrize("loss", ["dapo", "grpo", "dr_grpo", "bnpo", "gspo", "ar1"])
def test_a_row_without_a_reward_contributes_nothing(tiny_policy: TinyPolicy, tmp_path: Path, loss: str) -> None:
    """Its tokens may be anything: changing them changes no gradient, with a divergence term in the loss as well."""
    import torch

    given: dict[int, float | None] = {0: 1.0, 1: 0.2, 2: None, 3: -1.0, 4: 0.5, 5: 0.1, 6: None, 7: 0.9}
    trainer = build(tiny_policy, given, tmp_path, loss=loss, kl_coef=0.1)
    first = gradient(trainer)
    original = trainer.rollout_func

    def other_words(batch: list[Any], owner: Any) -> dict[str, Any]:
        answer = original(batch, owner)
        for row in (2, 6):
            answer["completion_ids"][row] = answer["completion_ids"][row][::-1]
        return answer

    trainer.rollout_func = other_words
    assert first.abs().max() > 0
    assert torch.allclose(first, gradient(trainer), rtol=1e-4, atol=1e-7)


def test_an_unscored_row_is_not_in_the_mean_of_its_group(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    """With one of four unscored, the others' advantages are theirs among three."""
    given: dict[int, float | None] = {0: 1.0, 1: 0.0, 2: None, 3: 2.0}
    trainer = build(tiny_policy, given, tmp_path, scale_rewards="none")
    rows = [dict(trainer.train_dataset[i // K]) for i in range(2 * K)]
    trainer.model.train()
    batch = trainer._generate_and_score_completions(rows)
    assert batch["advantages"][:4].tolist() == pytest.approx([0.0, -1.0, 0.0, 1.0])


@pytest.mark.parametrize("loss", ["dapo", "ar1"])
def test_a_batch_in_which_nothing_was_scored_moves_nothing(tiny_policy: TinyPolicy, tmp_path: Path, loss: str) -> None:
    trainer = build(tiny_policy, dict.fromkeys(range(8)), tmp_path, loss=loss, kl_coef=0.1)
    assert gradient(trainer).abs().max() == 0


def test_the_paper_s_loss_in_two_passes_has_the_gradient_of_one(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    import torch

    given: dict[int, float | None] = {i: float(i % 5) for i in range(8)}
    trainer = build(tiny_policy, given, tmp_path, loss="ar1")
    whole = gradient(trainer)
    batch = trainer._generate_and_score_completions([dict(trainer.train_dataset[i // K]) for i in range(2 * K)])
    trainer.model.zero_grad()
    for part in (slice(0, 4), slice(4, 8)):
        half = {n: v[part] if isinstance(v, torch.Tensor) and v.dim() > 0 else v for n, v in batch.items()}
        trainer._compute_loss(trainer.model, half).backward()
    halves = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])
    # As a whole: single gradients are small differences of large sums, which float32 rounds one by one.
    assert (whole - halves).norm() < 1e-5 * whole.norm()
