"""Curation: divergences by hand and by their laws, and which scenes are kept."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ar1_rl.curation.config import CurateConfig
from ar1_rl.curation.divergence import DIVERGENCES, disagreement, policy_distribution, reward_distribution
from ar1_rl.curation.selection import DISAGREEMENT, NOT_KEPT, RANDOM, choose, lots

NAN = float("nan")
NAMES = sorted(DIVERGENCES)


def logs(*probabilities: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(np.array([probabilities]))


# the two distributions


def test_the_policy_s_distribution_is_the_softmax_of_log_probability_per_token() -> None:
    found = np.exp(policy_distribution(np.array([[0.0, math.log(3.0), 9.0]]), np.array([[True, True, False]])))
    assert found.tolist() == [pytest.approx([0.25, 0.75, 0.0])]


def test_the_reward_s_distribution_is_the_softmax_of_sharpness_times_reward() -> None:
    found = np.exp(reward_distribution(np.array([[0.0, math.log(3.0) / 2.0, NAN]]), sharpness=2.0))
    assert found.tolist() == [pytest.approx([0.25, 0.75, 0.0])]


def test_a_long_rollout_does_not_count_for_less_because_it_is_long() -> None:
    """Ten tokens of -1 and two of -1 are equally likely per token."""
    means = np.array([[-10.0 / 10, -2.0 / 2]])
    assert disagreement(np.array([[0.5, 0.5]]), means, 2.0, "kl") == pytest.approx([0.0], abs=1e-12)


# divergences


def test_divergences_by_hand() -> None:
    p, q = logs(0.25, 0.75), logs(0.5, 0.5)
    assert DIVERGENCES["kl"](p, q) == pytest.approx([0.25 * math.log(0.5) + 0.75 * math.log(1.5)])
    middle = (0.375, 0.625)
    half_p = 0.25 * math.log(0.25 / middle[0]) + 0.75 * math.log(0.75 / middle[1])
    half_q = 0.5 * math.log(0.5 / middle[0]) + 0.5 * math.log(0.5 / middle[1])
    assert DIVERGENCES["js"](p, q) == pytest.approx([0.5 * (half_p + half_q)])
    assert DIVERGENCES["tv"](p, q) == pytest.approx([0.25])


def test_distributions_without_anything_in_common_are_as_far_apart_as_can_be() -> None:
    p, q = logs(1.0, 0.0), logs(0.0, 1.0)
    assert DIVERGENCES["js"](p, q) == pytest.approx([math.log(2.0)])
    assert DIVERGENCES["tv"](p, q) == pytest.approx([1.0])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 0)), min_size=2, max_size=8), st.floats(0.1, 5), st.integers(0)
)
def test_a_divergence_is_never_negative_bounded_where_it_should_be_and_blind_to_the_order_of_rollouts(
    rollouts: list[tuple[float, float]], sharpness: float, seed: int
) -> None:
    rewards, means = (np.array([column]) for column in zip(*rollouts, strict=True))
    order = np.random.default_rng(seed).permutation(len(rollouts))
    for name, highest in (("kl", math.inf), ("js", math.log(2.0) + 1e-9), ("tv", 1.0 + 1e-9)):
        (found,) = disagreement(rewards, means, sharpness, name)
        assert 0.0 <= found <= highest
        (shuffled,) = disagreement(rewards[:, order], means[:, order], sharpness, name)
        assert shuffled == pytest.approx(found, abs=1e-9)
        (shifted,) = disagreement(rewards + 7.0, means - 3.0, sharpness, name)
        assert shifted == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_that_prefers_the_better_rollout_disagrees_less(name: str) -> None:
    rewards = np.array([[1.0, 0.0]] * 3)
    means = np.array([[-0.5, -2.5], [-1.0, -1.0], [-2.5, -0.5]])
    agrees, indifferent, opposes = disagreement(rewards, means, 2.0, name)
    assert agrees == pytest.approx(0.0, abs=1e-12)
    assert agrees < indifferent < opposes


@pytest.mark.parametrize("name", NAMES)
def test_rollouts_that_nobody_could_judge_are_in_neither_distribution(name: str) -> None:
    rewards = np.array([[1.0, NAN, 0.0], [NAN, 1.0, NAN], [NAN, NAN, NAN]])
    means = np.array([[-1.0, -0.1, -2.0]] * 3)
    found = disagreement(rewards, means, 2.0, name)
    assert found[0] == pytest.approx(disagreement(np.array([[1.0, 0.0]]), np.array([[-1.0, -2.0]]), 2.0, name)[0])
    assert np.isnan(found[1:]).all()


def test_no_scenes_have_no_disagreement() -> None:
    assert disagreement(np.empty((0, 4)), np.empty((0, 4)), 2.0, "kl").shape == (0,)


# selection


def test_the_highest_are_kept_and_as_many_of_the_others_by_lot() -> None:
    disagreements = np.array([0.1, 0.9, 0.5, NAN, 0.3, 0.7])
    kept = choose(disagreements, np.array([5, 0, 2, 1, 3, 4], dtype=np.uint64), keep=2, random_ratio=1.0)
    assert kept.tolist() == [NOT_KEPT, DISAGREEMENT, RANDOM, NOT_KEPT, RANDOM, DISAGREEMENT]


def test_where_there_are_fewer_than_asked_for_all_are_kept_and_none_is_drawn() -> None:
    kept = choose(np.array([0.1, NAN, 0.2]), lots(["a", "b", "c"], 0), keep=5, random_ratio=1.0)
    assert kept.tolist() == [DISAGREEMENT, NOT_KEPT, DISAGREEMENT]
    assert choose(np.array([NAN]), lots(["a"], 0), keep=5, random_ratio=1.0).tolist() == [NOT_KEPT]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 10), st.integers(0, 99))
def test_what_is_kept_depends_on_ids_alone_and_not_on_their_order(values: list[int], keep: int, seed: int) -> None:
    ids = [f"scene {i}" for i in range(len(values))]
    disagreements = np.array(values, dtype=float)
    kept = choose(disagreements, lots(ids, seed), keep, 1.0)
    order = np.random.default_rng(seed).permutation(len(ids))
    again = choose(disagreements[order], lots([ids[i] for i in order], seed), keep, 1.0)
    assert again.tolist() == kept[order].tolist()
    assert (kept == DISAGREEMENT).sum() == min(keep, len(ids))
    assert (kept == RANDOM).sum() == min(keep, len(ids) - min(keep, len(ids)))


def test_lots_are_uniform_and_another_seed_draws_others() -> None:
    ids = [f"scene {i}" for i in range(4000)]
    share = lots(ids, 0) / 2**64
    assert abs(share.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 4000)
    assert abs(np.corrcoef(share, lots(ids, 1) / 2**64)[0, 1]) < 4 / math.sqrt(4000)


def test_a_shard_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="shard: got 4 of 4, allowed 0 to 3"):
        CurateConfig(shards=4, shard=4)
