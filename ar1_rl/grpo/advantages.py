"""Advantages of the rollouts of a group, and how they are credited to tokens. Pure functions on tensors.

Legend: G groups, K rollouts a group, B = G * K rows, T completion tokens. NaN is a rollout without a reward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .config import RewardScale

if TYPE_CHECKING:
    import torch

STD_MARGIN = 1e-4
"""Added to a standard deviation before dividing by it; TRL's own figure."""


def reward_std(rewards_GK: torch.Tensor) -> torch.Tensor:
    """[G] sample standard deviation of the rewards of each group; 0 where fewer than two were scored.

    Of equal rewards it is 0 without rounding.
    """
    import torch

    scored_GK = ~torch.isnan(rewards_GK)
    count_G1 = scored_GK.sum(dim=1, keepdim=True)
    filled_GK = torch.where(scored_GK, rewards_GK, 0.0)
    mean_G1 = filled_GK.sum(dim=1, keepdim=True) / count_G1.clamp(min=1)
    squares_G = torch.where(scored_GK, (filled_GK - mean_G1) ** 2, 0.0).sum(dim=1)
    std_G = (squares_G / (count_G1[:, 0] - 1).clamp(min=1)).sqrt()
    highest_G = torch.where(scored_GK, rewards_GK, -torch.inf).amax(dim=1)
    lowest_G = torch.where(scored_GK, rewards_GK, torch.inf).amin(dim=1)
    return torch.where(highest_G > lowest_G, std_G, 0.0)


def standardised(rewards_GK: torch.Tensor, scale: RewardScale) -> torch.Tensor:
    """[G, K] rewards less the mean of their group, divided by the `scale` of it; 0 for a rollout without a reward.

    The same numbers as TRL's own, of which it makes no part by part.
    """
    import torch

    scored_GK = ~torch.isnan(rewards_GK)
    off_GK = torch.where(scored_GK, rewards_GK - torch.nanmean(rewards_GK, dim=1, keepdim=True), 0.0)
    if scale == "group":
        off_GK = off_GK / (reward_std(rewards_GK)[:, None] + STD_MARGIN)
    elif scale == "batch":
        off_GK = off_GK / (reward_std(rewards_GK.reshape(1, -1)) + STD_MARGIN)
    return off_GK


def reasoning_tokens(token_ids_BT: torch.Tensor, reasoning_end: int) -> torch.Tensor:
    """[B, T] True up to and including the first `reasoning_end`, everywhere in a row that has none."""
    ended_BT = (token_ids_BT == reasoning_end).cumsum(dim=1)
    return (ended_BT - (token_ids_BT == reasoning_end).long()) == 0


def credited(
    shared_B: torch.Tensor,
    text_B: torch.Tensor,
    trajectory_B: torch.Tensor,
    reasoning_BT: torch.Tensor,
    own_share: float,
) -> torch.Tensor:
    """[B, T] advantage of every token: `own_share` of it from its own part, the rest from the whole rollout.

    Tokens of the reasoning have the advantage of the text as their own, the others that of the trajectory.
    """
    import torch

    own_BT = torch.where(reasoning_BT, text_B[:, None], trajectory_B[:, None])
    return own_share * own_BT + (1.0 - own_share) * shared_B[:, None]
