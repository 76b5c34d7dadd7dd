"""What the journal keeps of a generation's scores."""

import numpy as np
import pytest
import torch

from invariscope.search.run import summary


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], [1, 2, 3]),
        ([4.0, 1.0, 2.0, 3.0], [1, 2.5, 4]),
        ([torch.nan, 1.0, 5.0], [1, 3, 5]),
        ([torch.nan, torch.nan], [None, None, None]),
        ([], [None, None, None]),
    ],
    ids=["odd", "even", "some missing", "all missing", "none"],
)
def test_a_summary_is_the_smallest_median_and_largest_number(values, expected):
    assert summary(np.array(values)) == expected
