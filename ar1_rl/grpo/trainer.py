"""TRL's GRPOTrainer with three overrides (held by a contract test against the installed TRL).

- `_calculate_rewards` remembers the rewards, which TRL drops once it has made advantages of them;
- `_generate_and_score_completions` masks rows that are not to train on, credits tokens with the rewards of their own
  part, and adds the weights of the loss `ar1`;
- `_compute_loss` keeps means over rows right when some are masked, and computes `ar1`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from trl import GRPOTrainer

from ..errors import ConfigError
from .advantages import credited, reasoning_tokens, reward_std, standardised
from .config import GrpoConfig
from .losses import rollout_weights, weighted_likelihood_loss
from .ratios import Level, ratio_metrics

ROW_MEAN_LOSSES = ("grpo", "gspo", "sapo", "dr_grpo")
"""Losses that TRL averages over rows. The others divide by token counts, from which masked rows are already gone."""

VISION_INPUTS = ("pixel_values", "image_grid_thw", "num_images", "image_sizes", "mm_token_type_ids")
"""What TRL's own losses hand on to a model that sees, of the models that `ar1_rl.policy` loads."""

PartRewards = Callable[[], Sequence[tuple[float | None, float | None]]]
"""What the reasoning and what the trajectory of each rollout is worth, of the batch that was scored last."""


