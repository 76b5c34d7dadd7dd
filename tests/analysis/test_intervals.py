"""Intervals against the formulas that they stand for."""

import numpy as np
import pytest
from scipy import stats

from invariscope.analysis.intervals import (
    SHARE,
    clustered_mean,
    correlation,
    crossed_interval,
    difference_interval,
    mean_interval,
    share_interval,
    sign_flip_p,
    summary_interval,
)


def test_the_interval_of_a_mean_is_over_clusters_not_over_values():
    stream = np.random.default_rng(0)
    means = stream.normal(size=20)
    values = np.repeat(means, 50)  # each cluster says the same 50 times
    middle, low, high = clustered_mean(values, np.repeat(np.arange(20), 50))
    assert middle == pytest.approx(means.mean())
    expected = 1.96 * means.std() / np.sqrt(20)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.1)
    assert np.isnan(clustered_mean([1.0, 2.0], ["a", "a"])[1])
    assert np.isnan(clustered_mean([np.nan], ["a"])[0])


@pytest.mark.parametrize("clusters", [2, 3, 5, 20])
def test_few_clusters_cover_as_often_as_is_said(clusters):
    stream, missed = np.random.default_rng(clusters), 0
    for _ in range(1000):
        values = stream.normal(size=(clusters, 1)) + stream.normal(size=(clusters, 3))
        _, low, high = clustered_mean(values.ravel(), np.repeat(np.arange(clusters), 3))
        missed += not low < 0 < high
    assert missed / 1000 < 0.07


def test_equal_clusters_have_no_interval_and_shares_end_at_0_and_1():
    assert np.isnan(mean_interval([0.3, 0.3, 0.3])[1:]).all()
    assert np.isnan(mean_interval([0.0, 0.0])[1:]).all()
    assert np.isnan(summary_interval(0.8, 1e-17, 5)[1:]).all()
    assert np.isnan(clustered_mean([1.0, 1.0], ["a", "b"], SHARE)[1:]).all()
    mean, low, high = clustered_mean([0.9, 1.0, 1.0], ["a", "b", "c"], SHARE)
    assert low < mean < high == 1.0


def test_no_trials_have_no_share():
    assert all(np.isnan(share_interval(0, 0)))


def test_the_interval_of_a_difference_of_normal_means_is_the_textbooks():
    gain, low, high = difference_interval((0.9, 0.6, 1.2), (0.5, 0.1, 0.9))
    assert (gain, low, high) == pytest.approx((0.4, 0.4 - 0.5, 0.4 + 0.5))  # 0.3 and 0.4 squared


def test_skewed_intervals_meet_each_on_its_own_side():
    one, other = (0.9, 0.5, 0.9), (0.5, 0.5, 0.8)  # upper and lower side are without spread
    assert difference_interval(one, other) == pytest.approx((0.4, 0.4 - 0.5, 0.4))
    swapped = difference_interval(other, one)
    assert swapped == pytest.approx((-0.4, -0.4, -0.4 + 0.5))


def test_intervals_are_those_of_scipy():
    values = [0.2, 0.5, 0.9, 0.4]
    mean, low, high = mean_interval([*values, np.nan])
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert (mean, low, high) == pytest.approx((0.5, *expected))
    a, b = [1.0, 2, 3, 4, 5, 6], [1.0, 1.5, 3.5, 3, 5.5, 5]
    r, low, high, number = correlation(a, b)
    wanted = stats.pearsonr(a, b)
    interval = wanted.confidence_interval(0.95)
    assert (r, low, high) == pytest.approx((wanted.statistic, interval.low, interval.high))
    assert number == 6
    assert np.isnan(correlation(a, [1.0] * 6)[0])
    assert np.isnan(mean_interval([])[0])


def test_crossed_intervals_cover_the_truth_where_units_or_observers_alone_do_not():
    """Values with a part of the unit and a part of the observer, true mean 0."""
    stream = np.random.default_rng(0)
    covered = alone = 0
    for _ in range(200):
        table = stream.normal(size=(10, 1)) + stream.normal(size=(1, 6))
        _, low, high, *_ = crossed_interval(table + 0.3 * stream.normal(size=(10, 6)))
        covered += low < 0 < high
        _, low, high = mean_interval(table.mean(1))
        alone += low < 0 < high
    assert covered / 200 > 0.93
    assert alone / 200 < 0.8


@pytest.mark.parametrize(("units", "observers"), [(2, 2), (6, 2), (6, 3), (3, 8), (10, 6)])
@pytest.mark.parametrize("level", [0.95, 0.99])
@pytest.mark.parametrize("of_observers", [0.0, 0.3, 2.0])
def test_few_units_or_observers_cover_as_often_as_is_said(units, observers, level, of_observers):
    """Whichever of units, observers and what is of neither differs most."""
    stream, missed = np.random.default_rng(units * observers), 0
    for _ in range(2000):
        table = stream.normal(size=(units, 1)) + of_observers * stream.normal(size=(1, observers))
        found = crossed_interval(table + 0.5 * stream.normal(size=(units, observers)), level)
        missed += not found.low < 0 < found.high
    assert missed / 2000 < 1.2 * (1 - level)


def test_crossed_intervals_need_two_units_and_two_observers_and_leave_gaps_out():
    assert np.isfinite(crossed_interval(np.eye(4, 3))).all()
    assert np.isnan(crossed_interval(np.eye(1, 3))[1])
    assert np.isnan(crossed_interval(np.eye(5, 1))[1])
    assert np.isnan(crossed_interval([[0.0, 1.0], [np.nan, np.nan]])[1])
    assert np.isnan(crossed_interval(np.ones((9, 4)))[1])  # equal values say nothing of the spread
    assert np.isnan(crossed_interval(np.full((5, 3), np.nan))[0])
    table = np.array([[1.0, 2.0], [3.0, np.nan], [2, 2], [2, 2], [2, 2]])
    assert crossed_interval(table)[0] == 2
    wide = crossed_interval(table, 0.99)
    assert wide[1] <= crossed_interval(table)[1] < crossed_interval(table)[2] <= wide[2]


def test_turning_signs_gives_the_published_test():
    """Against SciPy's own permutation test of paired samples, all turns of it."""
    stream = np.random.default_rng(0)
    for number in (2, 5, 9):
        values = stream.normal(0.5, size=number)
        found = stats.permutation_test(
            (values, np.zeros(number)),
            lambda a, b: np.mean(a - b),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=False,
        )
        assert sign_flip_p(values) == pytest.approx(found.pvalue, abs=1e-6)
    assert np.isnan(sign_flip_p([np.nan]))


def test_without_an_effect_few_turns_of_signs_are_rarer_than_one_in_twenty():
    stream = np.random.default_rng(1)
    for number in (8, 20):
        found = [sign_flip_p(stream.normal(size=number)) for _ in range(200)]
        assert np.mean(np.array(found) <= 0.05) < 0.1
        assert sign_flip_p(stream.normal(3, size=number)) < 0.02
