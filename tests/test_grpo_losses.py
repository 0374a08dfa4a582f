"""Eq. 10 of the paper: weights of a group's rollouts, and the weighted likelihood."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(NAN)), min_size=2, max_size=8), st.floats(-50, 50), st.floats(0.01, 20)
)
def test_weights_sum_to_one_centred_ones_to_none_and_only_differences_of_rewards_matter(
    rewards: list[float], constant: float, sharpness: float
) -> None:
    group = torch.tensor([rewards], dtype=torch.float64)
    plain, centred = (rollout_weights(group, sharpness, centred=centred) for centred in (False, True))
    any_scored = not torch.isnan(group).all()
    assert float(plain.sum()) == pytest.approx(float(any_scored))
    assert float(centred.sum()) == pytest.approx(0.0, abs=1e-9)
    assert torch.allclose(rollout_weights(group + constant, sharpness, False), plain, atol=1e-9)
    order = torch.arange(len(rewards)).flip(0)
    assert torch.allclose(rollout_weights(group[:, order], sharpness, True), centred[:, order], atol=1e-12)


def test_the_loss_by_hand_with_and_without_the_reference() -> None:
    logprobs = torch.tensor([[-1.0, -2.0], [-0.5, -9.0]])
    mask = torch.tensor([[1, 1], [1, 0]])
    weights, plain_weights = torch.tensor([0.25, -0.25]), torch.tensor([0.75, 0.25])
    plain = weighted_likelihood_loss(logprobs, None, mask, weights, plain_weights, kl_coef=0.0)
    assert float(plain) == pytest.approx(0.25 * 3.0 - 0.25 * 0.5)
    reference = logprobs + math.log(2.0)
    per_token = 2.0 - math.log(2.0) - 1.0
    with_kl = weighted_likelihood_loss(logprobs, reference, mask, weights, plain_weights, kl_coef=0.1)
    divergence = 0.1 * (0.75 * 2 * per_token + 0.25 * per_token)
    assert float(with_kl) == pytest.approx(0.25 * 3.0 - 0.25 * 0.5 + divergence, rel=1e-5)


def test_a_divergence_without_the_reference_s_log_probabilities_is_refused() -> None:
    with pytest.raises(ValueError, match="reference policy"):
        weighted_likelihood_loss(torch.zeros(1, 1), None, torch.ones(1, 1), torch.ones(1), torch.ones(1), 0.1)


@pytest.mark.parametrize("kl_coef", [0.0, 0.3])
def test_the_gradient_equals_that_of_eq_10_written_out_for_plain_autograd(kl_coef: float) -> None:
    """Two groups of three rollouts of a policy over four tokens, which depends on the token before: Eq. 10 as printed,
    rollout by rollout, against the batched loss."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    reference_table = table + 0.3 * torch.randn(5, 4, generator=generator, dtype=torch.float64)
    lengths = [3, 1, 2, 3, 2, 1]
    tokens = torch.randint(4, (6, 3), generator=generator)
    rewards = torch.tensor([[1.0, 0.2, -1.0], [0.4, 0.5, 0.4]], dtype=torch.float64)

    def token_logprobs(parameters: torch.Tensor, row: int) -> torch.Tensor:
        before = torch.cat([torch.tensor([4]), tokens[row, :-1]])
        return torch.log_softmax(parameters[before], dim=1).gather(1, tokens[row, :, None])[:, 0]

    plain = table.clone().requires_grad_()
    objective = torch.tensor(0.0, dtype=torch.float64)
    for group, members in enumerate(([0, 1, 2], [3, 4, 5])):
        advantages = rewards[group] - rewards[group].mean()
        weights = torch.exp(2.0 * advantages) / torch.exp(2.0 * advantages).sum()
        for weight, row in zip(weights, members, strict=True):
            ours = token_logprobs(plain, row)[: lengths[row]]
            theirs = token_logprobs(reference_table, row)[: lengths[row]].detach()
            kl = (torch.exp(theirs - ours) - (theirs - ours) - 1.0).sum()
            objective = objective + weight * (ours.sum() - kl_coef * kl)
    (-objective).backward()

    batched = table.clone().requires_grad_()
    logprobs = torch.stack([token_logprobs(batched, row) for row in range(6)])
    reference = torch.stack([token_logprobs(reference_table, row) for row in range(6)])
    mask = torch.arange(3)[None] < torch.tensor(lengths)[:, None]
    weights = rollout_weights(rewards, 2.0, centred=False).view(-1)
    weighted_likelihood_loss(logprobs, reference, mask, weights, weights, kl_coef).backward()
    assert plain.grad.abs().max() > 0.1
    assert torch.allclose(batched.grad, plain.grad, atol=1e-12)


