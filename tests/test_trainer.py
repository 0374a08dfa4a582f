"""The trainer around TRL, on real tiny runs: what it overrides, and what unscored rows may not do."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from tiny import TinyPolicy

pytestmark = pytest.mark.engine

K = 4
TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent


Parts = list[tuple[float | None, float | None]]


def build(
    policy: TinyPolicy,
    rewards: dict[int, float | None],
    folder: Path,
    parts: Parts | None = None,
    reasonings: int | None = None,
    first: int = 0,
    trained: dict[str, Any] | None = None,
    **grpo: Any,
) -> Any:
    """A trainer whose rollouts are fixed references, and whose rewards are given by row number.

    With `parts`, the rewards of reasoning and trajectory apart, a rollout is its reference's first words, as many as
    `reasonings` says, the closing token, and the other words as if they were a trajectory. Rows are numbered from
    `first` on. `trained` are keys of the policy's config.
    """
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    from ar1_rl.grpo.config import GrpoConfig
    from ar1_rl.grpo.trainer import PolicyTrainer
    from ar1_rl.policy.config import PolicyConfig
    from recipes.grpo import adapters, grpo_arguments
    from recipes.run_config import RolloutsConfig, RunConfig
    from rewards.loading import MixConfig, TermConfig

    torch.manual_seed(0)
    config = RunConfig(
        recipe="test",
        policy=PolicyConfig(**(trained or {})),
        rewards=MixConfig(terms=(TermConfig(reward="format"),)),
        grpo=GrpoConfig(steps=1, scenes_per_step=2, samples_per_scene=K, max_grad_norm=1e9, **grpo),
        rollouts=RolloutsConfig(engine="transformers"),
    )
    dialogue, scenes = policy.dialogue, policy.scenes[:2]
    prompts = dialogue.prompts([s.observation for s in scenes])
    texts = dialogue.token_ids([s.reference.text for s in policy.scenes if s.reference])

    closing = dialogue.layout.cot_end
    if reasonings is not None:
        texts = [(*text[:reasonings], closing, *text[reasonings:]) for text in texts]

    def roll(batch: list[Any], trainer: Any) -> dict[str, Any]:
        ids = [list(texts[i % len(texts)]) for i in range(first, first + len(batch))]
        prompt_ids = dialogue.token_ids([dialogue.prompt_text(p) for p in batch])
        return {
            "prompt_ids": [list(p) for p in prompt_ids],
            "completion_ids": ids,
            "logprobs": [[-1.0] * len(i) for i in ids],
        }

    def reward(completion_ids: list[Any], **columns: Any) -> list[float | None]:
        return [rewards.get(i, 0.0) for i in range(first, first + len(completion_ids))]

    return PolicyTrainer(
        model=AutoModelForCausalLM.from_pretrained(policy.path),
        reward_funcs=[reward],
        args=grpo_arguments(config, folder),
        train_dataset=Dataset.from_list(
            [{"prompt": p, "scene_id": s.id} for p, s in zip(prompts, scenes, strict=True)]
        ),
        processing_class=dialogue.tokenizer,
        rollout_func=roll,
        peft_config=adapters(config),
        policy_config=config.grpo,
        part_rewards=None if parts is None else lambda: parts,
        reasoning_end=closing,
    )


def generated(trainer: Any) -> dict[str, Any]:
    """One generation batch with its advantages."""
    trainer.model.train()
    return trainer._generate_and_score_completions([dict(trainer.train_dataset[i // K]) for i in range(2 * K)])


def logged(trainer: Any, name: str) -> list[float]:
    return list(trainer._metrics["train"][name])


def gradient(trainer: Any) -> Any:
    """Gradient of one generation batch, flattened."""
    import torch

    trainer.current_gradient_accumulation_steps = 1
    batch = generated(trainer)
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
    batch = generated(trainer)
    assert batch["advantages"][:4].tolist() == pytest.approx([0.0, -1.0, 0.0, 1.0])


@pytest.mark.parametrize("loss", ["dapo", "ar1"])
def test_a_batch_in_which_nothing_was_scored_moves_nothing(tiny_policy: TinyPolicy, tmp_path: Path, loss: str) -> None:
    trainer = build(tiny_policy, dict.fromkeys(range(8)), tmp_path, loss=loss, kl_coef=0.1)
    assert gradient(trainer).abs().max() == 0


def test_with_one_update_a_batch_the_ratio_of_a_whole_rollout_makes_no_difference(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    import torch

    given: dict[int, float | None] = {i: float(i % 5) for i in range(8)}
    by_token, by_rollout = (gradient(build(tiny_policy, given, tmp_path, loss=loss)) for loss in ("grpo", "gspo"))
    assert by_token.abs().max() > 0
    assert torch.allclose(by_token, by_rollout, rtol=1e-4, atol=1e-7)


def test_the_paper_s_loss_in_two_passes_has_the_gradient_of_one(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    import torch

    given: dict[int, float | None] = {i: float(i % 5) for i in range(8)}
    trainer = build(tiny_policy, given, tmp_path, loss="ar1")
    whole = gradient(trainer)
    batch = generated(trainer)
    trainer.model.zero_grad()
    for part in (slice(0, 4), slice(4, 8)):
        half = {n: v[part] if isinstance(v, torch.Tensor) and v.dim() > 0 else v for n, v in batch.items()}
        trainer._compute_loss(trainer.model, half).backward()
    halves = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])
    # As a whole: single gradients are small differences of large sums, which float32 rounds one by one.
    assert (whole - halves).norm() < 1e-5 * whole.norm()


def test_the_paper_s_loss_has_the_gradient_of_eq_10_written_out_on_the_model(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    """Rollout by rollout with plain autograd on the model's own logits, a reference elsewhere, one row unscored."""
    import torch
    from transformers import AutoModelForCausalLM

    given: dict[int, float | None] = {0: 1.0, 1: 0.2, 2: None, 3: -1.0, 4: 0.5, 5: 0.1, 6: 0.3, 7: 0.9}
    sharpness, kl_coef = 1.5, 0.2
    settings = {"loss": "ar1", "kl_coef": kl_coef, "sharpness": sharpness, "centred": False}
    trainer = build(tiny_policy, given, tmp_path, **settings)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    ours = gradient(trainer)
    batch = generated(trainer)
    reference = AutoModelForCausalLM.from_pretrained(tiny_policy.path)

    def token_logprobs(model: Any, row: int) -> Any:
        prompt = batch["prompt_ids"][row][batch["prompt_mask"][row].bool()]
        completion = batch["completion_ids"][row][batch["completion_mask"][row].bool()]
        logits = model(input_ids=torch.cat([prompt, completion])[None]).logits[0, len(prompt) - 1 : -1]
        return torch.log_softmax(logits, dim=-1).gather(1, completion[:, None])[:, 0]

    trainer.model.zero_grad()
    for start in (0, K):
        scored = [row for row in range(start, start + K) if given[row] is not None]
        total = sum(torch.tensor(sharpness * given[row]).exp() for row in scored)
        for row in scored:
            logprobs, theirs = token_logprobs(trainer.model, row), token_logprobs(reference, row).detach()
            kl = ((theirs - logprobs).exp() - (theirs - logprobs) - 1.0).sum()
            weight = torch.tensor(sharpness * given[row]).exp() / total
            (-0.5 * weight * (logprobs.sum() - kl_coef * kl)).backward()
    plain = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])
    assert (ours - plain).norm() < 1e-4 * plain.norm()


