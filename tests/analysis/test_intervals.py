"""Intervals against the formulas that they stand for."""

import numpy as np
import pytest
from scipy import stats

from invariscope.analysis.intervals import (
    clustered_mean,
    correlation,
    difference_interval,
    mean_interval,
    share_interval,
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
