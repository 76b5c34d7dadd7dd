"""When two evaluations of the same candidates count as alike."""

import pytest
import torch

from invariscope.search.precision import bulk, rank_correlation

RISING = torch.arange(8.0)


def columns(*values):
    return torch.stack(values, 1)


@pytest.mark.parametrize(
    ("fast", "tau"),
    [
        (RISING**3, 1.0),
        (-RISING, -1.0),
        (RISING[[1, 0, 2, 3, 4, 5, 6, 7]], 1 - 2 * 2 / (8 * 7)),
        (torch.zeros(8), -1.0),
        (torch.full((8,), torch.nan), -1.0),
    ],
    ids=["monotone", "reversed", "one pair swapped", "constant", "nan"],
)
def test_agreement_is_kendalls_tau(fast, tau):
    assert rank_correlation(columns(RISING), columns(fast)) == pytest.approx(tau)


def test_agreement_is_that_of_the_worst_column():
    assert rank_correlation(columns(RISING, RISING), columns(RISING, -RISING)) == pytest.approx(-1)


def test_a_column_that_is_constant_in_float32_is_left_out():
    assert rank_correlation(
        columns(RISING, torch.zeros(8)), columns(RISING, -RISING)
    ) == pytest.approx(1)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_the_bulk_runs_in_its_precision(precision, dtype):
    with bulk(torch.device("cpu"), precision):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
