"""Kinds of units by their definitions."""

import math

import pytest

from invariscope.errors import InputError
from invariscope.subjects import kinds

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("low", "high", "usual", "kind"),
    [
        (0, 0, 0, kinds.SILENT),
        (2, 2, 2, kinds.CONSTANT),
        (-3, -1, -2, kinds.NEVER_POSITIVE),
        (-3, 0, -2, kinds.NEVER_POSITIVE),
        (0.1, 1, 0.95, kinds.SATURATED),
        (0, 1, 0.2, ""),
        (NAN, NAN, NAN, kinds.NOT_FINITE),
        (0, INF, 0, kinds.NOT_FINITE),
        (-1e308, 1e308, 0, ""),
    ],
)
def test_each_kind_is_stated_once_and_by_its_definition(low, high, usual, kind):
    natural = {"minimum": low, "maximum": high, "percentiles": (low, usual, high)}
    assert kinds.natural_kind(natural) == kind
    if kind in kinds.WITHOUT_ANSWER:
        with pytest.raises(InputError, match="nothing can be searched for"):
            kinds.check_answers_differ("fc:0", kind)
    else:
        kinds.check_answers_differ("fc:0", kind)


def test_nothing_is_divided_by_what_is_not_positive():
    assert math.isnan(kinds.times_maximum(1.0, {"maximum": 0.0}))
    assert math.isnan(kinds.times_maximum(1.0, {"maximum": -1.0}))
    assert math.isnan(kinds.loss_of_activity(1.0, 0.0, {"sd": 0.0}))
    assert kinds.loss_of_activity(-1.0, -2.0, {"sd": 0.5}) == 2
