import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.invariance.pairs import active, compare, treat

number = st.floats(0, 1e6, width=32)
signed = st.floats(-1e6, 1e6, width=32)
scale = st.floats(1e-3, 1e3)


def pair(before, after):
    h, specialization = compare(
        torch.tensor(before, dtype=torch.float64), torch.tensor(after, dtype=torch.float64)
    )
    return float(h), float(specialization)


@given(signed, signed)
def test_h_is_a_share_and_specialization_a_signed_one(before, after):
    h, specialization = pair(before, after)
    if before == after == 0:
        assert math.isnan(h)
        assert math.isnan(specialization)
    else:
        assert 0 <= h <= 1
        assert -1 <= specialization <= 1


@given(signed, signed)
def test_h_is_symmetric_and_specialization_turns_its_sign(before, after):
    if before or after:
        there, back = pair(before, after), pair(after, before)
        assert there[0] == back[0]
        assert there[1] == -back[1]


@given(signed, signed, scale)
def test_both_are_free_of_scale(before, after, factor):
    if abs(before) + abs(after) > 1e-30:
        assert pair(before * factor, after * factor) == pytest.approx(pair(before, after), abs=1e-9)


@given(number, number)
def test_where_activity_is_not_negative_h_is_the_papers_equation(before, after):
    if before or after:
        h, specialization = pair(before, after)
        ratio = (after - before) / (after + before)
        assert h == pytest.approx(1 - abs(ratio), abs=1e-12)
        assert specialization == pytest.approx(ratio, abs=1e-12)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_a_change_of_sign_is_the_largest_change(before, after):
    assert pair(before, -after)[0] == 0
    assert pair(-before, -after) == pytest.approx(pair(before, after), abs=1e-12)


def test_extreme_pairs():
    assert pair(0.3, 0.3) == (1, 0)
    assert pair(0, 2) == (0, 1)
    assert pair(2, 0) == (0, -1)
    assert pair(1, 3) == (0.5, 0.5)


def test_a_unit_is_active_as_it_is_or_transformed_strictly_above():
    before = torch.tensor([[0.0, 0.1, 0.2, -0.3, 0.0, torch.nan]])
    after = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.3, 0.5]])
    threshold = torch.tensor([0.0, 0.1, 0.1, 0.2, 0.2, torch.nan])
    assert active(before, after, threshold).tolist() == [[False, False, True, True, True, False]]


def test_rules_for_negative_activity():
    activity = torch.tensor([-1.0, 0.0, 2.0])
    assert treat(activity, "rectified").tolist() == [0, 0, 2]
    assert treat(activity, "signed").tolist() == [-1, 0, 2]
    with pytest.raises(InputError, match="'rectify'; did you mean 'rectified'"):
        treat(activity, "rectify")
