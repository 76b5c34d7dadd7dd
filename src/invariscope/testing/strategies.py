"""Hypothesis strategies: costs of candidates with the ties and gaps of real searches.

They need `hypothesis`, which is installed with the development dependencies only.
"""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor


def _values(*, missing: bool) -> st.SearchStrategy[float]:
    # Few distinct numbers, so that ties and duplicates are common, beside any others.
    few = st.integers(-3, 3).map(float)
    some = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
    return st.one_of(few, some, st.just(float("nan"))) if missing else st.one_of(few, some)


@st.composite
def costs(draw: st.DrawFn, *, runs: int = 3, most: int = 12, missing: bool = True) -> Tensor:
    """Draw the costs of a generation.

    Args:
        runs: how many.
        most: candidates a run, at most; at least 1.
        missing: whether a cost may be NaN.

    Returns:
        `(runs, candidates, 2)` float64, between -1e6 and 1e6.
    """
    shape = (runs, draw(st.integers(1, most)), 2)
    values = hnp.arrays(np.float64, shape, elements=_values(missing=missing), fill=st.nothing())
    return torch.from_numpy(draw(values))
