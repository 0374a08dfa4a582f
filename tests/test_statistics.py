from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ar1_rl.errors import ConfigError
from ar1_rl.metrics import mean_interval, paired_bootstrap


def pairs(count, effect, seed=0):
    rng = np.random.default_rng(seed)
    before = rng.normal(0, 3, count)
    return before, before + rng.normal(effect, 1, count)


def test_mean_interval_and_p_agree_with_scipy_on_skewed_data():
    rng = np.random.default_rng(3)
    before, after = np.zeros(300), rng.exponential(1.0, 300) - 0.9
    ours = paired_bootstrap(before, after, resamples=20_000)
    theirs = stats.bootstrap((after,), np.mean, n_resamples=20_000, method="percentile", random_state=1)
    assert ours.mean == pytest.approx(after.mean())
    np.testing.assert_allclose(ours.ci95, theirs.confidence_interval, atol=0.005)
    assert ours.p == pytest.approx(stats.ttest_1samp(after, 0.0).pvalue, abs=0.02)


@pytest.mark.parametrize("effect", [0.0, 0.05, 0.15])
def test_p_agrees_with_the_paired_t_test_on_normal_data(effect):
    before, after = pairs(400, effect, seed=2)
    assert paired_bootstrap(before, after).p == pytest.approx(stats.ttest_rel(after, before).pvalue, abs=0.02)


def test_pairing_finds_what_an_unpaired_look_cannot():
    before, after = pairs(200, 0.3)
    assert paired_bootstrap(before, after).p < 0.01
    assert stats.ttest_ind(after, before).pvalue > 0.2


def test_an_interval_of_95_percent_holds_the_truth_about_95_times_in_100():
    held = 0
    for seed in range(200):
        low, high = paired_bootstrap(*pairs(60, 0.5, seed), resamples=400, seed=seed).ci95
        held += low <= 0.5 <= high
    assert 180 <= held <= 198


def test_pairs_with_a_nan_are_left_out_and_counted():
    nan = float("nan")
    difference = paired_bootstrap([1.0, nan, 3.0, 4.0], [2.0, 5.0, nan, 6.0])
    assert (difference.mean, difference.pairs, difference.left_out) == (1.5, 2, 2)
    empty = paired_bootstrap([nan], [1.0])
    assert np.isnan(empty.mean) and np.isnan(empty.p) and (empty.pairs, empty.left_out) == (0, 1)


def test_a_constant_difference_is_certain_and_none_is_no_difference():
    constant = paired_bootstrap(np.arange(20.0), np.arange(20.0) + 0.1, resamples=1000)
    assert constant.ci95 == pytest.approx((0.1, 0.1))
    assert constant.p == pytest.approx(2 / 2**20)
    same = paired_bootstrap(np.arange(20.0), np.arange(20.0), resamples=1000)
    assert (same.mean, same.p) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval():
    assert paired_bootstrap(*pairs(50, 0.1)) == paired_bootstrap(*pairs(50, 0.1))


def test_values_of_different_scenes_cannot_be_paired():
    with pytest.raises(ConfigError, match="shapes"):
        paired_bootstrap([1.0], [1.0, 2.0])


def test_the_interval_of_a_mean_leaves_nan_out():
    mean, low, high = mean_interval([0.0, 1.0, float("nan")] * 200)
    assert mean == 0.5 and 0.44 < low < 0.48 and 0.52 < high < 0.56
