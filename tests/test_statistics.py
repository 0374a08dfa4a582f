from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ar1_rl.errors import ConfigError
from ar1_rl.metrics import (
    holm,
    mean_interval,
    over_seeds,
    paired_bootstrap,
    paired_differences,
    primary_weights,
    sign_flip_p,
)
from ar1_rl.metrics.seeds import t_quantile, t_within


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


def test_the_interval_of_a_share_stays_between_0_and_1():
    mean, low, high = mean_interval([1.0] * 199 + [0.0])
    assert mean == 0.995 and 0.97 < low < 0.99 and high == 1.0
    assert mean_interval([1.0] * 50) == (1.0, 1.0, 1.0)


# Sign flips


def flipped(values, **settings):
    return float(sign_flip_p(np.array(values, dtype=float)[:, None], **settings)[0])


def scipys_flips(values, **settings):
    test = stats.permutation_test((np.array(values),), np.mean, permutation_type="samples", **settings)
    return float(test.pvalue)


def test_few_scenes_are_flipped_in_every_way_by_hand_and_as_scipy_does():
    # Of the eight sums ±1 ±2 ±3 two are as far out as 6.
    assert flipped([1.0, 2.0, 3.0]) == 0.25
    values = np.random.default_rng(0).normal(0.5, 1.0, 12)
    assert flipped(values) == pytest.approx(scipys_flips(values, n_resamples=math.inf))


def test_many_scenes_are_flipped_at_random_and_agree_with_scipy():
    values = np.random.default_rng(1).exponential(size=200) - 0.87
    assert flipped(values) == pytest.approx(scipys_flips(values, n_resamples=10_000, rng=2), abs=0.015)


def test_of_a_binary_metric_it_is_the_exact_test_of_mcnemar():
    values = [1.0] * 30 + [-1.0] * 10 + [0.0] * 360
    assert flipped(values) == pytest.approx(stats.binomtest(10, 40).pvalue, rel=1e-12)
    assert flipped([1.0] * 5 + [-1.0] * 5) == 1.0
    many = [1.0] * 5100 + [-1.0] * 4900
    assert flipped(many) == pytest.approx(stats.binomtest(4900, 10_000).pvalue, rel=1e-9)


def test_flips_leave_out_scenes_that_did_not_change_and_p_is_never_0():
    some = list(np.random.default_rng(3).normal(0.0, 1.0, 11))
    assert flipped([*some, *[0.0] * 50]) == pytest.approx(flipped(some))
    assert flipped(np.linspace(1.0, 2.0, 400), resamples=999) == 1 / 1000
    assert flipped([0.0] * 10) == 1.0


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=11))
def test_p_is_the_same_with_both_sides_swapped_and_in_other_units(values):
    values = np.array(values, dtype=float)
    p = flipped(values)
    assert 0.0 < p <= 1.0
    assert flipped(-values) == pytest.approx(p)
    assert flipped(values / 7.0) == pytest.approx(p)


# Episodes


def test_scenes_of_an_episode_count_as_one_when_they_are_copies():
    before, after = pairs(40, 0.3, seed=5)
    alone = paired_bootstrap(before, after)
    copied = paired_bootstrap(np.repeat(before, 10), np.repeat(after, 10), np.repeat(np.arange(40), 10).tolist())
    assert (copied.mean, *copied.ci95, copied.p) == pytest.approx((alone.mean, *alone.ci95, alone.p))
    assert (copied.pairs, copied.units) == (400, 40)
    careless = paired_bootstrap(np.repeat(before, 10), np.repeat(after, 10))
    assert careless.p < 0.1 * alone.p and careless.ci95[1] - careless.ci95[0] < 0.4 * (alone.ci95[1] - alone.ci95[0])


def test_the_mean_over_episodes_of_different_length_is_the_mean_over_scenes():
    found = paired_bootstrap([0.0] * 4, [1.0, 1.0, 1.0, 5.0], ["a", "a", "a", "b"], resamples=500)
    assert (found.mean, found.units, found.pairs) == (2.0, 2, 4)
    # Two episodes: drawn twice the one, twice the other, or both; Student's t of one degree of freedom is wider still.
    assert found.ci95[0] < 1.0 and found.ci95[1] > 5.0
    # 3 and 5: of ±3 ±5 two sums of four are as far out as 8.
    assert found.p == 0.5