class PolicyTrainer(GRPOTrainer):
    """GRPO on a reasoning driving policy. What is said here is our own; everything else is TRL's.

    `part_rewards` and `reasoning_end`, the token that closes a reasoning, are needed for a `credit` that is not shared.
    """

    def __init__(
        self,
        *args: Any,
        policy_config: GrpoConfig,
        part_rewards: PartRewards | None = None,
        reasoning_end: int | None = None,
        **kwargs: Any,
    ) -> None:
        if policy_config.credit != "shared" and (part_rewards is None or reasoning_end is None):
            raise ConfigError(
                f"credit {policy_config.credit!r} needs part_rewards, the rewards of reasoning and trajectory apart, "
                "and reasoning_end, the id of the token that closes a reasoning"
            )
        self.policy_config = policy_config
        self.rows: list[dict[str, Any]] = []
        """Dataset rows of the batch being generated: a rollout function is handed only the prompts."""
        self._part_rewards = part_rewards
        self._reasoning_end = reasoning_end
        self._rewards: torch.Tensor | None = None
        self._parts: torch.Tensor | None = None
        super().__init__(*args, **kwargs)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        rewards = super()._calculate_rewards(*args, **kwargs)
        self._rewards = rewards
        if self.policy_config.credit != "shared":
            assert self._part_rewards is not None, "checked on construction"
            parts = [[float("nan") if value is None else value for value in row] for row in self._part_rewards()]
            self._parts = self.accelerator.gather(torch.tensor(parts, dtype=rewards.dtype, device=rewards.device))
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.rows = inputs
        batch = super()._generate_and_score_completions(inputs)
        assert self._rewards is not None, "TRL scored a batch without _calculate_rewards"
        rewards = self._rewards[:, 0]  # all ranks
        mode = "train" if self.model.training else "eval"
        group = self.num_generations if self.model.training else self.num_generations_eval
        local = slice(self.accelerator.process_index * len(inputs), (self.accelerator.process_index + 1) * len(inputs))
        scored = ~torch.isnan(rewards)
        kept = scored & ~self._skipped(rewards, group, mode)
        if not kept.all():
            self._mask(batch, kept[local])
        batch["row_scale"] = len(kept) / kept.sum().clamp(min=1)
        if self.policy_config.credit != "shared":
            batch["advantages"] = self._token_advantages(rewards, batch["completion_ids"], local, group)
        if self.policy_config.loss == "ar1":
            rewards_GK = rewards.masked_fill(~kept, torch.nan).view(-1, group)
            # A mean over groups, whatever the passes of a step are; gradients are averaged over ranks later.
            scale = self.accelerator.num_processes / kept.view(-1, group).any(dim=1).sum().clamp(min=1)
            for name, centred in (("rollout_weights", self.policy_config.centred), ("kl_weights", False)):
                weights_GK = rollout_weights(rewards_GK, self.policy_config.sharpness, centred)
                batch[name] = weights_GK.view(-1)[local] * scale
        self._metrics[mode]["unscored_share"].append(1.0 - scored.float().mean().item())
        for name, value in self._ratios(batch).items():
            self._metrics[mode][name].append(value)
        return batch

    def _ratios(self, batch: dict[str, Any]) -> dict[str, float]:
        """Raw importance-sampling ratios over all ranks, where TRL corrects by them."""
        if "importance_sampling_ratio" not in batch:
            return {}
        # A token whose log-probability the engine could not tell counts as drawn by the trainer, as in TRL.
        gaps_BT = torch.nan_to_num(batch["old_per_token_logps"] - batch["sampling_per_token_logps"], nan=0.0)
        gaps_BT = gaps_BT.masked_fill(batch["completion_mask"] == 0, torch.nan)
        gaps_BT = self.accelerator.pad_across_processes(gaps_BT, dim=1, pad_index=torch.nan)
        level: Level = "sequence" if self.args.vllm_importance_sampling_mode.startswith("sequence") else "token"
        bounds = self.args.vllm_importance_sampling_clip_min, self.args.vllm_importance_sampling_clip_max
        return ratio_metrics(self.accelerator.gather(gaps_BT).float().cpu().numpy(), level, *bounds)

    def _skipped(self, rewards: torch.Tensor, group: int, mode: str) -> torch.Tensor:
        """Rows [all ranks] of groups that say too little; groups of equal rewards are counted.

        With separate credit a group says something as long as one of its parts does.
        """
        columns = [rewards] if self._parts is None else [rewards, self._parts[:, 0], self._parts[:, 1]]
        spread_G = torch.stack([reward_std(column.view(-1, group)) for column in columns]).amax(dim=0)
        compared_G = (~torch.isnan(rewards)).view(-1, group).sum(dim=1) > 1
        smallest = self.policy_config.smallest_reward_std
        skipped_G = torch.zeros_like(compared_G) if smallest is None else spread_G <= smallest
        self._metrics[mode]["groups/zero_variance"].append(float(((spread_G == 0.0) & compared_G).sum()))
        self._metrics[mode]["groups/skipped"].append(float((skipped_G & compared_G).sum()))
        return skipped_G.repeat_interleave(group)

    def _token_advantages(
        self, rewards: torch.Tensor, completion_ids: torch.Tensor, local: slice, group: int
    ) -> torch.Tensor:
        assert self._parts is not None and self._reasoning_end is not None, "checked on construction"
        columns = (rewards, self._parts[:, 0], self._parts[:, 1])
        scale = self.policy_config.scale_rewards
        shared, text, trajectory = (standardised(c.view(-1, group), scale).view(-1)[local] for c in columns)
        own_share = 1.0 if self.policy_config.credit == "split" else self.policy_config.credit_weight
        return credited(shared, text, trajectory, reasoning_tokens(completion_ids, self._reasoning_end), own_share)

    def _mask(self, batch: dict[str, Any], kept: torch.Tensor) -> None:
        """TRL gives unscored rows no advantage but counts their tokens and their KL: take rows out of both."""
        keep = kept[:, None] * batch.get("tool_mask", torch.ones_like(batch["completion_mask"]))
        batch["tool_mask"] = keep
        tokens = (batch["completion_mask"] * keep).sum()
        batch["num_items_in_batch"] = self.accelerator.gather(tokens).sum()

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        if self.policy_config.loss == "ar1":
            return self._weighted_likelihood(model, inputs)
        loss = super()._compute_loss(model, inputs)
        return loss * inputs["row_scale"] if self.policy_config.loss in ROW_MEAN_LOSSES else loss

    def _weighted_likelihood(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
        mask = inputs["completion_mask"] * inputs.get("tool_mask", 1)
        seen = {name: inputs[name] for name in VISION_INPUTS if name in inputs}
        logprobs, entropies, _ = self._get_per_token_logps_and_entropies(
            model, ids, attention, inputs["completion_mask"].size(1), compute_entropy=True, **seen
        )
        reference = inputs.get("ref_per_token_logps")
        self._log_mean("entropy", entropies, mask)
        if reference is not None:
            gap = reference - logprobs.detach()
            self._log_mean("kl", gap.exp() - gap - 1.0, mask)
        return weighted_likelihood_loss(
            logprobs, reference, mask, inputs["rollout_weights"], inputs["kl_weights"], self.policy_config.kl_coef
        )

    def _log_mean(self, name: str, values: torch.Tensor, mask: torch.Tensor) -> None:
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][name].append(((values * mask).sum() / mask.sum().clamp(min=1)).item())
