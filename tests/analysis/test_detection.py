"""d′ beside its definition by hand, and its error beside simulated observers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from invariscope.analysis.detection import d_prime, share_different
from invariscope.errors import InputError


def test_d_prime_is_the_difference_of_two_z_scores():
    found = d_prime([19, 0], [19, 19], 4, 19)
    expected = norm.ppf([19.5 / 20, 0.5 / 20]) - norm.ppf(4.5 / 20)
    np.testing.assert_allclose(found.value, expected)


counts = st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, counts)
def test_values_are_finite_and_rise_with_the_answers(one, alarms):
    said, judged = one
    found = d_prime([said], [judged], *alarms)
    assert np.isnan(found.value[0]) == (judged == 0)
    if judged > 0 and said < judged:
        more = d_prime([said + 1], [judged], *alarms)
        assert more.value[0] > found.value[0]
        assert np.isfinite([found.value[0], found.error[0], found.shared]).all()


@pytest.mark.parametrize("true", [0.3, 1.0, 1.8])
def test_the_error_is_the_spread_of_many_observers(true):
    stream, criterion, n = np.random.default_rng(0), 0.8, 80
    said = stream.binomial(n, norm.cdf(true - criterion), 4000)
    false = stream.binomial(n, norm.cdf(-criterion), 4000)
    found = [d_prime([s], [n], f, n) for s, f in zip(said, false, strict=True)]
    values = np.array([one.value[0] for one in found])
    errors = np.array([np.hypot(one.error[0], one.shared) for one in found])
    assert values.mean() == pytest.approx(true, abs=0.05)
    assert errors.mean() == pytest.approx(values.std(), rel=0.1)


def test_shares_are_told_beyond_those_of_equal_images():
    found = share_different([9], [9], 1, 9)
    assert found.value[0] == pytest.approx(9.5 / 10 - 1.5 / 10)
    assert found.error[0] == pytest.approx(np.sqrt(0.95 * 0.05 / 10))


@pytest.mark.parametrize("wrong", [([5], [4]), ([-1], [4]), ([1, 2], [4])])
def test_counts_that_do_not_fit_are_refused(wrong):
    with pytest.raises(InputError, match="counts"):
        d_prime(*wrong, 0, 4)
