"""Advantages by group and by token: hand-computed numbers, and what a missing reward does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from ar1_rl.grpo.advantages import credited, reasoning_tokens, reward_std, standardised  # noqa: E402

NAN = float("nan")


def test_the_spread_of_a_group_is_the_sample_standard_deviation_of_what_was_scored() -> None:
    rewards = torch.tensor([[1.0, 2.0, 3.0], [1.0, NAN, 3.0], [NAN, 5.0, NAN], [NAN, NAN, NAN]])
    assert reward_std(rewards).tolist() == pytest.approx([1.0, math.sqrt(2.0), 0.0, 0.0])


@settings(max_examples=100, deadline=None)
@given(st.floats(-1e4, 1e4, width=32), st.integers(2, 16))
def test_equal_rewards_have_no_spread_at_all_whatever_rounding_does_to_their_mean(value: float, count: int) -> None:
    assert reward_std(torch.full((1, count), value)).tolist() == [0.0]


def test_rewards_are_standardised_within_the_group_the_batch_or_not_at_all() -> None:
    rewards = torch.tensor([[1.0, 3.0], [10.0, 14.0]])
    assert torch.allclose(standardised(rewards, "none"), torch.tensor([[-1.0, 1.0], [-2.0, 2.0]]))
    by_group = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]]) / math.sqrt(2.0)
    assert torch.allclose(standardised(rewards, "group"), by_group, atol=1e-3)
    batch_std = math.sqrt((36.0 + 16.0 + 9.0 + 49.0) / 3.0)
    by_batch = torch.tensor([[-1.0, 1.0], [-2.0, 2.0]]) / batch_std
    assert torch.allclose(standardised(rewards, "batch"), by_batch, atol=1e-4)


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_a_rollout_without_a_reward_has_no_advantage_and_is_in_no_mean(scale: str) -> None:
    with_gap = standardised(torch.tensor([[1.0, NAN, 2.0, 6.0]]), scale)
    first, second, third = standardised(torch.tensor([[1.0, 2.0, 6.0]]), scale)[0].tolist()
    assert with_gap[0].tolist() == pytest.approx([first, 0.0, second, third])
    assert standardised(torch.full((1, 3), NAN), scale).tolist() == [[0.0, 0.0, 0.0]]


def test_the_token_that_closes_the_reasoning_is_the_last_one_that_belongs_to_it() -> None:
    ids = torch.tensor([[5, 6, 9, 7, 8], [9, 5, 9, 5, 5], [5, 5, 5, 5, 5]])
    assert reasoning_tokens(ids, reasoning_end=9).int().tolist() == [
        [1, 1, 1, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1],
    ]


def test_tokens_are_credited_with_their_own_part_the_whole_or_a_mixture_by_hand() -> None:
    shared, text, trajectory = torch.tensor([1.0, -1.0]), torch.tensor([2.0, 0.0]), torch.tensor([-4.0, 3.0])
    reasoning = torch.tensor([[True, True, False], [True, False, False]])
    split = credited(shared, text, trajectory, reasoning, own_share=1.0)
    assert split.tolist() == [[2.0, 2.0, -4.0], [0.0, 3.0, 3.0]]
    assert credited(shared, text, trajectory, reasoning, own_share=0.0).tolist() == [[1.0] * 3, [-1.0] * 3]
    quarter = credited(shared, text, trajectory, reasoning, own_share=0.25)
    assert quarter.tolist() == [[1.25, 1.25, -0.25], [-0.75, 0.0, 0.0]]