def test_one_episode_tells_nothing_of_others():
    found = paired_bootstrap([0.0, 0.0], [1.0, 2.0], ["a", "a"], resamples=100)
    assert found.mean == 1.5 and np.isnan(found.ci95).all() and found.p == 1.0


# Many metrics


def test_many_metrics_at_once_are_each_what_they_are_alone():
    rng = np.random.default_rng(6)
    before, after = rng.normal(size=(2, 120, 4))
    after[:30, 1] = np.nan
    before[5, 3] = np.nan
    episodes = [f"log {i // 3}" for i in range(120)]
    together = paired_differences(before, after, episodes, resamples=800)
    for m, found in enumerate(together):
        alone = paired_bootstrap(before[:, m], after[:, m], episodes, resamples=800)
        assert found.ci95 == pytest.approx(alone.ci95) and found.p == pytest.approx(alone.p, abs=0.03)
        assert (found.pairs, found.left_out, found.units) == (alone.pairs, alone.left_out, alone.units)
    assert [found.pairs for found in together] == [120, 90, 120, 119]
    known = np.isfinite(after[:, 1])
    assert (together[1].before, together[1].after) == pytest.approx((before[known, 1].mean(), after[known, 1].mean()))


def test_25_metrics_of_1000_scenes_take_seconds():
    rng = np.random.default_rng(7)
    before, after = rng.normal(size=(2, 1000, 25))
    began = time.process_time()
    assert len(paired_differences(before, after)) == 25
    assert time.process_time() - began < 5.0


# Holm's correction


def test_holms_correction_by_hand():
    # In order .01 .02 .03 .04: times 4, 3, 2, 1 is .04 .06 .06 .04, and none below the one before.
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])


def test_what_was_not_tested_costs_nothing():
    corrected = holm([0.01, float("nan"), 0.02])
    assert corrected[[0, 2]] == pytest.approx([0.02, 0.02]) and np.isnan(corrected[1])


def test_the_primary_metric_has_most_of_the_alpha_and_passes_all_of_it_on():
    weights = primary_weights(["a", "b", "c"], "b")
    assert weights == pytest.approx([0.05, 0.9, 0.05])
    # b first: 1 / 0.9 of .044; then a and c share the whole: twice .02 and once .04, none below b's.
    assert holm([0.02, 0.044, 0.04], weights) == pytest.approx([0.044 / 0.9, 0.044 / 0.9, 0.044 / 0.9])
    # b is not found: a needs a twentieth of alpha.
    assert holm([0.004, 0.2, 0.9], weights) == pytest.approx([0.08, 0.95 * 0.2 / 0.9, 0.9])
    assert primary_weights(["a", "c"], "b") == pytest.approx([1.0, 1.0])


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=12), st.integers(0, 11))
def test_a_correction_never_lowers_p_and_keeps_the_order(p, first):
    names = [str(i) for i in range(len(p))]
    for weights in (None, primary_weights(names, str(first % len(p)))):
        corrected = holm(p, weights)
        assert (corrected >= np.array(p) - 1e-12).all() and (corrected <= 1.0).all()
        if weights is None:
            assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= -1e-12).all()
            assert (corrected <= np.minimum(1.0, len(p) * np.array(p)) + 1e-12).all()


# Seeds


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 399])
def test_students_t_is_that_of_scipy(freedom):
    assert t_quantile(0.95, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)
    for t in (0.0, 0.3, 2.0, 9.0):
        assert t_within(t, freedom) == pytest.approx(1.0 - 2.0 * stats.t.sf(t, freedom), abs=1e-12)


def test_the_interval_over_seeds_is_that_of_scipy():
    values = [0.182, 0.208, 0.187]
    found = over_seeds(values)
    interval = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert found.ci95 == pytest.approx(interval)
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue)
    assert (found.mean, found.seeds) == (pytest.approx(np.mean(values)), 3)


def test_one_seed_has_no_interval_and_equal_ones_have_one_of_no_width():
    alone = over_seeds([0.2, float("nan")])
    assert (alone.mean, alone.seeds) == (0.2, 1) and np.isnan(alone.p) and np.isnan(alone.ci95).all()
    assert np.isnan(over_seeds([]).mean)
    same = over_seeds([0.1, 0.1, 0.1])
    assert same.ci95 == pytest.approx((0.1, 0.1)) and same.p == 0.0
    assert over_seeds([0.0, 0.0]).p == 1.0
