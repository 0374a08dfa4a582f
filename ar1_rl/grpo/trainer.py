"""TRL's GRPOTrainer with three overrides (held by a contract test against the installed TRL).

- `_calculate_rewards` remembers the rewards, which TRL drops once it has made advantages of them;
- `_generate_and_score_completions` masks rows without a reward and adds the weights of the loss `ar1`;
- `_compute_loss` keeps means over rows right when some are masked, and computes `ar1`.
"""

from __future__ import annotations

from typing import Any

import torch
from trl import GRPOTrainer

from .config import GrpoConfig
from .losses import rollout_weights, weighted_likelihood_loss
from .ratios import Level, ratio_metrics

ROW_MEAN_LOSSES = ("grpo", "gspo", "sapo", "dr_grpo")
"""Losses that TRL averages over rows. The others divide by token counts, from which masked rows are already gone."""


class PolicyTrainer(GRPOTrainer):
    """GRPO on a reasoning driving policy. `policy_config` is our own; everything else is TRL's."""

    def __init__(self, *args: Any, policy_config: GrpoConfig, **kwargs: Any) -> None:
        self.policy_config = policy_config
        self.rows: list[dict[str, Any]] = []
        """Dataset rows of the batch being generated: a rollout function is handed only the prompts."""
        self._rewards: torch.Tensor | None = None
        super().__init__(*args, **kwargs)

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        rewards = super()._calculate_rewards(*args, **kwargs)
        self._rewards = rewards
        return rewards

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.rows = inputs
        batch = super()._generate_and_score_completions(inputs)
        assert self._rewards is not None, "TRL scored a batch without _calculate_rewards"
        rewards = self._rewards[:, 0]  # all ranks
        scored = ~torch.isnan(rewards)
        first = self.accelerator.process_index * len(inputs)
        local = slice(first, first + len(inputs))
        if not scored.all():
            self._mask_unscored(batch, scored[local])
        batch["row_scale"] = len(scored) / scored.sum().clamp(min=1)
        if self.policy_config.loss == "ar1":
            group = self.num_generations if self.model.training else self.num_generations_eval
            weights = rollout_weights(
                rewards.view(-1, group), self.policy_config.sharpness, self.policy_config.centred
            ).view(-1)
            # A mean over groups, whatever the passes of a step are; gradients are averaged over ranks later.
            groups = len(rewards) // group
            batch["rollout_weights"] = weights[local] * self.accelerator.num_processes / groups
        mode = "train" if self.model.training else "eval"
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

    def _mask_unscored(self, batch: dict[str, Any], scored: torch.Tensor) -> None:
        """TRL gives unscored rows no advantage but counts their tokens and their KL: take them out of both."""
        keep = scored[:, None] * batch.get("tool_mask", torch.ones_like(batch["completion_mask"]))
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
        logprobs, entropies, _ = self._get_per_token_logps_and_entropies(
            model, ids, attention, inputs["completion_mask"].size(1), compute_entropy=True
        )
        reference = inputs.get("ref_per_token_logps")
        self._log_mean("entropy", entropies, mask)
        if reference is not None:
            gap = reference - logprobs.detach()
            self._log_mean("kl", gap.exp() - gap - 1.0, mask)
        return weighted_likelihood_loss(
            logprobs, reference, mask, inputs["rollout_weights"], self.policy_config.kl_coef
        )

    def _log_mean(self, name: str, values: torch.Tensor, mask: torch.Tensor) -> None:
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][name].append(((values * mask).sum() / mask.sum().clamp(min=1)).item())
