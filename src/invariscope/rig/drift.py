"""Slow drift of a unit's responsiveness, from images that come again and again.

Each unit's gain at a moment is what the control images brought around it over what they bring
usually. With a control's usual response μ_s, the variance v_s of a single one and K a Gaussian
over trials, `g(t) = (Σ K(t − s) μ_s r_s / v_s + 1/σ²) / (Σ K(t − s) μ_s² / v_s + 1/σ²)`: weighted
least squares around 1, which a gain leaves by σ; for Poisson spikes the maximum likelihood. A unit
that its controls hardly drive has a gain near 1, for nothing is known of it.
"""

import numpy as np
from numpy.typing import NDArray

SPREAD = 0.2  # σ: as gains that go up and down by 0.3
SMALLEST = 0.2
SUREST = 1e6  # the weight of a trial without noise


def gains(
    asked: NDArray[np.int64],
    shown: NDArray[np.int64],
    responses: NDArray[np.float64],
    expected: NDArray[np.float64],
    variances: NDArray[np.float64],
    *,
    trials: float,
) -> NDArray[np.float64]:
    """Interpolate each unit's gain at some trials.

    Args:
        asked: `(n,)` numbers of trials, counted over the session.
        shown: `(controls,)` those of the control trials.
        responses: `(controls, units)` to them, NaN where not recorded.
        expected: `(controls, units)` the control images' usual responses; NaN where not known.
        variances: `(controls, units)` of a single response to them, at least 0.
        trials: the kernel's SD.

    Returns:
        `(n, units)`, 1 where a unit's controls bring nothing usually.
    """
    usable = ~(np.isnan(responses) | np.isnan(expected)) & (expected != 0)
    usual = np.where(usable, expected, 1.0)
    least = np.square(usual) / SUREST
    weights = np.where(usable, np.square(usual) / np.maximum(variances, least), 0.0)
    apart = np.where(usable, responses, 0.0) / usual
    kernel = np.exp(-0.5 * ((asked[:, None] - shown[None]) / trials) ** 2)
    prior = 1 / SPREAD**2
    return np.maximum((kernel @ (weights * apart) + prior) / (kernel @ weights + prior), SMALLEST)