ARM_REWARDS = torch.tensor([1.0, 0.0, 0.4], dtype=torch.float64)
LOGITS = torch.tensor([-0.4, 0.5, 0.0], dtype=torch.float64)
REFERENCE = torch.log_softmax(torch.tensor([0.2, -0.3, 0.1], dtype=torch.float64), dim=0)


def gradients(actions_NK: torch.Tensor, centred: bool, kl_coef: float) -> torch.Tensor:
    """Gradient [N, 3] of the loss of each group of a three-armed policy, one parameter vector a group."""
    count, group = actions_NK.shape
    logits_N3 = LOGITS.expand(count, 3).clone().requires_grad_()
    logprobs = torch.log_softmax(logits_N3, dim=1).gather(1, actions_NK).view(-1, 1)
    rewards = ARM_REWARDS[actions_NK]
    plain, weights = (rollout_weights(rewards, 2.0, centred=c).view(-1) for c in (False, centred))
    mask = torch.ones(count * group, 1)
    reference = REFERENCE[actions_NK].view(-1, 1)
    weighted_likelihood_loss(logprobs, reference, mask, weights, plain, kl_coef).backward()
    return logits_N3.grad


@pytest.mark.parametrize("kl_coef", [0.0, 0.5])
def test_centring_leaves_the_expected_gradient_by_monte_carlo_with_less_variance(kl_coef: float) -> None:
    """40,000 groups of four draws from a three-armed policy: both means agree within their standard errors."""
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.softmax(LOGITS, dim=0)
    actions = torch.multinomial(probabilities, 40_000 * 4, replacement=True, generator=generator).view(-1, 4)
    plain, centred = (gradients(actions, centred, kl_coef) for centred in (False, True))
    error = (plain - centred).std(0) / math.sqrt(len(actions))
    assert ((centred.mean(0) - plain.mean(0)).abs() < 4 * error).all()
    assert centred.mean(0).abs().max() > 40 * error.max()
    assert centred.var(0).sum() < plain.var(0).sum()


@pytest.mark.parametrize("kl_coef", [0.0, 0.5])
def test_centring_leaves_the_expected_gradient_exactly_over_all_groups_there_can_be(kl_coef: float) -> None:
    actions = torch.cartesian_prod(*[torch.arange(3)] * 4)
    chance = torch.softmax(LOGITS, dim=0)[actions].prod(dim=1, keepdim=True)
    plain, centred = ((gradients(actions, c, kl_coef) * chance).sum(0) for c in (False, True))
    assert plain.abs().max() > 0.05
    assert torch.allclose(plain, centred, atol=1e-12)


def test_a_rollout_below_average_is_still_held_to_the_reference() -> None:
    """Were the divergence centred with the likelihood, the worse of two rollouts would be paid for leaving it."""
    rewards = torch.tensor([[1.0, 0.0]])
    plain, centred = (rollout_weights(rewards, 2.0, centred=c).view(-1) for c in (False, True))
    logprobs = torch.tensor([[-1.0], [-1.0]], requires_grad=True)
    reference = torch.tensor([[-1.0], [-3.0]])
    weighted_likelihood_loss(logprobs, reference, torch.ones(2, 1), centred, plain, 1.0).backward()
    without = torch.tensor([[-1.0], [-1.0]], requires_grad=True)
    weighted_likelihood_loss(without, None, torch.ones(2, 1), centred, plain, 0.0).backward()
    pull = logprobs.grad - without.grad
    assert pull[0] == pytest.approx(0.0) and pull[1] > 0