def test_adapters_learn_the_same_where_activations_are_computed_again(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    """Frozen weights pass no gradient on by themselves: without care nothing at all would be learnt."""
    import torch

    from ar1_rl.policy.config import LoraConfig

    given: dict[int, float | None] = {i: float(i % 5) for i in range(8)}
    moved, norms = {}, {}
    for again in (False, True):
        keys = {"lora": LoraConfig(rank=2), "gradient_checkpointing": again}
        trainer = build(tiny_policy, given, tmp_path / str(again), trained=keys)
        trainer.train()
        assert trainer.model.is_gradient_checkpointing is again
        parts = [p.detach().flatten() for n, p in trainer.model.named_parameters() if "lora_B" in n]
        moved[again] = torch.cat(parts)
        norms[again] = trainer.state.log_history[0]["grad_norm"]
    assert norms[False] == pytest.approx(norms[True], rel=1e-5)
    assert moved[False].abs().max() > 0.0, "B begins with zeros"
    assert torch.allclose(moved[False], moved[True], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_our_advantages_are_trl_s(tiny_policy: TinyPolicy, tmp_path: Path, scale: str) -> None:
    """So that the parts of a reward are standardised as the whole is."""
    import torch

    from ar1_rl.grpo.advantages import standardised

    given: dict[int, float | None] = {0: 1.0, 1: 0.2, 2: None, 3: -1.0, 4: 0.5, 5: 0.1, 6: 0.1, 7: 0.9}
    batch = generated(build(tiny_policy, given, tmp_path, scale_rewards=scale))
    rewards = torch.tensor([float("nan") if given[i] is None else given[i] for i in range(8)])
    assert torch.allclose(batch["advantages"], standardised(rewards.view(2, K), scale).view(-1), atol=1e-5)


# separate credit

TEXT = [1.0, 0.0, 0.5, 0.5, 2.0, 2.0, 2.0, 2.0]
DRIVEN = [0.0, 3.0, 0.0, 1.0, -1.0, 1.0, -1.0, 1.0]
WHOLE: dict[int, float | None] = {i: text + driven for i, (text, driven) in enumerate(zip(TEXT, DRIVEN, strict=True))}
PARTS: Parts = list(zip(TEXT, DRIVEN, strict=True))


def test_split_gives_words_the_advantage_of_the_text_and_the_others_that_of_the_trajectory_by_hand(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    trainer = build(tiny_policy, WHOLE, tmp_path, PARTS, 3, credit="split", scale_rewards="none")
    advantages = generated(trainer)["advantages"]
    assert advantages.dim() == 2
    assert advantages[:, :4].tolist() == [
        pytest.approx([value] * 4) for value in (0.5, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    ]
    for row, value in enumerate((-1.0, 2.0, -1.0, 0.0, -1.0, 1.0, -1.0, 1.0)):
        assert advantages[row, 4:].tolist() == pytest.approx([value] * (advantages.shape[1] - 4))


def test_split_divides_each_part_by_its_own_spread(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    """The text of the first group: 1, 0, 0.5, 0.5, sample variance (0.25 + 0.25) / 3; that of the second is equal."""
    advantages = generated(build(tiny_policy, WHOLE, tmp_path, PARTS, 3, credit="split"))["advantages"]
    text_std, driven_std = (0.5 / 3.0) ** 0.5, (6.0 / 3.0) ** 0.5
    assert advantages[:4, 0].tolist() == pytest.approx([0.5 / text_std, -0.5 / text_std, 0.0, 0.0], abs=1e-3)
    assert advantages[:4, 4].tolist() == pytest.approx([-1 / driven_std, 2 / driven_std, -1 / driven_std, 0], abs=1e-3)
    assert advantages[4:, 0].tolist() == [0.0] * 4


def test_weighted_lies_between_shared_and_split(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    import torch

    def advantages(**credit: Any) -> Any:
        return generated(build(tiny_policy, WHOLE, tmp_path, PARTS, 3, **credit))["advantages"]

    shared, split = advantages()[:, None], advantages(credit="split")
    assert torch.allclose(advantages(credit="weighted", credit_weight=0.25), 0.25 * split + 0.75 * shared, atol=1e-6)
    assert torch.allclose(advantages(credit="weighted", credit_weight=1.0), split)


@pytest.mark.parametrize("loss", ["dapo", "grpo", "dr_grpo", "bnpo", "cispo", "sapo"])
def test_the_reward_of_the_text_moves_no_token_after_it(tiny_policy: TinyPolicy, tmp_path: Path, loss: str) -> None:
    """With a trajectory that is worth the same in every row, the loss has a gradient at the words alone."""
    import torch

    flat: Parts = [(text, 1.0) for text in TEXT]
    whole: dict[int, float | None] = {i: text + 1.0 for i, text in enumerate(TEXT)}
    trainer = build(tiny_policy, whole, tmp_path, flat, 3, loss=loss, credit="split")
    batch = generated(trainer)
    assert batch["advantages"][:4, :4].abs().max() > 0 and batch["advantages"][:, 4:].abs().max() == 0
    trainer.current_gradient_accumulation_steps = 1
    original, kept = trainer._get_per_token_logps_and_entropies, []

    def watched(*args: Any, **kwargs: Any) -> Any:
        logprobs, *others = original(*args, **kwargs)
        logprobs.retain_grad()
        kept.append(logprobs)
        return (logprobs, *others)

    trainer._get_per_token_logps_and_entropies = watched
    trainer._compute_loss(trainer.model, batch).backward()
    moved_BT = kept[0].grad
    assert (moved_BT[:2, :4] != 0).all()
    assert torch.count_nonzero(moved_BT[:, 4:]) == 0


@pytest.mark.parametrize("credit", ["split", "weighted"])
def test_a_row_without_a_reward_contributes_nothing_to_either_part(
    tiny_policy: TinyPolicy, tmp_path: Path, credit: str
) -> None:
    import torch

    whole, parts = {**WHOLE, 2: None}, [*PARTS]
    parts[2] = (None, None)
    trainer = build(tiny_policy, whole, tmp_path, parts, 3, credit=credit, kl_coef=0.1, scale_rewards="none")
    batch = generated(trainer)
    assert batch["advantages"][2].abs().max() == 0
    if credit == "split":
        assert batch["advantages"][[0, 1, 3], 0].tolist() == pytest.approx([0.5, -0.5, 0.0])
        assert batch["advantages"][[0, 1, 3], 4].tolist() == pytest.approx([-4 / 3, 5 / 3, -1 / 3])
    first = gradient(trainer)
    original = trainer.rollout_func

    def other_words(rows: list[Any], owner: Any) -> dict[str, Any]:
        answer = original(rows, owner)
        answer["completion_ids"][2] = answer["completion_ids"][2][::-1]
        return answer

    trainer.rollout_func = other_words
    assert first.abs().max() > 0
    assert torch.allclose(first, gradient(trainer), rtol=1e-4, atol=1e-7)


def test_credit_by_part_in_two_passes_has_the_gradient_of_one(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    """TRL shuffles and cuts a batch into passes: what goes by token goes with its row."""
    import torch
    from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict

    trainer = build(tiny_policy, WHOLE, tmp_path, PARTS, 3, credit="split", rollouts_per_pass=4)
    batch = generated(trainer)
    trainer.current_gradient_accumulation_steps = 2
    trainer.model.zero_grad()
    for half in split_tensor_dict(shuffle_sequence_dict(batch), 2):
        trainer._compute_loss(trainer.model, half).backward()
    halves = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]).clone()
    whole = gradient(build(tiny_policy, WHOLE, tmp_path, PARTS, 3, credit="split"))
    assert (whole - halves).norm() < 1e-5 * whole.norm()


def test_credit_by_part_without_the_parts_is_refused(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    from ar1_rl.errors import ConfigError

    with pytest.raises(ConfigError, match=r"credit 'split' needs part_rewards"):
        build(tiny_policy, WHOLE, tmp_path, credit="split")


# groups that say too little

ALIKE: dict[int, float | None] = {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5, 4: 1.0, 5: 0.0, 6: 0.0, 7: 1.0}


@pytest.mark.parametrize("loss", ["dapo", "grpo", "dr_grpo", "bnpo", "gspo", "ar1"])
def test_a_skipped_group_contributes_nothing_and_the_others_as_if_it_had_not_been_there(
    tiny_policy: TinyPolicy, tmp_path: Path, loss: str
) -> None:
    """Skipped is as good as unscored, which has been tested on its own."""
    import torch

    settings = {"loss": loss, "kl_coef": 0.1, "centred": False}
    skipped = gradient(build(tiny_policy, ALIKE, tmp_path, smallest_reward_std=0.0, **settings))
    unscored = gradient(build(tiny_policy, {**ALIKE, **dict.fromkeys(range(4))}, tmp_path, **settings))
    counted = gradient(build(tiny_policy, ALIKE, tmp_path, **settings))
    assert torch.allclose(skipped, unscored, rtol=1e-4, atol=1e-7)
    assert (skipped - counted).norm() > 1e-2 * counted.norm()


def test_groups_of_equal_rewards_are_counted_and_skipped_only_if_asked(tiny_policy: TinyPolicy, tmp_path: Path) -> None:
    trainer = build(tiny_policy, ALIKE, tmp_path)
    generated(trainer)
    assert (logged(trainer, "groups/zero_variance"), logged(trainer, "groups/skipped")) == ([1.0], [0.0])
    assert "tool_mask" not in generated(trainer)
    trainer = build(tiny_policy, ALIKE, tmp_path, smallest_reward_std=0.0)
    batch = generated(trainer)
    assert (logged(trainer, "groups/zero_variance"), logged(trainer, "groups/skipped")) == ([1.0], [1.0])
    assert batch["tool_mask"].sum(dim=1).bool().tolist() == [False] * 4 + [True] * 4


def test_the_filter_looks_at_the_spread_of_a_group_s_rewards_and_not_at_their_mean(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    """The first group is nearly as good as can be, with little spread, the second as bad, with more: 0.05 and 0.2."""
    given: dict[int, float | None] = {i: 1.0 + (0.05 if i % 2 else -0.05) * 0.75**0.5 for i in range(4)}
    given |= {i: 0.0 + (0.2 if i % 2 else -0.2) * 0.75**0.5 for i in range(4, 8)}
    for smallest, skipped in ((0.04, 0.0), (0.06, 1.0), (0.19, 1.0), (0.21, 2.0)):
        trainer = build(tiny_policy, given, tmp_path, smallest_reward_std=smallest)
        generated(trainer)
        assert logged(trainer, "groups/skipped") == [skipped]
        assert logged(trainer, "groups/zero_variance") == [0.0]


def test_a_group_without_a_reward_is_neither_of_equal_rewards_nor_skipped(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    given: dict[int, float | None] = {**ALIKE, **dict.fromkeys(range(4))}
    trainer = build(tiny_policy, given, tmp_path, smallest_reward_std=0.0)
    generated(trainer)
    assert (logged(trainer, "groups/zero_variance"), logged(trainer, "groups/skipped")) == ([0.0], [0.0])


def test_with_separate_credit_a_group_says_something_as_long_as_one_part_does(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    """Text and trajectory of the first group cancel: the whole is equal in every row, its parts are not."""
    parts: Parts = [(1.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.0, 1.0), *[(0.5, 0.5)] * 4]
    whole: dict[int, float | None] = dict.fromkeys(range(8), 1.0)
    trainer = build(tiny_policy, whole, tmp_path, parts, 3, credit="split", smallest_reward_std=0.0)
    batch = generated(trainer)
    assert logged(trainer, "groups/skipped") == [1.0]
    assert batch["advantages"][:4, 0].tolist() == pytest.approx([0.866, -0.866] * 2, abs=1e-3)


# several ranks

RANK = """
import os, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
import torch
import torch.distributed as distributed
from accelerate import PartialState
import test_trainer as cases

torch.set_num_threads(1)
PartialState(cpu=True, backend="gloo")
rank = int(os.environ["RANK"])
policy = cases.tiny_at(Path({policy!r}))
parts = cases.RANKED_PARTS[cases.K * rank : cases.K * (rank + 1)]
found = {{}}
for name, settings in cases.RANKED_SETTINGS.items():
    trainer = cases.build(policy, cases.RANKED, Path({out!r}), parts, 3, first=cases.K * rank, **settings)
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    batch = trainer._generate_and_score_completions([dict(trainer.train_dataset[rank])] * cases.K)
    trainer._compute_loss(trainer.model, batch).backward()
    gradient = torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])
    distributed.all_reduce(gradient)
    found[name] = gradient / 2, cases.group_figures(trainer)
if rank == 0:
    torch.save(found, {out!r} + "/found.pt")
distributed.destroy_process_group()
"""
RANKED: dict[int, float | None] = {**WHOLE, 1: None}
RANKED_PARTS: Parts = [PARTS[0], (None, None), *PARTS[2:]]
RANKED_SETTINGS: dict[str, dict[str, Any]] = {
    "split": {"credit": "split"},
    "weighted": {"credit": "weighted", "loss": "grpo", "kl_coef": 0.1, "scale_rewards": "batch"},
    "ar1": {"loss": "ar1", "kl_coef": 0.1},
    "skipping": {"smallest_reward_std": 1.1},
}


def tiny_at(folder: Path) -> TinyPolicy:
    """The policy that was saved in a folder."""
    from ar1_rl.driving import TrajectoryCodec
    from ar1_rl.policy.pretrained import load
    from rollouts.dialogue import Dialogue

    codec = TrajectoryCodec.compact()
    return TinyPolicy(path=folder, dialogue=Dialogue.of(load(str(folder), "float32")[1], codec), scenes=tiny.scenes())


def group_figures(trainer: Any) -> dict[str, list[float]]:
    return {name: logged(trainer, name) for name in ("groups/zero_variance", "groups/skipped", "unscored_share")}


@pytest.mark.slow
def test_two_ranks_with_a_group_each_have_the_gradient_of_one_with_both(
    tiny_policy: TinyPolicy, tmp_path: Path
) -> None:
    import torch

    script = tmp_path / "rank.py"
    places = {"root": str(ROOT), "tests": str(TESTS), "policy": str(tiny_policy.path), "out": str(tmp_path)}
    script.write_text(RANK.format(**places))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = torch.load(tmp_path / "found.pt")
    for name, settings in RANKED_SETTINGS.items():
        trainer = build(tiny_at(tiny_policy.path), RANKED, tmp_path, RANKED_PARTS, 3, **settings)
        one, (ranks, figures) = gradient(trainer), found[name]
        assert one.abs().max() > 0, name
        assert (one - ranks).norm() < 1e-5 * one.norm(), name
        assert figures == group_figures(trainer), name
