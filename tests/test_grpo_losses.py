"""Eq. 10 of the paper: weights of a group's rollouts, and the weighted likelihood."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from ar1_rl.grpo.losses import rollout_weights, weighted_likelihood_loss  # noqa: E402

NAN = float("nan")


def test_weights_are_the_softmax_of_the_rewards_by_hand() -> None:
    weights = rollout_weights(torch.tensor([[0.0, math.log(3.0) / 2.0]]), sharpness=2.0, centred=False)
    assert torch.allclose(weights, torch.tensor([[0.25, 0.75]]))


def test_equal_rewards_give_uniform_weights_and_no_centred_ones() -> None:
    rewards = torch.full((2, 4), 1.7)
    assert torch.allclose(rollout_weights(rewards, 5.0, centred=False), torch.full((2, 4), 0.25))
    assert torch.allclose(rollout_weights(rewards, 5.0, centred=True), torch.zeros(2, 4))


def test_adding_a_constant_to_all_rewards_changes_nothing() -> None:
    rewards = torch.tensor([[0.1, -2.0, 0.7]])
    assert torch.allclose(rollout_weights(rewards, 2.0, True), rollout_weights(rewards + 40.0, 2.0, True), atol=1e-6)


def test_no_sharpness_is_uniform_and_infinite_sharpness_picks_the_best() -> None:
    rewards = torch.tensor([[0.1, 0.9, 0.5]])
    assert torch.allclose(rollout_weights(rewards, 1e-6, False), torch.full((1, 3), 1 / 3), atol=1e-5)
    assert torch.allclose(rollout_weights(rewards, 1e4, False), torch.tensor([[0.0, 1.0, 0.0]]))


def test_a_better_reward_never_weighs_less() -> None:
    for seed in range(20):
        rewards = torch.randn(1, 6, generator=torch.Generator().manual_seed(seed))
        weights = rollout_weights(rewards, 2.0, centred=True)[0]
        order = rewards[0].argsort()
        assert (weights[order].diff() >= -1e-7).all()


def test_unscored_rollouts_weigh_nothing_and_do_not_count_in_the_group() -> None:
    weights = rollout_weights(torch.tensor([[1.0, NAN, 1.0], [NAN, NAN, NAN]]), 2.0, centred=False)
    assert torch.allclose(weights, torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]))
    centred = rollout_weights(torch.tensor([[1.0, NAN, 1.0]]), 2.0, centred=True)
    assert torch.allclose(centred, torch.zeros(1, 3))


def test_the_loss_by_hand_with_and_without_the_reference() -> None:
    logprobs = torch.tensor([[-1.0, -2.0], [-0.5, -9.0]])
    mask = torch.tensor([[1, 1], [1, 0]])
    weights = torch.tensor([0.75, 0.25])
    plain = weighted_likelihood_loss(logprobs, None, mask, weights, kl_coef=0.0)
    assert float(plain) == pytest.approx(0.75 * 3.0 + 0.25 * 0.5)
    reference = logprobs + math.log(2.0)
    per_token = 2.0 - math.log(2.0) - 1.0
    with_kl = weighted_likelihood_loss(logprobs, reference, mask, weights, kl_coef=0.1)
    assert float(with_kl) == pytest.approx(0.75 * (3.0 + 0.2 * per_token) + 0.25 * (0.5 + 0.1 * per_token), rel=1e-5)


def test_the_gradient_equals_plain_autograd_on_a_softmax_policy() -> None:
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    actions = torch.tensor([0, 2, 2, 1])
    rewards = torch.tensor([[1.0, 0.2, 0.4, -1.0]], dtype=torch.float64)
    weights = rollout_weights(rewards, 2.0, centred=False)[0]
    logprobs = torch.log_softmax(logits, 0)[actions][:, None]
    weighted_likelihood_loss(logprobs, None, torch.ones(4, 1), weights, 0.0).backward()
    probabilities = torch.softmax(logits.detach(), 0)
    one_hot = torch.nn.functional.one_hot(actions, 3).double()
    by_hand = -(weights[:, None] * (one_hot - probabilities)).sum(0)
    assert torch.allclose(logits.grad, by_hand)


def test_centring_leaves_the_expected_gradient() -> None:
    """Monte Carlo on a three-armed policy: both means agree within their standard errors, and centring has the
    smaller variance."""
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.tensor([0.2, 0.5, 0.3])
    arm_rewards = torch.tensor([1.0, 0.0, 0.4])
    actions = torch.multinomial(probabilities, 40_000 * 4, replacement=True, generator=generator).view(-1, 4)
    score = torch.nn.functional.one_hot(actions, 3).float() - probabilities
    gradients = {
        centred: (rollout_weights(arm_rewards[actions], 2.0, centred)[..., None] * score).sum(1)
        for centred in (True, False)
    }
    error = (gradients[False] - gradients[True]).std(0) / math.sqrt(len(actions))
    assert ((gradients[True].mean(0) - gradients[False].mean(0)).abs() < 4 * error + 1e-6).all()
    assert gradients[True].var(0).sum() < gradients[False].var(0).sum()
