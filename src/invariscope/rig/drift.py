"""Slow drift of a unit's responsiveness, from images that come again and again.

Each unit's gain at a moment is what the control images brought around it over what they bring
on average (their expected responses, from the range block): `g(t) = (Σ K(t − s) r_s + λμ̄) /
(Σ K(t − s) μ_s + λμ̄)`, K a Gaussian over trials. For Poisson spikes that is the weighted maximum
likelihood; λ trials of no drift keep it near 1 while little is known.
"""

import numpy as np
from numpy.typing import NDArray

PRIOR = 10.0
SMALLEST = 0.2


def gains(
    asked: NDArray[np.int64],
    shown: NDArray[np.int64],
    responses: NDArray[np.float64],
    expected: NDArray[np.float64],
    *,
    trials: float,
) -> NDArray[np.float64]:
    """Each unit's gain at some trials.

    Args:
        asked: `(n,)` numbers of trials, counted over the session.
        shown: `(controls,)` those of the control trials.
        responses: `(controls, units)` to them, NaN where not recorded.
        expected: `(controls, units)` the control images' usual responses; NaN where not known.
        trials: the kernel's SD.

    Returns:
        `(n, units)`, 1 where a unit's controls bring nothing on average.
    """
    if len(shown) == 0:
        return np.ones((len(asked), expected.shape[1]))
    usable = ~(np.isnan(responses) | np.isnan(expected))
    counted = np.where(usable, expected, 0.0)
    kernel = np.exp(-0.5 * ((asked[:, None] - shown[None]) / trials) ** 2)
    number = np.maximum(usable.sum(0), 1)
    prior = PRIOR * counted.sum(0) / number
    got = kernel @ np.where(usable, responses, 0.0) + prior
    usual = kernel @ counted + prior
    drives = prior > 0
    ratio = np.divide(got, usual, out=np.ones_like(got), where=drives[None] & (usual > 0))
    return np.maximum(ratio, SMALLEST)
