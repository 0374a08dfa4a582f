"""How far a policy's distribution over the rollouts of a scene is from the one that their rewards ask for.

Legend: S scenes, K rollouts a scene. Distributions are log-probabilities [S, K], -inf where a rollout does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .config import DivergenceName


def policy_distribution(mean_logprobs_SK: np.ndarray, judged_SK: np.ndarray) -> np.ndarray:
    """Log softmax over the judged rollouts of the mean log-probability per token, so that length does not decide."""
    return _log_softmax(np.where(judged_SK, mean_logprobs_SK, -np.inf))


def reward_distribution(rewards_SK: np.ndarray, sharpness: float) -> np.ndarray:
    """Log softmax of sharpness * reward over the rollouts that have one (NaN: none)."""
    return _log_softmax(np.where(np.isnan(rewards_SK), -np.inf, sharpness * rewards_SK))


def disagreement(
    rewards_SK: np.ndarray, mean_logprobs_SK: np.ndarray, sharpness: float, name: DivergenceName
) -> np.ndarray:
    """[S] divergence of the two distributions; NaN where fewer than two rollouts were judged."""
    judged_SK = ~np.isnan(rewards_SK)
    enough_S = judged_SK.sum(axis=1) >= 2
    found_S = np.full(len(rewards_SK), np.nan)
    wanted = reward_distribution(rewards_SK[enough_S], sharpness)
    found_S[enough_S] = DIVERGENCES[name](wanted, policy_distribution(mean_logprobs_SK, judged_SK)[enough_S])
    return found_S


def kullback_leibler(log_p_SK: np.ndarray, log_q_SK: np.ndarray) -> np.ndarray:
    """KL(p || q) [nats]: what is lost by taking q, the policy, for p, what the rewards ask for."""
    p_SK = np.exp(log_p_SK)
    gap_SK = np.subtract(log_p_SK, log_q_SK, out=np.zeros_like(p_SK), where=p_SK > 0.0)
    return np.maximum((p_SK * gap_SK).sum(axis=1), 0.0)


def jensen_shannon(log_p_SK: np.ndarray, log_q_SK: np.ndarray) -> np.ndarray:
    """Mean divergence of both from their middle [nats], at most ln 2; symmetric."""
    middle_SK = np.logaddexp(log_p_SK, log_q_SK) - np.log(2.0)
    return 0.5 * (kullback_leibler(log_p_SK, middle_SK) + kullback_leibler(log_q_SK, middle_SK))


def total_variation(log_p_SK: np.ndarray, log_q_SK: np.ndarray) -> np.ndarray:
    """Half the sum of absolute differences: the probability that has to move, 0 to 1; symmetric."""
    return 0.5 * np.abs(np.exp(log_p_SK) - np.exp(log_q_SK)).sum(axis=1)


DIVERGENCES: Mapping[DivergenceName, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "kl": kullback_leibler,
    "js": jensen_shannon,
    "tv": total_variation,
}


def _log_softmax(scores_SK: np.ndarray) -> np.ndarray:
    highest_S1 = np.max(scores_SK, axis=1, keepdims=True, initial=-np.inf)
    shifted_SK = scores_SK - np.where(np.isfinite(highest_S1), highest_S1, 0.0)
    total_S1 = np.exp(shifted_SK).sum(axis=1, keepdims=True)
    return shifted_SK - np.log(np.where(total_S1 > 0.0, total_S1, 1.0))
