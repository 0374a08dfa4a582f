"""Eq. 10 of Alpamayo-R1 (arXiv 2511.00088, section 5.3.1), as pure functions on tensors.

Legend: G groups, K rollouts a group, B rows of a batch, T completion tokens.
A_i = r_i - mean(r);  w_i = exp(s A_i) / sum_j exp(s A_j);  L = -E[w_i (log pi(tau_i) - kl_coef KL[pi || pi_ref])].
The mean cancels in the softmax, so w = softmax(s r).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def rollout_weights(rewards_GK: torch.Tensor, sharpness: float, centred: bool) -> torch.Tensor:
    """[G, K] weights of the rollouts of each group; unscored ones (NaN) get 0 and do not count in K.

    Uncentred weights of a group sum to 1, centred ones to 0.
    """
    import torch

    scored_GK = ~torch.isnan(rewards_GK)
    logits_GK = torch.where(scored_GK, sharpness * rewards_GK, -torch.inf)
    weights_GK = torch.nan_to_num(torch.softmax(logits_GK, dim=1), nan=0.0)
    if centred:
        counts_G1 = scored_GK.sum(dim=1, keepdim=True).clamp(min=1).to(weights_GK.dtype)
        weights_GK = torch.where(scored_GK, weights_GK - 1.0 / counts_G1, 0.0)
    return weights_GK


def weighted_likelihood_loss(
    logprobs_BT: torch.Tensor,
    reference_logprobs_BT: torch.Tensor | None,
    mask_BT: torch.Tensor,
    weights_B: torch.Tensor,
    kl_weights_B: torch.Tensor,
    kl_coef: float,
) -> torch.Tensor:
    """Sum over the rows of -(w log pi - w' kl_coef KL), where log pi is the sum over the tokens of a rollout.

    `weights_B` may be centred, `kl_weights_B` are never: the score function has mean zero, so that a constant beside
    log pi changes no expectation, while the divergence has a gradient of its own, and a rollout below average would
    be pushed away from the reference.

    KL is the k3 estimator per token (exp(d) - d - 1 with d = log pi_ref - log pi), summed over the tokens.
    """
    loss = -(weights_B * (logprobs_BT * mask_BT).sum(dim=1)).sum()
    if kl_coef > 0.0:
        if reference_logprobs_BT is None:
            raise ValueError("kl_coef > 0 needs the reference policy's log-probabilities")
        gap_BT = reference_logprobs_BT - logprobs_BT
        loss = loss + kl_coef * (kl_weights_B * ((gap_BT.exp() - gap_BT - 1.0) * mask_BT).sum(dim=1)).sum()
    return loss
